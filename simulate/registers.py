"""Whether a run could leave Loihi's registers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from spikewright.bounds import input_sums, state_range
from spikewright.graph import Graph, Stage
from spikewright.hops import Hop, hops, hops_by_target
from spikewright.loihi import MAX_MESSAGE
from spikewright.nodes import Input, Output, QuantizedIntegrators, QuantizedNeurons


def may_overflow(graph: Graph, steps: int) -> bool:
    """Say whether some input of spikes, `steps` steps long, could overflow a register.

    Lava wraps and saturates in silence, so a run that might is computed in the integer
    simulator first, which raises. True may be a false alarm; False is certain, also for
    the steps after a sample in which the graph runs empty.
    """
    graph.expect(Stage.QUANTIZED)
    into = hops_by_target(graph)
    last = max(graph.arrival.values(), default=0)
    first = graph.arrival if _is_quiet_before_arrival(graph) else {}
    return any(
        _may_overflow(graph, name, into[name], steps + last - first.get(name, 0))
        for name in graph.nodes
    )


def _is_quiet_before_arrival(graph: Graph) -> bool:
    """Say whether nothing reaches a population before its arrival.

    So it is if no connection brings a signal before its target's arrival, and no neuron
    fires at rest. The rest of a run, until the last population has seen the whole
    sample, belongs to loops and to neurons that remember.
    """
    nodes = graph.nodes.values()
    vths = [node.vth for node in nodes if isinstance(node, QuantizedNeurons)]
    return min(vths, default=0) >= 0 and all(
        _sends_from(graph, hop.source) + hop.first.delay + hop.latency
        >= graph.arrival[hop.target]
        for hop in hops(graph)
    )


def _sends_from(graph: Graph, name: str) -> int:
    return 0 if isinstance(graph.nodes[name], Input) else graph.arrival[name]


def _may_overflow(graph: Graph, name: str, arriving: Sequence[Hop], steps: int) -> bool:
    node = graph.nodes[name]
    if isinstance(node, Output):
        sums = input_sums(graph, arriving, math.prod(node.shape))
        return bool(np.max(sums, initial=0) >= MAX_MESSAGE)
    if isinstance(node, QuantizedNeurons | QuantizedIntegrators):
        sums = input_sums(graph, arriving, math.prod(node.shape))
        return not state_range(node, sums, steps).fits
    return False
