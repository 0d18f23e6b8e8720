"""How many bits weights, states and messages have.

QUANTIZED: weights of as many bits as they need (8 where `lower` filled them), 24-bit
currents and potentials. Before that, 32 for everything: the float that a program would
use.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewright import nodes as n
from spikewright.loihi import DECAY_ONE, needed_bits

FLOAT_BITS = 32
STATE_BITS = 24


def weight_bits(synapses: n.Synapses) -> int:
    """Return the bits of one stored weight."""
    is_integer = synapses.weight.dtype.kind in "iu"
    return needed_bits(synapses.weight) if is_integer else FLOAT_BITS


def state_bits(node: n.Neurons | n.Graded) -> npt.NDArray[np.int64]:
    """Return the bits that each neuron keeps from step to step, (neurons,).

    u where the current decays slowly, v where the potential does or where a soft reset
    leaves it; a neuron that forgets both at once keeps nothing.
    """
    width, keeps_u, keeps_v = _kept(node)
    if getattr(node, "drop", None) is not None:
        keeps_v = np.ones((), dtype=np.bool_)
    kept = np.add(keeps_u, keeps_v, dtype=np.int64) * width
    return np.broadcast_to(kept, node.shape).reshape(-1)


def _kept(
    node: n.Neurons | n.Graded,
) -> tuple[int, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    match node:
        case n.QuantizedNeurons() | n.QuantizedIntegrators():
            du, dv = np.asarray(node.du), np.asarray(node.dv)
            return STATE_BITS, du < DECAY_ONE, dv < DECAY_ONE
        case n.SpikingNeurons() | n.Integrators():
            return FLOAT_BITS, node.current_decay != 0, node.decay != 0


def message_bits(node: n.Population, values: npt.NDArray[Any] | None) -> int:
    """Return the bits of what one neuron sends in one step.

    Args:
        node: the population.
        values: what an Input sends if those are no spikes; as wide as their type.
    """
    match node:
        case n.QuantizedIntegrators():
            return STATE_BITS
        case n.Integrators():
            return FLOAT_BITS
        case n.Input() if values is not None:
            return 8 * values.dtype.itemsize
        case _:
            return 1


def size_of(node: n.Population) -> int:
    """Return the number of neurons."""
    return math.prod(node.shape)
