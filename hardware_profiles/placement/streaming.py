"""Send tokens one after the other through one copy of what treats them alike.

The rule. A population has places if its shape is (channels, places…) with more than one
place; a token or a pixel is a place. It is *streamed*, so that one copy of its channels
serves all places in turn, if its neurons have the same du, dv and drop everywhere and
each projection into it is

- TokenSynapses (any taps) or ConvSynapses from a streamed population or an Input; or
- DiagonalSynapses with the same weight at every place, from such a source; or
- DenseSynapses or ChannelSynapses that give every place the same, from a source that
  is not sent place by place: a bias line, a gate.

What mixes places otherwise (Dense over all places, ChannelSynapses from place to place,
SparseSynapses) needs all of them at once: its target is not streamed, keeps all its
weights, and is a *barrier*: what lies behind it can start only when the last place has
passed. So the streamed populations fall into passes, and a spike that crosses from one
pass to a later one, or into a target that is not streamed, has to be held.

Assumed: a place runs all steps of a sample, then the states are cleared and the next
place follows. Spikes are held by the host, or by the processors of the chip, and sent
in again; the neurons that would hold them on the mesh are not counted. The taps of a
window are held in the same way, as (taps - 1) places of the source. If steps were
outermost instead, nothing would be held over steps, but the states of all places would
have to be swapped at each of them: `state_bits`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from spikewright.graph import Edge, Graph
from spikewright.hardware_profiles.placement import shared
from spikewright.hardware_profiles.placement.limits import Limits
from spikewright.hops import Hop, hops
from spikewright.loihi import DECAY_ONE
from spikewright.nodes import (
    POPULATIONS,
    SYNAPSES,
    BiasLine,
    ConvSynapses,
    Input,
    IntArray,
    Node,
    Output,
    PerNeuron,
    QuantizedIntegrators,
    QuantizedNeurons,
    Shape,
    TokenSynapses,
)


@dataclass(frozen=True, eq=False)
class Streaming:
    """One copy for all places, and what that costs instead."""

    graph: Graph
    """QUANTIZED, with one place of each streamed population; it can be placed, not run:
    what is held enters through Inputs"""
    streamed: tuple[str, ...]
    places: int
    """the most that a streamed population has; each pass takes places * steps steps"""
    passes: int
    """each waits for the last place of the one before"""
    held_bits: int
    """spikes to hold for each step of a sample"""
    window_bits: int
    """spikes to hold for each step, for the windows of taps and kernels"""
    state_bits: int
    """states of all places, to be swapped if steps were outermost"""


def stream_tokens(graph: Graph, limits: Limits) -> Streaming | None:
    """Return how to stream a QUANTIZED graph, by the rule above; None if nothing can.

    None too if a loop runs through a barrier: it would never end.
    """
    every = tuple(hops(graph))
    streamed = _find_streamed(graph, every)
    levels = _find_levels(graph, every, streamed)
    if not streamed or levels is None:
        return None
    bits = limits.most("state_bits") or 0
    held = {hop.source for hop in every if _is_held(graph, hop, streamed, levels)}
    near = {*streamed, *(hop.source for hop in every if hop.target in streamed)}
    return Streaming(
        _one_copy(graph, every, streamed, levels),
        tuple(name for name in graph.nodes if name in streamed),
        max(_places(_shape(graph, name)) for name in near),
        len({levels[name] for name in streamed}),
        sum(math.prod(_shape(graph, name)) for name in held),
        sum(_window(hop) for hop in every if hop.target in streamed),
        sum(_states(graph.nodes[name]) * bits for name in streamed),
    )


def _shape(graph: Graph, name: str) -> Shape:
    node = graph.nodes[name]
    assert isinstance(node, (*POPULATIONS, Output))  # noqa: S101 - what hops join
    return node.shape


def _places(shape: Shape) -> int:
    return math.prod(shape[1:])


def _states(node: Node) -> int:
    """Count the numbers that a population remembers from step to step."""
    assert isinstance(node, QuantizedNeurons | QuantizedIntegrators)  # noqa: S101 - only these are streamed
    has_u, has_v = np.any(node.du != DECAY_ONE), np.any(node.dv != DECAY_ONE)
    return math.prod(node.shape) * (int(has_u) + int(has_v))


# --- the rule ------------------------------------------------------------------------


def _find_streamed(graph: Graph, every: tuple[Hop, ...]) -> frozenset[str]:
    """Start with all that look alike, and drop those with a projection that mixes."""
    arriving = {hop.target for hop in every if hop.synapses is not None}
    streamed = frozenset(
        name
        for name, node in graph.nodes.items()
        if isinstance(node, QuantizedNeurons | QuantizedIntegrators)
        and name in arriving
        and _places(node.shape) > 1
        and _is_alike(node)
    )
    while True:
        mixed = {
            hop.target
            for hop in every
            if hop.target in streamed and not _is_by_place(graph, hop, streamed)
        }
        if not mixed:
            return streamed
        streamed -= mixed


def _is_alike(node: QuantizedNeurons | QuantizedIntegrators) -> bool:
    """Say whether all places have the same parameters."""
    return all(
        bool(np.all(each == each[:, :1]))
        for each in (
            np.broadcast_to(values, node.shape).reshape(node.shape[0], -1)
            for values in _parameters(node).values()
        )
    )


def _parameters(
    node: QuantizedNeurons | QuantizedIntegrators,
) -> dict[str, PerNeuron]:
    found = {"du": node.du, "dv": node.dv}
    if isinstance(node, QuantizedNeurons) and node.drop is not None:
        found["drop"] = node.drop
    return found


def _is_by_place(graph: Graph, hop: Hop, streamed: frozenset[str]) -> bool:
    """Say whether a hop treats all places of its target alike."""
    return hop.synapses is not None and shared.is_same_at_every_place(
        hop.synapses,
        _shape(graph, hop.target)[0],
        is_sent_by_place=_is_sent_by_place(graph, hop.source, streamed),
    )


def _is_sent_by_place(graph: Graph, source: str, streamed: frozenset[str]) -> bool:
    is_input = isinstance(graph.nodes[source], Input)
    return source in streamed or (is_input and _places(_shape(graph, source)) > 1)


def _find_levels(
    graph: Graph, every: tuple[Hop, ...], streamed: frozenset[str]
) -> Mapping[str, int] | None:
    """Count the barriers before each node; None if a loop never ends.

    One barrier where places meet, and one where what they made meets places again.
    """
    levels = dict.fromkeys(graph.nodes, 0)
    for _ in range(len(graph.nodes) + 1):
        raised = dict(levels)
        for hop in every:
            step = int(_is_barrier(graph, hop, streamed))
            raised[hop.target] = max(raised[hop.target], raised[hop.source] + step)
        if raised == levels:
            return levels
        levels = raised
    return None


def _is_barrier(graph: Graph, hop: Hop, streamed: frozenset[str]) -> bool:
    changes = (hop.source in streamed) != (hop.target in streamed)
    return changes and not _is_of_host(graph, hop.source)


def _is_held(
    graph: Graph, hop: Hop, streamed: frozenset[str], levels: Mapping[str, int]
) -> bool:
    """Say whether spikes wait before they cross into a later pass or a barrier."""
    is_streamed = hop.source in streamed or hop.target in streamed
    return (
        hop.synapses is not None
        and is_streamed
        and not _is_of_host(graph, hop.source)
        and levels[hop.target] > levels[hop.source]
    )


def _is_of_host(graph: Graph, name: str) -> bool:
    """Say whether the host sends it, and so can send it whenever it is needed."""
    return isinstance(graph.nodes[name], Input | BiasLine)


def _window(hop: Hop) -> int:
    """Return the spikes of its source that a window keeps from places before."""
    match hop.synapses:
        case TokenSynapses() as synapses:
            taps, _, channels = synapses.weight.shape
            return int((taps - 1) * channels)
        case ConvSynapses() as synapses:
            channels, _, width = synapses.shape
            down, across = (
                (taps - 1) * gap
                for taps, gap in zip(
                    synapses.weight.shape[2:], synapses.dilation, strict=True
                )
            )
            return int((down * width + across) * channels)
        case _:
            return 0


# --- the copy ------------------------------------------------------------------------


def _one_copy(
    graph: Graph,
    every: tuple[Hop, ...],
    streamed: frozenset[str],
    levels: Mapping[str, int],
) -> Graph:
    """Return the graph with one place of each streamed population."""
    nodes: dict[str, Node] = {
        name: _one_place(node) if name in streamed else node
        for name, node in graph.nodes.items()
        if not isinstance(node, SYNAPSES)
    }
    edges = [hop.first for hop in every if hop.synapses is None]
    for hop in every:
        if hop.synapses is None:
            continue
        source, view = _source_of(graph, hop, streamed, levels)
        nodes.setdefault(source, view)
        copies = {"": hop.synapses}
        if hop.target in streamed:
            copies = shared.of_one_place(hop.synapses, _shape(graph, hop.target)[0])
        for suffix, synapses in copies.items():
            name = hop.first.target + suffix
            nodes[name] = synapses
            edges += [Edge(source, name, hop.first.delay), Edge(name, hop.target)]
    return Graph(nodes, tuple(edges), graph.stage, graph.dt_s)


def _one_place(node: Node) -> Node:
    """Return one place of a streamed population."""
    match node:
        case QuantizedNeurons():
            drop = None if node.drop is None else _first(node.drop, node.shape)
            node = replace(node, drop=drop)
        case QuantizedIntegrators():
            pass
        case _:
            return node
    du, dv = _first(node.du, node.shape), _first(node.dv, node.shape)
    return replace(node, shape=(node.shape[0], 1), du=du, dv=dv)


def _first(values: PerNeuron, shape: Shape) -> IntArray:
    wide = np.broadcast_to(np.asarray(values, dtype=np.int64), shape)
    return wide.reshape(shape[0], -1)[:, :1]


def _source_of(
    graph: Graph, hop: Hop, streamed: frozenset[str], levels: Mapping[str, int]
) -> tuple[str, Node]:
    """Name what sends to the copy: the source, a view of it, or what was held of it."""
    node, shape = graph.nodes[hop.source], _shape(graph, hop.source)
    by_place = hop.target in streamed and _is_sent_by_place(graph, hop.source, streamed)
    view = Input((shape[0], 1) if by_place else shape)
    if _is_held(graph, hop, streamed, levels):
        return f"{hop.source}, held{'' if by_place else ' whole'}", view
    if by_place and isinstance(node, Input):
        return f"{hop.source}, by place", view
    return hop.source, node
