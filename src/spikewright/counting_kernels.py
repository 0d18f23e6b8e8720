"""Which neurons receive an event of a kernel that slides over tokens or pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from spikewright.counting_touch import Counts, Mask, Pattern, count_true, touches
from spikewright.linear import Window, ends, windows
from spikewright.nodes import ConvSynapses, IntArray, TokenSynapses

FEW = 4
"""targets for which it pays to look at the zeros of each instead"""


@dataclass(frozen=True, eq=False)
class Kernel:
    """Shared weights, as far as they are zero or not."""

    synapses: ConvSynapses
    """with 1 where there is a weight"""
    meets: Pattern
    """(groups, targets, sources of a place)"""
    most: IntArray
    """(groups, 1, 1): zeros of the target that has most"""
    missed: tuple[tuple[tuple[Window, IntArray], ...], ...]
    """of few targets: what a place of the kernel sees, and the channels it misses"""


def as_kernel(synapses: TokenSynapses, size: int) -> ConvSynapses:
    """Return the convolution over one row that token synapses are."""
    weight = synapses.weight.transpose(1, 2, 0)[:, :, np.newaxis]
    channels, tokens = ends(synapses, size)[0]
    return ConvSynapses(weight, (channels, 1, tokens))


def make_kernel(synapses: ConvSynapses, channels: IntArray | slice) -> Kernel:
    """Return what some target channels of a kernel see."""
    weight = (synapses.weight[channels] != 0).astype(np.float32)
    kept = replace(synapses, weight=weight)
    groups = synapses.groups
    meets = weight.reshape(groups, len(weight) // groups, -1)
    most = np.count_nonzero(meets == 0, axis=2).max(axis=1, initial=0)
    is_few = groups == 1 and len(weight) <= FEW
    missed = tuple(_missed(kept, each) for each in weight) if is_few else ()
    return Kernel(kept, meets, most[:, np.newaxis, np.newaxis], missed)


def mark_kernel(kernel: Kernel, sent: Mask, mask: Mask) -> None:
    """Set where events fall: from sent (rows, sources), in mask (rows, targets)."""
    (_mark_few if kernel.missed else _mark_all)(kernel, sent, mask)


def _missed(
    synapses: ConvSynapses, weight: Pattern
) -> tuple[tuple[Window, IntArray], ...]:
    places = ((window, weight[:, p, q] == 0) for (p, q), window in windows(synapses))
    return tuple(
        (window, np.flatnonzero(zero)) for window, zero in places if zero.any()
    )


def seen_by(kernel: Kernel, sent: Mask) -> tuple[Mask, Counts]:
    """Return what was sent, by group and padded, and how much lies in each window.

    Args:
        kernel: of which the windows are.
        sent: (rows, sources).

    Returns:
        (rows, groups, channels of a group, height, width) and (rows, groups, target
        height, target width).
    """
    synapses, rows = kernel.synapses, len(sent)
    wide = sent.reshape(rows, *synapses.shape)
    if np.any(synapses.padding):
        wide = np.pad(wide, [(0, 0), (0, 0), *synapses.padding])
    by_group = wide.reshape(rows, synapses.groups, -1, *wide.shape[2:])
    return by_group, _window_sums(synapses, count_true(by_group, axis=2))


def _mark_few(kernel: Kernel, sent: Mask, mask: Mask) -> None:
    """Take from what lies in a window what meets a zero: the rest are events."""
    wide, every = seen_by(kernel, sent)
    into = mask.reshape(len(sent), kernel.meets.shape[1], *every.shape[2:])
    for target, missed in enumerate(kernel.missed):
        met = every[:, 0].copy()
        for (down, right), channels in missed:
            met -= count_true(wide[:, 0, channels, down, right], axis=1)
        into[:, target] |= met > 0


def _mark_all(kernel: Kernel, sent: Mask, mask: Mask) -> None:
    """Compare what lies in a window with the most zeros; look where that fails."""
    wide, count = seen_by(kernel, sent)
    into = mask.reshape(len(sent), *kernel.meets.shape[:2], *count.shape[2:])
    into |= (count > kernel.most)[:, :, np.newaxis]
    unclear = (count > 0) & (count <= kernel.most)
    for group in np.flatnonzero(unclear.any(axis=(0, 2, 3))).tolist():
        places = np.nonzero(unclear[:, group])
        row, down, across = places
        into[row, group, :, down, across] |= events_at(kernel, group, wide, places)


def events_at(
    kernel: Kernel, group: int, wide: Mask, places: tuple[IntArray, ...]
) -> Mask:
    """Tell which targets of a group receive an event, (places, targets).

    Args:
        kernel: that looks.
        group: of its targets.
        wide: as `seen_by` returns it.
        places: rows of `wide`, and rows and columns of the target.
    """
    seen = _patches(kernel.synapses, wide[:, group], *places)
    return touches(kernel.meets[group], seen)


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
    sources = math.prod(synapses.weight.shape[1:])
    return np.moveaxis(seen, -1, 1).reshape(len(row), sources)
