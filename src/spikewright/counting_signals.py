"""What each population of a run sent, as far as its trace tells, and where to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from spikewright import nodes as n
from spikewright.counting_packed import Sent, read_spikes
from spikewright.errors import GraphError, InputError
from spikewright.graph import Graph
from spikewright.hops import Hop, hops
from spikewright.trace import Counts, SpikeTrace

Inputs: TypeAlias = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Steady:
    """Every neuron sends at every step."""


@dataclass(frozen=True, eq=False)
class Sparks:
    """Spikes, each of them known."""

    sent: Sent


@dataclass(frozen=True, eq=False)
class Sums:
    """Spikes of which only the number is known."""

    counts: Counts
    """(samples, steps)"""


@dataclass(frozen=True, eq=False)
class Levels:
    """Integer messages; 0 is none."""

    values: npt.NDArray[Any]
    """(samples, steps, *shape)"""


@dataclass(frozen=True, eq=False)
class Reals:
    """Real values; every weight that they meet is a MAC."""

    values: npt.NDArray[Any] | None
    """(samples, steps, *shape); None: not given"""


Signal: TypeAlias = Steady | Sparks | Sums | Levels | Reals


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses with the populations at their ends."""

    name: str
    synapses: n.Synapses
    source: str
    population: n.Population
    """the source"""
    target: str
    shift: int
    """steps from the source's step t to the target's, in the steps of the sample"""


def read_projections(graph: Graph) -> dict[str, Projection]:
    """Return the synapses of a graph by name, each with its two ends.

    Raises:
        GraphError: synapses do not join one population to one other node, populations
            are joined without synapses, or an arrival time is missing or impossible.
    """
    found: dict[str, Projection] = {}
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
        found[name] = _projection(graph, hop, hop.synapses)
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


def _projection(graph: Graph, hop: Hop, synapses: n.Synapses) -> Projection:
    source = graph.nodes[hop.source]
    assert isinstance(source, n.POPULATIONS)  # noqa: S101 - hops start at populations
    elapsed = _arrival(graph, hop.target) - _arrival(graph, hop.source)
    shift = hop.first.delay + hop.latency - elapsed
    if shift < 0:
        raise GraphError(
            f"node '{hop.first.target}': spikes reach '{hop.target}' {-shift} steps "
            "before its sample begins; run balance_delays again"
        )
    return Projection(hop.first.target, synapses, hop.source, source, hop.target, shift)


def _arrival(graph: Graph, name: str) -> int:
    if name not in graph.arrival:
        raise GraphError(f"node '{name}' has no arrival time; run balance_delays")
    return graph.arrival[name]


# --- what was sent -------------------------------------------------------------------


def read_signals(
    graph: Graph, trace: SpikeTrace, inputs: Inputs, slots: Mapping[str, int | None]
) -> dict[str, Signal]:
    """Return what each population sent.

    An Input that is not in the trace is real-valued, unless `inputs` has integers.

    Args:
        graph: that ran.
        trace: of the run.
        inputs: values of Inputs that are not in the trace.
        slots: tokens of each population; 1 or None if they cannot be told.

    Raises:
        InputError: the trace lacks a population, or spikes or inputs do not fit.
    """
    _refuse_unknown(graph, trace, inputs)
    return {
        name: _signal(name, node, trace, inputs, slots[name] or 1)
        for name, node in graph.populations().items()
    }


def _refuse_unknown(graph: Graph, trace: SpikeTrace, inputs: Inputs) -> None:
    for name in inputs:
        if name not in graph.inputs:
            raise InputError(
                f"inputs for '{name}', but the graph has the Inputs "
                f"{', '.join(graph.inputs)}; give an array for one of them"
            )
        if name in trace.spikes:
            raise InputError(
                f"inputs '{name}': the trace has its spikes already; leave it out"
            )


def _signal(
    name: str, node: n.Population, trace: SpikeTrace, inputs: Inputs, slots: int
) -> Signal:
    if isinstance(node, (n.BiasLine, *n.GRADED)):
        return Steady()
    if name in trace.spikes:
        return _sparks(trace, name, node.shape, slots)
    if name in trace.counts:
        return Sums(trace.counts[name])
    if not isinstance(node, n.Input):
        raise InputError(
            f"population '{name}': the trace has no spikes of it, but "
            f"{', '.join(trace.spikes) or 'none at all'}; "
            "simulate this graph and keep its spikes (--trace full)"
        )
    if name not in inputs:
        return Reals(None)
    _check_shape(trace, name, inputs[name], node.shape)
    is_whole = inputs[name].dtype.kind in "biu"
    return Levels(inputs[name]) if is_whole else Reals(inputs[name])


def _check_shape(
    trace: SpikeTrace, name: str, array: npt.NDArray[Any], shape: n.Shape
) -> None:
    wanted = (trace.samples, trace.steps, *shape)
    if array.shape != wanted:
        raise InputError(
            f"population '{name}': spikes of shape {array.shape}, but the graph and "
            f"the output need (samples, steps, *shape) = {wanted}; "
            "is this the trace of another graph?"
        )


def _sparks(trace: SpikeTrace, name: str, shape: n.Shape, slots: int) -> Sparks:
    spikes = trace.spikes[name]
    _check_shape(trace, name, spikes, shape)
    if spikes.dtype.itemsize > 1:
        spikes = np.minimum(spikes, 2)
    sent, largest = read_spikes(spikes.astype(np.uint8, copy=False), slots)
    if largest > 1:
        raise InputError(
            f"population '{name}': a spike of {trace.spikes[name].max()}; "
            "spikes are 0 or 1"
        )
    return Sparks(sent)
