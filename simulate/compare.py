"""Two traces, spike for spike: as a whole, or population by population."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from spikewright.errors import InputError
from spikewright.nodes import Array
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

    Where a trace kept only counts, an entry is the count of one step of one sample.

    Args:
        left: the first trace.
        right: the second.
        given: populations that both runs were given, such as the Input; not compared.

    Raises:
        InputError: the traces record different populations, Outputs or shapes.
    """
    compared = spikes = mismatches = 0
    first = None
    kept = _kept(left, given), _kept(right, given)
    for name, one, other in _pairs("population", *kept):
        differs = one != other
        compared, spikes = compared + one.size, spikes + int(one.sum(dtype=np.int64))
        mismatches += int(differs.sum())
        if first is None and differs.any():
            sample, step = np.argwhere(differs)[0][:2]
            first = f"'{name}', sample {sample}, step {step}"
    outputs = sum(
        int((one != other).sum())
        for _, one, other in _pairs("Output", left.outputs, right.outputs)
    )
    return Comparison(compared, spikes, mismatches, first, outputs)


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
    shared = (left.spikes.keys() & right.spikes.keys()) - set(given)
    mine, theirs = (
        {name: each.spikes[name] for name in left.spikes if name in shared}
        for each in (left, right)
    )
    return {
        name: _agreement(one, other)
        for name, one, other in _pairs("population", mine, theirs)
    }


def _agreement(one: Array, other: Array) -> SpikeAgreement:
    mismatches = int(np.count_nonzero(one != other))
    spikes = (int(one.sum(dtype=np.int64)), int(other.sum(dtype=np.int64)))
    return SpikeAgreement(one.size, mismatches, 1.0 - mismatches / one.size, spikes)


def _kept(trace: SpikeTrace, given: Collection[str]) -> dict[str, Array]:
    """Return all spikes and counts but the given ones."""
    found: dict[str, Array] = {**trace.spikes}
    for name, counts in trace.counts.items():
        found[f"{name}, counts"] = counts
    return {k: v for k, v in found.items() if k.removesuffix(", counts") not in given}


def _pairs(
    what: str, left: Mapping[str, Array], right: Mapping[str, Array]
) -> Iterator[tuple[str, Array, Array]]:
    """Yield the namesakes of two traces, which must be the same in number and shape."""
    if set(left) != set(right):
        differing = ", ".join(sorted(set(left) ^ set(right)))
        raise InputError(f"traces record different {what}s: {differing}")
    for name, mine in left.items():
        theirs = right[name]
        if mine.shape != theirs.shape:
            raise InputError(
                f"{what} '{name}': {mine.shape} in one trace, {theirs.shape} in the "
                "other; compare runs of one graph on the same inputs"
            )
        yield name, mine, theirs
