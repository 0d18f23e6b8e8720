"""Where a network lies: a square for each core, and who needs how many."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spikewright.plots.picture import Table
from spikewright.plots.style import (
    FAINT,
    INK,
    MAP,
    ON_LIGHT,
    STUDENT,
    WIDTH_IN,
    head,
    light_grid,
    shorten,
)
from spikewright.plots.units import TIMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 16
"""cores in a row of the drawing, which is no floor plan; more where there are many"""
_GRID_IN = 4.8
"""width of all columns"""
_FEW = 0.05
"""cores: what takes less gets no bar"""


@dataclass(frozen=True)
class CoreUse:
    """One core."""

    holds: tuple[tuple[str, int], ...]
    """(population, neurons of it)"""
    share: float
    """of the resource that it uses most; above 1 where it does not fit"""
    resource: str
    """which one"""


@dataclass(frozen=True)
class CorePlacement:
    """A network on the cores of a chip."""

    kind: ClassVar[str] = "placement"
    chip: str
    fits: bool
    says: str
    """cores and chips, or why it does not fit"""
    cores: tuple[CoreUse, ...]
    cores_a_chip: int | None

    @property
    def title(self) -> str:
        """What it shows."""
        return f"Placement on {self.chip}"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        first, cores = next(iter(self.by_population.items()), ("nothing", 0.0))
        mean = (
            float(np.mean([each.share for each in self.cores])) if self.cores else 0.0
        )
        return (
            f"{self.chip}: {self.says}. {first} takes most, {cores:.1f} cores. A core "
            f"uses {100 * mean:.0f} % of its scarcest resource, on average."
        )

    @property
    def by_population(self) -> dict[str, float]:
        """Cores of each population, most first; a shared core counts in parts."""
        found: dict[str, float] = {}
        for core in self.cores:
            whole = sum(neurons for _, neurons in core.holds)
            for name, neurons in core.holds:
                found[name] = found.get(name, 0.0) + neurons / whole
        return dict(sorted(found.items(), key=lambda each: -each[1]))

    @property
    def _rows(self) -> int:
        return math.ceil(len(self.cores) / self._columns)

    @property
    def _columns(self) -> int:
        return max(_COLUMNS, math.ceil(math.sqrt(len(self.cores))))

    @property
    def _high_in(self) -> float:
        return self._rows * _GRID_IN / self._columns

    @property
    def size_in(self) -> tuple[float, float]:
        """Squares above, a line for each population below."""
        squares = 0.9 + self._high_in
        return WIDTH_IN, squares + 1.2 + 0.22 * len(self.by_population)

    def paint(self, figure: Figure) -> None:
        """Draw a square for each core, and the cores of each population."""
        fits = "fits" if self.fits else "does not fit"
        head(figure, f"{self.title}: {fits}, {len(self.cores)} cores")
        populations = {k: v for k, v in self.by_population.items() if v >= _FEW}
        heights = [0.6 + self._high_in, 0.6 + 0.22 * len(populations)]
        upper, lower = figure.subplots(2, 1, height_ratios=heights)
        self._paint_cores(figure, upper)
        places = np.arange(len(populations))
        bars = lower.barh(places, list(populations.values()), color=STUDENT)
        lower.bar_label(bars, fmt="%.1f", padding=3, fontsize=8.5)
        lower.set_yticks(places, [shorten(each) for each in populations])
        lower.set_ylim(len(places) - 0.4, -0.6)
        lower.margins(x=0.1)
        lower.set_xlabel("cores")
        light_grid(lower, "x")

    def _paint_cores(self, figure: Figure, axes: Axes) -> None:
        cells = np.full(self._rows * self._columns, np.nan)
        cells[: len(self.cores)] = [100 * min(1.0, each.share) for each in self.cores]
        grid = np.ma.masked_invalid(cells.reshape(self._rows, self._columns))
        drawn = axes.pcolormesh(
            grid, cmap=MAP, vmin=0, vmax=100, edgecolors=FAINT, linewidth=0.8
        )
        axes.set_aspect("equal", anchor="W")
        axes.set_ylim(self._rows, 0)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        for place, core in enumerate(self.cores):
            if core.share > 1:
                row, column = divmod(place, self._columns)
                axes.text(column + 0.5, row + 0.5, TIMES, ha="center", va="center",
                          color=ON_LIGHT, fontsize=9, fontweight="bold")  # fmt: skip
        self._paint_chips(axes)
        bar = figure.colorbar(drawn, ax=axes, pad=0.02, fraction=0.05)
        bar.set_label("scarcest resource, %", color=INK)
        bar.outline.set_visible(False)

    def _paint_chips(self, axes: Axes) -> None:
        """Draw where one chip ends and the next begins."""
        if not self.cores_a_chip:
            return
        for end in range(self.cores_a_chip, len(self.cores), self.cores_a_chip):
            row, column = divmod(end, self._columns)
            xs = [0, column, column, self._columns]
            axes.plot(xs, [row + 1, row + 1, row, row], color=INK, linewidth=2.2)

    def data(self) -> Mapping[str, object]:
        """Return each core."""
        return {
            "chip": self.chip,
            "fits": self.fits,
            "says": self.says,
            "cores": [
                {
                    "holds": dict(each.holds),
                    "share": each.share,
                    "resource": each.resource,
                }
                for each in self.cores
            ],
        }

    def table(self) -> Table:
        """Return the cores of each population."""
        rows = [(name, f"{each:.1f}") for name, each in self.by_population.items()]
        return [("population", "cores"), *rows]
