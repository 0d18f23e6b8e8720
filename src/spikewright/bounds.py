"""How far the states of a population can go: bounds over all inputs of spikes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from spikewright.graph import Graph
from spikewright.hops import Hop
from spikewright.loihi import (
    DECAY_ONE,
    MAX_CURRENT,
    STATE_BITS,
    STATE_LIMIT,
    largest_growth,
)
from spikewright.nodes import (
    GRADED,
    ChannelSynapses,
    DiagonalSynapses,
    FloatArray,
    NumberArray,
    PerNeuron,
    QuantizedIntegrators,
    QuantizedNeurons,
    SparseSynapses,
    Synapses,
    TokenSynapses,
)
from spikewright.values import Value

Integers: TypeAlias = QuantizedNeurons | QuantizedIntegrators
Sums: TypeAlias = tuple[FloatArray, FloatArray]
"""how far above 0 an input can go, and how far below; both 0 or more"""

CHUNK = 2**17
"""weights worked on at once: their temporaries stay in the cache"""
_BOTH = 2 * DECAY_ONE
"""two decay registers in one number: dv * _BOTH + du"""


@dataclass(frozen=True, eq=False)
class StateRange(Value):
    """The largest magnitude of each state; of each neuron, or of a whole population.

    Of a QUANTIZED graph all are in units of `a`: u and v have 6 bits more.
    """

    a: FloatArray
    """weighted input"""
    u: FloatArray
    """synaptic current"""
    v: FloatArray
    """membrane potential, before the reset"""

    @property
    def fits(self) -> bool:
        """Say whether the states of an integer population stay in their registers."""
        return all(
            bool(np.all(each < MAX_CURRENT)) for each in (self.a, self.u, self.v)
        )


# --- weights -------------------------------------------------------------------------


def weight_rows(synapses: Synapses) -> NumberArray:
    """Return a view of the weights whose first axis tells who adds them up.

    That is a target neuron, or a target channel where weights are shared. Of sparse
    synapses it is the weights as they are; their `targets` tell.
    """
    weight = synapses.weight
    match synapses:
        case TokenSynapses():
            return np.moveaxis(weight, 1, 0)
        case ChannelSynapses():
            return weight.reshape(-1, weight.shape[-1])
        case DiagonalSynapses():
            return weight.reshape(-1, 1)
        case _:
            return weight


def chunks(rows: NumberArray) -> Iterator[tuple[slice, NumberArray]]:
    """Yield slices of the first axis, and what they hold: about `CHUNK` weights."""
    length = max(1, CHUNK // max(1, rows[:1].size))
    for start in range(0, len(rows), length):
        yield slice(start, start + length), rows[start : start + length]


def signed_sums(synapses: Synapses) -> Sums:
    """Return the sums of the positive and of the negative weights of each row, (rows,).

    The exponent is left to the caller. Weights that leave the picture at its border
    are counted as if all were there.
    """
    if isinstance(synapses, SparseSynapses):
        return _sparse_sums(synapses)
    rows = weight_rows(synapses)
    positive, negative = np.zeros((2, len(rows)))
    over = tuple(range(1, rows.ndim))
    for place, block in chunks(rows):
        positive[place] = np.maximum(block, 0).sum(axis=over)
        negative[place] = -np.minimum(block, 0).sum(axis=over)
    return positive, negative


def _sparse_sums(synapses: SparseSynapses) -> Sums:
    sums = np.zeros((2, synapses.shape[0]))
    for place, block in chunks(synapses.weight):
        targets, length = synapses.targets[place], synapses.shape[0]
        sums[0] += np.bincount(targets, np.maximum(block, 0), length)
        sums[1] += np.bincount(targets, -np.minimum(block, 0), length)
    return sums[0], sums[1]


def spread(rows: NumberArray, size: int) -> NumberArray:
    """Give each of `size` targets the value of its row, in C order."""
    return np.repeat(rows, size // len(rows))


# --- states --------------------------------------------------------------------------


def state_range(node: Integers, sums: Sums, steps: int) -> StateRange:
    """Bound the states of each neuron over all inputs of at most `steps` steps.

    Args:
        node: the population.
        sums: of its input `a`, (neurons,), in integer units.
        steps: steps at which an input can arrive.

    With G the growth through the filters, -G below <= v <= G above. A neuron that is
    reset to zero kept only what was not above the threshold, so v <= decay vth + u. A
    soft reset never raises v, and takes at most drop - decay vth more than the leak.
    """
    above, below = sums
    current = _growth(DECAY_ONE, node.du, steps)
    growth = _growth(node.dv, node.du, steps)
    high, low = growth * above, growth * below
    if isinstance(node, QuantizedNeurons):
        kept = (1.0 - np.asarray(node.dv).reshape(-1) / DECAY_ONE) * node.vth
        if node.drop is None:
            high = np.minimum(high, np.maximum(kept, 0.0) + current * above)
        else:
            drop = np.asarray(node.drop).reshape(-1)
            rounded_off = 2.0**-STATE_BITS
            low = low + np.maximum(drop - kept + rounded_off, 0.0)
            raised = np.maximum(-drop, 0) * _growth(node.dv, DECAY_ONE, steps)
            high = high + raised
    largest = np.maximum(above, below)
    return StateRange(largest, current * largest, np.maximum(high, low))


def _growth(dv: PerNeuron, du: PerNeuron, steps: int) -> FloatArray:
    """Return `largest_growth` of each neuron, or of all in one."""
    pairs = np.asarray(dv).reshape(-1) * _BOTH + np.asarray(du).reshape(-1)
    found, places = np.unique(pairs, return_inverse=True)
    growths = [largest_growth(*divmod(int(pair), _BOTH), steps) for pair in found]
    return np.array(growths)[places.reshape(-1)]


# --- graphs --------------------------------------------------------------------------


def input_sums(graph: Graph, arriving: Sequence[Hop], size: int) -> Sums:
    """Bound the input of each of `size` targets in a QUANTIZED graph, (size,).

    LI and I send up to 24 bits, all others 0 or 1.
    """
    above, below = np.zeros((2, size))
    for hop in arriving:
        high, low = (np.ones(1), np.zeros(1))
        if hop.synapses is not None:
            high, low = signed_sums(hop.synapses)
        if isinstance(graph.nodes[hop.source], GRADED):
            high = low = (high + low) * (STATE_LIMIT - 1)
        factor = 2.0 ** (0 if hop.synapses is None else hop.synapses.exponent)
        above += spread(np.ceil(high * factor), size)  # a shift down rounds down
        below += spread(np.ceil(low * factor), size)
    return above, below
