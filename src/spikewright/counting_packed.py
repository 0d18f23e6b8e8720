"""Masks as bits, eight places to a byte: an eighth of the memory to go through."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from spikewright.counting_touch import BYTE, Mask
from spikewright.nodes import IntArray, Shape

Bits: TypeAlias = npt.NDArray[np.uint8]
"""(..., channels, bytes), a whole number of words; what is left of those is 0"""
Rates: TypeAlias = npt.NDArray[np.float64]
WORDS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
"""types by bytes"""
CACHED = 2**20
"""spikes that are read together"""
SOME = 16
"""of so many samples, one tells how many spikes to expect"""
FEW_WORDS = 8
"""words that are faster added one by one"""
FEWEST = 8
"""places of a channel from which packing pays"""


def pack(mask: Mask, channels: int) -> Bits:
    """Pack a mask (..., neurons) of `channels` rows of places each."""
    places = mask.shape[-1] // channels
    by_channel = mask.reshape(*mask.shape[:-1], channels, places)
    if places % 64 == 0 or places in (8, 16, 32):
        return np.packbits(by_channel).reshape(*by_channel.shape[:-1], places // 8)
    narrow = np.packbits(by_channel, axis=-1)
    length = narrow.shape[-1]
    width = next((each for each in WORDS if each >= length), -(-length // 8) * 8)
    bits = np.zeros((*narrow.shape[:-1], width), dtype=np.uint8)
    bits[..., :length] = narrow
    return bits


def unpack(bits: Bits, places: int) -> Mask:
    """Return the mask (..., channels, places)."""
    return np.unpackbits(bits, axis=-1, count=places).view(np.bool_)


@dataclass(frozen=True, eq=False)
class Sent:
    """Where a population sent messages."""

    mask: Mask
    """(samples, steps, neurons)"""
    shape: Shape
    """of the population"""
    by_neuron: IntArray | None = None
    """(neurons,), messages of all samples and steps, if it has tokens"""
    packed: dict[int, Bits] = field(default_factory=dict)
    """by channels: what was packed so far"""
    anywhere: dict[int, Bits] = field(default_factory=dict)
    """by channels: places where any of them sent"""

    def bits(self, channels: int) -> Bits:
        """Return the mask as (samples, steps, channels, bytes)."""
        if channels not in self.packed:
            self.packed[channels] = pack(self.mask, channels)
        return self.packed[channels]

    def rates(self, channels: int) -> Rates:
        """Return spikes of a place in a step, (channels,), as some samples have."""
        some = count_by_channel(self.bits(channels)[::SOME]).reshape(-1, channels)
        places = self.mask.shape[2] // channels
        rates: Rates = some.sum(axis=0) / max(1, len(some) * places)
        return rates

    def any_channel(self, channels: int) -> Bits:
        """Return which places any channel sent at, (samples, steps, bytes)."""
        if channels not in self.anywhere:
            bits = self.bits(channels)
            rows = bits.reshape(-1, *bits.shape[2:])
            found = any_channel(rows, np.ones(channels, dtype=np.bool_))
            self.anywhere[channels] = found.reshape(*bits.shape[:2], -1)
        return self.anywhere[channels]

    def channels(self, slots: int) -> int:
        """Return how many channels to pack: of `slots` places, or as the shape says."""
        return _channels(self.shape, slots)


def read_spikes(spikes: npt.NDArray[np.uint8], slots: int) -> tuple[Sent, int]:
    """Return spikes (samples, steps, *shape) as they will be asked for.

    All that reads each byte is done while that is in the cache.

    Args:
        spikes: of a population, 0 or 1.
        slots: its tokens.

    Returns:
        Where it sent, and the largest value, which is no spike if above 1.
    """
    shape = spikes.shape[2:]
    channels = _channels(shape, slots)
    rows = spikes.reshape(math.prod(spikes.shape[:2]), -1)
    step = min(BYTE, max(1, CACHED // max(1, rows.shape[1])))
    whole = np.zeros(rows.shape[1], dtype=np.int64)
    each = pack(np.zeros(rows.shape[1], np.bool_), channels).shape
    bits, largest = np.empty((len(rows), *each), dtype=np.uint8), 0
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        largest = max(largest, int(some.max(initial=0)))
        bits[start : start + step] = pack(some.view(np.bool_), channels)
        if slots > 1:
            whole += some.sum(axis=0, dtype=np.uint8)
    found = {channels: bits.reshape(*spikes.shape[:2], *each)}
    mask = rows.view(np.bool_).reshape(*spikes.shape[:2], -1)
    return Sent(mask, shape, whole if slots > 1 else None, found), largest


def _channels(shape: Shape, slots: int) -> int:
    if slots > 1:
        return math.prod(shape) // slots
    return shape[0] if math.prod(shape[1:]) >= FEWEST else 1


@dataclass(frozen=True, eq=False)
class Heard:
    """What arrives of it in some samples, before their end."""

    sent: Sent
    chunk: slice
    steps: int
    """the first of the source that arrive within the sample"""

    @property
    def rows(self) -> int:
        """Samples times steps."""
        return int(self.chunk.stop - self.chunk.start) * self.steps

    @property
    def mask(self) -> Mask:
        """(rows, neurons)."""
        mask = self.sent.mask[self.chunk, : self.steps]
        return mask.reshape(-1, mask.shape[2])

    def bits(self, channels: int) -> Bits:
        """(rows, channels, bytes)."""
        bits = self.sent.bits(channels)[self.chunk, : self.steps]
        return bits.reshape(-1, *bits.shape[2:])

    def any_channel(self, channels: int) -> Bits:
        """(rows, bytes)."""
        found = self.sent.any_channel(channels)[self.chunk, : self.steps]
        return found.reshape(-1, found.shape[2])


def read_places(bits: Bits, rows: IntArray, places: IntArray) -> Mask:
    """Tell which channels are set at some places of some rows.

    Args:
        bits: (rows, channels, bytes).
        rows: which rows.
        places: of each, as many.

    Returns:
        (..., channels), for rows and places (...).
    """
    found = bits[rows, :, places >> 3]
    found <<= (places & 7).astype(np.uint8)[..., np.newaxis]
    return np.asarray(found >= 128)


# --- any and how many ----------------------------------------------------------------


def any_channel(bits: Bits, chosen: Mask) -> Bits:
    """Tell where any chosen channel is set.

    Args:
        bits: (rows, channels, bytes).
        chosen: (channels,), one at least.

    Returns:
        (rows, bytes).
    """
    found = as_words(bits)
    if not chosen.all():
        found = found.take(np.flatnonzero(chosen), axis=1)
    if found.shape[2] == 1:  # the words of a row lie side by side
        either = np.asarray(np.bitwise_or.reduce(found[:, :, 0], axis=1))
        return either[:, np.newaxis].view(np.uint8)
    while found.shape[1] > 1:
        half = found.shape[1] // 2
        both = found[:, :half] | found[:, half : 2 * half]
        if found.shape[1] % 2:
            both[:, 0] |= found[:, -1]
        found = both
    return found[:, 0].view(np.uint8)


def count_set(bits: Bits) -> IntArray:
    """Count bits along the last axis."""
    return np.asarray(_in_words(bits).sum(axis=-1, dtype=np.int64))


def count_by_channel(bits: Bits) -> npt.NDArray[np.unsignedinteger[Any]]:
    """Count the bits of each channel, as narrow as they come."""
    counts = _in_words(bits)
    length = counts.shape[-1]
    if length > FEW_WORDS:
        return np.asarray(counts.sum(axis=-1, dtype=np.uint32))
    total = counts[..., 0].astype(np.uint16) if length > 1 else counts[..., 0]
    for word in range(1, length):
        total += counts[..., word]
    return total


def as_words(bits: Bits) -> npt.NDArray[np.unsignedinteger[Any]]:
    """View bytes along the last axis as words, the widest that fit."""
    length = bits.shape[-1]
    width = next(each for each in (8, 4, 2, 1) if length % each == 0)
    return np.ascontiguousarray(bits).view(WORDS[width])


def _in_words(bits: Bits) -> npt.NDArray[np.uint8]:
    return np.asarray(np.bitwise_count(as_words(bits)))


def count_columns(rows: Bits) -> IntArray:
    """Count the set bits of each column of (rows, ..., bytes): (..., bytes * 8).

    Three rows of one weight make one of it and one of twice it, until one is left of
    each weight: five operations on eight bits a byte for two rows.
    """
    total = np.zeros((*rows.shape[1:-1], rows.shape[-1] * 8), dtype=np.int64)
    level, weight = rows, 1
    while len(level):
        last, level = _added(level)
        total += np.unpackbits(last, axis=-1) * np.int64(weight)
        weight *= 2
    return total


def _added(rows: Bits) -> tuple[Bits, Bits]:
    """Add up rows of bits: return the sum's last bit, and all that carries over."""
    carried: list[Bits] = []
    while len(rows) > 2:
        third = len(rows) // 3
        a, b, c = (rows[k * third : (k + 1) * third] for k in range(3))
        left = rows[3 * third :]
        odd = a ^ b
        carried.append((a & b) | (odd & c))
        rows = odd ^ c if not len(left) else np.concatenate([odd ^ c, left])
    if len(rows) == 2:
        carried.append(rows[:1] & rows[1:])
        rows = rows[:1] ^ rows[1:]
    return rows[0], np.concatenate(carried) if carried else rows[:0]
