"""What each node does in one step, for one sample; see `nodes.py` for the equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spikewright import nodes as n
from spikewright.errors import GraphError, OverflowDetectedError, UnsupportedNodeError

Signal = npt.NDArray[Any]
"""what a node takes or sends at one step: float64, or int64 if QUANTIZED"""

A_LIMIT = 2**17
"""|a| of a QUANTIZED neuron stays below: a << 6 must fit 24 bits"""
V_LIMIT = 2**23
"""|v| of a QUANTIZED neuron, and |a| of its Output, stay below: 24 bits with sign"""

_WITH_SHAPE = (*n.POPULATIONS, n.Output, n.DelaySteps)
_KNOWN = [
    kind.__name__
    for kind in (
        *_WITH_SHAPE,
        *n.SYNAPSES,
        *(n.Affine, n.Linear, n.Conv1d, n.Scale, n.Flatten),
    )
]


# --- shapes --------------------------------------------------------------------------


def ends(name: str, node: n.Node, tokens: int) -> tuple[n.Shape, n.Shape]:
    """Return the shapes that a node takes and sends.

    Args:
        name: for the error.
        node: any node from DISCRETE on.
        tokens: number of tokens that reach the node, if it is TokenSynapses.

    Raises:
        UnsupportedNodeError: the node is none of these.
    """
    shape: tuple[n.Shape, n.Shape]
    match node:
        case n.Affine(weight) | n.Linear(weight):
            shape = (*weight.shape[:-2], weight.shape[-1]), weight.shape[:-1]
        case n.Conv1d(weight, _, length):
            shape = _slid(weight.shape, length)
        case n.Flatten():
            shape = node.shape, node.target_shape
        case n.Scale(weight) | n.DiagonalSynapses(weight):
            shape = weight.shape, weight.shape
        case n.DenseSynapses(weight):
            shape = weight.shape[1:], weight.shape[:1]
        case n.ChannelSynapses(weight):
            shape = (weight.shape[0], weight.shape[2]), weight.shape[:2]
        case n.TokenSynapses(weight):
            shape = _slid((*weight.shape[1:], weight.shape[0]), tokens)
        case _ if isinstance(node, _WITH_SHAPE):
            shape = node.shape, node.shape
        case _:
            raise UnsupportedNodeError(name, type(node).__name__, "reference", _KNOWN)
    return shape


def _slid(weight: n.Shape, tokens: int) -> tuple[n.Shape, n.Shape]:
    """Return the ends of a window over tokens; weight is (targets, sources, taps)."""
    targets, sources, taps = weight
    return (sources, tokens), (targets, tokens - taps + 1)


# --- linear maps ---------------------------------------------------------------------


def mapped(node: n.Node, x: Signal) -> Signal:
    """Return y of a node without state, in the equation of its docstring."""
    y: Signal
    match node:
        case n.Affine(weight, bias):
            y = _matrix(weight, x) + bias
        case n.Linear(weight):
            y = _matrix(weight, x)
        case n.Conv1d(weight, bias):
            y = _slide(np.moveaxis(weight, 2, 0), x) + bias[:, np.newaxis]
        case n.Scale(scale):
            y = scale * x
        case n.Flatten():
            y = x.reshape(node.target_shape)
        case n.DenseSynapses(weight, exponent) | n.ChannelSynapses(weight, exponent):
            y = _shifted(_matrix(weight, x), exponent)
        case n.TokenSynapses(weight, exponent):
            y = _shifted(_slide(weight, x), exponent)
        case n.DiagonalSynapses(weight, exponent):
            y = _shifted(weight * x, exponent)
        case _:
            y = x  # Input, BiasLine, Output and DelaySteps pass on what they took
    return y


def _matrix(weight: Signal, x: Signal) -> Signal:
    """Return weight @ x over the last axis, each leading index with its own matrix."""
    y: Signal = np.matmul(weight, x[..., np.newaxis])[..., 0]
    return y


def _slide(weight: Signal, x: Signal) -> Signal:
    """Return y[:, l] = sum_k weight[k] @ x[:, l + k]."""
    length = x.shape[1] - len(weight) + 1
    taps = (weight[k] @ x[:, k : k + length] for k in range(len(weight)))
    y: Signal = sum(taps, start=np.zeros((weight.shape[1], length), x.dtype))
    return y


def _shifted(y: Signal, exponent: int) -> Signal:
    """Return y * 2**exponent; integers are rounded down, as in Lava's Dense."""
    if y.dtype != np.int64:
        return np.ldexp(y, exponent)
    return y << exponent if exponent >= 0 else y >> -exponent


# --- neurons -------------------------------------------------------------------------


def spiking(node: n.SpikingNeurons, v: Signal, a: Signal) -> tuple[Signal, Signal]:
    """Return the next v and the spikes."""
    v = node.decay * v + a + node.bias
    s = v > node.threshold
    return np.where(s, 0.0, v), s.astype(np.float64)


def integrating(node: n.Integrators, v: Signal, a: Signal) -> tuple[Signal, Signal]:
    """Return the next v and what is sent."""
    v = node.decay * v + a + node.bias
    return v, node.gain * v


def quantized(
    name: str,
    node: n.QuantizedNeurons | n.QuantizedIntegrators,
    v: Signal,
    a: Signal,
    step: int,
) -> tuple[Signal, Signal]:
    """Return the next v and what is sent.

    Raises:
        OverflowDetectedError: |a| reaches 2**17, or |v| would have to be clipped.
    """
    check_register(name, "weighted input a", a, A_LIMIT, step)
    v = _rsz(v * (4096 - node.dv), 12) + (a << 6)
    check_register(name, "membrane potential v", v, V_LIMIT, step)
    if isinstance(node, n.QuantizedIntegrators):
        return v, v
    s = v > (node.vth << 6)
    return np.where(s, 0, v), s.astype(np.int64)


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


def check_weights(name: str, node: n.Node) -> None:
    """Raise `GraphError` unless QUANTIZED weights are integers whose sums fit int64."""
    if not isinstance(node, n.SYNAPSES):
        return
    if node.weight.dtype.kind not in "iu":
        raise GraphError(
            f"node '{name}': weights of type {node.weight.dtype}; allowed in a "
            "QUANTIZED graph: integers; make it with quantize"
        )
    largest = np.abs(node.weight.astype(np.float64)).sum()
    if largest * V_LIMIT * 2.0 ** max(node.exponent, 0) >= 2.0**63:
        raise GraphError(
            f"node '{name}': weights up to {np.abs(node.weight).max()} with exponent "
            f"{node.exponent} overflow 64 bits; allowed: 8-bit weights, exponents to 7"
        )
