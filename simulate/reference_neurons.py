"""What neurons do in one step, for one sample: the equations of `populations.py`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikewright import nodes as n
from spikewright.errors import OverflowDetectedError
from spikewright.simulate.reference_maps import Signal

A_LIMIT = 2**17
"""|a| of a QUANTIZED neuron stays below: a << 6 must fit 24 bits"""
V_LIMIT = 2**23
"""|u| and |v| of a QUANTIZED neuron, and |a| of its Output, stay below: 24 bits"""

_Floats = n.SpikingNeurons | n.Integrators
_Integers = n.QuantizedNeurons | n.QuantizedIntegrators


@dataclass(frozen=True)
class State:
    """What a population keeps from one step to the next."""

    u: Signal
    v: Signal
    s: Signal
    reached: Signal
    """v before the reset: what was compared with the threshold"""


def at_rest(node: _Floats | _Integers, a: Signal) -> State:
    """Return the state before the first step."""
    rest = np.zeros_like(a)
    if isinstance(node, n.SpikingNeurons):
        return State(rest, rest + node.start, rest, rest)
    return State(rest, rest, rest, rest)


def neurons(node: _Floats, state: State, a: Signal) -> tuple[State, Signal]:
    """Return the next state and what is sent, in real numbers."""
    u = node.current_decay * state.u + a
    v = node.decay * state.v + u + node.bias
    if isinstance(node, n.Integrators):
        return State(u, v, state.s, v), node.gain * v
    if node.drop is not None:
        v = v - node.drop * state.s
    s = (v > node.threshold).astype(np.float64)
    kept = v if node.drop is not None else np.where(s > 0, 0.0, v)
    return State(u, kept, s, v), s


def quantized(
    name: str, node: _Integers, state: State, a: Signal, step: int
) -> tuple[State, Signal]:
    """Return the next state and what is sent, in Loihi's integers.

    Raises:
        OverflowDetectedError: |a| reaches 2**17, or |u| or |v| 2**23.
    """
    check_register(name, "weighted input a", a, A_LIMIT, step)
    u = _rsz(state.u * (4096 - node.du), 12) + (a << 6)
    check_register(name, "synaptic current u", u, V_LIMIT, step)
    v = _rsz(state.v * (4096 - node.dv), 12) + u
    if isinstance(node, n.QuantizedIntegrators):
        check_register(name, "membrane potential v", v, V_LIMIT, step)
        return State(u, v, state.s, v), v
    if node.drop is not None:
        v = v - (np.asarray(node.drop) << 6) * state.s
    check_register(name, "membrane potential v", v, V_LIMIT, step)
    s = (v > (node.vth << 6)).astype(np.int64)
    kept = v if node.drop is not None else np.where(s > 0, 0, v)
    return State(u, kept, s, v), s


def _rsz(x: Signal, bits: int) -> Signal:
    """Shift right towards zero."""
    shifted: Signal = np.sign(x) * (np.abs(x) >> bits)
    return shifted


def check_register(name: str, what: str, x: Signal, limit: int, step: int) -> None:
    """Raise `OverflowDetectedError` if |x| reaches `limit`."""
    magnitude = np.abs(x)
    if magnitude.max(initial=0) < limit:
        return
    worst = np.unravel_index(int(magnitude.argmax()), x.shape)
    raise OverflowDetectedError(
        f"node '{name}', neuron {[int(i) for i in worst]}, step {step}: {what} is "
        f"{x[worst]}; allowed: |{what[-1]}| below {limit}; quantize with a smaller "
        "scale for this population"
    )
