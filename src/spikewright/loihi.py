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
WEIGHT_BITS = 8
"""the most that a weight has"""

_GUARD = 1.0 + 2.0**-30
"""more than what the sums of `largest_growth` can round off; whole ones are exact"""


def has_both_signs(weight: NumberArray) -> bool:
    """Say whether one bit of each weight is its sign."""
    return bool(weight.min(initial=0) < 0 < weight.max(initial=0))


def weight_limit(weight: NumberArray, bits: int = WEIGHT_BITS) -> int:
    """Return the largest magnitude of a weight of `bits` bits.

    2**bits - 1 if all signs agree, 255 of 8 bits; with both signs one bit is the sign,
    so 127. Of 1 bit with both signs nothing is left: 0.
    """
    return int(2 ** (bits - has_both_signs(weight)) - 1)


def common_zeros(weight: NumberArray) -> int:
    """Return how often 2 divides all of the integers; 0 if all are 0."""
    bits = int(np.bitwise_or.reduce(weight, axis=None, initial=0))
    return max(0, (bits & -bits).bit_length() - 1)


def needed_bits(weight: NumberArray) -> int:
    """Return the fewest bits, 1 or more, that hold integer weights exactly.

    What 2 divides of all of them goes into their exponent. The rest is what a synapse
    of N bits stores (Lava `utils/weightutils.py`): 0 to 2**N - 1 with one sign for all,
    -2**(N-1) to 2**(N-1) - 1 with both. So 1, 0 and -1 take 2 bits.
    """
    zeros = common_zeros(weight)
    low, high = (
        int(each) >> zeros for each in (weight.min(initial=0), weight.max(initial=0))
    )
    if low < 0 < high:
        return 1 + max(high, -low - 1).bit_length()
    return max(1, (high - low).bit_length())


def upper_shift(weight: NumberArray, exponent: int) -> int:
    """Return by how many bits a synapse shifts integer weights up to store them.

    It drops the lower ones of its eight bits, and one more of mixed signs (a sign is a
    bit, but the range doubles). The exponent makes up for it, and can only go so low.
    """
    sign = int(has_both_signs(weight))
    most = WEIGHT_BITS + sign - needed_bits(weight) - common_zeros(weight)
    return max(sign, min(most, exponent + MAX_EXPONENT))


def stored_bits(weight: NumberArray, exponent: int) -> int:
    """Return the bits in which a synapse holds integer weights exactly.

    Those that they need; more where the exponent is too low to shift them that far up.
    """
    used = WEIGHT_BITS + int(has_both_signs(weight)) - upper_shift(weight, exponent)
    return max(needed_bits(weight), used - common_zeros(weight))


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
