"""What a population keeps besides its weights, in integers: decays, threshold, drop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spikewright.bounds import Integers
from spikewright.errors import GraphError
from spikewright.loihi import DECAY_ONE
from spikewright.nodes import (
    FloatArray,
    IntArray,
    Integrators,
    PerNeuron,
    QuantizedIntegrators,
    QuantizedNeurons,
    SpikingNeurons,
)

Floats = SpikingNeurons | Integrators
"""populations that become integers"""


def registers_of(name: str, node: Floats) -> Callable[[int], Integers]:
    """Return what makes the integer population at a scale of 2**bits.

    Raises:
        GraphError: a decay would become 1 or 0; or the population has a bias or a start
            of its own, or drops below 0.
    """
    _refuse_strange(name, node)
    dv = _decay_register(name, "decay", np.broadcast_to(node.decay, node.shape))
    du = _decay_register(
        name, "current_decay", np.broadcast_to(node.current_decay, node.shape)
    )
    if isinstance(node, Integrators):
        return lambda bits: QuantizedIntegrators(node.shape, dv, 2.0**bits, du)
    threshold, drop = float(node.threshold.max()), folded_drop(node)

    def at_scale(bits: int) -> Integers:
        scale = 2.0**bits
        drops = None if drop is None else _agreed(np.rint(drop * scale))
        return QuantizedNeurons(
            node.shape, dv, round(threshold * scale), scale, du, drops
        )

    return at_scale


def folded_drop(node: SpikingNeurons) -> FloatArray | None:
    """Return what a spike takes once all neurons have the largest threshold."""
    if node.drop is None:
        return None
    drop = np.broadcast_to(node.drop, node.shape)
    most = float(node.threshold.max())
    if most == 0:
        return drop
    # divided first: a drop of one threshold stays one threshold to the last bit
    return drop / node.threshold * most


def constants_of(node: Floats) -> list[float]:
    """Return the numbers that 17-bit registers must hold: threshold and drop."""
    if isinstance(node, Integrators):
        return []
    drop = folded_drop(node)
    drops = [] if drop is None else [float(drop.max())]
    return [float(node.threshold.max()), *drops]


def _refuse_strange(name: str, node: Floats) -> None:
    if np.any(node.bias) or (isinstance(node, SpikingNeurons) and np.any(node.start)):
        raise GraphError(
            f"node '{name}': has a bias or a start of its own; let it travel on the "
            "bias line, by fold_connections, so that it arrives with the data"
        )
    if isinstance(node, SpikingNeurons) and node.drop is not None:
        if np.min(node.drop) < 0:
            raise GraphError(
                f"node '{name}': a drop of {np.min(node.drop):g} would raise the "
                "potential after a spike; allowed: 0 or more"
            )


def _decay_register(name: str, what: str, decay: FloatArray) -> PerNeuron:
    """Return 4096 minus the decay in 1 / 4096; refuse one that would become 1 or 0."""
    register = np.rint((1.0 - decay) * DECAY_ONE)
    is_lost = ((register == 0) & (decay < 1)) | ((register == DECAY_ONE) & (decay > 0))
    if np.any(is_lost):
        first = decay[is_lost][0]
        raise GraphError(
            f"node '{name}': {what} {float(first)!r} would round to {round(first)}, as "
            f"Loihi keeps it in units of 1 / {DECAY_ONE}; choose another --dt"
        )
    if np.any(register < 0) or np.any(register > DECAY_ONE):
        raise GraphError(
            f"node '{name}': {what} {decay.min():g} to {decay.max():g}; allowed: 0 to 1"
        )
    return _agreed(register)


def _agreed(values: FloatArray) -> PerNeuron:
    """Return one integer if all agree, else one for each neuron."""
    whole: IntArray = values.astype(np.int64)
    return int(whole.flat[0]) if np.all(whole == whole.flat[0]) else whole
