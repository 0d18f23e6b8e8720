"""Loihi's registers, as Lava's fixed-point models implement them.

Sources: lava-nc 0.10.0, `proc/lif/process.py` (widths), `proc/dense/process.py` and
`utils/weightutils.py` (weights); nengo-loihi `validate.py` (exponents).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spikewright.nodes import DiagonalSynapses, NumberArray, Synapses, TokenSynapses

STATE_BITS = 6
"""a weight unit is 2**6 units of current and voltage: u = a << 6"""
DECAY_ONE = 4096
"""decays are in units of 1 / 4096"""
STATE_LIMIT = 2**23
"""|u| and |v| stay below it: 24-bit registers"""
MAX_CURRENT = STATE_LIMIT >> STATE_BITS
"""|a| must stay below it, or u = a << 6 wraps"""
MAX_MESSAGE = STATE_LIMIT
"""a sum that no neuron shifts, such as an Output, may use all 24 bits"""
MAX_THRESHOLD = 2**17 - 1
MAX_EXPONENT = 7
"""the hardware shifts a sum of weights by -7 to 7"""
MAX_DELAY = 62
"""axonal delay in steps; 63 is refused by some tools"""


def weight_limit(weight: NumberArray) -> int:
    """Return the largest magnitude of an 8-bit weight.

    255 if all signs agree; with both signs one bit is the sign, so 127.
    """
    is_mixed = bool(np.any(weight > 0) and np.any(weight < 0))
    return 127 if is_mixed else 255


def shift_to_zero(values: NumberArray, bits: int) -> NumberArray:
    """Shift right towards zero: rsz(x, n) = sign(x) (|x| >> n)."""
    magnitude = np.abs(values) >> bits
    return np.where(values < 0, -magnitude, magnitude)


def largest_sum(synapses: Iterable[Synapses]) -> float:
    """Return a bound on |a|: every input spikes, and all with the worse sign."""
    return sum(
        float(_fan_in(each).max(initial=0)) * 2.0**each.exponent for each in synapses
    )


def _fan_in(synapses: Synapses) -> NumberArray:
    """Return the sum of |weight| over the inputs of each target."""
    magnitude: NumberArray = np.abs(synapses.weight)
    if isinstance(synapses, TokenSynapses):
        magnitude = magnitude.sum(axis=(0, 2))
    elif not isinstance(synapses, DiagonalSynapses):
        magnitude = magnitude.sum(axis=-1)
    return magnitude


def largest_growth(decay: float, steps: int) -> float:
    """Return how many times max |a| a potential can reach in `steps` steps.

    |v| <= max |a| * (1 + decay + decay**2 + ...), and a spike only resets it.
    """
    return float(steps) if decay >= 1.0 else min(steps, 1.0 / (1.0 - decay))
