"""A lowered graph in windowed time.

A population sees a sample's step t at chip step arrival + t. Read in each population's
own window, a connection of a TIMED graph is late by

    lag = arrival[source] + axonal delay + synaptic step - arrival[target]

steps: 0 on every balanced branch, and the loop's own delay on a loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from spikewright.graph import Graph, Stage
from spikewright.nodes import SYNAPSES, Synapses


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
    found = []
    for edge in graph.edges:
        if edge.source not in graph.arrival:
            continue  # the second half of a connection: synapses to target
        node = graph.nodes[edge.target]
        synapses = node if isinstance(node, SYNAPSES) else None
        target = (
            edge.target if synapses is None else graph.out_of(edge.target)[0].target
        )
        step = 0 if synapses is None else 1
        sent = graph.arrival[edge.source] + edge.delay + step
        lag = sent - graph.arrival[target]
        found.append(Connection(edge.source, target, synapses, lag))
    return tuple(found)
