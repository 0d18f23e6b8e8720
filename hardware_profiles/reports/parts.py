"""Pieces of a report's page: tables, lists, pictures. All text is escaped here."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from spikewright.hardware_profiles.reports.figures import (
    Figure,
    explain_line,
    shown_value,
)
from spikewright.hardware_profiles.text.document import Section
from spikewright.plots.picture import Picture
from spikewright.plots.write import svg_inline
from spikewright.printable import as_html

_MOST_ROWS = 100
"""of a table whose rows can be chosen one by one"""


def tag(name: str, text: str, **attributes: str) -> str:
    """Return an element around escaped text."""
    return f"<{name}{_written(attributes)}>{as_html(text)}</{name}>"


def _written(attributes: dict[str, str]) -> str:
    return "".join(
        f' {key.rstrip("_").replace("_", "-")}="{as_html(value)}"'
        for key, value in attributes.items()
        if value
    )


def bullets(lines: Sequence[str]) -> str:
    """Return a list."""
    items = "".join(tag("li", line) for line in lines)
    return f"<ul>{items}</ul>" if lines else ""


def table(
    rows: Sequence[Sequence[str]],
    caption: str,
    *,
    name: str = "",
    words: bool = False,
    profiles: Collection[str] = (),
) -> str:
    """Return a table of a heading and rows, which scrolls where it is too wide.

    Args:
        rows: the heading, then the rows; the first cell names its row.
        caption: what it shows.
        name: id, for a table whose rows can be hidden.
        words: whether cells are words, aligned to the left.
        profiles: columns that begin with one of these are of it, and hidden with it.
    """
    heading, *body = rows
    firsts = [cell.partition(" ")[0] for cell in heading]
    of = [first if first in profiles else "" for first in firsts]
    head = "".join(
        tag("th", cell, scope="col", data_profile=profile)
        for cell, profile in zip(heading, of, strict=True)
    )
    lines = "".join(_row(cells, of, is_named=bool(name)) for cells in body)
    kind = _written({"id": name, "class_": "words" if words else ""})
    return (
        f'<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{as_html(caption)}">'
        f"<table{kind}>{tag('caption', caption)}"
        f"<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _row(cells: Sequence[str], of: Sequence[str], *, is_named: bool) -> str:
    first, *others = cells
    name = _written({"data_row": first if is_named else ""})
    rest = "".join(
        tag("td", cell, data_profile=profile)
        for cell, profile in zip(others, of[1:], strict=True)
    )
    return f"<tr{name}>{tag('th', first, scope='row')}{rest}</tr>"


def section(part: Section, number: int, profiles: Collection[str]) -> str:
    """Return a section of the document; its table's rows can be hidden one by one."""
    parts = [tag("h2", part.title), bullets(part.lines)]
    if part.columns:
        rows = list(zip(*part.columns, strict=True))
        name = f"table-{number}"
        if len(rows) <= _MOST_ROWS:
            parts += [_row_control(name, [each[0] for each in rows[1:]])]
        parts += [table(rows, part.title, name=name, profiles=profiles)]
    return "\n".join(["<section>", *parts, "</section>"])


def _row_control(name: str, rows: Sequence[str]) -> str:
    """Return checkboxes, which the script shows: without it they would do nothing."""
    boxes = "".join(_box(each, each) for each in dict.fromkeys(rows))
    return (
        f'<details class="control" hidden data-rows-of="{name}">'
        f"<summary>Choose rows</summary><fieldset><legend>Rows that are shown</legend>"
        f"{_box('', 'all')}{boxes}</fieldset></details>"
    )


def _box(value: str, label: str) -> str:
    return (
        f'<label><input type="checkbox" checked value="{as_html(value)}"> '
        f"{as_html(label)}</label>"
    )


def picture(drawn: Picture, name: str, profile: str = "") -> str:
    """Return a picture with its words and its numbers."""
    rows = drawn.table()
    numbers = ""
    if rows:
        numbers = (
            f"<details><summary>Numbers</summary>{table(rows, drawn.title)}</details>"
        )
    return (
        f"<figure{_written({'data_profile': profile})}>"
        f'<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{as_html(drawn.title)}">{svg_inline(drawn, name)}</div>'
        f"{tag('figcaption', drawn.alt)}{numbers}</figure>"
    )


def figure_details(figure: Figure) -> str:
    """Return a figure that opens to what it is made of."""
    lines = [figure.title, *figure.because]
    for line in figure.lines:
        lines += explain_line(line, figure.samples)
    lines += [f"from {name}" for name in figure.of]
    return (
        f"<details><summary>{tag('code', figure.name)} {as_html(shown_value(figure))}"
        f"</summary>{tag('pre', chr(10).join(lines))}</details>"
    )
