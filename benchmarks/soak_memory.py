"""The memory of a process and of its children while it works, as a table of a file."""

from __future__ import annotations

import csv
import os
import threading
import time
from pathlib import Path
from types import TracebackType

from processes import descendants, own_bytes

EVERY_S = 0.5
COLUMNS = ("slice", "chunk", "done", "own_bytes", "children_bytes")


class Watch:
    """Writes a row each half second: samples done, bytes of this process and others.

    Resident memory without pages of files.
    """

    def __init__(self, path: Path, done: int, number: int) -> None:
        self.path, self.number = path, number
        self.before = done
        """samples that were done before the chunk at work"""
        self.inside = 0
        """samples of it that are done"""
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def at(self, inside: int) -> None:
        """Take in how many samples of a chunk are done."""
        self.inside = inside

    def chunk(self, done: int) -> None:
        """Take in that a chunk is done."""
        self.before, self.inside = done, 0

    def __enter__(self) -> Watch:
        if not self.path.exists():
            self.path.write_text(",".join(COLUMNS) + "\n")
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        self.thread.join()

    def _look(self) -> None:
        while not self.over.is_set():
            me = os.getpid()
            own = own_bytes([me])
            others = own_bytes([pid for pid in descendants(me) if pid != me])
            with self.path.open("a", newline="") as file:
                done = self.before + self.inside
                csv.writer(file).writerow((self.number, self.before, done, own, others))
            time.sleep(EVERY_S)
