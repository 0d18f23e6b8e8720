"""A lowered graph in windowed time.

A population sees a sample's step t at chip step arrival + t. Read in each population's
own window, a connection of a TIMED graph is late by

    lag = arrival[source] + axonal delay + synaptic step - arrival[target]

steps: 0 on every balanced branch, and the loop's own delay on a loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from spikewright.errors import GraphError
from spikewright.graph import Graph, Stage
from spikewright.hops import Hop, hops
from spikewright.nodes import BiasLine, Input, Synapses


@dataclass(frozen=True, eq=False)
class Connection:
    """One way into a population or the Output."""

    source: str
    target: str
    synapses: Synapses | None
    """None: straight to the Output"""
    lag: int


def connections(graph: Graph) -> tuple[Connection, ...]:
    """Return the connections of a TIMED or QUANTIZED graph, in edge order.

    Raises:
        GraphError: a population has no arrival time, or data reach it before.
    """
    graph.expect(Stage.TIMED, Stage.QUANTIZED)
    for name in graph.inputs:
        if arrival_of(graph, name):
            raise GraphError(
                f"input '{name}': arrives at step {graph.arrival[name]}; allowed: 0, "
                "where a sample starts; make the graph with balance_delays"
            )
    return tuple(_connection(graph, hop) for hop in hops(graph))


def arrival_of(graph: Graph, name: str) -> int:
    """Return the step at which data reach a node; an Input or a BiasLine may start."""
    if name in graph.arrival:
        return graph.arrival[name]
    if isinstance(graph.nodes[name], Input | BiasLine):
        return 0
    raise GraphError(
        f"node '{name}': has no arrival time; every population of a "
        f"{graph.stage.name} graph needs one; make it with balance_delays"
    )


def _connection(graph: Graph, hop: Hop) -> Connection:
    sent = arrival_of(graph, hop.source) + hop.first.delay + hop.latency
    lag = sent - arrival_of(graph, hop.target)
    if lag < 0:
        raise GraphError(
            f"edge {hop.first.source} -> {hop.first.target}: reaches '{hop.target}' "
            f"{-lag} steps before its arrival time, step "
            f"{arrival_of(graph, hop.target)}; make the graph with balance_delays"
        )
    return Connection(hop.source, hop.target, hop.synapses, lag)
