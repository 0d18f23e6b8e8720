"""A run to be counted: what was given, checked, and what it cannot tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from spikewright import nodes as n
from spikewright.counting_requests import TRAFFIC, Placement, Traffic
from spikewright.counting_signals import (
    Inputs,
    Projection,
    Reals,
    Signal,
    read_projections,
    read_signals,
)
from spikewright.counting_sums import Amount, Grid
from spikewright.counting_tokens import Slots, token_slots
from spikewright.errors import InputError
from spikewright.graph import Graph
from spikewright.trace import SpikeTrace


@dataclass(frozen=True, eq=False)
class Run:
    """A run to be counted, and what was found so far."""

    graph: Graph
    grid: Grid
    projections: Mapping[str, Projection]
    signals: Mapping[str, Signal]
    slots: Slots
    found: dict[str, dict[str, Amount]]
    uncounted: dict[tuple[str, str], None] = field(default_factory=dict)

    def put(self, node: str, name: str, amount: Amount | None) -> None:
        """Note an amount, or that there is none."""
        if amount is None:
            why = f"{name}: the trace has numbers of spikes only; keep them all"
            self.uncounted[node, why] = None
        else:
            self.found[node][name] = amount


def begin_run(
    graph: Graph,
    trace: SpikeTrace,
    inputs: Inputs,
    lengths: npt.ArrayLike | None,
) -> Run:
    """Check what was given; `count_run` says what that is, and its errors."""
    projections = read_projections(graph)
    slots = token_slots(graph, projections)
    signals = read_signals(graph, trace, inputs, slots)
    grid = Grid(trace.samples, trace.steps, _lengths(lengths, trace.samples))
    names = [k for k in graph.nodes if k in signals or k in projections]
    found: dict[str, dict[str, Amount]] = {name: {} for name in names}
    run = Run(graph, grid, projections, signals, slots, found)
    _note_what_is_missing(run)
    return run


def _lengths(
    lengths: npt.ArrayLike | None, samples: int
) -> npt.NDArray[np.int64] | None:
    if lengths is None:
        return None
    found = np.asarray(lengths)
    if found.shape != (samples,) or found.dtype.kind not in "iu" or found.min() < 0:
        raise InputError(
            f"lengths of type {found.dtype} and shape {found.shape}; allowed: whole "
            f"numbers from 0 on, one for each of {samples} samples"
        )
    return found.astype(np.int64)


def check_placement(graph: Graph, placement: Placement) -> None:
    """Refuse a placement that does not fit the graph.

    Raises:
        InputError: it does not.
    """
    populations = graph.populations()
    for name, fields in placement.items():
        if name not in populations:
            raise InputError(f"placement of '{name}', which the graph lacks")
        size = math.prod(populations[name].shape)
        for key, each in fields.items():
            if key not in TRAFFIC or np.size(each) != size:
                raise InputError(
                    f"placement of '{name}': {np.size(each)} numbers of '{key}'; "
                    f"allowed: {size} of {', '.join(TRAFFIC)}"
                )


def note_traffic(run: Run, name: str, traffic: Traffic) -> None:
    """List what a placement does not tell of a population."""
    missing = [key for key in TRAFFIC if key not in traffic]
    if missing:
        why = f"{', '.join(missing)}: the placement does not tell them"
        run.uncounted[name, why] = None


def _note_what_is_missing(run: Run) -> None:
    """List what nothing that was given can tell."""
    for name, node in run.graph.populations().items():
        signal = run.signals[name]
        if isinstance(node, n.GRADED) and run.graph.out_of(name):
            why = "graded_levels: levels are unknown, a trace holds spikes only"
            run.uncounted[name, why] = None
        if isinstance(signal, Reals) and signal.values is None:
            why = "macs_zero: the values of this Input were not given"
            run.uncounted[name, why] = None
        is_unclear = run.slots[name] is None and not isinstance(node, n.BiasLine)
        if run.grid.lengths is not None and is_unclear:
            why = "padding: nothing says which neurons belong to which token"
            run.uncounted[name, why] = None
