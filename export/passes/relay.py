"""The pass that splits axonal delays longer than a chip can hold."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from spikewright.errors import GraphError
from spikewright.graph import Edge, Graph, Stage, unique_name
from spikewright.loihi import MAX_DELAY
from spikewright.nodes import (
    GRADED,
    POPULATIONS,
    BiasLine,
    DiagonalSynapses,
    Node,
    Population,
    SpikingNeurons,
)

STRIDE = MAX_DELAY + 1
"""steps from one relay to the next: the longest delay, and the synapse's own step"""


def relay_long_delays(graph: Graph) -> Graph:
    """Leave no axonal delay above `MAX_DELAY`; the steps in all stay the same.

    TIMED to TIMED.

    1. Spikes go through relays, populations that fire where a spike reaches them. Each
       comes 63 steps after the one before it: 62 of delay, and 1 of its synapse. All
       long edges of a source, which must be spikes also if it is an Input, share one
       chain.
    2. A bias line gets sisters that start 63 steps later than it, 126, and so on.

    Raises:
        GraphError: a population that sends numbers has an edge with a longer delay.
    """
    graph.expect(Stage.TIMED)
    draft = _Draft(graph)
    stops: dict[str, dict[int, str]] = {}
    for name, numbers in _numbers(graph).items():
        add = _sisters if isinstance(graph.nodes[name], BiasLine) else _relays
        stops[name] = add(draft, name, numbers)
    edges = [_shortened(edge, stops.get(edge.source, {})) for edge in graph.edges]
    edges += draft.edges
    used = {edge.source for edge in edges}
    nodes = {
        name: node
        for name, node in {**graph.nodes, **draft.nodes}.items()
        if name in used or not isinstance(node, BiasLine)
    }
    every = {**graph.arrival, **draft.arrival}
    arrival = {name: steps for name, steps in every.items() if name in nodes}
    return Graph(nodes, tuple(edges), Stage.TIMED, graph.dt_s, arrival)


@dataclass(frozen=True, eq=False)
class _Draft:
    """What is new."""

    graph: Graph
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    arrival: dict[str, int] = field(default_factory=dict)

    def add(self, wanted: str, node: Node) -> str:
        """Add a node under the first free name."""
        name = unique_name(wanted, self.graph.nodes.keys() | self.nodes.keys())
        self.nodes[name] = node
        return name

    def let_arrive(self, name: str, source: str, number: int) -> None:
        """Let a population send what `source` sent `number` times 63 steps ago."""
        self.arrival[name] = self.graph.arrival[source] + STRIDE * number


def _numbers(graph: Graph) -> dict[str, set[int]]:
    """Return how many times 63 steps the long edges of each source wait."""
    numbers: dict[str, set[int]] = {}
    for edge in graph.edges:
        source = graph.nodes[edge.source]
        if edge.delay >= STRIDE and isinstance(source, POPULATIONS):
            if isinstance(source, GRADED):
                raise GraphError(
                    f"edge {edge.source} -> {edge.target}: waits {edge.delay} steps, "
                    f"at most {MAX_DELAY}, and '{edge.source}' sends numbers (LI or "
                    "I), which no relay of spikes can pass on; give it an Output of "
                    "its own, or put a spiking neuron behind it"
                )
            numbers.setdefault(edge.source, set()).add(edge.delay // STRIDE)
    return numbers


def _sisters(draft: _Draft, line: str, numbers: set[int]) -> dict[int, str]:
    """Add the lines that start so many times 63 steps later."""
    names = {}
    for number in sorted(numbers):
        names[number] = draft.add(line, BiasLine())
        draft.let_arrive(names[number], line, number)
    return names


def _relays(draft: _Draft, source: str, numbers: set[int]) -> dict[int, str]:
    """Add a chain of relays behind a source of spikes."""
    node = draft.graph.nodes[source]
    assert isinstance(node, Population)  # noqa: S101 - _numbers looked
    nothing, ones = np.zeros(node.shape), np.ones(node.shape)
    relay, synapses = (
        SpikingNeurons(nothing, 0.5 * ones, nothing),
        DiagonalSynapses(ones),
    )
    names, before = {}, source
    for number in range(1, max(numbers) + 1):
        names[number] = draft.add(f"{source}_relay", relay)
        draft.let_arrive(names[number], source, number)
        way = draft.add(f"{before}_to_{names[number]}", synapses)
        draft.edges.extend([Edge(before, way, MAX_DELAY), Edge(way, names[number])])
        before = names[number]
    return names


def _shortened(edge: Edge, stops: dict[int, str]) -> Edge:
    """Let an edge start at the last stop before its end."""
    number, rest = divmod(edge.delay, STRIDE)
    return Edge(stops[number], edge.target, rest) if number in stops else edge
