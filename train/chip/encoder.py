"""The spike encoder that stays on the host: one bit a channel and token.

bits = [word_table[token] > 0, position_table[position] > 0], the same at every step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from spikewright.errors import ConfigError

Bits = npt.NDArray[np.uint8]


class _Heaviside(torch.autograd.Function):
    """H(x) = 1 if x > 0 else 0, with the arctangent surrogate 1 / (1 + (pi x)^2)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
    ) -> torch.Tensor:
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(
        ctx: Any,
        *grads: torch.Tensor,
    ) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        slope: torch.Tensor = 1 + (math.pi * x).square()
        return grads[0] / slope


class TrainableEncoder(nn.Module):
    """Real-valued tables, binarized in the forward pass."""

    def __init__(self, *, vocabulary: int, channels: int, tokens: int, places: int):
        super().__init__()
        self.words = nn.Embedding(vocabulary, channels)
        self.positions = nn.Embedding(tokens, places)

    def forward(self, ids: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        """Return bits, (…, channels + places), for token ids and positions (…)."""
        tables = torch.cat([self.words(ids), self.positions(position)], dim=-1)
        bits: torch.Tensor = _Heaviside.apply(tables)  # type: ignore[no-untyped-call]
        return bits

    @torch.no_grad()
    def start_from(self, embedding: torch.Tensor, generator: torch.Generator) -> None:
        """Start the word table from a teacher's, (vocabulary, width).

        The leading principal components, randomly rotated so that each bit carries
        the same variance, at standard deviation 0.5: inside the surrogate's slope.

        Raises:
            ConfigError: the embedding has fewer components than there are channels.
        """
        channels = self.words.embedding_dim
        if channels > min(embedding.shape):
            raise ConfigError(
                f"student: {channels} channels; the teacher's embedding of shape "
                f"{tuple(embedding.shape)} has {min(embedding.shape)} components; "
                "lower [student] channels or take a wider teacher"
            )
        centered = embedding - embedding.mean(dim=0)
        _, _, components = torch.linalg.svd(centered, full_matrices=False)
        rotation = torch.linalg.qr(
            torch.randn(channels, channels, generator=generator)
        ).Q
        table = centered @ components[:channels].T @ rotation
        self.words.weight.copy_(0.5 * table / table.std(dim=0))


class PackedEncoder(nn.Module):
    """The same bits, packed eight to a byte: what a deployed student carries."""

    words: torch.Tensor
    positions: torch.Tensor

    def __init__(self, *, vocabulary: int, channels: int, tokens: int, places: int):
        super().__init__()
        for name, shape in (
            ("words", (vocabulary, channels // 8)),
            ("positions", (tokens, places // 8)),
        ):
            self.register_buffer(name, torch.zeros(shape, dtype=torch.uint8))

    def forward(self, ids: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        """Return bits, (…, channels + places), for token ids and positions (…)."""
        packed = torch.cat([self.words[ids], self.positions[position]], dim=-1)
        shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=packed.device)
        bits = (packed.unsqueeze(-1) >> shifts) & 1
        return bits.flatten(-2).float()

    @torch.no_grad()
    def copy_signs(self, encoder: TrainableEncoder) -> None:
        """Take the bits of a trained encoder."""
        self.words.copy_(_pack(encoder.words.weight))
        self.positions.copy_(_pack(encoder.positions.weight))


def _pack(table: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.packbits((table > 0).cpu().numpy(), axis=-1))
