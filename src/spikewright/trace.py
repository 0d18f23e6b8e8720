"""What a simulation leaves behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Spikes = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SpikeTrace:
    """Spikes of every spiking population, and the output.

    Both are read at each population's arrival time, so that index t is step t of the
    sample in every backend and at every stage.
    """

    spikes: Mapping[str, Spikes]
    """(samples, steps, *shape), 0 or 1"""
    output: Values
    """(samples, steps, *output shape), in the units of the float graph"""
    meta: Mapping[str, object] = field(default_factory=dict)
    """backend, arithmetic, dt_s, steps, arrival, versions, hash of the graph"""

    @property
    def samples(self) -> int:
        """Number of samples."""
        return int(self.output.shape[0])

    @property
    def steps(self) -> int:
        """Number of steps of each sample."""
        return int(self.output.shape[1])

    def rate(self, population: str) -> float:
        """Spikes per neuron and step."""
        return float(self.spikes[population].mean())


def merge_traces(parts: Sequence[SpikeTrace], meta: Mapping[str, object]) -> SpikeTrace:
    """Join traces of the same graph along the samples."""
    spikes = {
        name: np.concatenate([part.spikes[name] for part in parts])
        for name in parts[0].spikes
    }
    output = np.concatenate([part.output for part in parts])
    return SpikeTrace(spikes, output, meta)
