"""The deployable student: every operation exists on the chip.

Per block, on spikes s of (steps, tokens, channels):

    q, k, v = LIF(norm(W s))          gate = LIF(gain * sum over tokens of (k AND v))
    s = LIF(norm(W (q AND gate)) + skip * s)
    s = LIF(norm(W LIF(norm(W s))) + skip * s)

logits = mean over steps and tokens of W s, summed over the stem and the blocks.
A silent token stays silent: no norm leaves a bias that could fire a neuron alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.utils.generic import ModelOutput

from spikewright.errors import ConfigError, InputError
from spikewright.train.encoder import PackedEncoder, TrainableEncoder
from spikewright.train.neuron import leaky, run_leaky
from spikewright.train.norm import FoldableNorm

BIAS_MARGIN = 0.9
"""Share of the largest silent bias (1 - beta) * threshold that a norm may use."""


SIZES = {
    "vocab_size": 1,
    "max_tokens": 1,
    "channels": 8,
    "position_channels": 8,
    "hidden": 1,
    "blocks": 1,
    "steps": 1,
    "window": 1,
}
"""what each size is a multiple of: bits are packed eight to a byte"""


class ChipStudentConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Sizes of a `ChipStudent`."""

    model_type = "spikewright-chip"
    keys_to_ignore_at_inference = ["rate"]  # noqa: RUF012 - Trainer adds to it

    def __init__(  # noqa: PLR0913 - a configuration lists its values
        self,
        *,
        vocab_size: int = 30522,
        max_tokens: int = 64,
        channels: int = 192,
        position_channels: int = 32,
        hidden: int = 384,
        blocks: int = 2,
        steps: int = 4,
        window: int = 3,
        beta: float = 0.5,
        dropout: float = 0.1,
        packed_encoder: bool = False,
        **kwargs: Any,
    ) -> None:
        self.vocab_size, self.max_tokens = vocab_size, max_tokens
        self.channels, self.position_channels = channels, position_channels
        self.hidden, self.blocks, self.steps = hidden, blocks, steps
        self.window, self.beta, self.dropout = window, beta, dropout
        self.packed_encoder = packed_encoder
        self._check_sizes()
        super().__init__(**kwargs)

    def _check_sizes(self) -> None:
        for name, step in SIZES.items():
            size = getattr(self, name)
            if not isinstance(size, int) or size < step or size % step:
                raise ConfigError(
                    f"{name}: must be a multiple of {step}, {step} or more, got {size}"
                )
        if not isinstance(self.beta, int | float) or not 0 <= self.beta < 1:
            raise ConfigError(f"beta: must be 0 or more and below 1, got {self.beta}")


@dataclass
class StudentOutput(ModelOutput):
    """What a student answers."""

    logits: torch.Tensor | None = None
    """(samples, classes)"""
    rate: torch.Tensor | None = None
    """mean spikes per neuron and step over all populations, a scalar"""


class SpikingLinear(nn.Module):
    """s = LIF(norm(W x) + skip * residual): a token-wise linear layer that spikes."""

    def __init__(
        self,
        sources: int,
        targets: int,
        config: ChipStudentConfig,
        *,
        skip: bool = False,
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(sources, targets, bias=False)
        self.norm = FoldableNorm(targets, limit=BIAS_MARGIN * (1.0 - config.beta))
        self.skip = nn.Parameter(torch.full((targets,), 1.2)) if skip else None
        self.neuron = leaky(config.beta)

    def forward(
        self, x: torch.Tensor, residual: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Map spikes (steps, tokens, sources) to (steps, tokens, targets)."""
        current = self.norm(self.linear(x))
        if self.skip is not None and residual is not None:
            current = current + self.skip.to(current.dtype) * residual
        return run_leaky(self.neuron, current)

    @torch.no_grad()
    def folded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weight (targets, sources) and bias (targets,) without the norm."""
        gain, shift = self.norm.folded()
        return gain[:, None] * self.linear.weight, shift


class Block(nn.Module):
    """Spike-driven attention and a two-layer perceptron, each with a skip of spikes."""

    def __init__(self, config: ChipStudentConfig) -> None:
        super().__init__()
        width, hidden = config.channels, config.hidden
        self.q = SpikingLinear(width, width, config)
        self.k = SpikingLinear(width, width, config)
        self.v = SpikingLinear(width, width, config)
        self.gain = nn.Parameter(torch.full((width,), 0.5))
        self.gate = leaky(config.beta)
        self.mixed = SpikingLinear(width, width, config, skip=True)
        self.expand = SpikingLinear(width, hidden, config)
        self.out = SpikingLinear(hidden, width, config, skip=True)

    def forward(
        self, s: torch.Tensor, sample: torch.Tensor, samples: int
    ) -> list[torch.Tensor]:
        """Return the spikes of every population, in order, the block's own last.

        Args:
            s: spikes, (steps, tokens, channels), the tokens of all samples in a row.
            sample: the sample of each token, (tokens,).
            samples: how many samples there are.
        """
        q, k, v = self.q(s), self.k(s), self.v(s)
        both = k * v  # AND of two spikes
        counts = torch.zeros(
            (len(s), samples, s.shape[2]), dtype=torch.float32, device=s.device
        ).index_add(1, sample, both.float())
        gate = run_leaky(self.gate, counts * self.gain).to(s.dtype)
        passed = q * gate[:, sample]
        mixed = self.mixed(passed, s)
        hidden = self.expand(mixed)
        return [q, k, v, both, gate, passed, mixed, hidden, self.out(hidden, mixed)]


class ChipStudent(PreTrainedModel):  # type: ignore[no-untyped-call]
    """A spiking sentence classifier that lowers to Loihi without a remainder."""

    config_class = ChipStudentConfig
    config: ChipStudentConfig

    def __init__(self, config: ChipStudentConfig) -> None:
        super().__init__(config)
        kind = PackedEncoder if config.packed_encoder else TrainableEncoder
        self.encoder = kind(
            vocabulary=config.vocab_size,
            channels=config.channels,
            tokens=config.max_tokens,
            places=config.position_channels,
        )
        bits = config.channels + config.position_channels
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
        rate = torch.stack([spikes.float().mean() for spikes in populations]).mean()
        return StudentOutput(logits=logits, rate=rate)

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
        first = self.stem.norm(self.stem.linear(current))
        s = run_leaky(self.stem.neuron, first.expand(steps, *first.shape))
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
