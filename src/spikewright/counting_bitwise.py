"""How many neurons are active that hear one source of each way: a few words of bits."""

from __future__ import annotations

import numpy as np

from spikewright.counting_cells import Way, Work
from spikewright.counting_packed import (
    Bits,
    as_words,
    count_columns,
    count_set,
    pack,
)
from spikewright.counting_sums import Amount, Grid


def bitwise_amount(grid: Grid, work: Work, slots: int) -> Amount:
    """Count active neurons that hear one source of each way."""
    bits = _bits(work)
    samples, steps, channels, length = bits.shape
    cells = count_set(bits.reshape(samples, steps, -1))
    if slots == 1:
        return Amount(cells, None, 0)
    by_bit = count_columns(bits.reshape(-1, channels * length))
    by_place = by_bit.reshape(channels, -1)[:, : work.places]
    padding = 0
    if grid.lengths is not None:
        late = np.tile(grid.is_padding(slots), work.places // slots)
        padding = int(count_set(bits & pack(late, 1)[:, np.newaxis]).sum())
    return Amount(cells, by_place.reshape(-1, slots).sum(axis=0), padding)


def _bits(work: Work) -> Bits:
    """Return who was active, (samples, steps, channels, bytes)."""
    steps, neurons = work.steady.shape
    channels = neurons // work.places
    steady = pack(work.steady, channels)
    shape = (len(work.ways[0].sent.mask), *steady.shape)
    bits: Bits = np.broadcast_to(steady, shape).copy()
    if work.own is not None:
        bits |= work.own.bits(channels)
    for way in work.ways:
        if way.shift < steps:
            bits[:, way.shift :] |= _met(way, channels, steps - way.shift)
    return bits


def _met(way: Way, channels: int, steps: int) -> Bits:
    """Return where events fall, (samples, steps, channels, bytes)."""
    assert way.meets is not None  # noqa: S101 - as `is_bitwise` says
    meets = pack(way.meets, channels)
    if way.is_elementwise:
        sent = way.sent.bits(channels)[:, :steps]
        return sent if way.meets.all() else sent & meets
    words = as_words(meets)
    sent = way.sent.mask[:, :steps].astype(words.dtype)
    return (sent[..., np.newaxis] * words).view(np.uint8)
