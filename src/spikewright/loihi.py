"""Loihi's registers, as Lava's fixed-point models implement them.

Sources: lava-nc 0.10.0, `proc/lif/process.py` (widths), `proc/dense/process.py` and
`utils/weightutils.py` (weights); nengo-loihi `validate.py` (exponents).
"""

from __future__ import annotations

import numpy as np

from spikewright.nodes import NumberArray

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
