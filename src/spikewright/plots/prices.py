"""What a sample costs on each profile, student beside teacher."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

from spikewright.plots.picture import Table
from spikewright.plots.style import (
    FAINT,
    INK,
    STUDENT,
    TEACHER,
    WIDTH_IN,
    head,
    light_grid,
)
from spikewright.plots.units import joules
from spikewright.printable import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Price:
    """What a sample costs on one profile."""

    where: str
    """profile and accounting"""
    student_j: float | None
    low_j: float | None
    """5 % of the draws of the student's constants lie below"""
    high_j: float | None
    teacher_j: float | None
    teacher: str
    """its format, and its profile if that is another one"""
    is_bound: bool = False
    """the student costs at least so much"""


@dataclass(frozen=True)
class ProfilePrices:
    """Student and teacher on several profiles."""

    kind: ClassVar[str] = "profiles"
    prices: tuple[Price, ...]

    @property
    def title(self) -> str:
        """What it shows."""
        return "Energy of a sample by profile"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        return " ".join(
            f"{each.where}: student {_known(each.student_j)}{_ends(each)}, teacher "
            f"{_known(each.teacher_j)}."
            for each in self.prices
        )

    @property
    def size_in(self) -> tuple[float, float]:
        """Two lines for each profile."""
        return WIDTH_IN, 1.6 + 0.55 * len(self.prices)

    def paint(self, figure: Figure) -> None:
        """Draw both on a logarithmic axis, the student with 5 to 95 %."""
        head(figure, self.title)
        axes = figure.subplots()
        for place, each in enumerate(self.prices):
            _paint_price(axes, place, each, is_first=place == 0)
        axes.set_xscale("log")
        names = [one_line(each.where) for each in self.prices]
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(self.prices) - 0.4, -0.6)
        _widen(axes)
        axes.set_xlabel("energy of a sample (logarithmic); line: 5 to 95 %")
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
        light_grid(axes, "x")

    def data(self) -> Mapping[str, object]:
        """Return each profile's numbers."""
        return {"prices": [asdict(each) for each in self.prices]}

    def table(self) -> Table:
        """Return the same for people."""
        rows = [
            (
                each.where,
                _known(each.student_j),
                _ends(each).removeprefix(" (").removesuffix(")"),
                _known(each.teacher_j),
                each.teacher,
            )
            for each in self.prices
        ]
        return [("profile", "student", "5 to 95 %", "teacher", "teacher is"), *rows]


def _paint_price(axes: Axes, place: int, price: Price, *, is_first: bool) -> None:
    labels = ("student", "teacher") if is_first else (None, None)
    if price.low_j and price.high_j:
        axes.plot(
            [price.low_j, price.high_j],
            [place - 0.12] * 2,
            color=STUDENT,
            linewidth=5,
            alpha=0.45,
            solid_capstyle="butt",
        )
    for shift, color, mark, value, label in (
        (-0.12, STUDENT, "o", price.student_j, labels[0]),
        (0.16, TEACHER, "D", price.teacher_j, labels[1]),
    ):
        if value:
            axes.plot(value, place + shift, mark, color=color, label=label)
            least = (
                "≥ " if price.is_bound and label != "teacher" and mark == "o" else ""
            )
            end = price.high_j if mark == "o" and price.high_j else value
            axes.annotate(
                least + joules(value),
                (max(value, end), place + shift),
                xytext=(7, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
                color=INK,
            )
    if not price.student_j:
        axes.text(
            0.02,
            place - 0.12,
            "student unpriced",
            transform=axes.get_yaxis_transform(),
            va="center",
            color=FAINT,
            fontsize=8.5,
        )


def _widen(axes: Axes) -> None:
    """Let the axis begin and end at a decade, with room for the last label."""
    low, high = axes.get_xlim()
    first = math.floor(math.log10(low) + 0.1)
    last = math.ceil(math.log10(high) + 0.25)
    axes.set_xlim(10.0**first, 10.0**last)
    axes.xaxis.set_major_formatter(lambda value, _: joules(value))
    axes.xaxis.set_minor_formatter(lambda value, _: "")


def _known(energy_j: float | None) -> str:
    return "unpriced" if energy_j is None else joules(energy_j)


def _ends(price: Price) -> str:
    if price.low_j is None or price.high_j is None:
        return ""
    return f" ({joules(price.low_j)} to {joules(price.high_j)})"
