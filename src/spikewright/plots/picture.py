"""What every picture is: data with a title, words for who cannot see it, and a hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Protocol

from spikewright.plots.style import styled
from spikewright.printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = "spikewright.plot/1"
"""name and version of the JSON form of a picture's data"""
Table = Sequence[Sequence[str]]
"""rows of cells; the first one is the heading"""


class Picture(Protocol):
    """Data that can be drawn."""

    kind: ClassVar[str]
    """what `spikewright plot` calls it"""

    @property
    def title(self) -> str:
        """What it shows, as a heading."""

    @property
    def alt(self) -> str:
        """What is to be seen, in words, with the numbers that matter."""

    @property
    def size_in(self) -> tuple[float, float]:
        """Width and height in inches."""

    def paint(self, figure: Figure) -> None:
        """Draw into an empty figure."""

    def data(self) -> Mapping[str, object]:
        """Return what is drawn, as JSON can hold it."""

    def table(self) -> Table:
        """Return the numbers for people, or no rows where there are too many."""


def draw(picture: Picture) -> Figure:
    """Draw a picture; what its words hold of control characters becomes escapes.

    Labels of ticks are made when they are drawn: pictures write those of names
    through `shorten` or `one_line`.

    Raises:
        BackendMissingError: matplotlib is not installed.
    """
    with styled():
        figure: Figure = import_module("matplotlib.figure").Figure(
            figsize=picture.size_in, layout="constrained"
        )
        picture.paint(figure)
        for each in figure.findobj(import_module("matplotlib.text").Text):
            each.set_text(printable(each.get_text()))
        return figure


def document(picture: Picture) -> dict[str, object]:
    """Return the JSON form of a picture."""
    return {
        "schema": SCHEMA,
        "kind": picture.kind,
        "title": picture.title,
        "alt": picture.alt,
        "data": dict(picture.data()),
    }
