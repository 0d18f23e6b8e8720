"""Loihi's registers, as Lava's fixed-point models implement them.

Sources: lava-nc 0.10.0, `proc/lif/process.py` (widths), `proc/dense/process.py` and
`utils/weightutils.py` (weights); nengo-loihi `validate.py` (exponents).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from spikewright.linear import fan_in
from spikewright.nodes import NumberArray, Synapses

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
MIXED_LIMIT, ONE_SIGN_LIMIT = 127, 255
"""largest magnitude of an 8-bit weight: with both signs, one bit is the sign"""

_GUARD = 1.0 + 2.0**-30
"""more than what the sums of `largest_growth` can round off; whole ones are exact"""


def weight_limit(weight: NumberArray) -> int:
    """Return the largest magnitude of an 8-bit weight.

    255 if all signs agree; with both signs one bit is the sign, so 127.
    """
    is_mixed = weight.min(initial=0) < 0 < weight.max(initial=0)
    return MIXED_LIMIT if is_mixed else ONE_SIGN_LIMIT


def shift_to_zero(values: NumberArray, bits: int) -> NumberArray:
    """Shift right towards zero: rsz(x, n) = sign(x) (|x| >> n)."""
    magnitude = np.abs(values) >> bits
    return np.where(values < 0, -magnitude, magnitude)


def largest_sum(synapses: Iterable[Synapses]) -> float:
    """Return a bound on |a|: every input spikes, and all with the worse sign."""
    return sum(
        float(fan_in(each).max(initial=0)) * 2.0**each.exponent for each in synapses
    )


@lru_cache(maxsize=2**16)
def largest_growth(dv: int, du: int, steps: int) -> float:
    """Return how many times max |a| a potential can reach in `steps` steps.

    The step response of both filters in series, u = u (4096 - du) / 4096 + 1 and
    v = v (4096 - dv) / 4096 + u, from rest: the worst input is always on. Rounding
    towards zero only shrinks. With du = 4096 it is (1 - decay**steps) / (1 - decay).
    """
    kept, kept_current = 1.0 - dv / DECAY_ONE, 1.0 - du / DECAY_ONE
    u = v = 0.0
    for _ in range(steps):
        before = u, v
        u = kept_current * u + 1.0
        v = kept * v + u
        if (u, v) == before:
            break
    return v if v == int(v) else v * _GUARD
