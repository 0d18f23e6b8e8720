"""Which neurons receive an event of a kernel that slides over tokens or pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from spikewright.counting_packed import (
    Bits,
    Heard,
    Rates,
    Sent,
    any_channel,
    read_places,
)
from spikewright.counting_touch import (
    Counts,
    Mask,
    Pattern,
    count_true,
    make_pattern,
    touches,
)
from spikewright.counting_windows import Windows
from spikewright.linear import ends, windows
from spikewright.nodes import ConvSynapses, IntArray, Shape, TokenSynapses

FEW_PLACES = 1 / 4
"""share of open places below which the patterns are looked at without counting"""
ENOUGH = 12.0
"""spikes expected among the full channels of a window, so that few have none"""
PATCHED = 2**17
"""sources of windows looked at together"""
FEW_SETS = 16
"""sets of full channels that are looked at"""


@dataclass(frozen=True, eq=False)
class ChannelSet:
    """Source channels that no target misses at some places of a kernel."""

    channels: Mask
    """(channels,)"""
    places: IntArray
    """numbered row by row"""


@dataclass(frozen=True, eq=False)
class Kernel:
    """Shared weights, as far as they are zero or not."""

    synapses: ConvSynapses
    """of the targets that are looked at"""
    most: IntArray
    """(groups,), zeros of the target that has most"""
    windows: Windows | None
    """as far as bits tell them: not where there are groups"""
    sets: tuple[ChannelSet, ...]
    """of which any spike is enough"""
    places: IntArray
    """where an open window may have a spike: those that the sets do not cover"""
    patterns: tuple[Pattern, ...]
    """of each group: its targets, and its channels at each of these places in turn"""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a kernel sees; masks are (rows, groups, target height, target width)."""

    heard: Heard
    sure: Mask
    """all targets of the group receive an event"""
    open: Mask
    """they must be looked at; elsewhere, without `sure`, there is no event"""


def as_kernel(synapses: TokenSynapses, size: int) -> ConvSynapses:
    """Return the convolution over one row that token synapses are."""
    weight = synapses.weight.transpose(1, 2, 0)[:, :, np.newaxis]
    channels, tokens = ends(synapses, size)[0]
    return ConvSynapses(weight, (channels, 1, tokens))


def make_kernel(
    synapses: ConvSynapses, channels: IntArray | slice, sent: Sent
) -> Kernel:
    """Return what some target channels of a kernel see.

    Args:
        synapses: the kernel.
        channels: of the target.
        sent: what the source sends.
    """
    kept = synapses
    if not isinstance(channels, slice):
        kept = replace(synapses, weight=synapses.weight[channels])
    has_weight = kept.weight.reshape(*kept.weight.shape[:2], -1) != 0
    zeros = np.count_nonzero(~has_weight, axis=(1, 2)).reshape(synapses.groups, -1)
    windows, sets = Windows(kept), list[ChannelSet]()
    is_told = synapses.groups == 1 and windows.are_inside
    if is_told:
        full = has_weight.all(axis=0)
        sets += _channel_sets(full, sent.rates(len(full)))
    places = _not_covered(sets, has_weight[0].shape)
    by_place = has_weight.transpose(0, 2, 1)[:, places]
    by_group = by_place.reshape(*zeros.shape, -1 if by_place.size else 0)
    patterns = tuple(make_pattern(each) for each in by_group)
    most = zeros.max(axis=1, initial=0)
    told = windows if is_told else None
    return Kernel(kept, most, told, tuple(sets), places, patterns)


def _not_covered(sets: Iterable[ChannelSet], shape: Shape) -> IntArray:
    """Return the places of a kernel (channels, places) that no set has all of."""
    is_left = np.ones(shape, dtype=np.bool_)
    for each in sets:
        is_left[np.ix_(each.channels, each.places)] = False
    return np.flatnonzero(is_left.any(axis=0))


def mark_kernel(kernel: Kernel, heard: Heard, mask: Mask) -> None:
    """Set where events fall in mask (rows, targets)."""
    seen = look(kernel, heard)
    groups, places = kernel.synapses.groups, kernel.synapses.target_shape[1:]
    into = mask.reshape(len(mask), groups, -1, *places)
    into |= seen.sure[:, :, np.newaxis]
    for group in np.flatnonzero(seen.open.any(axis=(0, 2, 3))).tolist():
        row, down, across = np.nonzero(seen.open[:, group])
        met = events_at(kernel, group, heard, (row, down, across))
        into[row, group, :, down, across] |= met


def look(kernel: Kernel, heard: Heard) -> Seen:
    """Tell where events surely fall on all targets, and where on none.

    A spike of a full channel is enough, and no spike at all is too little. Where that
    leaves many windows, so are more spikes than any target has zeros.
    """
    sure, is_open = _by_channels(kernel, heard)
    if np.count_nonzero(is_open) > FEW_PLACES * is_open.size:
        count = _window_counts(kernel.synapses, heard.mask)
        sure |= count > kernel.most[:, np.newaxis, np.newaxis]
        is_open = ~sure & (count > 0)
    return Seen(heard, sure, is_open)


def events_at(
    kernel: Kernel, group: int, heard: Heard, places: tuple[IntArray, ...]
) -> Mask:
    """Tell which targets of a group receive an event, (places, targets).

    Args:
        kernel: that looks.
        group: of its targets.
        heard: what arrives.
        places: rows of it, and rows and columns of the target.
    """
    pattern, channels = kernel.patterns[group], kernel.synapses.weight.shape[1]
    targets, sources = pattern.has_weight.shape
    size = max(1, PATCHED // max(1, sources))
    bits = heard.bits(kernel.synapses.shape[0])[:, group * channels :][:, :channels]
    found = np.empty((len(places[0]), targets), dtype=np.bool_)
    for start in range(0, len(found), size):
        row, down, across = (each[start : start + size] for each in places)
        seen = _patches(kernel, bits, row, down, across)
        found[start : start + size] = touches(pattern, seen)
    return found


# --- full channels -------------------------------------------------------------------


def _by_channels(kernel: Kernel, heard: Heard) -> tuple[Mask, Mask]:
    """Tell which windows have a spike of a full channel, and which only others."""
    synapses, windows = kernel.synapses, kernel.windows
    if windows is None:
        shape = (heard.rows, synapses.groups, *synapses.target_shape[1:])
        return np.zeros(shape, dtype=np.bool_), np.ones(shape, dtype=np.bool_)
    channels = synapses.shape[0]
    whole = np.arange(math.prod(synapses.weight.shape[2:]))
    every = windows.find(heard.any_channel(channels), whole)
    sure = np.zeros_like(every)
    for each in kernel.sets:
        found = any_channel(heard.bits(channels), each.channels)
        sure |= windows.find(found, each.places)
    both = windows.spread(sure), windows.spread(every & ~sure)
    return both[0][:, np.newaxis], both[1][:, np.newaxis]


def _channel_sets(full: Mask, rates: Rates) -> Iterator[ChannelSet]:
    """Yield channels of which any spike is enough, until enough spikes are expected.

    Args:
        full: (channels, places of the kernel), where no target has a zero.
        rates: spikes of a place of each channel in a step, more or less.
    """
    left, wanted = full.copy(), ENOUGH
    for _ in range(FEW_SETS):
        chosen, places, gain = _best_set(left, rates, wanted)
        if wanted <= 0 or gain == 0:
            return
        left[np.ix_(chosen, places)] = False
        wanted -= gain
        yield ChannelSet(chosen, np.flatnonzero(places))


def _best_set(left: Mask, rates: Rates, wanted: float) -> tuple[Mask, Mask, float]:
    """Return channels, the places where all are left, and what to expect there.

    As few channels as it takes; if it takes more than there are, those with most.
    """
    order = np.argsort(-rates * left.sum(axis=1), kind="stable")
    common = np.logical_and.accumulate(left[order], axis=0)
    gain = np.cumsum(rates[order]) * common.sum(axis=1)
    enough = np.flatnonzero(gain >= wanted)
    last = int(enough[0] if len(enough) else np.argmax(gain))
    chosen = np.zeros(len(left), dtype=np.bool_)
    chosen[order[: last + 1]] = True
    return chosen, common[last], float(gain[last])


# --- windows -------------------------------------------------------------------------


def _window_counts(synapses: ConvSynapses, sent: Mask) -> Counts:
    """Count what lies in each window, (rows, groups, target height, target width)."""
    rows, groups = len(sent), synapses.groups
    by_group = sent.reshape(rows, groups, -1, *synapses.shape[1:])
    count = count_true(by_group, axis=2)
    if np.any(synapses.padding):
        count = np.pad(count, [(0, 0), (0, 0), *synapses.padding])
    total: Counts = np.zeros(
        (rows, groups, *synapses.target_shape[1:]), dtype=count.dtype
    )
    for _, (down, right) in windows(synapses):
        total += count[:, :, down, right]
    return total


def _patches(
    kernel: Kernel, bits: Bits, row: IntArray, down: IntArray, across: IntArray
) -> Mask:
    """Return what some windows see of bits, (windows, places * channels)."""
    synapses, (rows, columns) = kernel.synapses, kernel.synapses.shape[1:]
    p, q = np.divmod(kernel.places, synapses.weight.shape[3])
    y = (down * synapses.stride[0] - synapses.padding[0][0])[:, np.newaxis]
    x = (across * synapses.stride[1] - synapses.padding[1][0])[:, np.newaxis]
    y, x = y + p * synapses.dilation[0], x + q * synapses.dilation[1]
    if np.any(synapses.padding):
        is_inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
        places = np.where(is_inside, y * columns + x, 0)
        seen = read_places(bits, row[:, np.newaxis], places)
        seen &= is_inside[..., np.newaxis]
    else:
        seen = read_places(bits, row[:, np.newaxis], y * columns + x)
    return seen.reshape(len(row), -1)
