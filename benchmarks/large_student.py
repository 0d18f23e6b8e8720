"""A student as large as BERT, in snnTorch: 12 layers, 768 channels, 85 M weights."""

from __future__ import annotations

import snntorch as snn
import torch
from torch import nn

CHANNELS, HIDDEN, TOKENS, LAYERS = 768, 3072, 16, 12
NEURONS = ("lq", "lk", "lv", "gate", "lo", "lu", "ld")


class Block(nn.Module):
    """Spike-driven attention and a perceptron of two layers, with skips."""

    def __init__(self) -> None:
        super().__init__()
        for name in "qkvo":
            setattr(self, name, nn.Linear(CHANNELS, CHANNELS))
        self.up, self.down = nn.Linear(CHANNELS, HIDDEN), nn.Linear(HIDDEN, CHANNELS)
        for name in NEURONS:
            neuron = snn.Leaky(
                0.5, threshold=0.3, init_hidden=True, reset_mechanism="zero"
            )
            setattr(self, name, neuron)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map spikes (samples, tokens, channels) to spikes."""
        q, k, v = self.lq(self.q(x)), self.lk(self.k(x)), self.lv(self.v(x))
        gate = self.gate(0.4 * (k * v).sum(dim=1, keepdim=True))
        h = self.lo(self.o(q * gate) + x)
        out: torch.Tensor = self.ld(self.down(self.lu(self.up(h))) + h)
        return out


def large_student() -> nn.Sequential:
    """Return all layers, with weights drawn from seed 0."""
    torch.manual_seed(0)
    return nn.Sequential(*(Block() for _ in range(LAYERS)))


def spikes_for(tokens: int = TOKENS) -> torch.Tensor:
    """Draw one sample of spikes, (1, tokens, channels)."""
    return (torch.rand(1, tokens, CHANNELS) < 0.3).float()
