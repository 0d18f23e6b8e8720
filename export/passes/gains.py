"""What a Loihi population cannot have a neuron: thresholds and gains, in the weights.

A neuron fires the same if its weights and its threshold are multiplied by one number.
So a population has one threshold, and each neuron a gain on what reaches it.
"""

from __future__ import annotations

import math

import numpy as np

from spikewright.bounds import chunks, spread, weight_rows
from spikewright.errors import GraphError
from spikewright.nodes import (
    FloatArray,
    Integrators,
    Output,
    SparseSynapses,
    SpikingNeurons,
    Synapses,
)


def row_gains(name: str, node: SpikingNeurons | Integrators | Output) -> FloatArray:
    """Return the factor on all weights into each neuron, in the population's shape.

    The largest threshold divided by that of the neuron; what an LI or I multiplies its
    potential with before sending; 1 of an Output.

    Raises:
        GraphError: a threshold is below 0, or some are 0 and some are not.
    """
    if isinstance(node, Output):
        return np.ones(node.shape)
    if isinstance(node, Integrators):
        return np.broadcast_to(node.gain, node.shape)
    least, most = float(node.threshold.min()), float(node.threshold.max())
    if least < 0:
        raise GraphError(
            f"node '{name}': a threshold of {least:g} fires at rest; allowed: 0 or more"
        )
    if most == 0:
        return np.ones(node.shape)
    if least == 0:
        raise GraphError(
            f"node '{name}': some thresholds are 0 and some are not; one Loihi "
            "population has one threshold; split the population"
        )
    if math.isinf(most / least):
        raise GraphError(
            f"node '{name}': thresholds from {least:g} to {most:g}; allowed: a "
            "quotient that float64 holds, for one Loihi population has one threshold; "
            "split the population"
        )
    return most / node.threshold


def bits_lost(synapses: Synapses, gains: FloatArray) -> float:
    """Return how many bits the worst-off neuron's weights lose by the gains.

    All weights of a projection share one exponent, which its largest weight decides.
    With m_i the largest |weight| into neuron i and g_i its gain, the unit grows by
    max(g m) / max(m) and the weights of neuron i by g_i, so neuron i loses

        log2( max(g m) / max(m) / g_i )

    bits of precision. It is 0 at least: the neuron with the largest weight never wins.

    Args:
        synapses: before the gains are multiplied in.
        gains: of the targets.
    """
    largest = spread(_largest_of_rows(synapses), gains.size)
    gain = np.abs(gains.reshape(-1))
    counts = (largest > 0) & (gain > 0)
    if not counts.any():
        return 0.0
    largest, gain = largest[counts], gain[counts]
    unit_growth = (gain * largest).max() / largest.max()
    return float(np.log2(unit_growth / gain.min()))


def _largest_of_rows(synapses: Synapses) -> FloatArray:
    """Return the largest |weight| of each row, (rows,)."""
    if isinstance(synapses, SparseSynapses):
        largest = np.zeros(synapses.shape[0])
        np.maximum.at(largest, synapses.targets, np.abs(synapses.weight))
        return largest
    rows = weight_rows(synapses)
    largest = np.zeros(len(rows))
    for place, block in chunks(rows):
        largest[place] = np.abs(block).max(axis=tuple(range(1, rows.ndim)), initial=0)
    return largest
