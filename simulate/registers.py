"""Whether a run could leave Loihi's registers, known before it starts."""

from __future__ import annotations

from spikewright.graph import Graph, Stage
from spikewright.loihi import (
    DECAY_ONE,
    MAX_CURRENT,
    MAX_MESSAGE,
    largest_growth,
    largest_sum,
)
from spikewright.nodes import SYNAPSES, Output, QuantizedIntegrators, QuantizedNeurons


def may_overflow(graph: Graph, steps: int) -> bool:
    """Say whether some binary input of `steps` steps could overflow a register.

    Lava wraps and saturates in silence, so a run that might is computed in the integer
    simulator first, which raises.
    """
    graph.expect(Stage.QUANTIZED)
    return any(_may_overflow(graph, name, steps) for name in graph.nodes)


def _may_overflow(graph: Graph, name: str, steps: int) -> bool:
    node = graph.nodes[name]
    sources = [graph.nodes[edge.source] for edge in graph.into(name)]
    largest = largest_sum(each for each in sources if isinstance(each, SYNAPSES))
    if isinstance(node, Output):
        return largest >= MAX_MESSAGE
    if isinstance(node, QuantizedNeurons | QuantizedIntegrators):
        growth = largest_growth(1.0 - node.dv / DECAY_ONE, steps)
        return largest * growth >= MAX_CURRENT
    return False
