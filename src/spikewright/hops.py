"""The hops of a folded graph: from one population to the next, or to the Output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from spikewright.errors import GraphError
from spikewright.graph import Edge, Graph
from spikewright.nodes import POPULATIONS, SYNAPSES, Synapses


@dataclass(frozen=True, eq=False)
class Hop:
    """A way from one population to the next, or to the Output."""

    first: Edge
    """the edge that leaves the population, and carries its axonal delay"""
    source: str
    target: str
    synapses: Synapses | None
    """None: straight to the Output"""

    @property
    def latency(self) -> int:
        """Steps that the chip needs: 1 through synapses, 0 straight to the Output."""
        return 0 if self.synapses is None else 1


def hops(graph: Graph) -> Iterator[Hop]:
    """Yield the hops of a folded graph, in edge order.

    Raises:
        GraphError: synapses have no edge out, or several, or one with a delay.
    """
    for edge in graph.edges:
        if isinstance(graph.nodes[edge.source], POPULATIONS):
            node = graph.nodes[edge.target]
            if isinstance(node, SYNAPSES):
                target = _end_of(graph, edge.target)
                yield Hop(edge, edge.source, target, node)
            else:
                yield Hop(edge, edge.source, edge.target, None)


def hops_by_target(graph: Graph) -> Mapping[str, Sequence[Hop]]:
    """Return the hops into each population and Output, in edge order."""
    found: dict[str, list[Hop]] = {name: [] for name in graph.nodes}
    for hop in hops(graph):
        found[hop.target].append(hop)
    return found


def _end_of(graph: Graph, name: str) -> str:
    found = graph.out_of(name)
    if len(found) != 1:
        raise GraphError(f"node '{name}': synapses need one edge out, got {len(found)}")
    if found[0].delay:
        raise GraphError(
            f"edge {name} -> {found[0].target}: a delay of {found[0].delay} steps "
            "behind synapses; put it on the edge that leads into them"
        )
    return found[0].target
