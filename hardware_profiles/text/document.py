"""A report as text: sections of lines and tables, in plain text or Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spikewright.hardware_profiles.text.layout import (
    Columns,
    markdown_table,
    text_table,
    wrap,
)
from spikewright.printable import as_markdown, one_line

WIDTH = 100
"""columns of a terminal"""


@dataclass(frozen=True)
class Section:
    """A title, lines, and perhaps a table."""

    title: str
    lines: Sequence[str] = ()
    columns: Columns = ()


@dataclass(frozen=True)
class Document:
    """A heading and sections, those that say nothing left out."""

    heading: str
    sections: tuple[Section, ...]


def to_table(document: Document) -> str:
    """Write plain text, 100 columns wide."""
    parts = [wrap(one_line(document.heading), WIDTH)]
    for section in document.sections:
        parts.append("\n".join(_text_lines(section)))
    return "\n\n".join(parts)


def _text_lines(section: Section) -> list[str]:
    lines = [f"{one_line(section.title)}:"]
    lines += [wrap(f"  {one_line(line)}", WIDTH) for line in section.lines]
    if section.columns:
        columns = [[one_line(cell) for cell in column] for column in section.columns]
        lines.append(text_table(columns, WIDTH))
    return lines


def to_markdown(document: Document) -> str:
    """Write Markdown."""
    parts = [as_markdown(document.heading)]
    for section in document.sections:
        parts.append(f"**{as_markdown(section.title)}**")
        if section.lines:
            parts.append("\n".join(f"- {as_markdown(line)}" for line in section.lines))
        if section.columns:
            parts.append(markdown_table(_escaped(section.columns)))
    return "\n\n".join(parts) + "\n"


def _escaped(columns: Columns) -> Columns:
    return [[as_markdown(cell) for cell in column] for column in columns]
