"""The pass that finds the soft-reset neurons of snnTorch in NIR's spelling of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import FloatArray, Integrators, Node, Scale, SpikingNeurons


@dataclass(frozen=True)
class _Pair:
    """Integrators that a threshold reads, and the Scale that closes their loop."""

    membrane: str
    spikes: str
    loop: str | None


def merge_soft_resets(graph: Graph) -> Graph:
    """Merge `Integrators -> Threshold`, with its reset loop, into one population.

    DISCRETE to DISCRETE. NIR has no soft reset; it spells snnTorch's default neuron as
    LI -> Threshold and Threshold -> Scale(-drop) -> LI, a loop of one step. With
    v[t] = decay v[t-1] + a[t] + bias - drop s[t-1] and s[t] = gain v[t] > threshold it
    is `SpikingNeurons` with a `drop` and the threshold threshold / gain, named as the
    Threshold. Without such a loop nothing is reset: drop = 0. Another way back to the
    integrators, one that adds, or one through their current filter, stays a
    connection. Where others read the potential too, the integrators stay beside the
    merged population.

    The drop is taken off last, as in snnTorch, so a potential that is no short binary
    fraction may change in its last bit.
    """
    graph.expect(Stage.DISCRETE)
    pairs = tuple(_pairs(graph))
    gone = _gone(graph, pairs)
    merged = {pair.spikes: _merged(graph, pair) for pair in pairs}
    nodes = {
        name: merged.get(name, node)
        for name, node in graph.nodes.items()
        if name not in gone
    }
    edges = tuple(_edges(graph, pairs, gone))
    return Graph(nodes, edges, Stage.DISCRETE, graph.dt_s)


# --- what belongs together -----------------------------------------------------------


def _pairs(graph: Graph) -> Iterator[_Pair]:
    for name, node in graph.nodes.items():
        into = graph.into(name)
        if not _is_threshold(node) or len(into) != 1 or into[0].delay:
            continue
        membrane = graph.nodes[into[0].source]
        if isinstance(membrane, Integrators):
            loop = None if np.any(membrane.current_decay) else _loop(graph, into[0])
            yield _Pair(into[0].source, name, loop)


def _is_threshold(node: Node) -> bool:
    return (
        isinstance(node, SpikingNeurons)
        and node.drop is None
        and not any(map(np.any, (node.decay, node.bias, node.current_decay)))
    )


def _loop(graph: Graph, edge: Edge) -> str | None:
    """Return the Scale that leads spikes back in one step, and only takes off."""
    for back in graph.into(edge.source):
        name = back.source
        node, into, out_of = graph.nodes[name], graph.into(name), graph.out_of(name)
        if not isinstance(node, Scale) or np.any(node.scale > 0):
            continue
        if len(into) == len(out_of) == 1:
            if into[0].source == edge.target and into[0].delay + back.delay == 1:
                return name
    return None


def _merged(graph: Graph, pair: _Pair) -> SpikingNeurons:
    membrane, spikes = graph.nodes[pair.membrane], graph.nodes[pair.spikes]
    assert isinstance(membrane, Integrators)  # noqa: S101 - _pairs checked
    assert isinstance(spikes, SpikingNeurons)  # noqa: S101 - _pairs checked
    return SpikingNeurons(
        membrane.decay,
        spikes.threshold / membrane.gain,
        membrane.bias,
        membrane.current_decay,
        _drop(graph, pair.loop, membrane.shape),
    )


def _drop(graph: Graph, loop: str | None, shape: tuple[int, ...]) -> FloatArray:
    scale = graph.nodes[loop] if loop else None
    if not isinstance(scale, Scale):
        return np.zeros(shape)
    return 0.0 - scale.scale.astype(np.float64)


# --- what is left --------------------------------------------------------------------


def _gone(graph: Graph, pairs: Sequence[_Pair]) -> set[str]:
    """Return the integrators that nobody else reads, and their loops."""
    spikes = {pair.spikes for pair in pairs}
    read = {edge.source for edge in graph.edges if edge.target not in spikes}
    users = Counter(pair.membrane for pair in pairs)
    unread = users.keys() - read
    loops = (pair.loop for pair in pairs if pair.membrane in unread)
    alone = {pair.loop for pair in pairs if users[pair.membrane] == 1}
    return unread | {loop for loop in loops if loop and loop in alone}


def _edges(graph: Graph, pairs: Sequence[_Pair], gone: set[str]) -> Iterator[Edge]:
    """Yield the edges, those into integrators for each population merged from them."""
    spikes = {pair.spikes for pair in pairs}
    merged: dict[str, list[_Pair]] = {}
    for pair in pairs:
        merged.setdefault(pair.membrane, []).append(pair)
    for edge in graph.edges:
        if edge.target in spikes:
            continue  # the potential was their only way in
        if edge.target not in gone:
            yield edge
        for pair in merged.get(edge.target, ()):
            if pair.loop != edge.source:
                yield Edge(edge.source, pair.spikes, edge.delay)
