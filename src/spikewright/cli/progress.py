"""Progress on stderr: a bar on a terminal, nothing in a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def progress(total: int, label: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes the number of finished samples."""
    with tqdm(
        total=total, desc=label, file=sys.stderr, disable=None, unit="sample"
    ) as bar:

        def show(done: int) -> None:
            bar.update(done - bar.n)

        yield show


def say(line: str) -> None:
    """Print one line to stderr."""
    print(line, file=sys.stderr, flush=True)


def hush_libraries() -> None:
    """Keep the bars of transformers out of a pipe; call before it is imported."""
    if not sys.stderr.isatty():
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
