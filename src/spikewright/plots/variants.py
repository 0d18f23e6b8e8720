"""Accuracy against one number of a student: each seed a point, mean and spread."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spikewright.errors import InputError
from spikewright.plots.picture import Table
from spikewright.plots.style import MARKS, SERIES, WIDTH_IN, head, light_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Seeds = tuple[float, ...]
"""accuracy of each seed"""


@dataclass(frozen=True)
class Variants:
    """Accuracies of students that differ in one number, over seeds."""

    kind: ClassVar[str] = "variants"
    what: str
    """the number, such as "time steps T" """
    numbers: tuple[float, ...]
    series: Mapping[str, tuple[Seeds, ...]]
    """by name, "student" or "teacher": of each number the accuracy of each seed"""

    @property
    def title(self) -> str:
        """What it shows."""
        return f"Accuracy against {self.what}"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        said = []
        for name, of_numbers in self.series.items():
            each = ", ".join(
                f"{number:g}: {_told(seeds)}"
                for number, seeds in zip(self.numbers, of_numbers, strict=True)
            )
            said.append(f"{name}, by {self.what}, {each}.")
        return "Mean and standard deviation over seeds. " + " ".join(said)

    @property
    def size_in(self) -> tuple[float, float]:
        """One panel."""
        return WIDTH_IN, 3.4

    def paint(self, figure: Figure) -> None:
        """Draw means with their spread, and a small mark for each seed."""
        head(figure, self.title)
        axes = figure.subplots()
        for place, (name, of_numbers) in enumerate(self.series.items()):
            color, mark = SERIES[place % len(SERIES)], MARKS[place % len(MARKS)]
            axes.errorbar(
                self.numbers,
                [100 * statistics.mean(seeds) for seeds in of_numbers],
                yerr=[100 * _spread(seeds) for seeds in of_numbers],
                marker=mark,
                capsize=4,
                color=color,
                label=name,
            )
            for number, seeds in zip(self.numbers, of_numbers, strict=True):
                shown = [100 * each for each in seeds]
                axes.plot([number] * len(seeds), shown, ".", color=color, alpha=0.5)
        axes.set_xticks(self.numbers, [f"{each:g}" for each in self.numbers])
        axes.set_xlabel(self.what)
        axes.set_ylabel("accuracy, %")
        axes.legend(loc="best")
        light_grid(axes, "y")

    def data(self) -> Mapping[str, object]:
        """Return the accuracy of each number and seed."""
        return {
            "what": self.what,
            "numbers": list(self.numbers),
            "accuracy": {
                name: [list(seeds) for seeds in of_numbers]
                for name, of_numbers in self.series.items()
            },
        }

    def table(self) -> Table:
        """Return a row a number."""
        return [
            (self.what, *self.series),
            *(
                (f"{number:g}", *(_told(each[place]) for each in self.series.values()))
                for place, number in enumerate(self.numbers)
            ),
        ]


def variants(
    what: str, numbers: Sequence[float], series: Mapping[str, Sequence[Seeds]]
) -> Variants:
    """Order variants by their number.

    Args:
        what: the number is.
        numbers: one a variant, no two alike.
        series: by name: of each variant the accuracy of each seed.

    Raises:
        InputError: nothing to draw, two alike, or not a seed for each.
    """
    if not numbers or len(set(numbers)) != len(numbers):
        raise InputError(f"{what}: needs variants of different numbers, got {numbers}")
    for name, of_numbers in series.items():
        if len(of_numbers) != len(numbers) or not all(of_numbers):
            raise InputError(f"{name}: needs a seed or more of each of {len(numbers)}")
    order = sorted(range(len(numbers)), key=lambda place: numbers[place])
    return Variants(
        what,
        tuple(numbers[place] for place in order),
        {name: tuple(each[place] for place in order) for name, each in series.items()},
    )


def _spread(seeds: Seeds) -> float:
    return statistics.stdev(seeds) if len(seeds) > 1 else 0.0


def _told(seeds: Seeds) -> str:
    beside = f" ± {100 * _spread(seeds):.1f}" if len(seeds) > 1 else ""
    return f"{100 * statistics.mean(seeds):.1f}{beside} %"
