"""How far the spikes of two stages of one graph agree, population by population."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from spikewright.errors import InputError
from spikewright.trace import SpikeTrace


@dataclass(frozen=True)
class SpikeAgreement:
    """How far the spikes of one population agree in two traces."""

    compared: int
    """entries: one neuron, one step, one sample"""
    mismatches: int
    equal: float
    """fraction of the entries that agree"""
    spikes: tuple[int, int]
    """in the first trace and in the second"""


def spike_agreement(
    left: SpikeTrace, right: SpikeTrace, *, given: Collection[str] = ()
) -> Mapping[str, SpikeAgreement]:
    """Compare each population that both traces kept, entry by entry.

    Args:
        left: the first trace.
        right: the second.
        given: populations that both runs were given, such as the Inputs; left out.

    Raises:
        InputError: a population has another shape in the other trace.
    """
    return {
        name: _agreement(name, left, right)
        for name in left.spikes
        if name in right.spikes and name not in given
    }


def _agreement(name: str, left: SpikeTrace, right: SpikeTrace) -> SpikeAgreement:
    mine, theirs = left.spikes[name], right.spikes[name]
    if mine.shape != theirs.shape:
        raise InputError(
            f"population '{name}': {mine.shape} in one trace, {theirs.shape} in the "
            "other; compare stages of one graph on the same inputs"
        )
    mismatches = int(np.count_nonzero(mine != theirs))
    spikes = tuple(int(each.sum(dtype=np.int64)) for each in (mine, theirs))
    return SpikeAgreement(
        mine.size, mismatches, 1.0 - mismatches / mine.size, (spikes[0], spikes[1])
    )
