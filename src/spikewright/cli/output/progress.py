"""Progress on stderr: a bar on a terminal, nothing in a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from spikewright.printable import printable


@contextmanager
def progress(
    total: int, label: str, *, unit: str = "sample"
) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes the number of finished samples, or other units."""
    if not is_drawable(sys.stderr.isatty()):
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    label_column = TextColumn("{task.description}", markup=False)
    columns = (label_column, BarColumn(), MofNCompleteColumn())
    with Progress(
        *(*columns, TextColumn(f"{unit}s"), Elapsed()),
        console=Console(stderr=True),
        auto_refresh=False,  # which would be a thread; simulators may fork
        transient=True,
    ) as bar:
        task = bar.add_task(label, total=total)

        def show(done: int) -> None:
            bar.update(task, completed=done, refresh=True)

        show(0)
        yield show


def is_drawable(is_terminal: bool) -> bool:
    """Say whether a stream takes more than lines: a terminal that can move its cursor.

    Colors are another matter: rich leaves them out where NO_COLOR is set.
    """
    return is_terminal and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


def say(line: str) -> None:
    """Print a line to stderr; control characters are written as escapes."""
    print(printable(line), file=sys.stderr, flush=True)


def hush_libraries() -> None:
    """Let only errors of transformers through, and no bars into a pipe.

    To be called before it is imported.
    """
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    if not sys.stderr.isatty():
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
