"""Runs a command in a session of its own, with a deadline; leaves nothing behind."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from spikewright.errors import LavaRunError
from spikewright.simulate.children import child_environment
from spikewright.simulate.interrupts import interrupts_held
from spikewright.simulate.lava_backend.session import end_session

LOG = "log.txt"
POLL_S = 0.02
TAIL_LINES = 30
LONGEST = 70
"""letters of a folder in which `pymp-…/listener-…` stays within the 104 of a socket"""


def supervise(
    command: Sequence[str],
    folder: Path,
    *,
    deadline_s: float,
    on_poll: Callable[[], str],
) -> None:
    """Run a command until it ends; kill it and its descendants if it fails.

    Args:
        command: program and arguments.
        folder: working directory; the output goes to `log.txt` in it.
        deadline_s: seconds until the command counts as hanging.
        on_poll: called about 50 times a second; says where the run is, for messages.

    Raises:
        LavaRunError: the command failed or outlived the deadline; carries its words.
    """
    start = time.monotonic()
    child: subprocess.Popen[bytes] | None = None
    try:
        with interrupts_held():
            child = _start(command, folder)
        where = on_poll()
        while child.poll() is None and time.monotonic() < start + deadline_s:
            time.sleep(POLL_S)
            where = on_poll()
        reason = _reason(child.poll(), deadline_s)
    finally:
        if child is not None:
            end_session(child)
            if child.stdin:
                child.stdin.close()
    if reason:
        raise LavaRunError(f"Lava failed at {where}: {reason}\n{_tail(folder)}")
    on_poll()


def _start(command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start a session; the child ends when its stdin closes, so with this process."""
    with (folder / LOG).open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**child_environment(), **_temporary(folder)},
            start_new_session=True,
        )


def _temporary(folder: Path) -> dict[str, str]:
    """Let temporary files lie in the folder, with which they go if all are killed.

    They hold sockets, whose paths may be short only.
    """
    return {"TMPDIR": str(folder)} if len(str(folder)) <= LONGEST else {}


def _reason(code: int | None, deadline_s: float) -> str:
    if code is None:
        return (
            f"not done within the deadline of {deadline_s:g} s; "
            "raise the deadline, or run fewer samples"
        )
    return f"exit code {code}; its last words:" if code else ""


def _tail(folder: Path) -> str:
    lines = (folder / LOG).read_text(errors="replace").splitlines()
    return "\n".join(lines[-TAIL_LINES:])
