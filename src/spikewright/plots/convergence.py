"""How far the rates of a settling network are from its equilibrium, step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spikewright.errors import InputError
from spikewright.plots.picture import Table
from spikewright.plots.style import (
    DASHES,
    FAINT,
    MARKS,
    SERIES,
    WIDTH_IN,
    head,
    light_grid,
    shorten,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

COLUMNS = 2
"""panels beside each other"""
_LEAST = 0.01
"""of the tolerance: a smaller distance is drawn there, a logarithm has no 0"""


@dataclass(frozen=True)
class Settling:
    """One population over the steps."""

    name: str
    """block and part with a dot between, or one word"""
    distance: tuple[float, ...]
    """mean over neurons of |rate - rate at equilibrium|, after step 1, 2, …"""
    largest: float
    """the largest of them after the last step"""
    needed: int | None
    """step from which the distance stays within the tolerance; None: not yet"""

    @property
    def group(self) -> str:
        """The block that it is part of."""
        return self.name.partition(".")[0]

    @property
    def part(self) -> str:
        """What it is in its block."""
        return self.name.partition(".")[2] or self.name


@dataclass(frozen=True)
class Convergence:
    """Distances of all populations from equilibrium, a panel for each block."""

    kind: ClassVar[str] = "convergence"
    populations: tuple[Settling, ...]
    tolerance: float
    samples: int

    @property
    def steps(self) -> int:
        """How many steps were run."""
        return len(self.populations[0].distance)

    @property
    def groups(self) -> dict[str, list[Settling]]:
        """The populations of each block, in order."""
        found: dict[str, list[Settling]] = {}
        for each in self.populations:
            found.setdefault(each.group, []).append(each)
        return found

    @property
    def title(self) -> str:
        """What it shows."""
        return "Distance of firing rates from their equilibrium"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        told = ". ".join(
            f"{name}: {self._settled(each)}, at last {_farthest(each)}"
            for name, each in self.groups.items()
        )
        return (
            f"Mean distance of {len(self.populations)} populations after 1 to "
            f"{self.steps} steps, {self.samples} texts. {told}."
        )

    def _settled(self, populations: list[Settling]) -> str:
        """Say from when all of them stay within the tolerance."""
        late = [each.part for each in populations if each.needed is None]
        if late:
            return f"beyond {self.tolerance:g}: {', '.join(late)}"
        last = max(each.needed or 0 for each in populations)
        return f"within {self.tolerance:g} from step {last}"

    @property
    def size_in(self) -> tuple[float, float]:
        """Two panels in a row, and room for the legend."""
        rows = -(-len(self.groups) // COLUMNS)
        return WIDTH_IN, 1.3 + 2.0 * rows

    def paint(self, figure: Figure) -> None:
        """Draw a panel for each block; a mark is where a line stays within."""
        head(figure, self.title)
        columns = min(COLUMNS, len(self.groups))
        rows = -(-len(self.groups) // columns)
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        parts = list(dict.fromkeys(each.part for each in self.populations))
        named: dict[str, Line2D] = {}
        for axes, (name, each) in zip(panels.flat, self.groups.items(), strict=False):
            for one in each:
                named[one.part] = self._draw(axes, one, parts.index(one.part))
            self._dress(axes, f"{shorten(name, 16)}: {_verdict(each)}")
        for axes in panels.flat[len(self.groups) :]:
            axes.set_axis_off()
        for axes in panels[:, 0]:
            axes.set_ylabel("mean distance")
        panels[-1, 0].set_xlabel(f"steps (a mark: within {self.tolerance:g} from here)")
        figure.legend(
            [named[each] for each in parts],
            [shorten(each) for each in parts],
            loc="outside lower center",
            ncols=min(5, len(parts)),
        )

    def _draw(self, axes: Axes, one: Settling, place: int) -> Line2D:
        (line,) = axes.plot(
            range(1, self.steps + 1),
            [max(each, _LEAST * self.tolerance) for each in one.distance],
            color=SERIES[place % len(SERIES)],
            linestyle=DASHES[place // len(SERIES) % len(DASHES)],
            linewidth=1.3,
            marker=MARKS[place % len(MARKS)],
            markersize=5,
            markevery=[] if one.needed is None else [one.needed - 1],
        )
        return line

    def _dress(self, axes: Axes, title: str) -> None:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
        axes.tick_params(labelbottom=True)
        axes.axhline(self.tolerance, color=FAINT, linewidth=1.0, linestyle=":")
        axes.set_title(title, fontsize=9.0)
        light_grid(axes, "y")

    def data(self) -> Mapping[str, object]:
        """Return each population's distances, and the step that the tolerance needs."""
        return {
            "samples": self.samples,
            "tolerance": self.tolerance,
            "populations": [
                {
                    "name": each.name,
                    "distance": list(each.distance),
                    "largest": each.largest,
                    "steps_needed": each.needed,
                }
                for each in self.populations
            ],
        }

    def table(self) -> Table:
        """Return a row a population."""
        return [
            (
                "population",
                f"mean distance after {self.steps}",
                "largest",
                f"steps to stay within {self.tolerance:g}",
            ),
            *(
                (
                    each.name,
                    f"{each.distance[-1]:.4f}",
                    f"{each.largest:.4f}",
                    f"over {self.steps}" if each.needed is None else str(each.needed),
                )
                for each in self.populations
            ),
        ]


def _verdict(populations: list[Settling]) -> str:
    late = sum(each.needed is None for each in populations)
    if late:
        return f"{late} of {len(populations)} not settled"
    return f"settled at step {max(each.needed or 0 for each in populations)}"


def _farthest(populations: list[Settling]) -> str:
    far = max(populations, key=lambda each: each.distance[-1])
    return f"{far.distance[-1]:.3g} ({far.part})"


def convergence_picture(
    distance: Mapping[str, tuple[float, ...]],
    largest: Mapping[str, tuple[float, ...]],
    needed: Mapping[str, int | None],
    *,
    tolerance: float,
    samples: int,
) -> Convergence:
    """Return the distances of populations from their equilibrium.

    Args:
        distance: mean over neurons, after step 1, 2, …, by population.
        largest: the largest of any neuron, likewise.
        needed: step from which the mean stays within the tolerance; None: not yet.
        tolerance: above 0, drawn as a line.
        samples: that were run.

    Raises:
        InputError: no population, or a tolerance that is no positive number.
    """
    if not distance:
        raise InputError("no population to draw; give those of a network that settles")
    if not 0 < tolerance < math.inf:
        raise InputError(f"tolerance {tolerance:g}: must be a number above 0")
    found = tuple(
        Settling(name, values, largest[name][-1], needed[name])
        for name, values in distance.items()
    )
    return Convergence(found, tolerance, samples)
