"""The student's energy over the teacher's, against the firing rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from spikewright.plots.picture import Table
from spikewright.plots.style import (
    DASHES,
    FAINT,
    INK,
    MARKS,
    PAPER,
    SERIES,
    WIDTH_IN,
    head,
    light_grid,
)
from spikewright.plots.units import three_digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
_POINTS = 101


@dataclass(frozen=True)
class Line:
    """E(r) = slope r + fixed + shared (1 - (1 - r)^T) / (1 - (1 - measured)^T)."""

    fixed_j: float
    slope_j: float
    shared_j: float
    """weight reads at the measured rate that the steps share; usually 0"""
    measured: float
    """spikes per source neuron and step"""
    steps: int

    def energy_j(self, rates: Floats) -> Floats:
        """Return the joules of a sample at these rates."""
        energy: Floats = self.fixed_j + self.slope_j * rates
        if self.shared_j:
            fired = 1.0 - (1.0 - rates) ** self.steps
            energy = energy + self.shared_j * fired / (
                1.0 - (1.0 - self.measured) ** self.steps
            )
        return energy


@dataclass(frozen=True)
class BreakEvenCurve:
    """A student against baselines."""

    kind: ClassVar[str] = "break-even"
    where: str
    line: Line
    baselines_j: Mapping[str, float]
    rates: Mapping[str, float | None]
    """r* by baseline; None: no rate wins, or every rate does"""

    @property
    def title(self) -> str:
        """What it shows."""
        return f"Energy against firing rate, {self.where}"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        said = [self._outcome(name) for name in self.baselines_j]
        return (
            f"The student's energy over the teacher's grows with its firing rate; "
            f"measured rate {self.line.measured:.3g}. {' '.join(said)}"
        )

    def _outcome(self, name: str) -> str:
        ratio = three_digits(self.ratio(name))
        return f"{name}: {ratio} times the teacher, {self.even(name)}."

    def even(self, name: str) -> str:
        """Say at which rate both cost the same, if at any."""
        at = self.rates.get(name)
        if at is not None and at <= 1:
            return f"break-even at a rate of {at:.3g}"
        loses = self.line.fixed_j >= self.baselines_j[name]
        return "no rate wins" if loses else "every rate wins"

    def ratio(self, name: str) -> float:
        """Return energy over a baseline at the measured rate."""
        here = self.line.energy_j(np.array([self.line.measured]))[0]
        return float(here) / self.baselines_j[name]

    @property
    def size_in(self) -> tuple[float, float]:
        """Wider than high."""
        return WIDTH_IN, 3.9

    @property
    def _end(self) -> float:
        """The largest rate that is drawn."""
        known = [each for each in self.rates.values() if each and math.isfinite(each)]
        return min(1.0, 1.25 * max([self.line.measured, *known]))

    def paint(self, figure: Figure) -> None:
        """Draw a line for each baseline, break-even at 1, the measured rate."""
        head(figure, self.title)
        axes = figure.subplots()
        even = np.linspace(0.0, self._end, _POINTS)
        rates = np.unique([*even, self.line.measured])
        for place, (name, energy_j) in enumerate(self.baselines_j.items()):
            color = SERIES[place % len(SERIES)]
            ratios = self.line.energy_j(rates) / energy_j
            axes.plot(
                rates,
                ratios,
                DASHES[place % len(DASHES)],
                marker=MARKS[place % len(MARKS)],
                markevery=[int(np.searchsorted(rates, self.line.measured))],
                color=color,
                label=f"against {name}",
            )
        self._paint_marks(axes)
        axes.set_xlim(0, self._end)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: "")
        axes.set_xlabel("spikes per source neuron and step")
        axes.set_ylabel("student / teacher")
        axes.legend(loc="best")
        light_grid(axes, "both")

    def _paint_marks(self, axes: Axes) -> None:
        axes.axhline(1.0, color=INK, linewidth=1.0)
        axes.text(
            0.99,
            1.0,
            "break-even",
            transform=axes.get_yaxis_transform(),
            ha="right",
            va="center",
            fontsize=8.5,
            bbox={"boxstyle": "round,pad=0.15", "fc": PAPER, "ec": "none"},
        )
        axes.axvline(self.line.measured, color=FAINT, linestyle="--", linewidth=1.2)
        axes.text(
            self.line.measured,
            1.0,
            f"measured {self.line.measured:.3g}",
            transform=axes.get_xaxis_transform(),
            ha="left" if self.line.measured < 0.7 * self._end else "right",
            va="bottom",
            fontsize=8.5,
        )

    def data(self) -> Mapping[str, object]:
        """Return the line and the baselines."""
        return {
            "where": self.where,
            "fixed_j": self.line.fixed_j,
            "slope_j": self.line.slope_j,
            "shared_j": self.line.shared_j,
            "measured_rate": self.line.measured,
            "steps": self.line.steps,
            "baselines_j": dict(self.baselines_j),
            "break_even_rates": dict(self.rates),
        }

    def table(self) -> Table:
        """Return ratio and r* of each baseline."""
        rows = [
            (name, three_digits(self.ratio(name)), self.even(name))
            for name in self.baselines_j
        ]
        return [("baseline", "student / teacher, measured", "break-even"), *rows]
