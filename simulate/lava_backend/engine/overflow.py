"""Refuses integers that leave their register; Lava would wrap or saturate."""

from __future__ import annotations

import numpy as np

from spikewright.errors import OverflowDetectedError
from spikewright.nodes import Array


def check_register(name: str, step: int, what: str, values: Array, limit: int) -> None:
    """Raise `OverflowDetectedError` if a magnitude reaches `limit`.

    Args:
        name: of the Lava process, which is that of the node.
        step: of the run, from 0 on.
        what: the quantity; its last letter is its symbol.
        values: whole numbers, also as floats.
        limit: the smallest magnitude that does not fit.
    """
    if values.max(initial=0) < limit and values.min(initial=0) > -limit:
        return
    worst = np.unravel_index(int(np.abs(values).argmax()), values.shape)
    raise OverflowDetectedError(
        f"node '{name}', neuron {[int(i) for i in worst]}, step {step}: {what} is "
        f"{int(values[worst])}; allowed: |{what[-1]}| below {limit}; quantize with a "
        "smaller scale for this population"
    )
