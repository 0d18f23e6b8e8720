"""Two convolutions in a row as one, where the zeros around them allow it."""

from __future__ import annotations

from math import gcd

import numpy as np

from spikewright.nodes import (
    ConvSynapses,
    FloatArray,
    Pair,
    Synapses,
    TokenSynapses,
)


def as_kernel(synapses: Synapses, size: int) -> ConvSynapses | None:
    """Return token-wise synapses as a kernel of one row; kernels as they are."""
    match synapses:
        case ConvSynapses():
            return synapses
        case TokenSynapses(weight):
            channels = int(weight.shape[2])
            kernel = np.moveaxis(weight, 0, 2)[:, :, np.newaxis]
            return ConvSynapses(kernel, (channels, 1, size // channels))
        case _:
            return None


def kernel_after_kernel(first: ConvSynapses, then: ConvSynapses) -> ConvSynapses | None:
    """Return the kernel of `then` after `first`, or None if there is none.

    With y[i] = sum_p then[p] m[S i + D p - pad] and m[j] = sum_q first[q] x[s j + d q],
    y[i] = sum_pq then[p] first[q] x[s S i + s D p + d q - s pad]: strides multiply, and
    taps meet at s D p + d q. This holds if `first` gives 0 wherever `then` has its own
    zeros around m.
    """
    if first.target_shape != then.shape:
        return None
    if not (_pads_with_silence(first, then, 0) and _pads_with_silence(first, then, 1)):
        return None
    weight = _meeting(first, then)
    made = ConvSynapses(
        weight,
        first.shape,
        _times(first.stride, then.stride),
        (_padding(first, then, weight, 0), _padding(first, then, weight, 1)),
        groups=gcd(first.groups, then.groups),
    )
    return made if made.target_shape == then.target_shape else None


def _pads_with_silence(first: ConvSynapses, then: ConvSynapses, axis: int) -> bool:
    """Say whether `first`, continued past its ends, would see nothing but zeros."""
    before, after = then.padding[axis]
    stride, start = first.stride[axis], first.padding[axis][0]
    reach = first.dilation[axis] * (first.weight.shape[2 + axis] - 1)
    sees_none_before = reach - start < stride
    sees_none_after = stride * then.shape[1 + axis] - start >= first.shape[1 + axis]
    return (not before or sees_none_before) and (not after or sees_none_after)


def _padding(
    first: ConvSynapses, then: ConvSynapses, weight: FloatArray, axis: int
) -> Pair:
    stride = first.stride[axis] * then.stride[axis]
    before = first.padding[axis][0] + first.stride[axis] * then.padding[axis][0]
    seen = (then.target_shape[1 + axis] - 1) * stride + weight.shape[2 + axis]
    return before, max(0, seen - before - first.shape[1 + axis])


def _meeting(first: ConvSynapses, then: ConvSynapses) -> FloatArray:
    """Return (targets, sources / groups, rows, columns): the taps where they meet."""
    groups = gcd(first.groups, then.groups)
    one, two = _in_groups(first, groups), _in_groups(then, groups)
    steps = _times(first.stride, then.dilation)
    rows, columns = (
        steps[axis] * (two.shape[3 + axis] - 1)
        + first.dilation[axis] * (one.shape[3 + axis] - 1)
        + 1
        for axis in (0, 1)
    )
    weight = np.zeros((groups, two.shape[1], one.shape[2], rows, columns))
    for p in np.ndindex(*two.shape[3:]):
        for q in np.ndindex(*one.shape[3:]):
            place = (steps[i] * p[i] + first.dilation[i] * q[i] for i in (0, 1))
            weight[:, :, :, *place] += two[:, :, :, *p] @ one[:, :, :, *q]
    return weight.reshape(-1, *weight.shape[2:])


def _in_groups(synapses: ConvSynapses, groups: int) -> FloatArray:
    """Return (groups, targets, sources, rows, columns) with fewer, larger groups."""
    inner = synapses.groups // groups
    targets, sources, *taps = synapses.weight.shape
    shape = (groups, inner, targets // synapses.groups, inner, sources, *taps)
    wide = np.zeros(shape)
    blocks = synapses.weight.reshape(groups, inner, -1, sources, *taps)
    for i in range(inner):
        wide[:, i, :, i] = blocks[:, i]
    return wide.reshape(groups, targets // groups, inner * sources, *taps)


def _times(one: Pair, two: Pair) -> Pair:
    return one[0] * two[0], one[1] * two[1]
