"""The processes of one session: finding, ending, and sweeping up behind them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from spikewright.errors import LavaRunError

SHARED_MEMORY = "/dev/shm/psm_"  # noqa: S108 - the prefix of Python's segments
PATIENCE_S = 10.0


def members(session: int) -> list[int]:
    """Return the living processes of a session, as far as /proc tells."""
    return [pid for pid, of in _sessions() if of == session]


def _sessions() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
        # pid (name) state parent group session …; the name may hold anything
        state, _, _, session = status.rpartition(")")[2].split()[:4]
        if state not in "ZX":
            yield int(folder.name), int(session)


def sweep(pids: Iterable[int]) -> None:
    """Remove the shared-memory segments that these processes have mapped.

    Their names go at once, the memory with the last process.
    """
    found: set[Path] = set()
    for pid in pids:
        try:
            maps = Path(f"/proc/{pid}/maps").read_text()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # ended meanwhile
        paths = (line.split(maxsplit=5)[-1] for line in maps.splitlines())
        found.update(Path(path) for path in paths if path.startswith(SHARED_MEMORY))
    for path in found:
        path.unlink(missing_ok=True)


def end_session(leader: subprocess.Popen[bytes]) -> None:
    """Kill the leader and all its descendants, and remove their shared memory.

    Raises:
        LavaRunError: some process survives.
    """
    sweep(members(leader.pid))
    if leader.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader.pid, signal.SIGKILL)
        leader.wait()
    given_up = time.monotonic() + PATIENCE_S
    while left := members(leader.pid):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > given_up:
            raise LavaRunError(f"Lava's processes {left} survive; kill them by hand")
        time.sleep(0.01)
