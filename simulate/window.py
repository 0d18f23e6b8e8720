"""A lowered graph in windowed time.

A population sees a sample's step t at chip step arrival + t. Read in each population's
own window, a connection of a TIMED graph is late by

    lag = arrival[source] + axonal delay + synaptic step - arrival[target]

steps: 0 on every balanced branch, and the loop's own delay on a loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from spikewright.graph import Graph, Stage
from spikewright.hops import Hop, hops
from spikewright.nodes import Synapses


@dataclass(frozen=True, eq=False)
class Connection:
    """One way into a population or the Output."""

    source: str
    target: str
    synapses: Synapses | None
    """None: straight to the Output"""
    lag: int


def connections(graph: Graph) -> tuple[Connection, ...]:
    """Return the connections of a TIMED or QUANTIZED graph, in edge order."""
    graph.expect(Stage.TIMED, Stage.QUANTIZED)
    return tuple(_connection(graph, hop) for hop in hops(graph))


def _connection(graph: Graph, hop: Hop) -> Connection:
    sent = graph.arrival[hop.source] + hop.first.delay + hop.latency
    lag = sent - graph.arrival[hop.target]
    return Connection(hop.source, hop.target, hop.synapses, lag)
