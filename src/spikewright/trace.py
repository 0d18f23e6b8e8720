"""What a simulation leaves behind."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from spikewright.errors import GraphError, InputError
from spikewright.suggest import did_you_mean

Spikes = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
T = TypeVar("T", bound=npt.NDArray[Any])


@dataclass(frozen=True, eq=False)
class SpikeTrace:
    """Spikes of the spiking populations and the Inputs that were kept, and the outputs.

    All are read at each population's arrival time, so that index t is step t of the
    sample in every backend and at every stage.
    """

    spikes: Mapping[str, Spikes]
    """(samples, steps, *shape), 0 or 1"""
    outputs: Mapping[str, Values]
    """by Output: (samples, steps, *output shape), in the units of the float graph"""
    meta: Mapping[str, object] = field(default_factory=dict)
    """backend, arithmetic, dt_s, steps, arrival, versions, hash of the graph"""
    counts: Mapping[str, Counts] = field(default_factory=dict)
    """(samples, steps): spikes of populations of which only the number was kept"""

    @property
    def output(self) -> Values:
        """What the only Output received; `GraphError` if there are several."""
        if len(self.outputs) != 1:
            raise GraphError(
                f"the trace has {len(self.outputs)} outputs "
                f"({', '.join(self.outputs)}); take one from `outputs`"
            )
        return next(iter(self.outputs.values()))

    @property
    def samples(self) -> int:
        """Number of samples."""
        return int(self._runs[0])

    @property
    def steps(self) -> int:
        """Number of steps of each sample."""
        return int(self._runs[1])

    @property
    def _runs(self) -> tuple[int, ...]:
        return next(iter(self.outputs.values())).shape[:2]

    def rate(self, population: str) -> float:
        """Spikes per neuron and step."""
        return float(self.spikes[population].mean())

    def counted(self) -> dict[str, Counts]:
        """Return the number of spikes of all that was kept, (samples, steps) each."""
        found = {name: _counts(spikes) for name, spikes in self.spikes.items()}
        return {**found, **self.counts}


class Keep(StrEnum):
    """How much of a population's spikes a trace keeps."""

    FULL = "full"
    """each spike, a byte a neuron and step"""
    COUNTS = "counts"
    """how many at each step"""
    NONE = "none"


@dataclass(frozen=True)
class TracePolicy:
    """What a trace keeps; outputs always."""

    keep: Keep = Keep.FULL
    full: Collection[str] = ()
    """populations of which each spike is kept all the same"""

    def of(self, name: str) -> Keep:
        """Return what is kept of a population."""
        return Keep.FULL if name in self.full else self.keep

    def check(self, known: Collection[str]) -> None:
        """Raise `InputError` unless the populations to keep are among `known`."""
        for name in self.full:
            if name not in known:
                raise InputError(
                    f"no population '{name}' to keep; the graph has {', '.join(known)}"
                    f"{did_you_mean(name, known)}"
                )

    def apply(self, trace: SpikeTrace) -> SpikeTrace:
        """Return what this policy keeps of a trace."""
        spikes = {k: v for k, v in trace.spikes.items() if self.of(k) is Keep.FULL}
        counts = {
            name: counts
            for name, counts in trace.counted().items()
            if self.of(name) is Keep.COUNTS
        }
        return replace(trace, spikes=spikes, counts=counts)


EVERYTHING = TracePolicy()
"""each spike of each population"""


def _counts(spikes: Spikes) -> Counts:
    flat = spikes.reshape(*spikes.shape[:2], -1)
    counts: Counts = flat.sum(axis=2, dtype=np.int64)
    return counts


def collect_traces(
    parts: Iterable[SpikeTrace], samples: int, meta: Mapping[str, object]
) -> SpikeTrace:
    """Join traces of the same graph along the samples.

    Each part is copied and let go before the next is asked for, so they may come from a
    generator.

    Args:
        parts: one at least.
        samples: of all parts together.
        meta: of the whole.
    """
    whole: SpikeTrace | None = None
    start = 0
    for part in parts:
        if whole is None:
            whole = _room_for(part, samples)
        stop = start + part.samples
        for room, given in (
            (whole.spikes, part.spikes),
            (whole.outputs, part.outputs),
            (whole.counts, part.counts),
        ):
            for name, array in given.items():
                room[name][start:stop] = array
        start = stop
    assert whole is not None  # noqa: S101 - the caller gives one part at least
    return replace(whole, meta=meta)


def _room_for(part: SpikeTrace, samples: int) -> SpikeTrace:
    """Return a trace of `samples` samples, to be filled."""

    def room(arrays: Mapping[str, T]) -> dict[str, T]:
        return {
            name: np.empty((samples, *array.shape[1:]), array.dtype)  # type: ignore[misc]
            for name, array in arrays.items()
        }

    return SpikeTrace(room(part.spikes), room(part.outputs), {}, room(part.counts))
