"""What a NIR file holds as one flat graph: shapes inferred, nested graphs spliced."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from spikewright import nodes as n
from spikewright.export.graphs.order import Wire, topological_order
from spikewright.export.graphs.shapes import check_shapes, check_sizes, ends
from spikewright.export.nir.check import Contents
from spikewright.export.nir.nest import flat_edges, joints, splice
from spikewright.export.nir.parse import parse_node
from spikewright.graph import Edge, Graph, Stage, unique_name


def flat_graph(contents: Contents) -> Graph:
    """Build the CONTINUOUS graph, with its nodes in feed-forward order.

    Where a signal comes to one node by several ways through nested graphs, it counts as
    often: the ways become one edge with a Scale on it.

    Raises:
        GraphError: values or shapes do not fit, or nested graphs close an empty loop.
        InputError: a signal is larger than the limit for the arrays of a file.
        UnsupportedNodeError: a node is of a kind that is not supported.
    """
    edges = flat_edges(contents.levels)
    nodes = _shaped_nodes(contents, edges)
    check_shapes(nodes, edges)
    check_sizes(nodes)
    vanishing = joints(contents.levels)
    ways = splice(edges, vanishing)
    for joint in vanishing:
        del nodes[joint]
    pairs: list[Wire] = []
    for (source, target), count in ways.items():
        path = [source, target]
        if count > 1:
            path.insert(1, unique_name(f"{source}_{count}x_{target}", nodes))
            shape = ends(source, nodes[source])[1]
            nodes[path[1]] = n.Scale(np.full(shape, float(count)))
        pairs += pairwise(path)
    order = topological_order(list(nodes), pairs, _inputs(nodes))
    return Graph(
        {name: nodes[name] for name in order},
        tuple(Edge(*pair) for pair in pairs),
        Stage.CONTINUOUS,
    )


def _inputs(nodes: dict[str, n.Node]) -> list[str]:
    return [name for name, node in nodes.items() if isinstance(node, n.Input)]


def _shaped_nodes(contents: Contents, edges: Sequence[Wire]) -> dict[str, n.Node]:
    """Parse every node after one that sends to it: shapes follow the signal."""
    kinds = {
        place: kind
        for level in contents.levels.values()
        for place, kind in level.kinds.items()
    }
    starts = [
        each for each, kind in contents.levels[""].kinds.items() if kind == "Input"
    ]
    sources: dict[str, list[str]] = {place: [] for place in contents.values}
    for source, target in edges:
        sources[target].append(source)
    nodes: dict[str, n.Node] = {}
    for place in topological_order(list(contents.values), edges, starts):
        known = next((each for each in sources[place] if each in nodes), None)
        arriving = None if known is None else ends(known, nodes[known])[1]
        nodes[place] = parse_node(place, kinds[place], contents.values[place], arriving)
    return nodes
