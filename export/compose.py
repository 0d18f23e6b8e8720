"""One linear map out of several: structure is kept where it survives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import numpy as np

from spikewright.errors import GraphError
from spikewright.nodes import (
    Affine,
    ChannelSynapses,
    Conv1d,
    DenseSynapses,
    DiagonalSynapses,
    FloatArray,
    LinearMap,
    Scale,
    Shape,
    Synapses,
    TokenSynapses,
)

MAX_DENSE = 2**25
"""Weights in the largest dense matrix that we write out (256 MB in float64)."""


def to_synapses(node: LinearMap) -> Synapses:
    """Return the weights of a linear node as synapses; its bias is not among them."""
    if isinstance(node, Scale):
        return DiagonalSynapses(node.scale.astype(np.float64))
    weight = node.weight.astype(np.float64)
    if isinstance(node, Conv1d):
        return TokenSynapses(np.moveaxis(weight, 2, 0))
    if weight.ndim == 2:
        return DenseSynapses(weight)
    return ChannelSynapses(weight.reshape(-1, *weight.shape[-2:]))


def bias_of(node: LinearMap) -> FloatArray | None:
    """Return the bias that a linear node adds, in the shape of its output, or None."""
    match node:
        case Affine() if np.any(node.bias):
            return node.bias
        case Conv1d() if np.any(node.bias):
            length = node.tokens - node.weight.shape[2] + 1
            return np.repeat(node.bias[:, None], length, axis=1)
        case _:
            return None


def compose_all(maps: Sequence[Synapses], source: Shape, where: str) -> Synapses:
    """Return one map equal to applying `maps` in turn to a signal of shape `source`.

    Raises:
        GraphError: only a dense matrix could hold the result, and it is too large.
    """
    if not maps:
        return DiagonalSynapses(np.ones(source))
    size = math.prod(source)
    return reduce(lambda first, then: compose(first, then, size, where), maps)


def compose(first: Synapses, then: Synapses, size: int, where: str) -> Synapses:
    """Return `then` after `first`, for `size` sources."""
    for attempt in (_diagonal_first, _diagonal_then, _same_kind):
        if (result := attempt(first, then)) is not None:
            return result
    middle = target_size(first, size)
    for each, sources in ((first, size), (then, middle)):
        if sources * target_size(each, sources) > MAX_DENSE:
            raise GraphError(
                f"{where}: the linear chain needs a dense matrix of {sources} x "
                f"{target_size(each, sources)} weights, at most {MAX_DENSE}; "
                "put a neuron between its maps"
            )
    return DenseSynapses(to_dense(then, middle) @ to_dense(first, size))


def target_size(synapses: Synapses, sources: int) -> int:
    """Return how many values come out when `sources` go in."""
    match synapses:
        case DenseSynapses():
            return int(synapses.weight.shape[0])
        case TokenSynapses():
            taps, targets, channels = synapses.weight.shape
            return int(targets * (sources // channels - taps + 1))
        case ChannelSynapses():
            return int(synapses.weight.shape[0] * synapses.weight.shape[1])
        case DiagonalSynapses():
            return int(synapses.weight.size)


def _diagonal_first(first: Synapses, then: Synapses) -> Synapses | None:
    """Scale the columns of `then`."""
    if not isinstance(first, DiagonalSynapses):
        return None
    scale: FloatArray
    match then:
        case DiagonalSynapses():
            scale = first.weight.reshape(then.weight.shape)
            return DiagonalSynapses(then.weight * scale)
        case DenseSynapses():
            return DenseSynapses(then.weight * first.weight.reshape(-1))
        case ChannelSynapses():
            channels, _, sources = then.weight.shape
            scale = first.weight.reshape(channels, 1, sources)
            return ChannelSynapses(then.weight * scale)
        case TokenSynapses():
            shared = shared_by_tokens(first.weight, then.weight.shape[2])
            return None if shared is None else TokenSynapses(then.weight * shared)


def _diagonal_then(first: Synapses, then: Synapses) -> Synapses | None:
    """Scale the rows of `first`."""
    if not isinstance(then, DiagonalSynapses):
        return None
    return scale_rows(first, then.weight)


def scale_rows(synapses: Synapses, scale: FloatArray) -> Synapses | None:
    """Multiply what reaches each target by `scale`; None if tokens would differ."""
    match synapses:
        case DiagonalSynapses():
            return DiagonalSynapses(
                synapses.weight * scale.reshape(synapses.weight.shape)
            )
        case DenseSynapses():
            return DenseSynapses(synapses.weight * scale.reshape(-1, 1))
        case ChannelSynapses():
            channels, targets, _ = synapses.weight.shape
            return ChannelSynapses(
                synapses.weight * scale.reshape(channels, targets, 1)
            )
        case TokenSynapses():
            shared = shared_by_tokens(scale, synapses.weight.shape[1])
            if shared is None:
                return None
            return TokenSynapses(synapses.weight * shared[:, None])


def shared_by_tokens(values: FloatArray, channels: int) -> FloatArray | None:
    """Return the value of each channel, or None if it differs between tokens."""
    table: FloatArray = values.reshape(channels, -1)
    return table[:, 0] if np.all(table == table[:, :1]) else None


def _same_kind(first: Synapses, then: Synapses) -> Synapses | None:
    match first, then:
        case DenseSynapses(), DenseSynapses():
            return DenseSynapses(then.weight @ first.weight)
        case ChannelSynapses(), ChannelSynapses():
            if first.weight.shape[0] == then.weight.shape[0]:
                return ChannelSynapses(then.weight @ first.weight)
        case TokenSynapses(), TokenSynapses():
            return TokenSynapses(_convolve_taps(first.weight, then.weight))
    return None


def _convolve_taps(first: FloatArray, then: FloatArray) -> FloatArray:
    """weight[i + j] = sum of then[j] @ first[i]: two windows in a row are one."""
    taps = len(first) + len(then) - 1
    weight = np.zeros((taps, then.shape[1], first.shape[2]))
    for i, one in enumerate(first):
        for j, two in enumerate(then):
            weight[i + j] += two @ one
    return weight


def to_dense(synapses: Synapses, sources: int) -> FloatArray:
    """Return the matrix (targets, sources) over C-order flattened signals."""
    match synapses:
        case DenseSynapses():
            return np.asarray(synapses.weight, dtype=np.float64)
        case DiagonalSynapses():
            return np.diag(synapses.weight.reshape(-1).astype(np.float64))
        case ChannelSynapses():
            return _blocks(synapses.weight)
        case TokenSynapses():
            return _unrolled(synapses.weight, sources // synapses.weight.shape[2])


def _blocks(weight: FloatArray) -> FloatArray:
    channels, targets, sources = weight.shape
    dense = np.zeros((channels, targets, channels, sources))
    index = np.arange(channels)
    dense[index, :, index, :] = weight
    return dense.reshape(channels * targets, channels * sources)


def _unrolled(weight: FloatArray, tokens: int) -> FloatArray:
    taps, targets, channels = weight.shape
    length = tokens - taps + 1
    dense = np.zeros((targets, length, channels, tokens))
    for tap in range(taps):
        for token in range(length):
            dense[:, token, :, token + tap] = weight[tap]
    return dense.reshape(targets * length, channels * tokens)
