"""Spikes as bits, and sums over them, by hand and against plain sums."""

import numpy as np
import pytest

from spikewright.counting_packed import (
    any_channel,
    count_by_channel,
    count_columns,
    count_set,
    pack,
    read_spikes,
    unpack,
)
from spikewright.counting_sparks import spark_amounts
from spikewright.counting_sums import Grid, Weights


def spikes_of(*shape, rate=0.4, seed=0):
    return (np.random.default_rng(seed).random(shape) < rate).astype(np.uint8)


def test_eight_places_are_a_byte_and_a_channel_is_whole_words():
    mask = np.zeros((2, 20), np.bool_)
    mask[0, 0] = mask[1, 9] = True
    # 10 places a channel: 2 bytes. The first place is the highest bit; place 9 of
    # channel 0 is the second of the second byte.
    assert pack(mask, 2).tolist() == [[[128, 0], [0, 0]], [[0, 64], [0, 0]]]
    # 17 places would be 3 bytes, 65 would be 9: the next words have 4 and 16.
    assert pack(np.ones((1, 17), np.bool_), 1).tolist() == [[[255, 255, 128, 0]]]
    assert pack(np.ones((1, 65), np.bool_), 1).shape == (1, 1, 16)


@pytest.mark.parametrize("places", [1, 3, 8, 16, 20, 32, 40, 64, 66, 130, 600])
def test_bits_count_like_the_mask(places):
    mask = spikes_of(7, 3, places).view(np.bool_)
    bits = pack(mask.reshape(7, -1), 3)
    assert (unpack(bits, places) == mask).all()
    assert (count_set(bits) == mask.sum(axis=2)).all()
    assert (count_by_channel(bits) == mask.sum(axis=2)).all()
    chosen = np.array([True, False, True])
    both = mask[:, 0] | mask[:, 2]
    assert (unpack(any_channel(bits, chosen), places) == both).all()
    first = np.array([True, False, False])
    assert (unpack(any_channel(bits, first), places) == mask[:, 0]).all()


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 26, 27, 28, 300])
def test_columns_of_bits_add_up(rows):
    mask = spikes_of(rows, 5, 16).view(np.bool_)
    bits = np.packbits(mask, axis=-1)
    assert (count_columns(bits) == mask.sum(axis=0)).all()
    turned = np.moveaxis(bits, 1, 0)  # rows that are not in one piece
    assert (count_columns(turned) == mask.sum(axis=1)).all()


def test_reading_spikes_tells_the_sum_of_each_neuron_and_the_largest():
    spikes = spikes_of(3, 200, 2, 8, rate=0.9)  # 600 rows: more than a byte counts
    sent, largest = read_spikes(spikes, slots=8)
    assert largest == 1
    assert (sent.by_neuron == spikes.reshape(600, 16).sum(axis=0, dtype=int)).all()
    assert (unpack(sent.bits(2), 8) == spikes.astype(bool)).all()
    spikes[2, 199, 1, 7] = 2
    assert read_spikes(spikes, slots=8)[1] == 2


def usual_weights(rng):
    """One weight for all, one a channel, borders, no order, and what they lack."""
    by_channel = np.repeat(rng.integers(0, 50, 5), 16)
    border = by_channel.reshape(5, 16).copy()
    border[:, 0] += 7
    border[:, 15] = 0
    wild = rng.integers(0, 2**40, 80)
    return [np.ones(80, int), by_channel, border.reshape(-1), wild, 2**40 - wild]


@pytest.mark.parametrize("chosen", [[0], [1], [0, 1], [2], [0, 1, 2], [3], [3, 4, 1]])
@pytest.mark.parametrize("slots", [1, 16, 4])
def test_weighted_sums_are_those_of_a_product(chosen, slots):
    every = usual_weights(np.random.default_rng(1))
    spikes = spikes_of(4, 3, 5, 16)
    lengths = np.array([0, 1, 3, 16])
    sent, _ = read_spikes(spikes, slots)
    weights = [Weights(every[k].astype(np.int64), slots) for k in chosen]
    amounts = spark_amounts(Grid(4, 3, lengths), sent, weights)
    rows = spikes.reshape(4, 3, 80).astype(np.int64)
    late = np.arange(80) % slots >= lengths[:, None, None]
    for amount, each in zip(amounts, weights, strict=True):
        assert (amount.cells == rows @ each.each).all()
        if slots == 1:
            assert amount.tokens is None
            continue
        by_neuron = (rows * each.each).sum(axis=(0, 1))
        assert (amount.tokens == by_neuron.reshape(-1, slots).sum(axis=0)).all()
        assert amount.padding == (rows * late @ each.each).sum()
