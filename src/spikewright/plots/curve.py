"""How a training went: losses and accuracies by step, from a run card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, ClassVar

from spikewright.errors import InputError
from spikewright.plots.picture import Table
from spikewright.plots.style import MARKS, SERIES, WIDTH_IN, head, light_grid
from spikewright.plots.units import three_digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Points = tuple[tuple[float, float], ...]
"""(step, value), in order"""
_SCORES = ("accuracy", "rate", "f1")
"""words in names of what is no loss, and gets an axis of its own"""
_FARTHEST = 1e100
"""beyond it, and NaN, nothing is drawn"""
_IGNORED = (
    *("step", "epoch", "learning_rate", "grad_norm", "total_flos"),
    *("runtime", "samples_per_second", "steps_per_second"),
)


@dataclass(frozen=True)
class Curve:
    """What was logged of one stage."""

    stage: str
    series: Mapping[str, Points]


@dataclass(frozen=True)
class TrainingCurve:
    """What was logged of all stages."""

    kind: ClassVar[str] = "curve"
    stages: tuple[Curve, ...]

    @property
    def title(self) -> str:
        """What it shows."""
        return "Training"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        return " ".join(
            f"{stage.stage}, {name}: from {three_digits(points[0][1])} to "
            f"{three_digits(points[-1][1])} in {points[-1][0]:g} steps."
            for stage in self.stages
            for name, points in stage.series.items()
        )

    def _last(self, stage: str) -> float:
        chosen = [each for each in self.stages if each.stage == stage]
        return max(p[-1][0] for each in chosen for p in each.series.values())

    @property
    def _panels(self) -> list[tuple[str, dict[str, Points]]]:
        """Losses and scores of each stage apart."""
        found = []
        for stage in self.stages:
            for is_score in (False, True):
                chosen = {
                    name: points
                    for name, points in stage.series.items()
                    if any(word in name for word in _SCORES) is is_score
                }
                if chosen:
                    found.append((stage.stage, chosen))
        return found

    @property
    def size_in(self) -> tuple[float, float]:
        """A panel for losses and one for scores of each stage."""
        return WIDTH_IN, 0.6 + 2.1 * len(self._panels)

    def paint(self, figure: Figure) -> None:
        """Draw the panels, one below the other."""
        head(figure, self.title)
        panels = self._panels
        rows = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
        for axes, (stage, series) in zip(rows, panels, strict=True):
            _paint_panel(axes, stage, series)
            axes.set_xlim(0, 1.03 * max(self._last(stage), 1.0))
        rows[-1].set_xlabel("step of training")

    def data(self) -> Mapping[str, object]:
        """Return the points of each series."""
        return {
            each.stage: {
                name: [list(point) for point in points]
                for name, points in each.series.items()
            }
            for each in self.stages
        }

    def table(self) -> Table:
        """Return the ends of each series."""
        return [
            ("stage", "what", "first", "last", "steps"),
            *(
                (
                    stage.stage,
                    name,
                    three_digits(points[0][1]),
                    three_digits(points[-1][1]),
                    f"{points[-1][0]:g}",
                )
                for stage in self.stages
                for name, points in stage.series.items()
            ),
        ]


def training_curve(card: Mapping[str, Any]) -> TrainingCurve:
    """Read the curves of a run card, of whichever stages have one.

    Raises:
        InputError: no stage of the card holds a curve.
    """
    stages = []
    for name, stage in card.items():
        logged = stage.get("curve") if isinstance(stage, Mapping) else None
        series = _series(logged) if isinstance(logged, list) else {}
        if series:
            stages.append(Curve(str(name), series))
    if not stages:
        raise InputError(
            f"the card holds no curve; its parts are {', '.join(map(str, card))}. Runs "
            "of family spikebert record one for each stage that trained"
        )
    return TrainingCurve(tuple(stages))


def _series(logged: list[Any]) -> dict[str, Points]:
    found: dict[str, list[tuple[float, float]]] = {}
    for entry in logged:
        if not isinstance(entry, Mapping) or not _is_number(entry.get("step"), int):
            continue
        for name, value in entry.items():
            if _is_number(value, int | float) and not str(name).endswith(_IGNORED):
                found.setdefault(str(name), []).append((entry["step"], float(value)))
    return {name: tuple(points) for name, points in found.items()}


def _is_number(value: Any, kind: type | UnionType) -> bool:
    """Say whether a value is a number that an axis can have."""
    is_one = isinstance(value, kind) and not isinstance(value, bool)
    return is_one and -_FARTHEST < value < _FARTHEST


def _paint_panel(axes: Axes, stage: str, series: Mapping[str, Points]) -> None:
    for place, (name, points) in enumerate(series.items()):
        steps, values = zip(*points, strict=True)
        axes.plot(
            steps,
            values,
            marker=MARKS[place % len(MARKS)],
            markersize=3.5,
            color=SERIES[place % len(SERIES)],
            label=name.replace("_", " "),
        )
    axes.set_title(stage)
    axes.legend(loc="best")
    light_grid(axes, "y")
