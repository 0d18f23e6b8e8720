"""The pass that makes float sums exact, so that no two executors can disagree.

A float64 sum depends on its order, and a neuron that sits on its threshold fires or not
by the last bit. Executors add in different orders (BLAS, Lava's ports, edge by edge).
So the weights into a population are rounded to multiples of one power of two, fine
enough that 53 bits hold every sum of them: then every order gives the same sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spikewright.bounds import chunks
from spikewright.errors import GraphError
from spikewright.graph import Graph, Stage
from spikewright.hops import Hop, hops_by_target
from spikewright.loihi import largest_sum
from spikewright.nodes import (
    FloatArray,
    Integrators,
    Node,
    SpikingNeurons,
    Synapses,
)

MANTISSA_BITS = 52
"""bits of a float64, one spared"""
FINEST_BITS = 1000
"""2**1000 is still a float64, and so is 2**-1000"""
MOST = 2.0**FINEST_BITS
"""a sum of weights stays below, so that states have room in a float64"""


def align_weights(graph: Graph) -> Graph:
    """Round the weights into each population to a grid on which float64 sums are exact.

    DISCRETE (folded) to DISCRETE. With |a| < 2**n for every input of spikes, the grid
    is 2**(n - 52): float32 weights above 2**(n - 28) keep every bit. A decay d becomes
    1 - (1 - d), as Lava computes it from its dv = 1 - d, and so does one of the
    current; they move by 2**-54 at most. Sums over real-valued signals (an Input of
    numbers, LI, I) stay inexact. Weights that are on the grid are not copied.

    Raises:
        GraphError: the weights into a population add up to more than a float64 holds.
    """
    graph.expect(Stage.DISCRETE)
    nodes: dict[str, Node] = dict(graph.nodes)
    for name, arriving in hops_by_target(graph).items():
        nodes[name] = _as_lava_has_it(nodes[name])
        nodes.update(_aligned(name, arriving))
    return Graph(nodes, graph.edges, Stage.DISCRETE, graph.dt_s)


def _as_lava_has_it(node: Node) -> Node:
    if not isinstance(node, SpikingNeurons | Integrators):
        return node
    decay, current_decay = (
        1.0 - (1.0 - each) for each in (node.decay, node.current_decay)
    )
    return replace(node, decay=decay, current_decay=current_decay)


def _aligned(name: str, arriving: Sequence[Hop]) -> dict[str, Synapses]:
    """Return the synapses of hops that end at one node, by name."""
    synapses = {
        hop.first.target: hop.synapses for hop in arriving if hop.synapses is not None
    }
    with np.errstate(over="ignore"):
        largest = largest_sum(synapses.values())
    if not largest < MOST:
        raise GraphError(
            f"node '{name}': the weights that lead there add up to {largest:g}; "
            f"allowed: below {MOST:g}; scale weights and thresholds down"
        )
    if largest == 0:
        return synapses
    exponent = math.frexp(largest)[1]  # largest < 2**exponent
    grid_bits = min(MANTISSA_BITS - exponent, FINEST_BITS)
    return {
        name: replace(each, weight=_to_grid(each.weight, grid_bits))
        for name, each in synapses.items()
    }


def _to_grid(weight: FloatArray, bits: int) -> FloatArray:
    """Round to multiples of 2**-bits; the same array if nothing moves."""
    moved: FloatArray | None = None
    finer, coarser = 2.0**bits, 2.0**-bits  # exact, and far quicker than ldexp
    for place, block in chunks(weight.reshape(-1)):
        aligned = np.rint(block * finer) * coarser
        if moved is None and not np.array_equal(aligned, block):
            moved = weight.copy()
        if moved is not None:
            moved.reshape(-1)[place] = aligned
    if moved is None:
        return weight
    moved.setflags(write=False)  # the node takes it as it is, without a copy
    return moved
