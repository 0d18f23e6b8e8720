"""The portable dialect: what snnTorch, SpikingJelly and others load exactly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.graphs.order import back_edges
from spikewright.export.snntorch.convert.graph import Export
from spikewright.export.snntorch.convert.signal import Signal
from spikewright.export.tools.names import EXECUTOR_NAMES, GRAPH_MODULE_NAMES
from spikewright.graph import Edge, Graph, unique_name

_ALLOWED = (n.Input, n.Output, n.Affine, n.Conv1d, n.LIF)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = GRAPH_MODULE_NAMES | EXECUTOR_NAMES
_MORE_THAN_A_STEP = 1 + 2.0**-52
"""the least that SpikingJelly takes for tau / dt; the decay still rounds to 0"""


def make_portable(export: Export, *, dt_s: float) -> Export:
    """Spell a graph with the nodes that other tools load.

    1. Linear becomes Affine with a bias of 0.
    2. Threshold becomes a LIF that forgets.
    3. What forgets gets a tau one rounding above dt: SpikingJelly refuses tau = dt.
    4. Names get small letters, and a number if torch modules have them already.

    Raises:
        GraphError: a node or an edge that they do not load is left; says which.
    """
    graph, renamed = export.graph, dict[str, str]()
    for name in graph.nodes:
        small = re.sub(r"[^a-z0-9_]", "_", name.lower())
        renamed[name] = unique_name(small, {*renamed.values(), *_TAKEN})
    made = Graph(
        {renamed[k]: _spelled(node, dt_s) for k, node in graph.nodes.items()},
        tuple(Edge(renamed[e.source], renamed[e.target]) for e in graph.edges),
        graph.stage,
    )
    _check(made)
    return Export(
        made,
        {name: _renamed(each, renamed) for name, each in export.inputs.items()},
        {renamed[k]: _renamed(each, renamed) for k, each in export.outputs.items()},
        {path: _renamed(each, renamed) for path, each in export.spikes.items()},
        export.needs_proof,
    )


def _renamed(signal: Signal, names: Mapping[str, str]) -> Signal:
    sources = tuple(replace(s, node=names.get(s.node, s.node)) for s in signal.sources)
    return replace(signal, sources=sources)


def _spelled(node: n.Node, dt_s: float) -> n.Node:
    match node:
        case n.Linear(weight) if weight.ndim == 2:
            return n.Affine(weight, np.zeros(len(weight), weight.dtype))
        case n.Threshold(threshold):
            ones, zeros = np.ones(threshold.shape), np.zeros(threshold.shape)
            tau_s = ones * dt_s * _MORE_THAN_A_STEP
            return n.LIF(tau_s, ones, zeros, threshold, zeros)
        case n.LIF(tau_s) if np.all(tau_s == dt_s):
            return replace(node, tau_s=tau_s * _MORE_THAN_A_STEP)
        case _:
            return node


def _check(graph: Graph) -> None:
    for name, node in graph.nodes.items():
        wrong = _wrong(node)
        if not _NAME.fullmatch(name):
            wrong = "has a name that is not [a-z][a-z0-9_]*"
        if wrong:
            raise _not_portable(name, wrong)
    for what, found in (("Inputs", graph.inputs), ("Outputs", graph.outputs)):
        if len(found) > 1:
            raise _not_portable(list(found)[1], f"is one of {len(found)} {what}")
    output = graph.output_name
    if len(graph.into(output)) > 1:
        raise _not_portable(output, "takes a sum; others do not add at the Output")
    pairs = [(edge.source, edge.target) for edge in graph.edges]
    loops = sorted(back_edges(list(graph.nodes), pairs, [*graph.inputs]))
    if loops:
        raise _not_portable(loops[0][1], "is in a loop")


def _wrong(node: n.Node) -> str:
    """Say what others cannot load of a node, or nothing."""
    if not isinstance(node, _ALLOWED):
        return f"is a {type(node).__name__}"
    if isinstance(node, n.Affine) and node.weight.ndim != 2:
        return f"has a weight of {node.weight.ndim} axes"
    if isinstance(node, n.Conv1d):
        options = (node.weight.shape[2], node.stride, node.dilation, node.groups)
        if options != (1, 1, 1, 1) or any(node.padding):
            return "is a convolution over several tokens"
    return _wrong_neuron(node) if isinstance(node, n.LIF) else ""


def _wrong_neuron(node: n.LIF) -> str:
    for each in fields(node):
        values = getattr(node, each.name)
        if np.any(values != values.flat[0]):
            return f"has several values of {each.name}"
    if np.any(node.v_leak) or np.any(node.v_reset):
        return "has a v_leak or v_reset that is not 0"
    if np.any(node.v_threshold < 0):
        return "has a negative v_threshold"
    return ""


def _not_portable(name: str, why: str) -> GraphError:
    allowed = ", ".join(kind.__name__ for kind in _ALLOWED)
    return GraphError(
        f"node '{name}': {why}; the portable dialect allows {allowed}, with one tap, "
        "one value per layer, one Input and one Output; use dialect='chip'"
    )
