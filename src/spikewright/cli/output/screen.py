"""Results on stdout: rich tables on a terminal, the same words as plain text in a pipe.

NO_COLOR and TERM=dumb make a terminal a pipe. No text steers what shows it: control
characters are written as escapes, and rich's markup is off.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from spikewright.cli.output.progress import is_drawable
from spikewright.printable import one_line, printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from spikewright.hardware_profiles.text.document import Document
    from spikewright.hardware_profiles.text.layout import Columns


_GAP = "   "
"""between columns, as rich has it"""


@dataclass(frozen=True)
class Table:
    """Rows of equal length."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: tuple[int, ...] = (0,)
    """columns that are aligned to the left, the others to the right"""
    has_plain_head: bool = True
    """whether plain text has the heading, too"""

    def plain(self) -> str:
        """Return aligned text."""
        rows = [self.head, *self.rows] if self.has_plain_head else list(self.rows)
        rows = [list(map(one_line, row)) for row in rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if place in self.left else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )


def show(*parts: str | Table) -> None:
    """Print texts and tables, one below the other."""
    if not is_rich():
        print("\n".join(_plain(each) for each in parts if _has_rows(each)))
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    for each in parts:
        if _has_rows(each):
            console.print(_rich(each), soft_wrap=isinstance(each, str))


def is_rich() -> bool:
    """Say whether stdout takes colors and frames."""
    return is_drawable(sys.stdout.isatty()) and not os.environ.get("NO_COLOR")


def show_document(document: Document) -> None:
    """Print a report's sections on a terminal that takes colors."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    console.print(Text(one_line(document.heading), style="bold"))
    for section in document.sections:
        console.print(Text(f"\n{one_line(section.title)}", style="bold cyan"))
        for line in section.lines:
            console.print(Padding(Text(one_line(line)), (0, 0, 0, 2)))
        for block in _blocks(section.columns, console.width):
            names, *rows = zip(*block, strict=True)
            stacked = [name.replace(" ", "\n", 1) for name in names]
            console.print(_rich(Table(stacked, rows)))


def _blocks(columns: Columns, width: int) -> list[Columns]:
    """Break columns that are too many for the screen; each block has the names."""
    if not columns:
        return []
    names, *rest = columns
    blocks = [[names]]
    for column in rest:
        if sum(map(_width, [*blocks[-1], column])) > width and len(blocks[-1]) > 1:
            blocks.append([names])
        blocks[-1].append(column)
    return list(blocks)


def _width(column: Sequence[str]) -> int:
    """Return the room that a column takes, its heading in two lines."""
    name, *cells = column
    first, _, second = name.partition(" ")
    return max(map(len, (first, second, *cells))) + len(_GAP)


def _has_rows(part: str | Table) -> bool:
    return isinstance(part, str) or bool(part.rows)


def _plain(part: str | Table) -> str:
    return printable(part) if isinstance(part, str) else part.plain()


def _rich(part: str | Table) -> RenderableType:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    if isinstance(part, str):
        return Text("\n").join(_verdict(line) for line in printable(part).split("\n"))
    table = RichTable(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for place, name in enumerate(part.head):
        side: Literal["left", "right"] = "left" if place in part.left else "right"
        table.add_column(Text(printable(name)), justify=side, overflow="fold")
    for row in part.rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    return table


_BAD = ("does not fit", "DIFFERENT", "changed", "failed", "does not run")
_GOOD = (": fits on ", ": identical", "proven on", "Loads exactly in: ")


def _verdict(line: str) -> Text:
    """Color a line that says how something ended, and make headings bold."""
    from rich.text import Text

    if any(words in line for words in _BAD):
        return Text(line, style="bold red")
    if any(words in line for words in _GOOD):
        return Text(line, style="bold green")
    return Text(line, style="bold" if line.endswith(":") else "")
