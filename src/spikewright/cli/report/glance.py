"""What a report's page shows of some samples, seen where their trace is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spikewright.plots.rates import Firing, firing
from spikewright.trace import SpikeTrace


@dataclass(frozen=True, eq=False)
class Glance:
    """Of the trace of some samples."""

    samples: int
    fired: Mapping[str, Firing]
    shown: SpikeTrace | None
    """of the one sample that is shown, if it is here"""


def look(trace: SpikeTrace, place: int) -> Glance:
    """Look at a trace; `place` is that of the sample that is shown, if it has it."""
    return Glance(
        trace.samples,
        firing(trace),
        _sample(trace, place) if 0 <= place < trace.samples else None,
    )


def _sample(trace: SpikeTrace, place: int) -> SpikeTrace:
    one = slice(place, place + 1)
    return SpikeTrace(
        {name: each[one] for name, each in trace.spikes.items()},
        {name: each[one] for name, each in trace.outputs.items()},
        trace.meta,
        {name: each[one] for name, each in trace.counts.items()},
    )
