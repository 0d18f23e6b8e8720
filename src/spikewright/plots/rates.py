"""How often each population fires, and which neurons always or never do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spikewright.errors import InputError
from spikewright.plots.picture import Table
from spikewright.plots.style import (
    FAINT,
    STUDENT,
    TEACHER,
    WIDTH_IN,
    head,
    light_grid,
    shorten,
)
from spikewright.plots.units import share
from spikewright.trace import Spikes, SpikeTrace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Firing:
    """One population over all samples."""

    name: str
    spikes: int
    cells: int
    """neurons x samples"""
    steps: int
    saturated: int
    """cells that fire at every step"""
    silent: int
    """cells that never fire"""

    @property
    def rate(self) -> float:
        """Spikes per neuron and step."""
        return self.spikes / (self.cells * self.steps)

    def __add__(self, other: Firing) -> Firing:
        """Join with the same population in other samples."""
        return Firing(
            self.name,
            self.spikes + other.spikes,
            self.cells + other.cells,
            self.steps,
            self.saturated + other.saturated,
            self.silent + other.silent,
        )


@dataclass(frozen=True)
class Rates:
    """Firing of all populations."""

    kind: ClassVar[str] = "rates"
    populations: tuple[Firing, ...]
    samples: int

    @property
    def title(self) -> str:
        """What it shows."""
        return "Firing rate and saturation by population"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        busy = max(self.populations, key=lambda each: each.rate)
        stuck = max(self.populations, key=lambda each: each.saturated / each.cells)
        return (
            f"Spikes per neuron and step, mean of {self.samples}. {busy.name} fires "
            f"most, {busy.rate:.3g}; most neurons that fire at every step are in "
            f"{stuck.name}, {share(stuck.saturated / stuck.cells)}."
        )

    @property
    def size_in(self) -> tuple[float, float]:
        """A line for each population."""
        return WIDTH_IN, 1.6 + 0.25 * len(self.populations)

    def paint(self, figure: Figure) -> None:
        """Draw rates at the left; who always and never fires at the right."""
        head(figure, self.title)
        left, right = figure.subplots(1, 2, sharey=True)
        places = np.arange(len(self.populations))
        left.barh(places, [each.rate for each in self.populations], color=STUDENT)
        left.set_yticks(places, [shorten(each.name) for each in self.populations])
        left.set_ylim(len(places) - 0.4, -0.6)
        left.set_xlabel("spikes per neuron and step")
        _paint_extremes(right, self.populations)
        for axes in (left, right):
            light_grid(axes, "x")

    def data(self) -> Mapping[str, object]:
        """Return each population's numbers."""
        return {
            "samples": self.samples,
            "populations": [
                {
                    "name": each.name,
                    "rate": each.rate,
                    "saturated": each.saturated / each.cells,
                    "silent": each.silent / each.cells,
                }
                for each in self.populations
            ],
        }

    def table(self) -> Table:
        """Return the same for people."""
        return [
            ("population", "rate", "fire at every step", "never fire"),
            *(
                (
                    each.name,
                    f"{each.rate:.4f}",
                    share(each.saturated / each.cells),
                    share(each.silent / each.cells),
                )
                for each in self.populations
            ),
        ]


def firing(trace: SpikeTrace) -> dict[str, Firing]:
    """Return the firing of each population of which each spike was kept.

    Slots without a token count as neurons that never fire; a population without
    neurons has no rate, and is left out.
    """
    kept = {name: spikes for name, spikes in trace.spikes.items() if spikes.size}
    return {name: _firing(name, spikes) for name, spikes in kept.items()}


def _firing(name: str, spikes: Spikes) -> Firing:
    times = spikes.reshape(*spikes.shape[:2], -1).sum(axis=1, dtype=np.int64)
    steps = spikes.shape[1]
    return Firing(
        name,
        int(times.sum()),
        times.size,
        steps,
        int((times == steps).sum()),
        int((times == 0).sum()),
    )


def rates(traces: Iterable[SpikeTrace]) -> Rates:
    """Return the firing of traces of the same graph together.

    Raises:
        InputError: there is no trace, or none kept its spikes.
    """
    return join_firing([(firing(trace), trace.samples) for trace in traces])


def join_firing(parts: Sequence[tuple[Mapping[str, Firing], int]]) -> Rates:
    """Join the firing of some samples each.

    Raises:
        InputError: nothing fired that was kept.
    """
    found: dict[str, Firing] = {}
    for part, _ in parts:
        for name, each in part.items():
            found[name] = found[name] + each if name in found else each
    if not found:
        raise InputError(
            "the trace kept no single spikes; simulate again with --trace full"
        )
    return Rates(tuple(found.values()), sum(samples for _, samples in parts))


def _paint_extremes(axes: Axes, populations: tuple[Firing, ...]) -> None:
    places = np.arange(len(populations))
    always = np.array([each.saturated / each.cells for each in populations])
    never = np.array([each.silent / each.cells for each in populations])
    axes.barh(
        places - 0.2,
        100 * always,
        height=0.4,
        color=TEACHER,
        label="at every step (saturated)",
    )
    axes.barh(
        places + 0.2,
        100 * never,
        height=0.4,
        color="none",
        edgecolor=FAINT,
        hatch="////",
        label="never",
    )
    axes.set_xlabel("neurons that fire, %")
    axes.set_xlim(0, 100)
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1)
