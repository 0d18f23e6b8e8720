"""The pass that leaves one `Synapses` node on every path between populations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spikewright.errors import GraphError
from spikewright.export.compose import bias_of, compose_all, to_synapses
from spikewright.graph import Edge, Graph, Stage, unique_name
from spikewright.nodes import (
    BiasLine,
    DelaySteps,
    DenseSynapses,
    FloatArray,
    Input,
    Integrators,
    LinearMap,
    Node,
    Output,
    SpikingNeurons,
    Synapses,
)

_ENDS = (Input, SpikingNeurons, Integrators, Output)


@dataclass(frozen=True)
class _Path:
    """A way from a population to a node, through linear maps only."""

    source: str | None
    """None: a bias, which starts at the first map"""
    delay: int = 0
    maps: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Joint:
    """One connection of the folded graph."""

    name: str
    source: str | None
    target: str
    delay: int
    synapses: Synapses | None
    """None: spikes that go to the Output as they are"""


def fold_connections(graph: Graph) -> Graph:
    """Fold every chain of linear nodes between two populations into one `Synapses`.

    1. Affine, Linear, Conv1d, Scale and Flatten in a row become one weight.
    2. A direct edge into a population becomes synapses of weight 1.
    3. Every bias, of a map or a neuron, becomes synapses from one `BiasLine`.
    4. Delays move onto the edge that leaves the population.

    DISCRETE to DISCRETE. Weights of a chain are multiplied in float64, so a sum may
    change in its last bit; a lone map keeps its weights to the bit.

    Raises:
        GraphError: a linear node leads nowhere, or a chain would be too large.
    """
    graph.expect(Stage.DISCRETE)
    _refuse_dead_ends(graph)
    paths = _paths(graph)
    names = {name for name, node in graph.nodes.items() if isinstance(node, _ENDS)}
    joints: list[_Joint] = []
    for name, node in graph.nodes.items():
        if isinstance(node, SpikingNeurons | Integrators | Output):
            joints += _joints_into(graph, name, paths, names)
    return _rebuild(graph, joints, unique_name("bias_line", names))


def _refuse_dead_ends(graph: Graph) -> None:
    for name, node in graph.nodes.items():
        if not isinstance(node, _ENDS):
            if not graph.out_of(name) or not graph.into(name):
                raise GraphError(
                    f"node '{name}': {type(node).__name__} needs an edge in and an "
                    "edge out; remove it or connect it"
                )


def _paths(graph: Graph) -> Mapping[str, Sequence[_Path]]:
    """Return, for each node but the Output, the paths of the signal that leaves it."""
    found: dict[str, list[_Path]] = {}

    def leaving(name: str) -> list[_Path]:
        if name not in found:
            node = graph.nodes[name]
            found[name] = (
                [_Path(name)] if isinstance(node, _ENDS) else through(name, node)
            )
        return found[name]

    def through(name: str, node: Node) -> list[_Path]:
        steps = node.steps if isinstance(node, DelaySteps) else 0
        paths = [
            _Path(path.source, path.delay + edge.delay + steps, (*path.maps, name))
            for edge in graph.into(name)
            for path in leaving(edge.source)
        ]
        starts = isinstance(node, LinearMap) and bias_of(node) is not None
        return [*paths, _Path(None, 0, (name,))] if starts else paths

    for name, node in graph.nodes.items():
        if not isinstance(node, Output):
            leaving(name)
    return found


def _joints_into(
    graph: Graph, target: str, paths: Mapping[str, Sequence[_Path]], names: set[str]
) -> list[_Joint]:
    """Return the joints that end at a population or the Output; adds to `names`."""
    arriving = [
        replace(path, delay=path.delay + edge.delay)
        for edge in graph.into(target)
        for path in paths[edge.source]
    ]
    bare = isinstance(graph.nodes[target], Output) and _is_bare(graph, arriving)
    joints = []
    for path in arriving:
        if path.source is not None:
            name = _take_name(_joint_name(graph, path, target), names)
            synapses = None if bare else _compile(graph, path)
            joints.append(_Joint(name, path.source, target, path.delay, synapses))
    return joints + _bias_joints(graph, target, arriving, names)


def _is_bare(graph: Graph, arriving: Sequence[_Path]) -> bool:
    """Say whether plain edges can carry these paths: no weight, no two alike."""
    ends = {(path.source, path.delay) for path in arriving}
    return len(ends) == len(arriving) and not any(
        path.source is None or _maps(graph, path.maps) for path in arriving
    )


def _take_name(wanted: str, names: set[str]) -> str:
    name = unique_name(wanted, names)
    names.add(name)
    return name


def _joint_name(graph: Graph, path: _Path, target: str) -> str:
    """Name the joint after its last weighted node, else after its ends."""
    weighted = [name for name in path.maps if _maps(graph, (name,))]
    return weighted[-1] if weighted else f"{path.source}_to_{target}"


def _maps(graph: Graph, names: Sequence[str]) -> list[Synapses]:
    """Return the weights of the nodes among `names` that have any."""
    nodes = [graph.nodes[name] for name in names]
    return [to_synapses(node) for node in nodes if isinstance(node, LinearMap)]


def _compile(graph: Graph, path: _Path) -> Synapses:
    assert path.source is not None  # noqa: S101 - biases go through _bias_joints
    source = graph.nodes[path.source]
    assert isinstance(source, Input | SpikingNeurons | Integrators)  # noqa: S101
    return compose_all(_maps(graph, path.maps), source.shape, f"'{path.source}'")


def _bias_joints(
    graph: Graph, target: str, arriving: Sequence[_Path], names: set[str]
) -> list[_Joint]:
    """Sum the biases that arrive together; one joint from the bias line a delay."""
    node = graph.nodes[target]
    sums: dict[int, FloatArray] = {}
    if isinstance(node, SpikingNeurons | Integrators) and np.any(node.bias):
        sums[0] = node.bias.astype(np.float64).reshape(-1)
    for path in arriving:
        if path.source is None:
            value = _bias_value(graph, path.maps)
            sums[path.delay] = sums.get(path.delay, np.zeros_like(value)) + value
    return [
        _Joint(
            _take_name(f"{target}_bias", names),
            None,
            target,
            delay,
            DenseSynapses(value[:, None]),
        )
        for delay, value in sorted(sums.items())
    ]


def _bias_value(graph: Graph, names: Sequence[str]) -> FloatArray:
    """Return what the bias of the first map has become after the others, flat."""
    start = graph.nodes[names[0]]
    bias = bias_of(start) if isinstance(start, LinearMap) else None
    assert bias is not None  # noqa: S101 - the path starts at a node with a bias
    column = DenseSynapses(bias.astype(np.float64).reshape(-1, 1))
    maps = [column, *_maps(graph, names[1:])]
    folded = compose_all(maps, (1,), f"bias of '{names[0]}'")
    return np.asarray(folded.weight, dtype=np.float64).reshape(-1)


def _rebuild(graph: Graph, joints: Sequence[_Joint], line: str) -> Graph:
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    if any(joint.source is None for joint in joints):
        nodes[line] = BiasLine()
    for name, node in graph.nodes.items():
        if not isinstance(node, _ENDS):
            continue
        for joint in joints:
            if joint.target == name:
                source = line if joint.source is None else joint.source
                through = name if joint.synapses is None else joint.name
                edges.append(Edge(source, through, joint.delay))
                if joint.synapses is not None:
                    nodes[joint.name] = joint.synapses
                    edges.append(Edge(joint.name, name))
        nodes[name] = _without_bias(node)
    return Graph(nodes, tuple(edges), Stage.DISCRETE, graph.dt_s)


def _without_bias(node: Node) -> Node:
    if isinstance(node, SpikingNeurons | Integrators):
        return replace(node, bias=np.zeros(node.shape))
    return node
