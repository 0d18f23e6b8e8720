"""Two traces, spike for spike."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from spikewright.errors import InputError
from spikewright.trace import SpikeTrace


@dataclass(frozen=True)
class Comparison:
    """How far two traces agree; equal means not one entry differs."""

    compared: int
    """entries: one neuron, one step, one sample"""
    spikes: int
    """of them spikes in the first trace"""
    mismatches: int
    first: str | None
    """where the first difference is: population, sample, step"""
    output_mismatches: int

    @property
    def is_equal(self) -> bool:
        """Say whether nothing differs."""
        return self.mismatches == 0 and self.output_mismatches == 0


def compare_traces(
    left: SpikeTrace, right: SpikeTrace, *, given: Collection[str] = ()
) -> Comparison:
    """Compare every population of `left` with its namesake in `right`, no tolerance.

    Args:
        left: the first trace.
        right: the second.
        given: populations that both runs were given, such as the Input; not compared.

    Raises:
        InputError: the traces record different populations or shapes.
    """
    if set(left.spikes) != set(right.spikes):
        differing = sorted(set(left.spikes) ^ set(right.spikes))
        raise InputError(f"traces record different populations: {', '.join(differing)}")
    compared = spikes = mismatches = 0
    first = None
    for name in [name for name in left.spikes if name not in given]:
        mine = left.spikes[name]
        theirs = right.spikes[name]
        if mine.shape != theirs.shape:
            raise InputError(
                f"population '{name}': {mine.shape} in one trace, "
                f"{theirs.shape} in the other"
            )
        differs = mine != theirs
        compared, spikes = compared + mine.size, spikes + int(mine.sum(dtype=np.int64))
        mismatches += int(differs.sum())
        if first is None and differs.any():
            sample, step = np.argwhere(differs)[0][:2]
            first = f"'{name}', sample {sample}, step {step}"
    outputs = int((left.output != right.output).sum())
    return Comparison(compared, spikes, mismatches, first, outputs)
