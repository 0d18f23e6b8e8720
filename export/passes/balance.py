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
from spikewright.export.graphs.order import topological_order
from spikewright.graph import Edge, Graph, Stage
from spikewright.hops import Hop, hops
from spikewright.nodes import (
    POPULATIONS,
    SYNAPSES,
    BiasLine,
    Input,
    Output,
    SpikingNeurons,
)

LONGEST_WAIT = 2**16
"""steps: what any delay may take, about a thousand relays in a row on a chip"""


def balance_delays(graph: Graph) -> Graph:
    """Give every population its arrival time and every edge its axonal delay.

    DISCRETE (folded) to TIMED. With D the delay of an edge before,

        arrival(target) = max over edges of arrival(source) + latency - D
        delay           = arrival(target) - arrival(source) - latency + D

    A loop through one synapse is its own one-step delay (D = 1, latency 1). Each
    Output has its own arrival time.

    Raises:
        GraphError: the graph is not folded, a loop has more synapses than steps of
            delay, a neuron would fire at rest (threshold below 0), or an edge would
            wait longer than `LONGEST_WAIT`.
    """
    graph.expect(Stage.DISCRETE)
    _refuse_unfolded(graph)
    _refuse_negative_thresholds(graph)
    every = tuple(hops(graph))
    arrival = _arrival_times(graph, every)
    delays = {hop.first: -_lag(arrival, hop) for hop in every}
    edges = tuple(replace(edge, delay=delays.get(edge, 0)) for edge in graph.edges)
    _refuse_endless_waits(edges)
    return Graph(graph.nodes, edges, Stage.TIMED, graph.dt_s, arrival)


# --- arrival -------------------------------------------------------------------------


def _arrival_times(graph: Graph, every: Sequence[Hop]) -> dict[str, int]:
    """Longest paths by relaxation (Bellman-Ford); the inputs stay at 0.

    Sources come before their targets, so one pass settles all that is in no loop. A
    loop that is too short raises itself for ever, and shows as a loop of last raisers.
    """
    arrival = {
        name: 0
        for name, node in graph.nodes.items()
        if isinstance(node, (*POPULATIONS, Output))
    }
    ordered = _in_order(graph, list(arrival), every)
    raised_by: dict[str, str] = {}
    while True:
        is_settled = True
        for hop in ordered:
            if (lag := _lag(arrival, hop)) > 0:
                arrival[hop.target] += lag
                raised_by[hop.target], is_settled = hop.source, False
        if is_settled:
            return arrival
        if loop := _find_loop(raised_by):
            raise GraphError(
                f"loop through {', '.join(sorted(loop))}: on the chip every synapse "
                "takes one step, so a loop through k synapses takes k steps, but the "
                "graph allows fewer; add a Delay of the missing steps to the loop"
            )


def _in_order(graph: Graph, names: list[str], every: Sequence[Hop]) -> list[Hop]:
    pairs = [(hop.source, hop.target) for hop in every]
    order = topological_order(names, pairs, list(graph.inputs))
    rank = {name: index for index, name in enumerate(order)}
    return sorted(every, key=lambda hop: rank[hop.source])


def _lag(arrival: Mapping[str, int], hop: Hop) -> int:
    """Return how many steps a hop without axonal delay comes too late."""
    reached = arrival[hop.source] + hop.latency - hop.first.delay
    return reached - arrival[hop.target]


def _find_loop(raised_by: Mapping[str, str]) -> list[str]:
    """Return the members of a loop, or none: walk back from each name once."""
    seen: dict[str, str] = {}
    for start in raised_by:
        name = start
        while name in raised_by and name not in seen:
            seen[name] = start
            name = raised_by[name]
        if seen.get(name) == start:
            loop = [name]
            while raised_by[loop[-1]] != name:
                loop.append(raised_by[loop[-1]])
            return loop
    return []


# --- refusals ------------------------------------------------------------------------


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
        if isinstance(node, SpikingNeurons) and np.any(node.threshold < 0):
            raise GraphError(
                f"node '{name}': threshold {node.threshold.min():g} is below 0, so the "
                "neuron fires before its data arrive; only thresholds from 0 on can be "
                "timed"
            )


def _refuse_endless_waits(edges: Sequence[Edge]) -> None:
    for edge in edges:
        if edge.delay > LONGEST_WAIT:
            raise GraphError(
                f"edge {edge.source} -> {edge.target}: waits {edge.delay} steps, at "
                f"most {LONGEST_WAIT}; shorten the Delay or choose a greater --dt"
            )
