"""What the reference executor settles before the first step: order, shapes, times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from math import prod

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.graph import Edge, Graph, Stage
from spikewright.simulate.reference_maps import check_weights, ends


@dataclass(frozen=True)
class Plan:
    """What one sample needs."""

    graph: Graph
    steps: int
    """steps of a sample"""
    total: int
    """steps of the run"""
    order: tuple[str, ...]
    into: Mapping[str, tuple[Edge, ...]]
    takes: Mapping[str, n.Shape]
    """shape of the sum that each node takes"""
    waits: Mapping[str, int]
    """how many steps ago a node took what it works on"""
    keeps: Mapping[str, int]
    """for how many steps what a node sent may still be taken, its own included"""
    reads: Mapping[str, int]
    """spiking neurons and Outputs, and their arrival"""
    dtype: type[np.generic]


def make_plan(graph: Graph, steps: int) -> Plan:
    """Check a graph and plan runs of samples of `steps` steps.

    Raises:
        GraphError: shapes, arrival times, weights or loops are wrong.
        UnsupportedNodeError: there is a node that belongs to no stage from DISCRETE on.
    """
    timed = graph.stage >= Stage.TIMED
    waits = {name: _waits(node, timed=timed) for name, node in graph.nodes.items()}
    _check_edges(graph)
    if graph.stage is Stage.QUANTIZED:
        for name, node in graph.nodes.items():
            check_weights(name, node)
    order = _order(graph, waits)
    spiking = [k for k, v in graph.nodes.items() if isinstance(v, n.SPIKING)]
    ends_at = [*spiking, *graph.outputs]
    reads = {name: _arrival(graph, name) if timed else 0 for name in ends_at}
    late = max([0, *graph.arrival.values(), *reads.values()]) if timed else 0
    into = {name: graph.into(name) for name in order}
    takes = _shapes(graph, order)
    dtype = np.int64 if graph.stage is Stage.QUANTIZED else np.float64
    keeps = {name: _keeps(graph, name, waits) for name in order}
    total = steps + late
    return Plan(graph, steps, total, order, into, takes, waits, keeps, reads, dtype)


def _waits(node: n.Node, *, timed: bool) -> int:
    if isinstance(node, n.DelaySteps):
        return int(np.min(node.steps))
    return int(timed and isinstance(node, n.SYNAPSES))


def _keeps(graph: Graph, name: str, waits: Mapping[str, int]) -> int:
    late = [0]
    for edge in graph.out_of(name):
        target = graph.nodes[edge.target]
        wait = waits[edge.target]
        if isinstance(target, n.DelaySteps):
            wait = int(np.max(target.steps))
        late.append(edge.delay + wait)
    return 1 + max(late)


def _arrival(graph: Graph, name: str) -> int:
    if name not in graph.arrival:
        raise GraphError(
            f"node '{name}': has no arrival time; every population of a "
            f"{graph.stage.name} graph needs one; make it with balance_delays"
        )
    return graph.arrival[name]


def _order(graph: Graph, waits: Mapping[str, int]) -> tuple[str, ...]:
    """Order nodes so that what is needed within a step is computed before."""
    needs = {
        name: [e.source for e in graph.into(name) if e.delay + waits[name] == 0]
        for name in graph.nodes
    }
    try:
        return tuple(TopologicalSorter(needs).static_order())
    except CycleError as error:
        loop = ", ".join(sorted(set(error.args[1])))
        raise GraphError(
            f"nodes {loop}: a loop without any delay; give the edge that closes it a "
            "delay of one step"
        ) from error


def _check_edges(graph: Graph) -> None:
    for edge in graph.edges:
        source, target = graph.nodes[edge.source], graph.nodes[edge.target]
        if isinstance(target, n.Input | n.BiasLine) or isinstance(source, n.Output):
            raise GraphError(
                f"edge {edge.source} -> {edge.target}: nothing may enter an Input or a "
                "BiasLine, or leave an Output; remove the edge"
            )


def _shapes(graph: Graph, order: tuple[str, ...]) -> dict[str, n.Shape]:
    """Return what each node takes; Synapses and Outputs take any shape of its size.

    Raises:
        GraphError: the two ends of an edge do not fit.
    """
    takes: dict[str, n.Shape] = {}
    sends: dict[str, n.Shape] = {}
    is_token = {k: isinstance(v, n.TokenSynapses) for k, v in graph.nodes.items()}
    for name in sorted(order, key=is_token.__getitem__):
        tokens = _tokens(graph, name, sends) if is_token[name] else 0
        takes[name], sends[name] = ends(name, graph.nodes[name], tokens)
    for edge in graph.edges:
        _check_fit(graph, edge, sends[edge.source], takes[edge.target])
    return takes


def _tokens(graph: Graph, name: str, sends: Mapping[str, n.Shape]) -> int:
    """Return how many tokens reach TokenSynapses, from the first source known."""
    node = graph.nodes[name]
    assert isinstance(node, n.TokenSynapses)  # noqa: S101 - the caller checked
    channels = int(node.weight.shape[2])
    known = [e.source for e in graph.into(name) if e.source in sends]
    size = prod(sends[known[0]]) if known else 0
    if size % channels or size // channels < len(node.weight):
        raise GraphError(
            f"node '{name}': TokenSynapses with {len(node.weight)} taps on {channels} "
            f"channels cannot take {size} signals; correct the weight"
        )
    return size // channels


def _check_fit(graph: Graph, edge: Edge, sent: n.Shape, taken: n.Shape) -> None:
    pair = (graph.nodes[edge.source], graph.nodes[edge.target])
    flat = any(isinstance(node, (*n.SYNAPSES, n.Output)) for node in pair)
    if sent != taken and not (flat and prod(sent) == prod(taken)):
        raise GraphError(
            f"edge {edge.source} -> {edge.target}: sends shape {sent}, but the target "
            f"takes {taken}; put a Flatten or the right weight between"
        )
