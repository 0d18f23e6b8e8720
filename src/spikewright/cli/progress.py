"""Progress on stderr: a bar on a terminal, nothing in a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def progress(
    total: int, label: str, *, unit: str = "sample"
) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes the number of finished samples, or other units."""
    with tqdm(total=total, desc=label, file=sys.stderr, disable=None, unit=unit) as bar:

        def show(done: int) -> None:
            bar.update(done - bar.n)

        yield show


def say(line: str) -> None:
    """Print one line to stderr."""
    print(line, file=sys.stderr, flush=True)


def hush_libraries() -> None:
    """Let only errors of transformers through, and no bars into a pipe.

    To be called before it is imported.
    """
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    if not sys.stderr.isatty():
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
