"""Exact weighted sums over spikes, from their bits.

Weights are near each other: a sum is the largest weight for every spike, less what each
lacks, bit by bit of that: a mask, and a count of bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spikewright.counting_packed import (
    Bits,
    Sent,
    as_words,
    count_by_channel,
    count_set,
    pack,
)
from spikewright.counting_sums import (
    Amount,
    Grid,
    Reading,
    Weights,
    exact_type,
    product,
    sent_amounts,
)
from spikewright.nodes import IntArray

CACHED = 2**18
"""bytes of spikes that fit the cache, with what is made of them"""
FEW_PLACES = 1 / 8
"""share of the places of a channel that may weigh otherwise"""


def spark_amounts(grid: Grid, sent: Sent, weights: Sequence[Weights]) -> list[Amount]:
    """Count spikes under several weights."""
    if any(each.spread is not None for each in weights):
        return sent_amounts(grid, sent.mask, Reading.SENT, weights)
    slots = max(each.slots for each in weights)
    channels = sent.channels(slots)
    bits = sent.bits(channels)
    matrix = np.stack([each.each for each in weights])
    cells = _cells(bits, matrix).reshape(-1, grid.samples, grid.steps)
    if slots == 1:
        return [Amount(each, None, 0) for each in cells]
    late = np.zeros(len(weights), dtype=np.int64)
    if grid.lengths is not None:
        late = _of_padding(grid, sent, slots, matrix)
    assert sent.by_neuron is not None  # noqa: S101 - kept where there are tokens
    whole, found = sent.by_neuron, zip(cells, weights, late.tolist(), strict=True)
    return [Amount(k, each.by_token(whole), padding) for k, each, padding in found]


def _of_padding(grid: Grid, sent: Sent, slots: int, matrix: IntArray) -> IntArray:
    """Return the sums of all padding, (weights,); most of it is silent as a rule."""
    channels = sent.channels(slots)
    late = pack(grid.is_padding(slots), 1)[:, np.newaxis]
    anywhere = sent.any_channel(channels) & late[:, :, 0]
    some = np.flatnonzero(anywhere.any(axis=(1, 2)))
    if not len(some):
        return np.zeros(len(matrix), dtype=np.int64)
    cells = _cells(sent.bits(channels)[some] & late[some], matrix)
    return np.asarray(cells.sum(axis=1))


def _cells(bits: Bits, matrix: IntArray) -> IntArray:
    """Return the sums of each row of bits, (weights, rows).

    Most places of a channel weigh alike, but at borders: those are added up alone.
    """
    channels = bits.shape[2]
    by_channel = matrix.reshape(len(matrix), channels, -1)
    places = by_channel.shape[2]
    usual = by_channel[:, :, places // 2]
    others = by_channel - usual[:, :, np.newaxis]
    border = np.flatnonzero(others.any(axis=(0, 1)))
    if channels == 1 or len(border) > FEW_PLACES * places:
        flat = bits.reshape(math.prod(bits.shape[:2]), -1)
        return _by_bits(flat, channels, matrix)
    counts = count_by_channel(bits).reshape(-1, channels)
    found = product(counts, usual.T.astype(exact_type(usual.T, places))).astype(
        np.int64
    )
    if len(border):
        found += _at(bits, border, others[:, :, border])
    return found.T


def _at(bits: Bits, places: IntArray, weights: IntArray) -> IntArray:
    """Return the sums over some places, (rows, weights)."""
    total = np.zeros((math.prod(bits.shape[:2]), len(weights)), dtype=np.int64)
    for place, matrix in zip(places.tolist(), weights.T, strict=True):
        some = bits[..., place // 8] >> np.uint8(7 - place % 8) & 1
        typed = matrix.astype(exact_type(np.abs(matrix), 1))
        total += product(some.reshape(len(total), -1), typed).astype(np.int64)
    return total


# --- bits of weights -----------------------------------------------------------------


def _by_bits(rows: Bits, channels: int, matrix: IntArray) -> IntArray:
    """Sum up the plainest weights first: what they add up to may be plainer still.

    Zeros and other connections add up to all that are stored.
    """
    every = count_set(rows)
    found = np.empty((len(matrix), len(rows)), dtype=np.int64)
    known: list[int] = []
    for k in sorted(range(len(matrix)), key=lambda k: _length(matrix[k])):
        lengths = [_length(matrix[k] + matrix[each]) for each in known]
        best = int(np.argmin(lengths)) if lengths else 0
        if lengths and lengths[best] < _length(matrix[k]):
            other = known[best]
            both = _weigh(rows, every, channels, matrix[k] + matrix[other])
            found[k] = both - found[other]
        else:
            found[k] = _weigh(rows, every, channels, matrix[k])
        known.append(k)
    return found


def _lacking(each: IntArray) -> tuple[IntArray, int]:
    """Return what weights lack to the largest, in units as large as they go."""
    lacking = each.max(initial=0) - each
    unit = int(np.gcd.reduce(lacking, initial=0)) or 1
    return lacking // unit, unit


def _length(each: IntArray) -> int:
    return int(_lacking(each)[0].max(initial=0)).bit_length()


def _weigh(
    rows: Bits, every: npt.NDArray[np.int64], channels: int, each: IntArray
) -> IntArray:
    lacking, unit = _lacking(each)
    total: IntArray = every * each.max(initial=0)
    for bit in range(int(lacking.max(initial=0)).bit_length()):
        mask = pack((lacking >> bit & 1).astype(np.bool_), channels).reshape(-1)
        total -= _count_under(rows, mask) * (unit << bit)
    return total


def _count_under(rows: Bits, mask: Bits) -> IntArray:
    """Count the bits of each row that are in the mask, as many as the cache holds."""
    size = max(1, CACHED // max(1, len(mask)))
    kind = np.uint16 if len(mask) * 8 <= np.iinfo(np.uint16).max else np.int64
    words, kept = as_words(rows), as_words(mask)
    used = np.flatnonzero(kept)
    some_words = slice(used[0], used[-1] + 1) if len(used) else slice(0)
    words, kept = words[:, some_words], kept[some_words]
    found = np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), size):
        some = np.bitwise_count(words[start : start + size] & kept)
        found[start : start + size] = some.sum(axis=-1, dtype=kind)
    return found
