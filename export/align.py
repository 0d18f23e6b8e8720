"""The pass that makes float sums exact, so that no two executors can disagree.

A float64 sum depends on its order, and a neuron that sits on its threshold fires or not
by the last bit. Executors add in different orders (BLAS, Lava's ports, edge by edge).
So the weights into a population are rounded to multiples of one power of two, fine
enough that 53 bits hold every sum of them: then every order gives the same sum.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from spikewright.graph import Graph, Stage
from spikewright.hops import hops
from spikewright.loihi import largest_sum
from spikewright.nodes import (
    FloatArray,
    Integrators,
    Node,
    Output,
    SpikingNeurons,
    Synapses,
)

MANTISSA_BITS = 52
"""bits of a float64, one spared"""


def align_weights(graph: Graph) -> Graph:
    """Round the weights into each population to a grid on which float64 sums are exact.

    DISCRETE (folded) to DISCRETE. With |a| < 2**n for every input of spikes, the grid
    is 2**(n - 52): float32 weights above 2**(n - 28) keep every bit. A decay d becomes
    1 - (1 - d), as Lava computes it from its dv = 1 - d; it moves by 2**-54 at most.
    Sums over real-valued signals (an Input of numbers, LI, I) stay inexact.
    """
    graph.expect(Stage.DISCRETE)
    nodes: dict[str, Node] = dict(graph.nodes)
    every = tuple(hops(graph))
    for name, node in graph.nodes.items():
        if isinstance(node, SpikingNeurons | Integrators):
            nodes[name] = replace(node, decay=1.0 - (1.0 - node.decay))
        if isinstance(node, SpikingNeurons | Integrators | Output):
            arriving = [hop for hop in every if hop.target == name]
            nodes.update(
                _aligned(
                    {
                        h.first.target: h.synapses
                        for h in arriving
                        if h.synapses is not None
                    }
                )
            )
    return Graph(nodes, graph.edges, Stage.DISCRETE, graph.dt_s)


def _aligned(synapses: dict[str, Synapses]) -> dict[str, Synapses]:
    largest = largest_sum(synapses.values())
    if largest == 0:
        return synapses
    grid_bits = MANTISSA_BITS - math.frexp(largest)[1]  # largest < 2**frexp exponent
    return {
        name: replace(each, weight=_to_grid(each.weight, grid_bits))
        for name, each in synapses.items()
    }


def _to_grid(weight: FloatArray, bits: int) -> FloatArray:
    aligned: FloatArray = np.ldexp(np.rint(np.ldexp(weight, bits)), -bits)
    return aligned
