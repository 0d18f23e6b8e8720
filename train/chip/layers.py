"""The layers of the deployable student: linear maps that spike, and its block."""

from __future__ import annotations

import torch
from torch import nn

from spikewright.train.chip.config import ChipStudentConfig
from spikewright.train.neurons.compiled import norm_leaky
from spikewright.train.neurons.leaky import SURROGATE_ALPHA, leaky, run_leaky
from spikewright.train.neurons.norm import FoldableNorm, fold_into

BIAS_MARGIN = 0.9
"""Share of the largest silent bias (1 - beta) * threshold that a norm may use."""


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
        self.compiled = False  # by train.compiled, while it trains

    def forward(
        self, x: torch.Tensor, residual: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Map spikes (steps, tokens, sources) to (steps, tokens, targets)."""
        return self.fire(self.linear(x), residual)

    def fire(
        self, z: torch.Tensor, residual: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return LIF(norm(z) + skip * residual), (steps, tokens, targets)."""
        gain, shift = self.norm.fold_for(z)
        if self.compiled and self.training:
            return self._fire_compiled(z, gain, shift, residual)
        current = fold_into(z, gain, shift)
        if self.skip is not None and residual is not None:
            current = current + self.skip.to(current.dtype) * residual
        return run_leaky(self.neuron, current)

    def _fire_compiled(
        self,
        z: torch.Tensor,
        gain: torch.Tensor,
        shift: torch.Tensor,
        residual: torch.Tensor | None,
    ) -> torch.Tensor:
        return norm_leaky(
            z,
            gain,
            shift,
            skip=self.skip,
            more=residual,
            beta=float(self.neuron.beta),
            threshold=float(self.neuron.threshold),
            alpha=SURROGATE_ALPHA,
        )

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
        self.window = config.block_window
        self.expand = SpikingLinear(width * self.window, hidden, config)
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
        hidden = self.expand(look_ahead(mixed, sample, self.window))
        return [q, k, v, both, gate, passed, mixed, hidden, self.out(hidden, mixed)]


def look_ahead(s: torch.Tensor, sample: torch.Tensor, window: int) -> torch.Tensor:
    """Return each token's spikes and those of the next ones of its sample.

    Args:
        s: spikes, (steps, tokens, channels), the tokens of all samples in a row.
        sample: the sample of each token, (tokens,).
        window: how many tokens each sees, itself the first.

    Returns:
        (steps, tokens, window * channels); silent where the sample has ended.
    """
    seen = [s]
    for ahead in range(1, min(window, s.shape[1])):
        same = (sample[ahead:] == sample[:-ahead]).to(s.dtype)[:, None]
        seen.append(nn.functional.pad(s[:, ahead:] * same, (0, 0, 0, ahead)))
    beyond = window - len(seen)
    return nn.functional.pad(torch.cat(seen, dim=-1), (0, beyond * s.shape[2]))
