"""Operations of a run, counted exactly from its spikes: never from an average rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spikewright import nodes as n
from spikewright.counts import OperationCount
from spikewright.errors import GraphError, InputError
from spikewright.graph import Graph, Stage
from spikewright.hops import Hop, hops
from spikewright.linear import apply_synapses, ends, fan_out, pattern
from spikewright.trace import Spikes, SpikeTrace

Mask = npt.NDArray[np.bool_]

_CELLS_PER_CHUNK = 2**22
"""neuron-steps that are looked at together; bounds the memory, not the result"""


@dataclass(frozen=True, eq=False)
class _Projection:
    """Synapses with the populations at their ends."""

    name: str
    synapses: n.Synapses
    source: n.Population
    target: str
    shift: int
    """steps from the source's step t to the target's, in the steps of the sample"""
    sent: Spikes | None
    """(samples, steps, *source shape); None: every neuron sends at every step"""


def count_operations(graph: Graph, trace: SpikeTrace) -> dict[str, OperationCount]:
    """Count the operations of all samples of `trace`, by node.

    Synapses get one synop for each spike of their source and each non-zero weight that
    it meets (border tokens meet fewer). Behind a `BiasLine` that is one spike a step;
    behind graded integrators every neuron's message of every step is counted, zero or
    not, since a trace holds no values; behind an `Input` that is not in the trace the
    signal is real-valued and each weight, zero or not, is a MAC a step.

    Populations get their spikes and their updates, one a neuron and step of the sample.
    An update is active if the neuron received an event in this step (through a non-zero
    weight, from the bias line, or as a non-zero bias of its own) or spiked in it.
    The Output and axonal delays get nothing.

    Raises:
        GraphError: the graph is not TIMED or QUANTIZED, or synapses do not join one
            population to one other node.
        InputError: the trace lacks a population, or its spikes do not fit the graph.
    """
    graph.expect(Stage.TIMED, Stage.QUANTIZED)
    _check_trace(graph, trace)
    cells = trace.samples * trace.steps
    projections = _projections(graph, trace)
    counts = {}
    for name, node in graph.nodes.items():
        if isinstance(node, n.POPULATIONS):
            feeds = [each for each in projections.values() if each.target == name]
            counts[name] = _count_population(name, node, trace, feeds)
        elif name in projections:
            counts[name] = _count_synapses(projections[name], cells)
    return counts


def row_of_nodes(graph: Graph) -> dict[str, str]:
    """Name the population that each node works for: its target if it is synapses."""
    return {
        name: graph.out_of(name)[0].target if isinstance(node, n.SYNAPSES) else name
        for name, node in graph.nodes.items()
    }


# --- reading the graph and the trace -------------------------------------------------


def _projections(graph: Graph, trace: SpikeTrace) -> dict[str, _Projection]:
    found: dict[str, _Projection] = {}
    for hop in hops(graph):
        if hop.synapses is None:
            _refuse_plain(graph, hop)
            continue
        name = hop.first.target
        if name in found:
            raise GraphError(
                f"node '{name}': synapses need one edge in, got several; "
                "use a Synapses node per connection"
            )
        found[name] = _projection(graph, trace, hop, hop.synapses)
    for name, node in graph.nodes.items():
        if isinstance(node, n.SYNAPSES) and name not in found:
            raise GraphError(
                f"node '{name}': no population leads into these synapses; "
                "connect or remove them"
            )
    return found


def _refuse_plain(graph: Graph, hop: Hop) -> None:
    if isinstance(graph.nodes[hop.target], n.POPULATIONS):
        raise GraphError(
            f"edge {hop.source} -> {hop.target}: two populations without "
            "synapses cannot be counted; put DiagonalSynapses between them"
        )


def _projection(
    graph: Graph, trace: SpikeTrace, hop: Hop, synapses: n.Synapses
) -> _Projection:
    source = graph.nodes[hop.source]
    assert isinstance(source, n.POPULATIONS)  # noqa: S101 - hops start at populations
    elapsed = _arrival(graph, hop.target) - _arrival(graph, hop.source)
    shift = hop.first.delay + hop.latency - elapsed
    if shift < 0:
        raise GraphError(
            f"node '{hop.first.target}': spikes reach '{hop.target}' {-shift} steps "
            "before its sample begins; run balance_delays again"
        )
    silent_in_trace = isinstance(source, (n.BiasLine, *n.GRADED))
    sent = None if silent_in_trace else trace.spikes.get(hop.source)
    return _Projection(hop.first.target, synapses, source, hop.target, shift, sent)


def _arrival(graph: Graph, name: str) -> int:
    if name not in graph.arrival:
        raise GraphError(f"node '{name}' has no arrival time; run balance_delays")
    return graph.arrival[name]


def _check_trace(graph: Graph, trace: SpikeTrace) -> None:
    for name, node in graph.nodes.items():
        if isinstance(node, n.SPIKING) and name not in trace.spikes:
            raise InputError(
                f"population '{name}': the trace has no spikes of it, but "
                f"{', '.join(trace.spikes) or 'none at all'}; "
                "simulate this graph and keep its spikes (--trace full)"
            )
        if isinstance(node, n.POPULATIONS) and name in trace.spikes:
            _check_spikes(trace, name, node.shape)


def _check_spikes(trace: SpikeTrace, name: str, shape: n.Shape) -> None:
    spikes, wanted = trace.spikes[name], (trace.samples, trace.steps, *shape)
    if spikes.shape != wanted:
        raise InputError(
            f"population '{name}': spikes of shape {spikes.shape}, but the graph and "
            f"the output need (samples, steps, *shape) = {wanted}; "
            "is this the trace of another graph?"
        )
    if spikes.max(initial=0) > 1:
        raise InputError(
            f"population '{name}': a spike of {spikes.max()}; spikes are 0 or 1"
        )


# --- synapses ------------------------------------------------------------------------


def _count_synapses(projection: _Projection, cells: int) -> OperationCount:
    """Count the events of `cells` sample-steps."""
    synapses, source = projection.synapses, projection.source
    size = math.prod(source.shape)
    fan = fan_out(synapses, size)
    if isinstance(source, n.BiasLine):
        return OperationCount(synops=cells * int(fan.sum()))
    if isinstance(source, n.GRADED):
        return OperationCount(graded_synops=cells * int(fan.sum()))
    if projection.sent is None:
        every = replace(synapses, weight=np.ones_like(synapses.weight))
        return OperationCount(macs=cells * int(fan_out(every, size).sum()))
    sent = projection.sent.sum(axis=(0, 1), dtype=np.int64)
    return OperationCount(synops=int((sent.reshape(-1) * fan).sum()))


# --- populations ---------------------------------------------------------------------


def _count_population(
    name: str, node: n.Population, trace: SpikeTrace, feeds: Sequence[_Projection]
) -> OperationCount:
    cells = trace.samples * trace.steps * math.prod(node.shape)
    if isinstance(node, n.BiasLine):
        return OperationCount(spikes=cells)
    own = trace.spikes.get(name)
    spikes = 0 if own is None else int(np.count_nonzero(own))
    if isinstance(node, n.Input):
        return OperationCount(spikes=spikes)
    active = _count_active(node, trace, own, feeds)
    return OperationCount(
        spikes=spikes, updates_active=active, updates_inactive=cells - active
    )


def _count_active(
    node: n.Population,
    trace: SpikeTrace,
    own: Spikes | None,
    feeds: Sequence[_Projection],
) -> int:
    """Count the neuron-steps of a population that received an event or spiked."""
    # What is always on comes first: it often fills the mask and saves the products.
    ordered = sorted(feeds, key=lambda feed: feed.sent is not None)
    widest = max(math.prod(each.shape) for each in (node, *(f.source for f in feeds)))
    size = max(1, _CELLS_PER_CHUNK // max(1, trace.steps * widest))
    bias = node.bias if isinstance(node, n.SpikingNeurons | n.Integrators) else 0.0
    active = 0
    for start in range(0, trace.samples, size):
        chunk = slice(start, min(start + size, trace.samples))
        mask = np.zeros((chunk.stop - start, trace.steps, *node.shape), dtype=np.bool_)
        mask |= np.asarray(bias != 0)
        if own is not None:
            mask |= own[chunk] != 0
        for feed in ordered:
            if not mask.all():
                _add_events(feed, chunk, mask)
        active += int(np.count_nonzero(mask))
    return active


def _add_events(feed: _Projection, chunk: slice, mask: Mask) -> None:
    """Mark in `mask` (samples, steps, *target shape) where an event of `feed` falls."""
    samples, steps, *shape = mask.shape
    heard = steps - feed.shift
    if heard <= 0:
        return  # delayed beyond the end of the sample
    if feed.sent is None:
        source = np.ones((1, *feed.source.shape), dtype=np.float32)
        mask[:, feed.shift :] |= _received(feed.synapses, source).reshape(shape)
        return
    sent = feed.sent[chunk, :heard].astype(np.float32)
    flat = sent.reshape(samples * heard, *sent.shape[2:])
    events = _received(feed.synapses, flat)
    mask[:, feed.shift :] |= events.reshape(samples, heard, *shape)


def _received(synapses: n.Synapses, sent: npt.NDArray[np.float32]) -> Mask:
    """Tell which targets receive an event, from `sent` (batch, *source shape), 0 or 1.

    A sum of zeros and ones in float32 is zero only if all are: the answer is exact.
    """
    given = ends(synapses, math.prod(sent.shape[1:]))[1]
    return np.asarray(apply_synapses(pattern(synapses), sent, given) > 0)
