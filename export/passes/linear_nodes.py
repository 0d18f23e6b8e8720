"""NIR's linear nodes as synapses."""

from __future__ import annotations

from math import prod

import numpy as np

from spikewright.nodes import (
    Affine,
    AvgPool2d,
    ChannelSynapses,
    Conv1d,
    Conv2d,
    ConvSynapses,
    DenseSynapses,
    DiagonalSynapses,
    FloatArray,
    Linear,
    LinearMap,
    NumberArray,
    Scale,
    Shape,
    SumPool2d,
    Synapses,
    TokenSynapses,
)


def to_synapses(node: LinearMap) -> Synapses:
    """Return the weights of a linear node as synapses; its bias is not among them."""
    match node:
        case Scale(scale):
            return DiagonalSynapses(_float64(scale))
        case Affine() | Linear():
            return _matrices(_float64(node.weight))
        case Conv1d():
            return _over_tokens(node)
        case Conv2d():
            shape = (node.weight.shape[1] * node.groups, *node.size)
            options = (node.stride, node.padding, node.dilation, node.groups)
            return ConvSynapses(_float64(node.weight), shape, *options)
        case SumPool2d() | AvgPool2d():
            return _over_windows(node)


def _matrices(weight: FloatArray) -> DenseSynapses | ChannelSynapses:
    if weight.ndim == 2:
        return DenseSynapses(weight)
    if weight.ndim == 3:
        return ChannelSynapses(weight)
    return ChannelSynapses(weight.reshape(-1, *weight.shape[-2:]))


def _over_tokens(node: Conv1d) -> TokenSynapses | ConvSynapses:
    """Return token-wise synapses where they can say it, else a kernel of one row."""
    weight = _float64(node.weight)
    if (node.stride, node.padding, node.dilation, node.groups) == (1, (0, 0), 1, 1):
        return TokenSynapses(np.moveaxis(weight, 2, 0))
    return ConvSynapses(
        weight[:, :, np.newaxis],
        (weight.shape[1] * node.groups, 1, node.tokens),
        (1, node.stride),
        ((0, 0), node.padding),
        (1, node.dilation),
        node.groups,
    )


def _over_windows(node: SumPool2d | AvgPool2d) -> ConvSynapses:
    """Return a kernel of equal weights, one for each channel."""
    channels, (top, left) = node.shape[0], node.padding
    weight = 1.0 / prod(node.kernel) if isinstance(node, AvgPool2d) else 1.0
    return ConvSynapses(
        np.full((channels, 1, *node.kernel), weight),
        node.shape,
        node.stride,
        ((top, top), (left, left)),
        groups=channels,
    )


def size_taken(node: LinearMap) -> int:
    """Return how many values a linear node takes."""
    match node:
        case Scale(scale):
            return scale.size
        case Affine(weight) | Linear(weight):
            return prod(weight.shape[:-2]) * int(weight.shape[-1])
        case Conv1d(weight):
            return int(weight.shape[1]) * node.groups * node.tokens
        case Conv2d(weight):
            return int(weight.shape[1]) * node.groups * prod(node.size)
        case SumPool2d() | AvgPool2d():
            return prod(node.shape)


def bias_of(node: LinearMap, given: Shape) -> FloatArray | None:
    """Return the bias that a linear node adds to what it gives, flat, or None."""
    match node:
        case Affine(_, bias) if np.any(bias):
            return _float64(bias).reshape(-1)
        case Conv1d(_, bias) | Conv2d(_, bias) if np.any(bias):
            return np.repeat(_float64(bias), prod(given[1:]))
        case _:
            return None


def _float64(values: NumberArray) -> FloatArray:
    return values.astype(np.float64, copy=False)
