"""What Dask says while it works: kept for an error, not printed over progress."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_KEPT_LINES = 12
_LOGGERS = ("distributed", "tornado", "asyncio")


class Words(logging.Handler):
    """Keeps the last lines."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first line of a record."""
        first, *_ = record.getMessage().splitlines() or [""]
        self.lines.append(f"{record.name}: {first}")

    def last(self) -> str:
        """Return the lines as the end of a message."""
        return "".join(f"\n{each}" for each in self.lines)


@contextmanager
def listening() -> Iterator[Words]:
    """Let what Dask would print on stderr go into `Words`."""
    words = Words()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(each.handlers[:], each.propagate) for each in loggers]
    for each in loggers:
        each.handlers, each.propagate = [words], False
    try:
        yield words
    finally:
        for each, (handlers, propagate) in zip(loggers, before, strict=True):
            each.handlers, each.propagate = handlers, propagate
