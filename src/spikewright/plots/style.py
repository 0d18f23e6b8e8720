"""How pictures look: colors that the color-blind can tell apart, fonts as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

from spikewright.errors import BackendMissingError
from spikewright.printable import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 6.4
"""of a picture, unless its content asks for more"""
INK, FAINT, PAPER = "#1b1b1b", "#595959", "#ffffff"
STUDENT, TEACHER, THIRD, FOURTH = "#0060a8", "#a84300", "#00694a", "#8a2f78"
SERIES = (STUDENT, TEACHER, THIRD, FOURTH, FAINT)
"""colors of lines and bars in the order in which they are taken"""
DASHES = ("-", "--", "-.", ":")
MARKS = ("o", "D", "s", "^", "v")
"""dashes and marks beside the colors, so that no color stands alone"""
DARK: Mapping[str, str] = MappingProxyType(
    {
        INK: "#ececec",
        FAINT: "#b4b4b4",
        PAPER: "#16181c",
        STUDENT: "#74bcf7",
        TEACHER: "#ff9f5f",
        THIRD: "#55d3a8",
        FOURTH: "#e59fd4",
    }
)
"""what each color becomes on a dark page"""
SHADE = "#80808020"
"""behind what may be empty"""
IMAGE = "#2f86cf"
"""of cells in images, which no page can recolor: seen on light and on dark"""
MAP = "cividis"
"""colors of a heat map: made for the color-blind, light is more"""
ON_DARK, ON_LIGHT = "#fdfdfd", "#101010"
"""ink on cells of a heat map, which stay as they are on a dark page"""
FONT = "DejaVu Sans"
"""which comes with matplotlib; files name others beside it"""
INSTALL = "pip install 'spikewright[plots]'"
_RC: Mapping[str, object] = MappingProxyType(
    {
        "axes.axisbelow": True,
        "axes.edgecolor": FAINT,
        "axes.grid": False,
        "axes.labelcolor": INK,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 10.5,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "figure.facecolor": PAPER,
        "axes.facecolor": "none",
        "figure.titlesize": 11.5,
        "figure.titleweight": "bold",
        "font.family": [FONT],
        "font.size": 10.0,
        "grid.color": FAINT,
        "grid.alpha": 0.3,
        "grid.linewidth": 0.6,
        "hatch.linewidth": 0.6,
        "legend.frameon": False,
        "legend.fontsize": 9.5,
        "lines.linewidth": 1.8,
        "savefig.dpi": 160,
        "savefig.facecolor": PAPER,
        "svg.fonttype": "none",
        "svg.hashsalt": "spikewright",
        "text.color": INK,
        "text.parse_math": False,
        "xtick.color": FAINT,
        "xtick.labelcolor": INK,
        "xtick.labelsize": 9.0,
        "ytick.color": FAINT,
        "ytick.labelcolor": INK,
        "ytick.labelsize": 9.0,
    }
)


def load_matplotlib() -> ModuleType:
    """Return the library; also for commands that compute long before they draw.

    Raises:
        BackendMissingError: it is not installed.
    """
    try:
        return import_module("matplotlib")
    except ImportError as error:
        raise BackendMissingError(
            f"pictures need matplotlib, which is not installed; {INSTALL}"
        ) from error


@contextmanager
def styled() -> Iterator[None]:
    """Let matplotlib draw in our style inside the block; nothing of it stays.

    Raises:
        BackendMissingError: matplotlib is not installed.
    """
    matplotlib = load_matplotlib()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def head(figure: Figure, title: str) -> None:
    """Write the title of a whole picture, at its left."""
    figure.suptitle(title, x=0.01, ha="left", wrap=True)


def light_grid(axes: Axes, axis: str) -> None:
    """Draw faint lines across one axis, `x` or `y`."""
    axes.grid(visible=True, axis=axis)  # type: ignore[arg-type]


def shorten(name: str, most: int = 28) -> str:
    """Cut a long name in its middle; control characters are written as escapes."""
    name = one_line(name)
    if len(name) <= most:
        return name
    left = (most - 1) // 2
    return f"{name[:left]}…{name[left + 1 - most :]}"
