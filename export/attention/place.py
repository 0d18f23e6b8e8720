"""A block inside a larger graph."""

from __future__ import annotations

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.graphs.order import topological_order
from spikewright.export.graphs.shapes import ends
from spikewright.graph import Edge, Graph, Stage


def with_block(
    graph: Graph, name: str, block: Graph, *, source: str, target: str
) -> Graph:
    """Add a way from one node to another through a block.

    The block's ends vanish, and its other nodes are called `name` and their own name.
    Edges that there are stay, so that one from source to target is a residual.

    Args:
        graph: CONTINUOUS.
        name: what the names of the block's nodes begin with.
        block: CONTINUOUS, with one Input and one Output.
        source: sends what the block takes.
        target: takes what the block sends.

    Raises:
        GraphError: a name is taken, there is no such node, or shapes do not fit.
    """
    for each in (graph, block):
        each.expect(Stage.CONTINUOUS)
    taken = {block.input_name: source, block.output_name: target}
    for end in (source, target):
        if end not in graph.nodes:
            raise GraphError(f"with_block '{name}': the graph has no node '{end}'")
    inner = {each: taken.get(each, f"{name}_{each}") for each in block.nodes}
    added = {inner[k]: node for k, node in block.nodes.items() if k not in taken}
    clash = next((each for each in added if each in graph.nodes), None)
    if clash is not None:
        raise GraphError(
            f"with_block '{name}': the graph has a node '{clash}'; choose another name "
            "for the block"
        )
    edges = [*graph.edges]
    edges += [Edge(inner[e.source], inner[e.target], e.delay) for e in block.edges]
    _check_ends(graph, name, block, source, target)
    return _ordered({**graph.nodes, **added}, edges)


def _check_ends(
    graph: Graph, name: str, block: Graph, source: str, target: str
) -> None:
    """Check that the block takes what the source sends, and gives what is taken."""
    sent = ends(source, graph.nodes[source])[1]
    taken = ends(target, graph.nodes[target])[0]
    wanted = ends("input", block.nodes[block.input_name])[0]
    given = ends("output", block.nodes[block.output_name])[0]
    if sent != wanted or given != taken:
        raise GraphError(
            f"with_block '{name}': maps {wanted} to {given}, but '{source}' sends "
            f"{sent} and '{target}' takes {taken}; build it for these shapes"
        )


def _ordered(nodes: dict[str, n.Node], edges: list[Edge]) -> Graph:
    pairs = [(edge.source, edge.target) for edge in edges]
    inputs = [k for k, node in nodes.items() if isinstance(node, n.Input)]
    order = topological_order(list(nodes), pairs, inputs)
    held = {name: nodes[name] for name in order}
    return Graph(held, tuple(edges), Stage.CONTINUOUS)
