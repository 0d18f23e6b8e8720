"""Which neurons receive an event of a kernel that slides over tokens or pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from spikewright.counting_touch import Counts, Mask, Pattern, count_true, touches
from spikewright.linear import ends, windows
from spikewright.nodes import ConvSynapses, IntArray, TokenSynapses

FEW = 16
"""targets for which it pays to look at the zeros of each instead"""


@dataclass(frozen=True, eq=False)
class _Kernel:
    synapses: ConvSynapses
    """with 1 where there is a weight"""
    meets: Pattern
    """(groups, targets, sources of a place)"""
    zeros: IntArray
    """(groups, targets), how many there are"""


def as_kernel(synapses: TokenSynapses, size: int) -> ConvSynapses:
    """Return the convolution over one row that token synapses are."""
    weight = synapses.weight.transpose(1, 2, 0)[:, :, np.newaxis]
    channels, tokens = ends(synapses, size)[0]
    return ConvSynapses(weight, (channels, 1, tokens))


def kernel_mark(
    synapses: ConvSynapses, channels: IntArray | slice
) -> Callable[[Mask, Mask], None]:
    """Return what marks the targets of events, in some target channels."""
    weight = (synapses.weight[channels] != 0).astype(np.float32)
    groups = synapses.groups
    meets = weight.reshape(groups, len(weight) // groups, -1)
    zeros = np.count_nonzero(meets == 0, axis=2)
    kernel = _Kernel(replace(synapses, weight=weight), meets, zeros)
    is_few = groups == 1 and len(weight) <= FEW
    return partial(_mark_few if is_few else _mark_all, kernel)


def _mark_few(kernel: _Kernel, sent: Mask, mask: Mask) -> None:
    """Take from what lies in a window what meets a zero: the rest are events."""
    synapses = kernel.synapses
    wide = _padded(synapses, sent.reshape(len(sent), *synapses.shape))
    every = _window_sums(synapses, count_true(wide, axis=1))
    into = mask.reshape(len(sent), len(synapses.weight), *every.shape[1:])
    for target, weight in enumerate(synapses.weight):
        met = every.copy()
        for (p, q), (down, right) in windows(synapses):
            missed = np.flatnonzero(weight[:, p, q] == 0)
            if len(missed):
                met -= count_true(wide[:, missed, down, right], axis=1)
        into[:, target] |= met > 0


def _mark_all(kernel: _Kernel, sent: Mask, mask: Mask) -> None:
    """Compare what lies in a window with the number of zeros; look where that fails."""
    synapses, rows = kernel.synapses, len(sent)
    wide = _padded(synapses, sent.reshape(rows, *synapses.shape))
    by_group = wide.reshape(rows, synapses.groups, -1, *wide.shape[2:])
    count = _window_sums(synapses, count_true(by_group, axis=2))
    received = count[:, :, None] > kernel.zeros[:, :, None, None]
    most = kernel.zeros.max(axis=1, initial=0)[:, None, None]
    unclear = (count > 0) & (count <= most)
    for group in np.flatnonzero(unclear.any(axis=(0, 2, 3))):
        row, down, across = np.nonzero(unclear[:, group])
        seen = _patches(synapses, by_group[:, group], row, down, across)
        received[row, group, :, down, across] = touches(kernel.meets[group], seen)
    mask |= received.reshape(rows, -1)


def _padded(synapses: ConvSynapses, x: Mask) -> Mask:
    if not np.any(synapses.padding):
        return x
    return np.pad(x, [(0, 0), (0, 0), *synapses.padding])


def _window_sums(synapses: ConvSynapses, count: Counts) -> Counts:
    """Add up (..., height, width), padded, over the window of each place."""
    shape = (*count.shape[:-2], *synapses.target_shape[1:])
    total: Counts = np.zeros(shape, count.dtype)
    for _, (down, right) in windows(synapses):
        total += count[..., down, right]
    return total


def _patches(
    synapses: ConvSynapses, x: Mask, row: IntArray, down: IntArray, across: IntArray
) -> Mask:
    """Return what the kernel sees at some places, (places, channels * kernel)."""
    height, width = synapses.weight.shape[2:]
    p = np.arange(height)[:, np.newaxis] * synapses.dilation[0]
    q = np.arange(width) * synapses.dilation[1]
    rows = down[:, None, None] * synapses.stride[0] + p
    columns = across[:, None, None] * synapses.stride[1] + q
    seen = x[row[:, None, None], :, rows, columns]
    return np.moveaxis(seen, -1, 1).reshape(len(row), -1)
