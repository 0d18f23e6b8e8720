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
    parts = [wrap(document.heading, WIDTH)]
    for section in document.sections:
        parts.append("\n".join(_text_lines(section)))
    return "\n\n".join(parts)


def _text_lines(section: Section) -> list[str]:
    lines = [f"{section.title}:"]
    lines += [wrap(f"  {line}", WIDTH) for line in section.lines]
    if section.columns:
        lines.append(text_table(section.columns, WIDTH))
    return lines


def to_markdown(document: Document) -> str:
    """Write Markdown."""
    parts = [document.heading]
    for section in document.sections:
        parts.append(f"**{section.title}**")
        if section.lines:
            parts.append("\n".join(f"- {_escape(line)}" for line in section.lines))
        if section.columns:
            parts.append(markdown_table(_escaped(section.columns)))
    return "\n\n".join(parts) + "\n"


def _escaped(columns: Columns) -> Columns:
    return [[_escape(cell) for cell in column] for column in columns]


def _escape(text: str) -> str:
    """Keep names from being read as Markdown."""
    for mark in "\\`*_|<>":
        text = text.replace(mark, f"\\{mark}")
    return text
