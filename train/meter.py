"""Progress of long work, told in lines."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

Say = Callable[[str], None]
PARTS = 20
"""how often long work says how far it is"""


def ignore(line: str) -> None:
    """Say nothing."""
    del line


class Meter:
    """Says how far long work has come, at every twentieth of it, and what is left."""

    def __init__(self, label: str, total: int, say: Say) -> None:
        self.label, self.total, self.say = label, total, say
        self.start, self.first, self.told = time.perf_counter(), 0, 0

    def begin_at(self, done: int) -> None:
        """Leave out what an earlier run has done."""
        self.first, self.told = done, done * PARTS // self.total

    def show(self, done: int) -> None:
        """Say a line if another twentieth is done."""
        part = done * PARTS // self.total
        if part > self.told and done < self.total:
            self.told = part
            passed_s = time.perf_counter() - self.start
            left_s = passed_s * (self.total - done) / max(1, done - self.first)
            left = timedelta(seconds=round(left_s))
            self.say(f"{self.label} {done} of {self.total}, {left} left")
