"""What processes live and hold: found by a mark in their environment, by /proc."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = "SPIKEWRIGHT_FAULTS"
"""a variable that children inherit, whatever session or parent they have"""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - looked at, not written
PAGE = os.sysconf("SC_PAGE_SIZE")
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


def marked(mark: str) -> list[int]:
    """Return the living processes that have the mark."""
    wanted = f"{MARK}={mark}".encode()
    return [pid for pid in _pids() if wanted in _environment(pid) and _lives(pid)]


def descendants(root: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        with suppress(*_GONE):
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            children.setdefault(int(stat[1]), []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def own_bytes(pids: list[int]) -> int:
    """Return the memory of processes without pages of files, such as mapped inputs."""
    total = 0
    for pid in pids:
        with suppress(*_GONE):
            words = Path(f"/proc/{pid}/statm").read_text().split()
            total += (int(words[1]) - int(words[2])) * PAGE
    return total


def wait_for_none(mark: str, patience_s: float) -> list[int]:
    """Wait until no process has the mark; return, and kill, those that outlive it."""
    given_up = time.monotonic() + patience_s
    while left := marked(mark):
        if time.monotonic() > given_up:
            for pid in left:
                with suppress(*_GONE):
                    os.kill(pid, signal.SIGKILL)
            return left
        time.sleep(0.02)
    return []


def segments() -> set[str]:
    """Return the names in shared memory."""
    return set(os.listdir(SHARED_MEMORY)) if SHARED_MEMORY.is_dir() else set()


def left_segments(before: set[str], *, wait_s: float = 1.0) -> set[str]:
    """Return names that are new and that no living process has mapped."""
    time.sleep(wait_s if segments() - before else 0)
    new = segments() - before
    mapped = {name for pid in _pids() for name in _mapped(pid)}
    return (new - mapped) & segments()


def _mapped(pid: int) -> Iterator[str]:
    with suppress(*_GONE):
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            path = line.split(maxsplit=5)[-1]
            if path.startswith(f"{SHARED_MEMORY}/"):
                yield path.removeprefix(f"{SHARED_MEMORY}/")


def _pids() -> list[int]:
    return [int(each.name) for each in Path("/proc").glob("[0-9]*")]


def _environment(pid: int) -> list[bytes]:
    with suppress(*_GONE, OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return []


def _lives(pid: int) -> bool:
    with suppress(*_GONE):
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return stat[0] not in "ZX"
    return False
