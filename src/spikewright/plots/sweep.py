"""Accuracy and energy against the number of steps, from one run.

A network that is stopped after step t has done exactly what the longer run did until
then, so the sums up to each step are what a run of as many steps would have given.
Without labels the answer after the last step stands for the right one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from spikewright.errors import InputError
from spikewright.plots.picture import Table
from spikewright.plots.style import FAINT, MARKS, SERIES, WIDTH_IN, head, light_grid
from spikewright.plots.units import joule_unit, joules

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sweep:
    """Correct answers after each step, and what the steps until then cost."""

    kind: ClassVar[str] = "sweep"
    correct: tuple[int, ...]
    """after step 1, 2, …"""
    samples: int
    energy_j: Mapping[str, tuple[float, ...]]
    """by profile: joules of a sample that runs up to each step"""
    has_labels: bool = True
    """else an answer is correct that is the one after the last step"""

    @property
    def measure(self) -> str:
        """What the share of correct answers is called."""
        return "accuracy" if self.has_labels else "agreement with the last step"

    @property
    def accuracy(self) -> tuple[float, ...]:
        """Share of correct answers after each step."""
        return tuple(each / self.samples for each in self.correct)

    @property
    def title(self) -> str:
        """What it shows."""
        energy = " and energy" if self.energy_j else ""
        return f"{self.measure.capitalize()}{energy} against time steps"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        each = ", ".join(
            f"T = {step}: {100 * accuracy:.1f} %"
            for step, accuracy in enumerate(self.accuracy, start=1)
        )
        cost = "; ".join(
            f"{name} {joules(values[0])} for one step and {joules(values[-1])} for all"
            for name, values in self.energy_j.items()
        )
        return f"{self.measure.capitalize()} of {self.samples} samples: {each}." + (
            f" A sample costs on {cost}." if cost else ""
        )

    @property
    def size_in(self) -> tuple[float, float]:
        """Two panels, or one without energies."""
        return WIDTH_IN, 3.2 + (2.2 if self.energy_j else 0.0)

    def paint(self, figure: Figure) -> None:
        """Draw accuracy above, energy below."""
        head(figure, self.title)
        count = 2 if self.energy_j else 1
        panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
        self._paint_accuracy(panels[0])
        if self.energy_j:
            self._paint_energy(panels[1])
        panels[-1].set_xlabel("time steps T")
        panels[-1].xaxis.get_major_locator().set_params(integer=True)

    def _paint_accuracy(self, axes: Axes) -> None:
        steps = np.arange(1, len(self.correct) + 1)
        low, high = (np.array(ends) for ends in zip(*self._ranges(), strict=True))
        axes.fill_between(
            steps,
            100 * low,
            100 * high,
            color=FAINT,
            alpha=0.25,
            linewidth=0,
            label="95 % range",
        )
        values = [100 * each for each in self.accuracy]
        axes.plot(steps, values, "o-", color=SERIES[0])
        for step, value in zip(steps, values, strict=True):
            if len(steps) <= 12:
                axes.annotate(
                    f"{value:.1f}",
                    (step, value),
                    xytext=(0, 8),
                    textcoords="offset points",
                    ha="center",
                    fontsize=8.5,
                )
        axes.margins(x=0.08, y=0.2)
        axes.set_ylabel(f"{self.measure.partition(' ')[0]}, % of {self.samples}")
        axes.legend(loc="lower right")
        light_grid(axes, "y")

    def _ranges(self) -> list[tuple[float, float]]:
        return [wilson(each, self.samples) for each in self.correct]

    def _paint_energy(self, axes: Axes) -> None:
        steps = np.arange(1, len(self.correct) + 1)
        unit, size = joule_unit(max(max(each) for each in self.energy_j.values()))
        for place, (name, values) in enumerate(self.energy_j.items()):
            axes.plot(
                steps,
                [each / size for each in values],
                f"{MARKS[place % len(MARKS)]}-",
                color=SERIES[place % len(SERIES)],
                label=name,
            )
        axes.set_ylim(bottom=0)
        axes.set_ylabel(f"energy, {unit} a sample")
        axes.legend(loc="upper left")
        light_grid(axes, "y")

    def data(self) -> Mapping[str, object]:
        """Return accuracy, its 95 % range, and energies."""
        return {
            "steps": list(range(1, len(self.correct) + 1)),
            "samples": self.samples,
            "correct": list(self.correct),
            "against": "labels" if self.has_labels else "last step",
            "accuracy": list(self.accuracy),
            "accuracy_95": [list(each) for each in self._ranges()],
            "energy_j": {name: list(each) for name, each in self.energy_j.items()},
        }

    def table(self) -> Table:
        """Return a row a step."""
        ranges = self._ranges()
        return [
            ("T", self.measure, "95 % range", *self.energy_j),
            *(
                (
                    str(place + 1),
                    f"{100 * accuracy:.2f} %",
                    f"{100 * ranges[place][0]:.1f} to {100 * ranges[place][1]:.1f} %",
                    *(joules(each[place]) for each in self.energy_j.values()),
                )
                for place, accuracy in enumerate(self.accuracy)
            ),
        ]


def sweep(
    output: Floats,
    labels: Sequence[int] | None,
    *,
    energy_until_j: Mapping[str, Sequence[float]] | None = None,
) -> Sweep:
    """Judge what the readout has summed up after each step.

    Args:
        output: (samples, steps, classes), as a trace holds it.
        labels: the right class of each sample; None: that after the last step.
        energy_until_j: by profile: joules of a sample that runs up to each step.

    Raises:
        InputError: there are not as many labels as samples, or one is no class.
    """
    summed = {name: tuple(each) for name, each in (energy_until_j or {}).items()}
    answers, classes = answers_by_step(output), output.shape[2]
    check_classes(labels or (), classes)
    right = right_by_step(answers, labels)
    if any(len(each) != len(right) for each in summed.values()):
        raise InputError(f"energies need a value for each of {len(right)} steps")
    return Sweep(right, len(answers), summed, labels is not None)


def answers_by_step(output: Floats) -> npt.NDArray[np.int64]:
    """Return the class that the readout has summed up to after each step.

    Args:
        output: (samples, steps, classes), as a trace holds it.

    Raises:
        InputError: it is not one of classes.
    """
    shape = output.shape[2:]
    if len(shape) != 1 or shape[0] < 2:
        raise InputError(
            f"an output of shape {tuple(shape)} is not one of classes; accuracy needs "
            "one neuron for each of 2 classes or more"
        )
    answers: npt.NDArray[np.int64] = output.cumsum(axis=1).argmax(axis=2)
    return answers


def right_by_step(
    answers: npt.NDArray[np.int64], labels: Sequence[int] | None
) -> tuple[int, ...]:
    """Count the right answers after each step.

    Args:
        answers: (samples, steps).
        labels: the right class of each sample; None: that after the last step.

    Raises:
        InputError: there are not as many labels as samples.
    """
    wanted = answers[:, -1] if labels is None else np.asarray(labels)
    if len(wanted) != len(answers):
        raise InputError(
            f"{len(wanted)} labels for {len(answers)} samples; need 1 each"
        )
    right = (answers == wanted[:, None]).sum(axis=0)
    return tuple(int(each) for each in right)


def check_classes(labels: Sequence[int], classes: int) -> None:
    """Raise `InputError` if a label is no class of the network."""
    wrong = [each for each in labels if not 0 <= each < classes]
    if wrong:
        raise InputError(
            f"label {wrong[0]}: the network has classes 0 to {classes - 1}"
        )


def wilson(right: int, samples: int) -> tuple[float, float]:
    """Return the 95 % range of a share, by Wilson's score."""
    z, share = 1.959964, right / samples
    middle = share + z * z / (2 * samples)
    half = z * float(
        np.sqrt(share * (1 - share) / samples + z * z / (4 * samples * samples))
    )
    scale = 1 + z * z / samples
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
