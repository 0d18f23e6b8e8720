"""The deployable student: every operation exists on the chip.

Per block, on spikes s of (steps, tokens, channels):

    q, k, v = LIF(norm(W s))          gate = LIF(gain * sum over tokens of (k AND v))
    s = LIF(norm(W (q AND gate)) + skip * s)
    s = LIF(norm(W LIF(norm(W [s, next, …]))) + skip * s)

[s, next, …] are a token's spikes and those of the tokens that follow it.
logits = mean over steps and tokens of W s, summed over the stem and the blocks.
A silent token stays silent: no norm leaves a bias that could fire a neuron alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from spikewright.errors import InputError
from spikewright.train.chip.config import ChipStudentConfig
from spikewright.train.chip.encoder import PackedEncoder, TrainableEncoder
from spikewright.train.chip.layers import Block, SpikingLinear


@dataclass
class StudentOutput(ModelOutput):
    """What a student answers."""

    loss: torch.Tensor | None = None
    """cross entropy, where labels were given"""
    logits: torch.Tensor | None = None
    """(samples, classes)"""
    rate: torch.Tensor | None = None
    """in training: mean spikes per neuron and step over all populations, a scalar"""


class ChipStudent(PreTrainedModel):  # type: ignore[no-untyped-call]
    """A spiking sentence classifier that lowers to Loihi without a remainder."""

    config_class = ChipStudentConfig
    config: ChipStudentConfig

    def __init__(self, config: ChipStudentConfig) -> None:
        super().__init__(config)
        kind = PackedEncoder if config.packed_encoder else TrainableEncoder
        self.encoder = kind(
            vocabulary=config.vocab_size,
            channels=config.word_channels,
            tokens=config.max_tokens,
            places=config.position_channels,
        )
        bits = config.word_channels + config.position_channels
        self.stem = SpikingLinear(bits * config.window, config.channels, config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.heads = nn.ModuleList(
            nn.Linear(config.channels, _classes(config), bias=False)
            for _ in range(config.blocks + 1)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.5)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **ignored: Any,
    ) -> StudentOutput:
        """Classify padded token ids (samples, tokens); 1 in the mask marks a token.

        Raises:
            InputError: a sentence has no token, or more than `max_tokens`.
        """
        del ignored
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        mask = mask.bool()
        self._check_lengths(mask)
        logits, populations = self.run(input_ids, mask)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        if not self.training:  # pipelines cut a batch's output up, sample by sample
            return StudentOutput(loss=loss, logits=logits)
        rate = torch.stack([spikes.float().mean() for spikes in populations]).mean()
        return StudentOutput(loss=loss, logits=logits, rate=rate)

    def _check_lengths(self, mask: torch.Tensor) -> None:
        allowed, widths = self.config.max_tokens, mask.any(dim=0).nonzero()
        if not mask.any(dim=1).all():
            raise InputError("a sentence holds no token; give at least one word")
        if (longest := int(widths.max()) + 1) > allowed:
            raise InputError(
                f"a sentence of {longest} tokens; the student has positions for 1 to "
                f"{allowed}; cut it"
            )

    def run(
        self, ids: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return the logits and the spikes of every population.

        Only real tokens are computed, those of all samples in a row: (steps, tokens,
        channels). Padding is silent on the chip, so leaving it out changes nothing.
        """
        sample = mask.nonzero()[:, 0]
        current = self._windows(ids, mask)
        steps = self.config.steps
        first = self.stem.linear(current)
        s = self.stem.fire(first.expand(steps, *first.shape))
        populations, outputs = [s], [s]
        for block in self.blocks:
            populations += block(self.dropout(outputs[-1]), sample, len(ids))
            outputs.append(populations[-1])
        return self._read(outputs, sample, mask.sum(dim=1)), populations

    def _windows(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return each token's bits and those of the next ones, (tokens, window * bits).

        Looking forward only keeps padding silent: it sees nothing but padding.
        """
        positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        positions = positions.clamp(max=self.config.max_tokens - 1)  # more is padding
        bits = self.encoder(ids, positions) * mask.unsqueeze(-1)
        padded = nn.functional.pad(bits, (0, 0, 0, self.config.window - 1))
        shifted = [padded[:, i : i + ids.shape[1]] for i in range(self.config.window)]
        return torch.cat(shifted, dim=-1)[mask]

    def _read(
        self,
        outputs: Sequence[torch.Tensor],
        sample: torch.Tensor,
        lengths: torch.Tensor,
    ) -> torch.Tensor:
        total = torch.zeros(
            (len(lengths), _classes(self.config)), device=lengths.device
        )
        for head, s in zip(self.heads, outputs, strict=True):
            sums = torch.zeros((len(lengths), s.shape[2]), device=s.device)
            pooled = sums.index_add(0, sample, s.float().mean(dim=0))
            total = total + head(pooled / lengths[:, None]).float()
        return total

    def pack_encoder(self) -> ChipStudent:
        """Return a copy whose encoder holds bits only: the student to ship."""
        config = ChipStudentConfig(**{**self.config.to_dict(), "packed_encoder": True})
        packed = ChipStudent(config)
        state = {k: v for k, v in self.state_dict().items() if "encoder." not in k}
        packed.load_state_dict(state, strict=False)
        assert isinstance(packed.encoder, PackedEncoder)  # noqa: S101 - configured so
        if isinstance(self.encoder, TrainableEncoder):
            packed.encoder.copy_signs(self.encoder)
        else:
            packed.encoder.load_state_dict(self.encoder.state_dict())
        packed.eval()  # type: ignore[no-untyped-call]
        return packed


def _classes(config: ChipStudentConfig) -> int:
    return len(config.id2label or {})
