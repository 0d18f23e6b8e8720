"""The pass that leaves one `Synapses` node on every path between populations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from spikewright.errors import GraphError
from spikewright.export.passes.mixtures import ENDS, Mixture, Term, mixtures
from spikewright.graph import Edge, Graph, Stage, unique_name
from spikewright.nodes import (
    ZERO,
    BiasLine,
    DenseSynapses,
    DiagonalSynapses,
    FloatArray,
    Integrators,
    Node,
    Output,
    SpikingNeurons,
    Synapses,
)


@dataclass(frozen=True, eq=False)
class _Joint:
    """One connection of the folded graph."""

    name: str
    source: str
    delay: int
    synapses: Synapses | None
    """None: signals that go to the Output as they are"""


def fold_connections(graph: Graph) -> Graph:
    """Fold every chain of linear nodes between two populations into one `Synapses`.

    1. Affine, Linear, Conv1d, Conv2d, SumPool2d, AvgPool2d, Scale and Flatten in a row
       become one weight; ways from one source with one delay are summed.
    2. A direct edge into a population becomes synapses of weight 1.
    3. Every bias, of a map or a neuron, becomes synapses from one `BiasLine`; so does
       the potential at which neurons start.
    4. Delays move onto the edge that leaves the population, one connection for each.

    DISCRETE to DISCRETE. Weights of a chain are multiplied in float64, so a sum may
    change in its last bit; a lone map keeps its weights to the bit.

    Raises:
        GraphError: a linear node leads nowhere, maps make a loop without a neuron,
            sizes do not fit, or a chain would have too many connections.
        UnsupportedNodeError: a node is neither a population nor a linear node.
    """
    graph.expect(Stage.DISCRETE)
    arriving = mixtures(graph)
    _refuse_dead_ends(graph)
    names = {name for name, node in graph.nodes.items() if isinstance(node, ENDS)}
    line = _take_name("bias_line", names)
    joints = {
        name: _joints_into(graph, name, line, mixture, names)
        for name, mixture in arriving.items()
    }
    return _rebuild(graph, joints, line)


def _refuse_dead_ends(graph: Graph) -> None:
    for name, node in graph.nodes.items():
        if not isinstance(node, ENDS):
            if not graph.out_of(name) or not graph.into(name):
                raise GraphError(
                    f"node '{name}': {type(node).__name__} needs an edge in and an "
                    "edge out; remove it or connect it"
                )


# --- connections ---------------------------------------------------------------------


def _joints_into(
    graph: Graph, target: str, line: str, mixture: Mixture, names: set[str]
) -> list[_Joint]:
    """Return the joints that end at a population or an Output; adds to `names`."""
    node = graph.nodes[target]
    constants = _constants(node, mixture)
    bare = isinstance(node, Output) and not constants and _is_bare(mixture)
    joints = []
    for (source, delay), term in mixture.terms.items():
        name = _take_name(term.name or f"{source}_to_{target}", names)
        synapses = None if bare else _written(graph.nodes[source], term)
        joints.append(_Joint(name, source, delay, synapses))
    for delay, values in sorted(constants.items()):
        name = _take_name(f"{target}_bias", names)
        weight = DenseSynapses(values[:, np.newaxis])
        joints.append(_Joint(name, line, delay, weight))
    return joints


def _is_bare(mixture: Mixture) -> bool:
    """Say whether plain edges can carry a signal: nothing is weighted."""
    return all(term.synapses is None for term in mixture.terms.values())


def _written(source: Node, term: Term) -> Synapses:
    assert isinstance(source, ENDS)  # noqa: S101 - a mixture has no other sources
    if term.synapses is None:
        return DiagonalSynapses(np.ones(source.shape))
    return term.synapses


def _take_name(wanted: str, names: set[str]) -> str:
    name = unique_name(wanted, names) if wanted in names else wanted
    names.add(name)
    return name


# --- biases --------------------------------------------------------------------------


def _constants(node: Node, mixture: Mixture) -> dict[int, FloatArray]:
    """Return what the bias line sends, by delay; what is 0 for all is left out."""
    total = _own_constants(node)
    for delay, values in mixture.constants.items():
        total[delay] = total[delay] + values if delay in total else values
    return {delay: values for delay, values in total.items() if np.any(values)}


def _own_constants(node: Node) -> dict[int, FloatArray]:
    """Return the bias b and the start e of neurons as inputs from the line.

    The line is 1 from step 0 on. To v it must bring b line[t], and what is left of e at
    step 0, decay e (line[t] - line[t-1]); call the sum p. Inputs pass the filter of the
    current first, so they are p[t] - current_decay p[t-1].
    """
    if not isinstance(node, SpikingNeurons | Integrators):
        return {}
    start = node.start if isinstance(node, SpikingNeurons) else ZERO
    left, kept = node.decay * start, node.current_decay
    now = node.bias + left
    taps = (now, -left - kept * now, kept * left)
    return {
        delay: np.broadcast_to(tap, node.shape).astype(np.float64).reshape(-1)
        for delay, tap in enumerate(taps)
    }


# --- the folded graph ----------------------------------------------------------------


def _rebuild(graph: Graph, joints: Mapping[str, list[_Joint]], line: str) -> Graph:
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    if any(joint.source == line for each in joints.values() for joint in each):
        nodes[line] = BiasLine()
    for name, arriving in joints.items():
        for joint in arriving:
            if joint.synapses is None:
                edges.append(Edge(joint.source, name, joint.delay))
                continue
            nodes[joint.name] = joint.synapses
            edges += [Edge(joint.source, joint.name, joint.delay)]
            edges += [Edge(joint.name, name)]
        nodes[name] = _without_bias(graph.nodes[name])
    return Graph(nodes, tuple(edges), Stage.DISCRETE, graph.dt_s)


def _without_bias(node: Node) -> Node:
    match node:
        case SpikingNeurons() if np.any(node.bias) or np.any(node.start):
            return replace(node, bias=np.zeros(node.shape), start=ZERO)
        case Integrators() if np.any(node.bias):
            return replace(node, bias=np.zeros(node.shape))
        case _:
            return node
