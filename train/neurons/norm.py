"""The student's norm: per channel, so it folds into the weights before it."""

from __future__ import annotations

import torch
from torch import nn

from spikewright.train.neurons.compiled import moments


class FoldableNorm(nn.Module):
    """y = gain * x + shift, both constant per channel once trained.

    gain = weight / std(x);  shift = min(bias - gain * mean(x), limit)

    The limit keeps a neuron without input below its threshold for ever, so padding is
    silent. Its gradient passes straight through, or a clipped bias could not return.
    """

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, channels: int, *, limit: float, momentum: float = 0.05) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.limit, self.momentum = limit, momentum
        self.compiled = False
        """whether its moments are taken by a compiled loop, see train.compiled"""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalize (…, channels) over all but the last axis."""
        return fold_into(x, *self.fold_for(x))

    def fold_for(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return gain and shift for x, (channels,) each; in training its own moments.

        Args:
            x: (…, channels).
        """
        if not self.training:
            return self._fold(self.mean, self.variance)
        if self.compiled:
            mean, variance = moments(x.reshape(-1, x.shape[-1]))
        else:
            axes = tuple(range(x.ndim - 1))
            wide = torch.promote_types(x.dtype, torch.float32)
            variance, mean = torch.var_mean(x.to(wide), dim=axes, correction=0)
        with torch.no_grad():
            self.mean.lerp_(mean, self.momentum)
            self.variance.lerp_(variance, self.momentum)
        return self._fold(mean, variance)

    def _fold(
        self, mean: torch.Tensor, variance: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        gain = self.weight * torch.rsqrt(variance + 1e-5)
        free = self.bias - gain * mean
        # The limit, to the bit: free + (limit - free) would miss it if free is large.
        return gain, free.clamp(max=self.limit).detach() + (free - free.detach())

    @torch.no_grad()
    def folded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return gain and shift as they are in evaluation, (channels,) each."""
        return self._fold(self.mean, self.variance)


def fold_into(x: torch.Tensor, gain: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Return gain * x + shift in the type of x, (…, channels)."""
    return x * gain.to(x.dtype) + shift.to(x.dtype)
