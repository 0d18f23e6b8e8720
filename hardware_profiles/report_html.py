"""A report as one HTML page: light and dark, no scripts, nothing loaded."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from spikewright.hardware_profiles.document import Document, Section
from spikewright.hardware_profiles.figures import (
    Figure,
    explain_line,
    shown_value,
)
from spikewright.hardware_profiles.layout import Columns

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.2rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
div { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
th:first-child, td:first-child { text-align: left; }
summary { cursor: pointer; } code, pre { font-size: .85em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
"""


def to_html(document: Document, figures: Sequence[Figure]) -> str:
    """Write the page; every figure can be opened and shows what it is made of."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(document.heading)}</title>",
            f"<style>{_STYLE}</style></head>",
            f"<body><h1>{escape(document.heading)}</h1>",
            *(_section(each) for each in document.sections),
            "<h2>Every figure, and what it is made of</h2>",
            *(_figure(each) for each in figures),
            "</body></html>",
        ]
    )


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"]
    if section.lines:
        items = "".join(f"<li>{escape(line)}</li>" for line in section.lines)
        parts.append(f"<ul>{items}</ul>")
    if section.columns:
        parts.append(_table(section.columns))
    return "\n".join(parts)


def _table(columns: Columns) -> str:
    heading, *body = zip(*columns, strict=True)
    rows = [_row(heading, "th"), *(_row(cells, "td") for cells in body)]
    return f"<div><table>{''.join(rows)}</table></div>"


def _row(cells: Sequence[str], tag: str) -> str:
    return (
        "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
    )


def _figure(figure: Figure) -> str:
    lines = [figure.title, *figure.because]
    for line in figure.lines:
        lines += explain_line(line, figure.samples)
    lines += [f"from {name}" for name in figure.of]
    return (
        f"<details><summary><code>{escape(figure.name)}</code> "
        f"{escape(shown_value(figure))}</summary>"
        f"<pre>{escape(chr(10).join(lines))}</pre></details>"
    )
