"""Pieces of the pictures in docs/pictures: boxes, arrows, traces, as SVG text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise

INK, FAINT, PAPER = "#1b1b1b", "#595959", "#ffffff"
BLUE, ORANGE, GREEN, PURPLE = "#0060a8", "#a84300", "#00694a", "#8a2f78"
"""dark on white, told apart by the color-blind; never alone: words stand beside them"""
TINTS = {
    INK: "#f2f2f2",
    FAINT: "#f2f2f2",
    BLUE: "#e3f0fa",
    ORANGE: "#fbeadd",
    GREEN: "#e0f3ec",
    PURPLE: "#f5e6f2",
}
FONT = "'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif"
MONO = "'DejaVu Sans Mono', Menlo, Consolas, monospace"
LINE = 17
"""from one line of text to the next"""

Point = tuple[float, float]


def picture(title: str, width: int, height: int, *parts: str) -> str:
    """Return a whole file: `title` is what it shows, for those who cannot see it."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" font-family="{FONT}" '
        f'font-size="13">\n<title>{escape(title)}</title>\n'
        f'<rect width="{width}" height="{height}" rx="8" fill="{PAPER}"/>\n'
    )
    return head + "\n".join(parts) + "\n</svg>\n"


def text(  # noqa: PLR0913 - what a line of text can be
    x: float,
    y: float,
    line: str,
    *,
    color: str = INK,
    anchor: str = "middle",
    size: int = 13,
    bold: bool = False,
    mono: bool = False,
) -> str:
    """Write one line, its base at `y`."""
    more = ' font-weight="bold"' if bold else ""
    more += f' font-family="{MONO}"' if mono else ""
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{color}" text-anchor="{anchor}" '
        f'font-size="{size}"{more} xml:space="preserve">{escape(line)}</text>'
    )


def words(x: float, y: float, lines: Sequence[str], **how: object) -> str:
    """Write lines below each other, the first at `y`."""
    rows = (text(x, y + LINE * i, line, **how) for i, line in enumerate(lines))  # type: ignore[arg-type]
    return "\n".join(rows)


def box(
    x: float, y: float, width: float, height: float, label: str, color: str = BLUE
) -> str:
    r"""Draw a box with `label` in its middle; the first of several lines is bold."""
    lines = label.split("\n")
    first = y + height / 2 + 5 - LINE * (len(lines) - 1) / 2
    inside = [
        text(x + width / 2, first + LINE * i, line, bold=i == 0 and len(lines) > 1)
        for i, line in enumerate(lines)
    ]
    frame = (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" '
        f'fill="{TINTS[color]}" stroke="{color}" stroke-width="1.5"/>'
    )
    return "\n".join([frame, *inside])


def line(
    *points: Point, color: str = INK, width: float = 1.5, dashed: bool = False
) -> str:
    """Draw straight lines from point to point."""
    path = " ".join(f"{x:.4g},{y:.4g}" for x, y in points)
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<polyline points="{path}" fill="none" stroke="{color}" '
        f'stroke-width="{width:g}"{dashes}/>'
    )


def arrow(
    *points: Point,
    label: str = "",
    color: str = INK,
    dashed: bool = False,
    above: float = 6,
) -> str:
    """Draw an arrow along `points`; `label` stands above its first stretch."""
    (x0, y0), (x1, y1) = points[-2:]
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    wings = [(x1 - 9 * dx + s * 4 * dy, y1 - 9 * dy - s * 4 * dx) for s in (1, -1)]
    tip = " ".join(f"{x:.4g},{y:.4g}" for x, y in [(x1, y1), *wings])
    shaft = [*points[:-1], (x1 - 7 * dx, y1 - 7 * dy)]
    parts = [line(*shaft, color=color, dashed=dashed)]
    parts.append(f'<polygon points="{tip}" fill="{color}"/>')
    if label:
        (xa, ya), (xb, yb) = next(pairwise(points))
        middle = (xa + xb) / 2, (ya + yb) / 2 - above
        parts.append(text(*middle, label, color=color, size=12))
    return "\n".join(parts)


def dot(x: float, y: float, radius: float = 5, *, color: str = BLUE) -> str:
    """Draw a filled dot."""
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{color}"/>'


def bars(
    x: float, y: float, step: float, spikes: Sequence[int], color: str = BLUE
) -> str:
    """Draw a spike train: a tall bar for 1, a short one for 0, `step` apart."""
    return "\n".join(
        line((x + step * i, y), (x + step * i, y - 3 - 15 * s), color=color, width=2.5)
        for i, s in enumerate(spikes)
    )
