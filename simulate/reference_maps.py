"""What each map does in one step, for one sample: the equations, written plainly.

On purpose not by `spikewright.linear`, which the other executors use: a judge must not
share its arithmetic with those it judges.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewright import nodes as n
from spikewright.continuous import Pads
from spikewright.errors import GraphError, UnsupportedNodeError

Signal = npt.NDArray[Any]
"""what a node takes or sends at one step: float64, or int64 if QUANTIZED"""

_LARGEST_SIGNAL = 2**23
"""24 bits with sign: what an integrator may send"""
_WITH_SHAPE = (*n.POPULATIONS, n.Output, n.DelaySteps)
_KNOWN = [kind.__name__ for kind in (*_WITH_SHAPE, *n.SYNAPSES, *n.MAPS)]

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
        case n.Conv1d() | n.Conv2d() | n.SumPool2d() | n.AvgPool2d():
            shape = _window_ends(node)
        case n.Flatten():
            shape = node.shape, node.target_shape
        case n.Scale(scale):
            shape = scale.shape, scale.shape
        case _ if isinstance(node, n.SYNAPSES):
            shape = _synapse_ends(node, tokens)
        case _ if isinstance(node, _WITH_SHAPE):
            shape = node.shape, node.shape
        case _:
            raise UnsupportedNodeError(name, type(node).__name__, "reference", _KNOWN)
    return shape


def _synapse_ends(node: n.Synapses, tokens: int) -> tuple[n.Shape, n.Shape]:
    weight = node.weight.shape
    match node:
        case n.DenseSynapses():
            return weight[1:], weight[:1]
        case n.SparseSynapses():
            return node.shape[1:], node.shape[:1]
        case n.ChannelSynapses():
            return (weight[0], weight[2]), weight[:2]
        case n.ConvSynapses():
            return node.shape, node.target_shape
        case n.TokenSynapses():
            return (weight[2], tokens), (weight[1], tokens - weight[0] + 1)
        case n.DiagonalSynapses():
            return weight, weight


def _window_ends(
    node: n.Conv1d | n.Conv2d | n.SumPool2d | n.AvgPool2d,
) -> tuple[n.Shape, n.Shape]:
    x = np.zeros(_source_shape(node))
    return x.shape, mapped(node, x).shape


def _source_shape(node: n.Conv1d | n.Conv2d | n.SumPool2d | n.AvgPool2d) -> n.Shape:
    match node:
        case n.Conv1d(weight):
            return (weight.shape[1] * node.groups, node.tokens)
        case n.Conv2d(weight):
            return (weight.shape[1] * node.groups, *node.size)
        case _:
            return node.shape


# --- maps ----------------------------------------------------------------------------


def mapped(node: n.Node, x: Signal) -> Signal:
    """Return y of a node without state, in the equation of its docstring."""
    y: Signal
    match node:
        case n.Affine(weight, bias):
            y = _matrix(weight, x) + bias
        case n.Linear(weight):
            y = _matrix(weight, x)
        case n.Conv1d() | n.Conv2d():
            y = _convolution(node, x)
        case n.SumPool2d():
            y = _pool(node, x)
        case n.AvgPool2d():
            y = _pool(node, x) / (node.kernel[0] * node.kernel[1])
        case n.Scale(scale):
            y = scale * x
        case n.Flatten():
            y = x.reshape(node.target_shape)
        case _ if isinstance(node, n.SYNAPSES):
            y = _shifted(_weighted(node, x), node.exponent)
        case _:
            y = x  # Input, BiasLine, Output and DelaySteps pass on what they took
    return y


def _weighted(node: n.Synapses, x: Signal) -> Signal:
    match node:
        case n.DenseSynapses(weight) | n.ChannelSynapses(weight):
            return _matrix(weight, x)
        case n.TokenSynapses(weight):
            return _slide(weight, x)
        case n.DiagonalSynapses(weight):
            return weight * x
        case n.SparseSynapses():
            return _scatter(node, x)
        case n.ConvSynapses(weight):
            options = (node.stride, node.padding, node.dilation, node.groups)
            return _windows_of(weight, x, options)


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


def _scatter(node: n.SparseSynapses, x: Signal) -> Signal:
    y = np.zeros(node.shape[0], x.dtype)
    np.add.at(y, node.targets, node.weight * x[node.sources])
    return y


def _convolution(node: n.Conv1d | n.Conv2d, x: Signal) -> Signal:
    """Return the weighted sums over each place's window; a Conv1d has one row."""
    if isinstance(node, n.Conv2d):
        options = (node.stride, node.padding, node.dilation, node.groups)
        return _windows_of(node.weight, x, options) + node.bias[:, None, None]
    pads = ((0, 0), node.padding)
    options = ((1, node.stride), pads, (1, node.dilation), node.groups)
    y = _windows_of(node.weight[:, :, None], x[:, None], options)[:, 0]
    return y + node.bias[:, None]


def _windows_of(
    weight: Signal, x: Signal, options: tuple[n.Pair, Pads, n.Pair, int]
) -> Signal:
    """Sum weight * x over the window of each place, group by group."""
    stride, padding, dilation, groups = options
    wide = np.pad(x, [(0, 0), *padding])
    targets, _, taps_down, taps_right = weight.shape
    reach = (dilation[0] * (taps_down - 1), dilation[1] * (taps_right - 1))
    rows = range(0, wide.shape[1] - reach[0], stride[0])
    columns = range(0, wide.shape[2] - reach[1], stride[1])
    seen = [
        wide[
            :,
            row : row + reach[0] + 1 : dilation[0],
            column : column + reach[1] + 1 : dilation[1],
        ].reshape(groups, -1)
        for row, column in product(rows, columns)
    ]
    kernels = weight.reshape(groups, targets // groups, -1)
    y: Signal = np.matmul(kernels, np.stack(seen, axis=2))
    return y.reshape(targets, len(rows), len(columns))


def _pool(node: n.SumPool2d | n.AvgPool2d, x: Signal) -> Signal:
    """Return the sum over each place's window."""
    wide = np.pad(x, [(0, 0), *((each, each) for each in node.padding)])
    rows = range(0, wide.shape[1] - node.kernel[0] + 1, node.stride[0])
    columns = range(0, wide.shape[2] - node.kernel[1] + 1, node.stride[1])
    y = np.zeros((len(x), len(rows), len(columns)), x.dtype)
    for (i, row), (j, column) in product(enumerate(rows), enumerate(columns)):
        seen = wide[:, row : row + node.kernel[0], column : column + node.kernel[1]]
        y[:, i, j] = seen.sum(axis=(1, 2))
    return y


def _shifted(y: Signal, exponent: int) -> Signal:
    """Return y * 2**exponent; integers are rounded down, as in Lava's Dense."""
    if y.dtype != np.int64:
        return np.ldexp(y, exponent)
    return y << exponent if exponent >= 0 else y >> -exponent


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
    if largest * _LARGEST_SIGNAL * 2.0 ** max(node.exponent, 0) >= 2.0**63:
        raise GraphError(
            f"node '{name}': weights up to {np.abs(node.weight).max()} with exponent "
            f"{node.exponent} overflow 64 bits; allowed: 8-bit weights, exponents to 7"
        )
