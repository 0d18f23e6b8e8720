"""Text of others as it may be shown: no character of it steers what shows it."""

from __future__ import annotations

import re
from html import escape

_STEERING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f"  # control characters, all but the line feed
    "\xad\u061c\u180e\u200b\u200e\u200f\u2060-\u206f\ufeff"  # unseen, or of direction
    "\u2028-\u202e"  # line ends that few know, and of direction
    "\ud800-\udfff\ufff9-\ufffb\ufffe\uffff"  # no characters: no file can hold them
    "\U000e0000-\U000e007f]"  # a hidden alphabet
)
"""joiners are not in it: Persian, Hindi and emoji need them"""

_MARKS = re.compile(r"[\\`*|<>\[\]&~$]|(?<![^\W_])_|_(?![^\W_])")
"""an underscore within a word is no mark"""


def printable(text: str) -> str:
    r"""Write what steers a terminal, or turns the direction of a line, as `\x1b`.

    Line feeds stay, for texts of several lines.
    """
    return _STEERING.sub(_written, text)


def one_line(text: str) -> str:
    r"""Write line feeds as `\n`, too: for names and cells."""
    return printable(text).replace("\n", "\\n")


def as_html(text: str) -> str:
    """Return text as it stands in HTML or SVG, in an element or in an attribute."""
    return escape(printable(text))


def as_markdown(text: str) -> str:
    """Return text as it stands in a line or a cell of Markdown: no mark is read."""
    return _MARKS.sub(r"\\\g<0>", one_line(text))


def as_code(text: str) -> str:
    """Return text as code within a line of Markdown: no mark is read in it."""
    line = one_line(text)
    most = max(map(len, re.findall("`+", line)), default=0)
    fence, space = "`" * (most + 1), " " if most else ""
    return f"{fence}{space}{line}{space}{fence}"


def _written(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
