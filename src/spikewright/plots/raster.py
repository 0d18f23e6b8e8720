"""The spike raster: who fired when, a strip for each population."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spikewright.errors import InputError
from spikewright.plots.picture import Table
from spikewright.plots.style import (
    IMAGE,
    INK,
    SHADE,
    STUDENT,
    WIDTH_IN,
    head,
    shorten,
)
from spikewright.plots.units import share
from spikewright.trace import Spikes, SpikeTrace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NEURONS = 96
"""of a population in a strip; of more, every n-th is drawn"""
_FEW = 64
"""neurons up to which each spike is a mark; of more, an image"""


@dataclass(frozen=True, eq=False)
class Strip:
    """One population in one sample."""

    name: str
    spikes: Spikes
    """(steps, neurons drawn)"""
    every: int
    """each n-th neuron is drawn"""
    neurons: int
    """of the population"""
    fired: int
    """spikes of all its neurons"""

    @property
    def rate(self) -> float:
        """Spikes per neuron and step."""
        return self.fired / (self.neurons * len(self.spikes))


@dataclass(frozen=True, eq=False)
class Raster:
    """Spikes of one sample."""

    kind: ClassVar[str] = "raster"
    strips: tuple[Strip, ...]
    sample: int
    steps: int

    @property
    def title(self) -> str:
        """What it shows."""
        return f"Spikes of sample {self.sample}"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        fired = sum(each.fired for each in self.strips)
        busy = max(self.strips, key=lambda each: each.rate)
        calm = min(self.strips, key=lambda each: each.rate)
        return (
            f"{fired} spikes of {len(self.strips)} populations in {self.steps} steps. "
            f"{busy.name} fires most, {share(busy.rate)} of its neurons a step; "
            f"{calm.name} least, {share(calm.rate)}."
        )

    @property
    def size_in(self) -> tuple[float, float]:
        """Half an inch for each population."""
        return WIDTH_IN, 1.2 + 0.42 * len(self.strips)

    def paint(self, figure: Figure) -> None:
        """Draw a strip for each population, the input on top."""
        head(figure, self.title)
        rows = figure.subplots(len(self.strips), 1, sharex=True, squeeze=False)
        for axes, strip in zip(rows[:, 0], self.strips, strict=True):
            _paint_strip(axes, strip)
        last = rows[-1, 0]
        last.set_xlabel("time step")
        last.xaxis.get_major_locator().set_params(integer=True)
        last.set_xlim(0.5, self.steps + 0.5)

    def data(self) -> Mapping[str, object]:
        """Return the spikes as pairs of step and neuron."""
        return {
            "sample": self.sample,
            "steps": self.steps,
            "populations": [
                {
                    "name": each.name,
                    "neurons": each.neurons,
                    "spikes": each.fired,
                    "every": each.every,
                    "events": [
                        [int(step) + 1, int(neuron) * each.every]
                        for step, neuron in np.argwhere(each.spikes)
                    ],
                }
                for each in self.strips
            ],
        }

    def table(self) -> Table:
        """Return neurons, spikes and rate of each population."""
        return [
            ("population", "neurons", "spikes", "per neuron and step"),
            *(
                (each.name, str(each.neurons), str(each.fired), f"{each.rate:.4f}")
                for each in self.strips
            ),
        ]


def raster(
    trace: SpikeTrace, *, sample: int = 0, populations: Sequence[str] = ()
) -> Raster:
    """Return the spikes of a sample; of all populations unless some are named.

    Raises:
        InputError: no such sample or population, or the trace kept no spikes.
    """
    if not 0 <= sample < trace.samples:
        raise InputError(
            f"sample {sample}: the trace has samples 0 to {trace.samples - 1}"
        )
    names = list(populations) or list(trace.spikes)
    if not names:
        raise InputError(
            "the trace kept no single spikes; simulate again with --trace full"
        )
    for name in names:
        if name not in trace.spikes:
            raise InputError(
                f"no spikes of population '{name}'; the trace has "
                f"{', '.join(trace.spikes) or 'none'}"
            )
    strips = tuple(_strip(name, trace.spikes[name][sample]) for name in names)
    return Raster(strips, sample, trace.steps)


def _strip(name: str, spikes: Spikes) -> Strip:
    flat = spikes.reshape(len(spikes), -1)
    neurons = flat.shape[1]
    every = -(-neurons // MOST_NEURONS)
    while math.gcd(every, neurons) > 1:  # or only some tokens would be seen
        every += 1
    return Strip(name, flat[:, ::every], every, neurons, int(flat.sum()))


def _paint_strip(axes: Axes, strip: Strip) -> None:
    drawn = strip.spikes.shape[1]
    if drawn <= _FEW:
        at, who = np.nonzero(strip.spikes)
        axes.plot(at + 1, who, "|", color=STUDENT, markersize=_mark(drawn))
        axes.set_ylim(drawn - 0.5, -0.5)
    else:
        _paint_image(axes, strip)
    axes.set_yticks([])
    axes.set_facecolor(SHADE)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(axis="x", length=2)
    neurons = "neuron" if strip.neurons == 1 else "neurons"
    label = f"{shorten(strip.name)}\n{strip.neurons} {neurons}, {share(strip.rate)}"
    axes.set_ylabel(label, rotation=0, ha="right", va="center", color=INK, fontsize=8.5)


def _mark(neurons: int) -> float:
    return float(min(12.0, max(2.5, 24.0 / neurons)))


def _paint_image(axes: Axes, strip: Strip) -> None:
    """Draw a cell for each neuron and step, where marks would hide each other."""
    steps, drawn = strip.spikes.shape
    colors = np.zeros((drawn, steps, 4), dtype=np.uint8)
    colors[strip.spikes.T == 1] = [*bytes.fromhex(IMAGE.removeprefix("#")), 255]
    axes.imshow(
        colors,
        aspect="auto",
        interpolation="nearest",
        extent=(0.5, steps + 0.5, drawn - 0.5, -0.5),
    )
