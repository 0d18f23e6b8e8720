"""Numbers and tables as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TypeAlias

Columns: TypeAlias = Sequence[Sequence[str]]
"""each column from its heading down; lines of a heading are parted by a space"""

_GAP = "  "
_LONGEST_NAME = 36
_JOULES = (("J", 1.0), ("mJ", 1e-3), ("uJ", 1e-6), ("nJ", 1e-9), ("pJ", 1e-12))
_AMOUNTS = (("G", 1e9), ("M", 1e6), ("k", 1e3))


def joules(energy_j: float) -> str:
    """Write an energy with three digits, 0.00103 as 1.03 mJ."""
    for unit, size in _JOULES:
        if energy_j >= size:
            return f"{_three_digits(energy_j / size)} {unit}"
    return f"{energy_j / 1e-12:.3g} pJ" if energy_j else "0"


def amount(number: float) -> str:
    """Write a count with three digits, 22498560 as 22.5 M."""
    for unit, size in _AMOUNTS:
        if number >= size:
            return f"{_three_digits(number / size)} {unit}"
    return f"{number:.3g}"


def _three_digits(number: float) -> str:
    decimals = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{decimals}f}"


def wrap(line: str, width: int) -> str:
    """Break a line; what follows is indented."""
    return textwrap.fill(line, width, subsequent_indent="    ", break_on_hyphens=False)


def text_table(columns: Columns, width: int) -> str:
    """Align columns; those beyond `width` go below, behind the first one again."""
    names, *rest = [_stack_heading(column) for column in columns]
    names = [_shorten(name) for name in names]
    blocks: list[list[Sequence[str]]] = [[names]]
    for column in rest:
        if len(blocks[-1]) > 1 and _width([*blocks[-1], column]) > width:
            blocks.append([names])
        blocks[-1].append(column)
    return "\n\n".join(_block(block) for block in blocks)


def markdown_table(columns: Columns) -> str:
    """Write columns as a Markdown table, all but the first aligned to the right."""
    heading, *body = zip(*columns, strict=True)
    rule = ("---", *("---:" for _ in columns[1:]))
    return "\n".join(f"| {' | '.join(row)} |" for row in (heading, rule, *body))


def _stack_heading(column: Sequence[str]) -> list[str]:
    first, _, second = column[0].partition(" ")
    return [first, second, *column[1:]]


def _shorten(name: str) -> str:
    fits = len(name) <= _LONGEST_NAME
    return name if fits else "..." + name[3 - _LONGEST_NAME :]


def _width(columns: Columns) -> int:
    return sum(max(map(len, each)) for each in columns) + len(_GAP) * (len(columns) - 1)


def _block(columns: Columns) -> str:
    widths = [max(map(len, each)) for each in columns]
    lines = []
    for name, *cells in zip(*columns, strict=True):
        if not any((name, *cells)):
            continue
        padded = [cell.rjust(w) for cell, w in zip(cells, widths[1:], strict=True)]
        lines.append(_GAP.join([name.ljust(widths[0]), *padded]).rstrip())
    return "\n".join(lines)
