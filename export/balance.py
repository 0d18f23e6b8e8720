"""The pass that gives each synapse its step and keeps the branches in step.

On Loihi, and in Lava, a spike needs one step a synapse, so two paths of different
length into one neuron arrive out of step. Each population gets an arrival time, the
longest path from the input, and shorter edges get the difference as axonal delay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from spikewright.errors import GraphError
from spikewright.graph import Graph, Stage
from spikewright.hops import Hop, hops
from spikewright.nodes import (
    POPULATIONS,
    SYNAPSES,
    BiasLine,
    Input,
    Node,
    Output,
    SpikingNeurons,
)


def balance_delays(graph: Graph) -> Graph:
    """Give every population its arrival time and every edge its axonal delay.

    DISCRETE (folded) to TIMED. With D the delay of an edge before,

        arrival(target) = max over edges of arrival(source) + latency - D
        delay           = arrival(target) - arrival(source) - latency + D

    A loop through one synapse is its own one-step delay (D = 1, latency 1).

    Raises:
        GraphError: the graph is not folded, a loop has more synapses than steps of
            delay, or a neuron would fire at rest (threshold below 0).
    """
    graph.expect(Stage.DISCRETE)
    _refuse_unfolded(graph)
    _refuse_negative_thresholds(graph)
    every = tuple(hops(graph))
    arrival = _arrival_times(graph, every)
    delays = {hop.first: -_lag(arrival, hop) for hop in every}
    edges = tuple(replace(edge, delay=delays.get(edge, 0)) for edge in graph.edges)
    return Graph(graph.nodes, edges, Stage.TIMED, graph.dt_s, arrival)


def _arrival_times(graph: Graph, every: Sequence[Hop]) -> dict[str, int]:
    """Longest paths by relaxation (Bellman-Ford); the inputs stay at 0."""
    arrival = {
        name: 0
        for name, node in graph.nodes.items()
        if isinstance(node, (*POPULATIONS, Output))
    }
    came_from: dict[str, str] = {}
    for _ in range(len(arrival) + 1):
        is_settled = True
        for hop in every:
            if (lag := _lag(arrival, hop)) > 0:
                arrival[hop.target] += lag
                came_from.pop(hop.target, None)  # the last update stays the last key
                came_from[hop.target], is_settled = hop.source, False
        if is_settled:
            return arrival
    raise GraphError(_loop_message(came_from))


def _lag(arrival: Mapping[str, int], hop: Hop) -> int:
    """Return how many steps a hop without axonal delay comes too late."""
    reached = arrival[hop.source] + hop.latency - hop.first.delay
    return reached - arrival[hop.target]


def _loop_message(came_from: Mapping[str, str]) -> str:
    """Name a loop: walk back from the last update until a population comes again."""
    name = list(came_from)[-1]
    seen: list[str] = []
    while name not in seen:
        seen.append(name)
        name = came_from[name]
    members = sorted(seen[seen.index(name) :])
    return (
        f"loop through {', '.join(members)}: on the chip every synapse takes one step, "
        "so a loop through k synapses takes k steps, but the graph allows fewer; "
        "add a Delay of the missing steps to the loop"
    )


def _refuse_unfolded(graph: Graph) -> None:
    kinds = (*POPULATIONS, *SYNAPSES, Output)
    for name, node in graph.nodes.items():
        if not isinstance(node, kinds):
            raise GraphError(
                f"node '{name}': {type(node).__name__} must be folded before delays "
                "are balanced; run fold_connections first"
            )
        if isinstance(node, Input | BiasLine) and graph.into(name):
            raise GraphError(f"node '{name}': nothing may lead into an input")


def _refuse_negative_thresholds(graph: Graph) -> None:
    for name, node in graph.nodes.items():
        if isinstance(node, SpikingNeurons) and _lowest(node) < 0:
            raise GraphError(
                f"node '{name}': threshold {_lowest(node):g} is below 0, so the neuron "
                "fires before its data arrive; only thresholds from 0 on can be timed"
            )


def _lowest(node: Node) -> float:
    assert isinstance(node, SpikingNeurons)  # noqa: S101 - the caller checked
    return float(np.min(node.threshold))
