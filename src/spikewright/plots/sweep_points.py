"""Accuracy and energy at the points of a sweep, a line for each other choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

from spikewright.plots.picture import Table
from spikewright.plots.style import (
    DASHES,
    MARKS,
    SERIES,
    WIDTH_IN,
    head,
    light_grid,
    shorten,
)
from spikewright.plots.units import joule_unit, joules

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_IN_LEGEND = 10
Line = list[tuple[float, float]]


@dataclass(frozen=True)
class Dot:
    """One point of a sweep."""

    place: float
    """along the axis"""
    value: str
    """of the option along the axis, as a word"""
    others: str
    """values of the other options: they choose the line"""
    accuracy: float | None
    energy_j: Mapping[str, float]
    """of a sample, by profile"""


@dataclass(frozen=True)
class SweepPoints:
    """All points of a sweep."""

    kind: ClassVar[str] = "sweep-points"
    along: str
    """the option of the axis"""
    is_number: bool
    """whether places are its values, or only count them"""
    dots: tuple[Dot, ...]

    @property
    def title(self) -> str:
        """What it shows."""
        what = " and ".join(name.split(",")[0] for name, _, _ in self._panels())
        return f"{what or 'Nothing'} against {self.along}"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        told = []
        for name, lines, unit_j in self._panels():
            values = [y for line in lines.values() for _, y in line]
            low, high = min(values), max(values)
            ends = (
                f"{joules(low * unit_j)} to {joules(high * unit_j)}"
                if unit_j
                else f"{low:.1f} to {high:.1f} %"
            )
            told.append(f"{name.split(',')[0]}: {ends} in {len(lines)} lines.")
        return f"{len(self.dots)} points. {' '.join(told)}".rstrip()

    @property
    def size_in(self) -> tuple[float, float]:
        """A panel for accuracy, one for energy."""
        return WIDTH_IN, 0.8 + 2.6 * max(1, len(list(self._panels())))

    def _panels(self) -> Iterator[tuple[str, dict[str, Line], float]]:
        """Yield name, lines and joules of a unit of each panel that has any."""
        right: dict[str, Line] = {}
        energy: dict[str, Line] = {}
        for dot in sorted(self.dots, key=lambda each: each.place):
            if dot.accuracy is not None:
                line = right.setdefault(dot.others, [])
                line.append((dot.place, 100 * dot.accuracy))
            for where, value in dot.energy_j.items():
                name = ", ".join(filter(None, (where, dot.others)))
                energy.setdefault(name, []).append((dot.place, value))
        if right:
            yield "Accuracy, %", right, 0.0
        if energy:
            unit, size = joule_unit(max(y for line in energy.values() for _, y in line))
            scaled = {
                name: [(x, y / size) for x, y in line] for name, line in energy.items()
            }
            yield f"Energy, {unit} a sample", scaled, size

    def paint(self, figure: Figure) -> None:
        """Draw the panels, one below the other."""
        head(figure, self.title)
        panels = list(self._panels())
        rows = figure.subplots(max(1, len(panels)), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, lines, _) in zip(rows, panels, strict=False):
            _paint(axes, name, lines)
        rows[-1].set_xlabel(self.along)
        if not self.is_number:
            words = {dot.place: shorten(dot.value) for dot in self.dots}
            rows[-1].set_xticks(list(words), list(words.values()))

    def data(self) -> Mapping[str, object]:
        """Return all points."""
        return {"along": self.along, "points": [asdict(each) for each in self.dots]}

    def table(self) -> Table:
        """Return no rows: the sweep has a table of its own."""
        return []


def _paint(axes: Axes, name: str, lines: Mapping[str, Line]) -> None:
    for place, (label, points) in enumerate(lines.items()):
        xs, ys = zip(*points, strict=True)
        axes.plot(
            xs,
            ys,
            linestyle=DASHES[place // len(SERIES) % len(DASHES)],
            marker=MARKS[place % len(MARKS)],
            color=SERIES[place % len(SERIES)],
            label=shorten(label, 44) if label else None,
        )
    axes.set_ylabel(name)
    if any(lines) and len(lines) <= _MOST_IN_LEGEND:
        axes.legend(loc="best")
    light_grid(axes, "y")
