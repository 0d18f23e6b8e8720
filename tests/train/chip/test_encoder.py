"""Bits for the chip: H(table), its surrogate, and the packed copy."""

from __future__ import annotations

import math

import pytest
import torch

from spikewright.errors import ConfigError
from spikewright.train.chip.encoder import PackedEncoder, TrainableEncoder

SIZES = {"vocabulary": 40, "channels": 24, "tokens": 10, "places": 8}


def _trainable(seed: int) -> TrainableEncoder:
    """Return random tables in which zeros, of both signs, are common."""
    torch.manual_seed(seed)
    encoder = TrainableEncoder(**SIZES)
    with torch.no_grad():
        for table in (encoder.words.weight, encoder.positions.weight):
            table.copy_(torch.randint(-2, 3, table.shape) / 4)
            table[table == 0] *= torch.randint(0, 2, table[table == 0].shape) * 2 - 1
    return encoder


def _tokens(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, SIZES["vocabulary"], (5, 10), generator=generator)
    return ids, torch.arange(10).expand_as(ids)


def test_a_bit_is_one_above_zero_and_zero_at_zero() -> None:
    encoder = TrainableEncoder(vocabulary=1, channels=4, tokens=1, places=1)
    with torch.no_grad():
        encoder.words.weight.copy_(torch.tensor([[1e-30, 0.0, -0.0, -1.0]]))
        encoder.positions.weight.fill_(2.0)
    bits = encoder(torch.tensor([0]), torch.tensor([0]))
    assert bits.tolist() == [[1, 0, 0, 0, 1]]


def test_the_surrogate_is_one_over_one_plus_pi_x_squared() -> None:
    encoder = _trainable(0)
    encoder(torch.arange(3), torch.arange(3)).sum().backward()
    x = encoder.words.weight[:3].detach()
    grad = encoder.words.weight.grad
    assert grad is not None
    torch.testing.assert_close(grad[:3], 1 / (1 + (math.pi * x) ** 2))
    assert not grad[3:].any()


@pytest.mark.parametrize("seed", range(5))
def test_packing_keeps_every_bit(seed: int) -> None:
    trainable, packed = _trainable(seed), PackedEncoder(**SIZES)
    packed.copy_signs(trainable)
    ids, positions = _tokens(seed)
    assert (trainable.words.weight == 0).any()
    assert torch.equal(packed(ids, positions), trainable(ids, positions))


def test_start_from_centers_each_channel_at_half_the_slope() -> None:
    generator = torch.Generator().manual_seed(3)
    # A skewed, off-center embedding: 40 words, 30 wide.
    embedding = torch.randn((40, 30), generator=generator) ** 3 + 5
    encoder = TrainableEncoder(**SIZES)
    encoder.start_from(embedding, generator)
    words = encoder.words.weight.detach()
    torch.testing.assert_close(words.mean(dim=0), torch.zeros(24), atol=1e-5, rtol=0)
    torch.testing.assert_close(words.std(dim=0), torch.full((24,), 0.5))


def test_start_from_is_a_function_of_the_generator() -> None:
    embedding = torch.randn((40, 30), generator=torch.Generator().manual_seed(3))
    tables = []
    for seed in (1, 1, 2):
        encoder = TrainableEncoder(**SIZES)
        encoder.start_from(embedding, torch.Generator().manual_seed(seed))
        tables.append(encoder.words.weight.detach())
    assert torch.equal(tables[0], tables[1])
    assert not torch.equal(tables[0] > 0, tables[2] > 0)


def test_start_from_keeps_similar_words_similar() -> None:
    generator = torch.Generator().manual_seed(4)
    embedding = torch.randn((40, 30), generator=generator)
    embedding[1] = embedding[0] + 0.01 * embedding[1]
    encoder = TrainableEncoder(**SIZES)
    encoder.start_from(embedding, generator)
    bits = encoder.words.weight.detach() > 0
    assert (bits[0] != bits[1]).sum() <= 2
    assert (bits[0] != bits[2]).sum() >= 4


def test_start_from_refuses_an_embedding_narrower_than_the_student() -> None:
    encoder = TrainableEncoder(**SIZES)
    with pytest.raises(ConfigError, match=r"24 channels; .* has 16 components; lower"):
        encoder.start_from(torch.randn(40, 16), torch.Generator())
