"""What a graph uses of Loihi's registers, and whether a run could leave them."""

from __future__ import annotations

from dataclasses import dataclass

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
    if isinstance(node, Output):
        return _largest_input(graph, name) >= MAX_MESSAGE
    if isinstance(node, QuantizedNeurons | QuantizedIntegrators):
        growth = largest_growth(1.0 - node.dv / DECAY_ONE, steps)
        return _largest_input(graph, name) * growth >= MAX_CURRENT
    return False


def _largest_input(graph: Graph, name: str) -> float:
    sources = [graph.nodes[edge.source] for edge in graph.into(name)]
    return largest_sum(each for each in sources if isinstance(each, SYNAPSES))


@dataclass(frozen=True)
class RegisterUse:
    """What a population uses of its registers."""

    scale: float
    """integer units worth 1 of the float graph"""
    threshold: int
    """of 2**17 - 1; 0 for an integrator"""
    largest_input: float
    """bound on |a| over all binary inputs"""
    share: float
    """of that bound in what the register of the input holds, 2**17"""


def register_use(graph: Graph) -> dict[str, RegisterUse]:
    """Return what each population of a QUANTIZED graph uses of its registers."""
    graph.expect(Stage.QUANTIZED)
    return {
        name: _use(graph, name, node)
        for name, node in graph.nodes.items()
        if isinstance(node, QuantizedNeurons | QuantizedIntegrators)
    }


def _use(
    graph: Graph, name: str, node: QuantizedNeurons | QuantizedIntegrators
) -> RegisterUse:
    largest = _largest_input(graph, name)
    vth = node.vth if isinstance(node, QuantizedNeurons) else 0
    return RegisterUse(node.scale, vth, largest, largest / MAX_CURRENT)
