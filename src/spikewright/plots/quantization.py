"""What integers cost: errors of weights, and the room left in registers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spikewright.plots.picture import Table
from spikewright.plots.style import (
    INK,
    STUDENT,
    TEACHER,
    THIRD,
    WIDTH_IN,
    head,
    light_grid,
    shorten,
)
from spikewright.plots.units import share

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Rounded:
    """The weights of one projection."""

    name: str
    rms_error: float
    """root mean square of the errors / that of the weights"""
    largest_error: float
    """largest |error| / largest |weight|"""


@dataclass(frozen=True)
class Room:
    """Bits by which the states of one population may still grow."""

    name: str
    worst: float
    """under the worst input"""
    measured: float | None = None
    """on sample inputs"""


@dataclass(frozen=True)
class QuantizationLoss:
    """What quantization did to a network."""

    kind: ClassVar[str] = "quantization"
    projections: tuple[Rounded, ...]
    populations: tuple[Room, ...]

    @property
    def title(self) -> str:
        """What it shows."""
        return "What quantization costs"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        said = []
        if self.projections:
            worst = max(self.projections, key=lambda each: each.rms_error)
            said.append(
                f"Weights of {len(self.projections)} projections: {worst.name} has the "
                f"largest root mean square error, {share(worst.rms_error)}."
            )
        if self.populations:
            tight = min(self.populations, key=lambda each: each.worst)
            said.append(
                f"{tight.name} has the least room in its registers, {tight.worst:.1f} "
                "bits under the worst input."
            )
        return " ".join(said)

    @property
    def size_in(self) -> tuple[float, float]:
        """A line for each projection and population."""
        rounded = sum(1 for each in self.projections if each.rms_error)
        lines = rounded + len(self.populations)
        return WIDTH_IN, 2.6 + 0.24 * lines

    def paint(self, figure: Figure) -> None:
        """Draw errors above, room below."""
        head(figure, self.title)
        rounded = sum(1 for each in self.projections if each.rms_error)
        heights = [rounded + 2, len(self.populations) + 2]
        upper, lower = figure.subplots(2, 1, height_ratios=heights)
        _paint_errors(upper, self.projections)
        _paint_room(lower, self.populations)

    def data(self) -> Mapping[str, object]:
        """Return both lists."""
        return {
            "projections": [asdict(each) for each in self.projections],
            "populations": [asdict(each) for each in self.populations],
        }

    def table(self) -> Table:
        """Return the errors, then the room."""
        return [
            ("projection or population", "error (rms)", "largest", "spare bits, worst"),
            *(
                (each.name, share(each.rms_error), share(each.largest_error), "")
                for each in self.projections
            ),
            *((each.name, "", "", f"{each.worst:.1f}") for each in self.populations),
        ]


def _paint_errors(axes: Axes, every: Sequence[Rounded]) -> None:
    """Draw a bar for each projection that is not exact."""
    projections = [each for each in every if each.rms_error]
    exact = len(every) - len(projections)
    places = np.arange(len(projections))
    values = [100 * each.rms_error for each in projections]
    bars = axes.barh(places, values, color=STUDENT)
    axes.bar_label(bars, fmt="%.2g", padding=3, fontsize=8.5)
    axes.margins(x=0.1)
    axes.set_yticks(places, [shorten(each.name) for each in projections])
    axes.set_ylim(len(places) - 0.4, -0.6)
    axes.set_title(f"Error of weights, root mean square, %{_exact(exact)}")
    light_grid(axes, "x")


def _exact(count: int) -> str:
    return f" ({count} more are exact)" if count else ""


def _paint_room(axes: Axes, populations: Sequence[Room]) -> None:
    places = np.arange(len(populations))
    worst = [each.worst for each in populations]
    axes.hlines(places, 0, worst, color=THIRD, linewidth=1.2)
    axes.plot(worst, places, "o", color=THIRD, label="worst input")
    measured = [
        (each.measured, place)
        for place, each in enumerate(populations)
        if each.measured is not None
    ]
    if measured:
        xs, ys = zip(*measured, strict=True)
        axes.plot(xs, ys, "D", color=TEACHER, markersize=4.5, label="measured")
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    axes.axvline(0, color=INK, linewidth=1.2)
    axes.set_yticks(places, [shorten(each.name) for each in populations])
    axes.set_ylim(len(places) - 0.4, -0.6)
    axes.set_title("Spare bits of registers")
    axes.set_xlabel("bits by which states may grow; below 0 they overflow")
    light_grid(axes, "x")
