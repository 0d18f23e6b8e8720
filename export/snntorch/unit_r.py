"""The dialect of Norse 1.1: portable, and r = 1, since Norse ignores r."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.snntorch.convert.graph import Export
from spikewright.graph import Graph


def make_unit_r(export: Export) -> Export:
    """Move the gain of neurons into the weights and biases before them.

    v <- v + dt/tau (r a - v) with r = tau/dt adds a itself; with r = 1 all that enters
    must be r times as large. Where r is no power of two these products round, so a
    potential that meets its threshold exactly may fall on its other side.

    Args:
        export: in the portable dialect.

    Raises:
        GraphError: something else than an Affine enters a neuron, or an Affine leads to
            neurons of different r; says which.
    """
    gains = _gains(export.graph)
    nodes: dict[str, n.Node] = {}
    for name, node in export.graph.nodes.items():
        if isinstance(node, n.LIF):
            nodes[name] = replace(node, r=np.ones(node.r.shape))
        elif isinstance(node, n.Affine) and gains.get(name, 1.0) != 1:
            wide = node.weight.astype(np.float64), node.bias.astype(np.float64)
            nodes[name] = n.Affine(wide[0] * gains[name], wide[1] * gains[name])
        else:
            nodes[name] = node
    return replace(export, graph=replace(export.graph, nodes=nodes))


def _gains(graph: Graph) -> dict[str, float]:
    """Return by Affine the r of the neurons behind it."""
    gains: dict[str, float] = {}
    for edge in graph.edges:
        target, source = graph.nodes[edge.target], graph.nodes[edge.source]
        gain = float(target.r.flat[0]) if isinstance(target, n.LIF) else 1.0
        if isinstance(source, n.Conv1d):
            raise _refused(edge.source, "is a Conv1d, which Norse does not load")
        if isinstance(source, n.Affine):
            if gains.setdefault(edge.source, gain) != gain:
                raise _refused(edge.source, "leads to neurons of different decay")
        elif gain != 1:
            raise _refused(edge.target, f"takes '{edge.source}' without weights")
    return gains


def _refused(name: str, why: str) -> GraphError:
    return GraphError(
        f"node '{name}': {why}; the dialect of Norse puts the gain of each neuron into "
        "the weights of an Affine before it; put a Linear there, or use "
        "dialect='portable' for other tools"
    )
