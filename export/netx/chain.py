"""A lowered graph as a chain of populations, the only form that netx knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spikewright.errors import GraphError
from spikewright.graph import Graph, Stage
from spikewright.hops import Hop, hops
from spikewright.nodes import (
    BiasLine,
    FloatArray,
    Input,
    Integrators,
    Output,
    QuantizedIntegrators,
    QuantizedNeurons,
    Shape,
    SpikingNeurons,
    Synapses,
)

Neurons = SpikingNeurons | Integrators | QuantizedNeurons | QuantizedIntegrators
Ways = tuple[tuple[Synapses, int], ...]
"""synapses, and how many steps later than one step they arrive"""


@dataclass(frozen=True, eq=False)
class Link:
    """A population, and what arrives there."""

    name: str
    neurons: Neurons | None
    """None: an Output that sums up its input"""
    shape: Shape
    source: Shape
    """shape of the population before it"""
    ways: Ways
    loops: Ways
    """from itself; one step is their own"""
    bias: Mapping[int, FloatArray]
    """the constant input from so many steps on, flat"""


@dataclass(frozen=True, eq=False)
class Chain:
    """Populations in a row, each with synapses into the next."""

    name: str
    """of the Input"""
    shape: Shape
    links: tuple[Link, ...]


def chain_of(graph: Graph) -> Chain:
    """Return the populations of a TIMED or QUANTIZED graph in their order.

    Raises:
        GraphError: there are several Inputs or Outputs; or a population branches,
            joins two others, or has a loop through another.
    """
    graph.expect(Stage.TIMED, Stage.QUANTIZED)
    for kind, found in (("Input", graph.inputs), ("Output", graph.outputs)):
        if len(found) != 1:
            raise GraphError(
                f"{len(found)} {kind}s ({', '.join(found)}), but netx is strictly "
                f"sequential: one {kind}; cut the graph into parts"
            )
    every = tuple(hops(graph))
    here, links = graph.input_name, []
    while not isinstance(graph.nodes[here], Output):
        target = _next(graph, here, every)
        arriving = [hop for hop in every if hop.target == target]
        _refuse_joins(graph, here, target, arriving)
        if any(hop.synapses is not None for hop in arriving):
            links.append(_link(graph, here, target, arriving))
        _refuse_late_output(graph, arriving)
        here = target
    return Chain(graph.input_name, _shape(graph, graph.input_name), tuple(links))


def _next(graph: Graph, here: str, every: Sequence[Hop]) -> str:
    """Return the only population that `here` feeds, but for itself."""
    found = {hop.target for hop in every if hop.source == here} - {here}
    if len(found) != 1:
        raise GraphError(
            f"node '{here}': branches to {', '.join(sorted(found)) or 'nothing'}, but "
            "netx is strictly sequential: one population after the other; leave this "
            "network in NIR"
        )
    (target,) = found
    return target


def _refuse_joins(
    graph: Graph, here: str, target: str, arriving: Sequence[Hop]
) -> None:
    lines = {k for k, node in graph.nodes.items() if isinstance(node, BiasLine)}
    others = {hop.source for hop in arriving} - {here, target} - lines
    if others:
        raise GraphError(
            f"node '{target}': joins '{here}' and {', '.join(sorted(others))}, but "
            "netx is strictly sequential, without residuals or long loops; leave this "
            "network in NIR"
        )


def _refuse_late_output(graph: Graph, arriving: Sequence[Hop]) -> None:
    """Refuse spikes that go straight to an Output, but late or beside others."""
    straight = [hop for hop in arriving if hop.synapses is None]
    for hop in straight:
        late = graph.arrival[hop.source] + hop.first.delay - graph.arrival[hop.target]
        if late or len(arriving) > 1:
            raise GraphError(
                f"node '{hop.target}': gets the spikes of '{hop.source}' {late} steps "
                f"late and {len(arriving) - 1} other signals; netx hands on what the "
                "last layer sends, at once; remove the Delay or the sum"
            )


def _link(graph: Graph, here: str, target: str, arriving: Sequence[Hop]) -> Link:
    node = graph.nodes[target]
    ways = {
        source: tuple(
            (hop.synapses, _lag(graph, hop))
            for hop in arriving
            if hop.source == source and hop.synapses is not None
        )
        for source in (here, target)
    }
    return Link(
        target,
        node if isinstance(node, Neurons) else None,
        _shape(graph, target),
        _shape(graph, here),
        ways[here],
        tuple((synapses, lag - 1) for synapses, lag in ways[target]),
        _bias(graph, arriving),
    )


def _bias(graph: Graph, arriving: Sequence[Hop]) -> dict[int, FloatArray]:
    bias: dict[int, FloatArray] = {}
    for hop in arriving:
        if isinstance(graph.nodes[hop.source], BiasLine) and hop.synapses is not None:
            lag = _lag(graph, hop)
            values = hop.synapses.weight.reshape(-1) * 2.0**hop.synapses.exponent
            bias[lag] = bias.get(lag, np.zeros(values.shape)) + values
    return bias


def _lag(graph: Graph, hop: Hop) -> int:
    waits = hop.first.delay + graph.out_of(hop.first.target)[0].delay + 1
    return graph.arrival[hop.source] + waits - graph.arrival[hop.target]


def _shape(graph: Graph, name: str) -> Shape:
    node = graph.nodes[name]
    assert isinstance(node, Input | Output | Neurons)  # noqa: S101 - hops end there
    return node.shape
