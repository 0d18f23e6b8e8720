"""One point of a sweep in a process of its own, which ends with who started it."""

from __future__ import annotations

import os
import signal
import sys
import threading

from spikewright.cli import main


def _end_with_parent() -> None:
    """Wait until stdin closes, then end all processes of this session."""
    while sys.stdin.buffer.read(1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    if os.getpgrp() != os.getpid():
        sys.exit("must lead a session of its own, which it ends with its parent")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(main(sys.argv[1:]))
