"""Which neurons receive an event of a kernel that slides over tokens or pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from spikewright.counting_packed import Heard, any_channel, unpack
from spikewright.counting_touch import (
    Counts,
    Mask,
    Pattern,
    count_true,
    make_pattern,
    touches,
)
from spikewright.linear import ends, windows
from spikewright.nodes import ConvSynapses, IntArray, TokenSynapses

FEW_PLACES = 1 / 4
"""share of open places below which the patterns are looked at without counting"""
ENOUGH = 6.0
"""spikes expected among the full channels of a window, so that few have none"""
PATCHED = 2**20
"""sources of windows looked at together"""
MORE = 12.0
"""spikes to expect where there is a choice"""
FEW_SETS = 16
"""sets of full channels for which it pays to look at each"""


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
    patterns: tuple[Pattern, ...]
    """of each group: its targets, and the sources of a place"""
    sets: tuple[ChannelSet, ...]
    """of which any spike is enough; none if there are groups, or no such channels"""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a kernel sees; masks are (rows, groups, target height, target width)."""

    sent: Mask
    """(rows, sources), all of it"""
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
    synapses: ConvSynapses, channels: IntArray | slice, rate: float
) -> Kernel:
    """Return what some target channels of a kernel see.

    Args:
        synapses: the kernel.
        channels: of the target.
        rate: spikes of a source neuron in a step, more or less.
    """
    kept = replace(synapses, weight=synapses.weight[channels])
    by_group = kept.weight.reshape(synapses.groups, -1, kept.weight[0].size)
    patterns = tuple(make_pattern(each) for each in by_group)
    sets: tuple[ChannelSet, ...] = ()
    if synapses.groups == 1:
        full = patterns[0].has_weight.all(axis=0).reshape(kept.weight.shape[1], -1)
        sets = tuple(_channel_sets(full, rate))
    return Kernel(kept, patterns, sets)


def mark_kernel(kernel: Kernel, heard: Heard, mask: Mask) -> None:
    """Set where events fall in mask (rows, targets)."""
    seen = look(kernel, heard)
    groups, places = kernel.synapses.groups, kernel.synapses.target_shape[1:]
    into = mask.reshape(len(mask), groups, -1, *places)
    into |= seen.sure[:, :, np.newaxis]
    for group in np.flatnonzero(seen.open.any(axis=(0, 2, 3))).tolist():
        row, down, across = np.nonzero(seen.open[:, group])
        met = events_at(kernel, group, seen.sent, (row, down, across))
        into[row, group, :, down, across] |= met


def look(kernel: Kernel, heard: Heard) -> Seen:
    """Tell where events surely fall on all targets, and where on none.

    A spike of a full channel is enough, and no spike at all is too little. Where that
    leaves many windows, so are more spikes than any target has zeros.
    """
    sent = heard.mask
    sure, is_open = _by_channels(kernel, heard)
    if np.count_nonzero(is_open) > FEW_PLACES * is_open.size:
        count = _window_counts(kernel.synapses, sent)
        most = np.array([each.most for each in kernel.patterns])
        sure |= count > most[:, np.newaxis, np.newaxis]
        is_open = ~sure & (count > 0)
    return Seen(sent, sure, is_open)


def events_at(
    kernel: Kernel, group: int, sent: Mask, places: tuple[IntArray, ...]
) -> Mask:
    """Tell which targets of a group receive an event, (places, targets).

    Args:
        kernel: that looks.
        group: of its targets.
        sent: (rows, sources).
        places: rows of `sent`, and rows and columns of the target.
    """
    pattern = kernel.patterns[group]
    targets, sources = pattern.has_weight.shape
    size = max(1, PATCHED // sources)
    found = np.empty((len(places[0]), targets), dtype=np.bool_)
    for start in range(0, len(found), size):
        row, down, across = (each[start : start + size] for each in places)
        seen = _patches(kernel.synapses, group, sent, row, down, across)
        found[start : start + size] = touches(pattern, seen)
    return found


# --- full channels -------------------------------------------------------------------


def _by_channels(kernel: Kernel, heard: Heard) -> tuple[Mask, Mask]:
    """Tell which windows have a spike of a full channel, and which only others."""
    synapses = kernel.synapses
    shape = (heard.rows, synapses.groups, *synapses.target_shape[1:])
    if synapses.groups > 1:
        return np.zeros(shape, dtype=np.bool_), np.ones(shape, dtype=np.bool_)
    channels, *places = synapses.shape
    bits = heard.bits(channels)
    sure = np.zeros((shape[0], *shape[2:]), dtype=np.bool_)
    for each in kernel.sets:
        found = unpack(any_channel(bits, each.channels), math.prod(places))
        sure |= _in_windows(synapses, found.reshape(-1, *places), each.places)
    found = unpack(heard.any_channel(channels), math.prod(places))
    whole = np.arange(math.prod(synapses.weight.shape[2:]))
    every = _in_windows(synapses, found.reshape(-1, *places), whole)
    return sure[:, np.newaxis], (every & ~sure)[:, np.newaxis]


def _channel_sets(full: Mask, rate: float) -> Iterator[ChannelSet]:
    """Yield channels of which any spike is enough, with the places where it is.

    First choice are channels that are full all over the kernel, as many as it takes.

    Args:
        full: (channels, places of the kernel), where no target has a zero.
        rate: as for `make_kernel`.
    """
    places = np.arange(full.shape[1])
    always = np.asarray(full.all(axis=1))
    if np.count_nonzero(always) * len(places) * rate >= ENOUGH or len(places) == 1:
        if always.any():
            yield ChannelSet(_as_many(always, rate * len(places)), places)
        return
    order = np.argsort(~full.sum(axis=1), kind="stable")  # then few sets differ
    some = np.empty_like(full)
    some[order] = _as_many(full[order], rate * len(places))
    sets, which = np.unique(some, axis=1, return_inverse=True)
    if sets.shape[1] <= FEW_SETS:
        for index in np.flatnonzero(sets.any(axis=0)).tolist():
            yield ChannelSet(sets[:, index], np.flatnonzero(which.reshape(-1) == index))


def _as_many(channels: Mask, rate: float) -> Mask:
    """Leave out the last channels if the first let expect more than enough spikes."""
    return channels & (np.cumsum(channels, axis=0) * rate <= MORE + rate)


def _in_windows(synapses: ConvSynapses, heard: Mask, places: IntArray) -> Mask:
    """Tell which windows have a true value at some places of the kernel.

    All rows lie in one line, so that a place of the kernel is a shift; what shifts over
    the end of a row is cut off.
    """
    (rows, columns), (down, right) = synapses.target_shape[1:], synapses.stride
    (height, width), (below, beside) = synapses.weight.shape[2:], synapses.dilation
    wide = _padded(synapses, heard)
    length = wide.shape[2] * below
    if len(places) == height * width:
        across = _shifted(wide.reshape(-1), np.arange(width) * beside)
        found = _shifted(across, np.arange(height) * length)
    else:
        p, q = np.divmod(places, width)
        found = _shifted(wide.reshape(-1), p * length + q * beside)
    return found.reshape(wide.shape)[:, ::down, ::right][:, :rows, :columns]


def _shifted(line: Mask, shifts: IntArray) -> Mask:
    """Tell where any value some places further is true."""
    first, *others = shifts.tolist()
    found = np.zeros_like(line) if first else line.copy()
    for shift in (first, *others) if first else others:
        found[: len(line) - shift] |= line[shift:]
    return found


def _padded(synapses: ConvSynapses, heard: Mask) -> Mask:
    if not np.any(synapses.padding):
        return heard
    length, rows, columns = heard.shape
    (top, bottom), (left, right) = synapses.padding
    shape = (length, top + rows + bottom, left + columns + right)
    wide = np.zeros(shape, dtype=np.bool_)
    wide[:, top : top + rows, left : left + columns] = heard
    return wide


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
    synapses: ConvSynapses,
    group: int,
    sent: Mask,
    row: IntArray,
    down: IntArray,
    across: IntArray,
) -> Mask:
    """Return what a group sees at some places, (places, channels * kernel)."""
    channels, height, width = synapses.weight.shape[1:]
    every, rows, columns = synapses.shape
    c, p, q = np.indices((channels, height, width)).reshape(3, -1)
    p, q = p * synapses.dilation[0], q * synapses.dilation[1]
    top = down * synapses.stride[0] - synapses.padding[0][0]
    left = across * synapses.stride[1] - synapses.padding[1][0]
    first = ((row * every + group * channels) * rows + top) * columns + left
    each = first[:, np.newaxis] + ((c * rows + p) * columns + q)
    seen = sent.reshape(-1).take(each, mode="clip")
    if np.any(synapses.padding):
        y, x = top[:, np.newaxis] + p, left[:, np.newaxis] + q
        seen &= (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
    return np.asarray(seen)
