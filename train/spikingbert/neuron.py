"""The neuron of a SpikingBERT: integrate and fire, with a soft reset."""

from __future__ import annotations

import snntorch
import torch

from spikewright.train.spikebert.neuron import fires_above
from spikewright.train.spikingbert.config import SpikingBertConfig


class IntegrateAndFire:
    """v[t] = lambda v[t-1] + a[t] - lambda theta s[t-1];  s[t] = H(v[t] - theta).

    v[0] is `start` thresholds, s[0] = 0. H(0) is 0, or 1 if ties "fire". Of lambda 1 it
    is snnTorch's `Leaky(beta=1, reset_mechanism="subtract")`. Over T steps, with u the
    potential left after the last reset,

        mean of s = (mean of a - (u[T] - u[0]) / T) / theta        (lambda 1)

    so where u stays bounded the rate settles at the mean input over theta, and where it
    does not, at 0 or 1: the clamp of `equilibrium`.
    """

    def __init__(self, config: SpikingBertConfig) -> None:
        self.decay, self.threshold = config.decay, config.threshold
        self.start, self.ties = config.start * config.threshold, config.ties
        kinds = (torch.float32, torch.float64)
        self.above = {
            kind: fires_above(self.threshold, self.ties, kind) for kind in kinds
        }

    @property
    def drop(self) -> float:
        """Return what a spike takes off at the next step."""
        return self.decay * self.threshold

    def at_rest(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return v and s before the first step, of a's shape, float32 at least."""
        kind = torch.promote_types(like.dtype, torch.float32)
        s = torch.zeros_like(like, dtype=kind)
        return torch.full_like(s, self.start), s

    def step(
        self, a: torch.Tensor, v: torch.Tensor, s: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return v and s of the next step."""
        # The drop last, as snnTorch and our graphs round.
        v = self.decay * v + a - self.drop * s
        return v, (v > self.above[v.dtype]).to(v.dtype)

    def as_snntorch(self) -> snntorch.Leaky:
        """Return the snnTorch neuron that this one is, for lambda 1 and start 0."""
        return snntorch.Leaky(
            beta=1.0,
            threshold=self.above[torch.float32],
            reset_mechanism="subtract",
        )
