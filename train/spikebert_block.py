"""The block of a SpikeBERT: spiking attention and a spiking perceptron.

    X' = X + LIF(norm(Y W_o + b_o))
    X_next = X' + LIF(norm(LIF(norm(X' W_1 + b_1)) W_2 + b_2))

X holds small integers, 0 to 2 l + 1 after l blocks; Y is the attention's spikes.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from spikewright.train.norm import FoldableNorm
from spikewright.train.spikebert_config import SpikeBertConfig
from spikewright.train.spikebert_layout import Layout
from spikewright.train.spikebert_neuron import SpikingNeuron


def make_norm(width: int, config: SpikeBertConfig) -> nn.Module:
    """Return a norm over the channels of a token, or per channel over the tokens."""
    if config.norm == "layer":
        return nn.LayerNorm(width)
    return FoldableNorm(width, limit=math.inf)


class SpikingProjection(nn.Module):
    """s = LIF(norm(x W + b))."""

    def __init__(self, sources: int, targets: int, config: SpikeBertConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(sources, targets)
        self.norm = make_norm(targets, config)
        self.neuron = SpikingNeuron(config, threshold=config.threshold)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (steps, tokens, sources) to spikes (steps, tokens, targets)."""
        spikes: torch.Tensor = self.neuron(self.norm(self.linear(x)))
        return spikes


class SpikingAttention(nn.Module):
    """Y = LIF_a(scale C), C the attention's counts, exact integers.

    ssa:  C_i = sum over j of (q_i . k_j + R_ij) v_j, head by head;
          R_ij the distance levels, 0 without `positions = "log-distance"`
    sdsa: Y_i = q_i AND LIF_a(scale sum over j of (k_j AND v_j)), channel by channel

    Padding has no spikes in q, k and v, so it adds nothing to any sum.
    """

    def __init__(self, config: SpikeBertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.query = SpikingProjection(width, width, config)
        self.key = SpikingProjection(width, width, config)
        self.value = SpikingProjection(width, width, config)
        self.neuron = SpikingNeuron(config, threshold=config.attention_threshold)
        self.output = SpikingProjection(width, width, config)
        self.heads, self.scale = config.num_attention_heads, config.counts_scale
        self.kind = config.attention
        near = config.positions == "log-distance"
        self.levels = config.distance_levels if near else 0

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Map (steps, tokens, channels) to spikes of that shape."""
        q, k, v = self.query(x), self.key(x), self.value(x)
        attend = self._similarity if self.kind == "ssa" else self._gated
        spikes: torch.Tensor = self.output(attend(q, k, v, layout))
        return spikes

    def _similarity(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, layout: Layout
    ) -> torch.Tensor:
        with torch.autocast(q.device.type, enabled=False):  # bfloat16 counts to 256
            scores = self.scores(q, k, layout)
            counts = (scores @ self._by_head(v, layout)).transpose(2, 3).flatten(3)
            return self._fire(layout.in_a_row(counts))

    def scores(self, q: torch.Tensor, k: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Return q_i . k_j + R_ij, (steps, samples, heads, longest, longest)."""
        scores = self._by_head(q, layout) @ self._by_head(k, layout).mT
        if self.levels:
            scores = scores + self._nearness(layout.longest, scores)
        return scores

    def _gated(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, layout: Layout
    ) -> torch.Tensor:
        with torch.autocast(q.device.type, enabled=False):
            gate = self.gate(k, v, layout).expand(-1, -1, layout.longest, -1)
            return q * layout.in_a_row(gate)

    def gate(self, k: torch.Tensor, v: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Return the spikes of sdsa's gate, (steps, samples, 1, channels)."""
        return self._fire(layout.in_places(_exact(k * v)).sum(dim=2, keepdim=True))

    def _fire(self, counts: torch.Tensor) -> torch.Tensor:
        spikes: torch.Tensor = self.neuron(counts * self.scale)
        return spikes

    def _by_head(self, row: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Return (steps, samples, heads, longest, channels / heads)."""
        places = layout.in_places(_exact(row))
        return places.view(*places.shape[:3], self.heads, -1).transpose(2, 3)

    def _nearness(self, longest: int, like: torch.Tensor) -> torch.Tensor:
        """Return R of each head, (heads, longest, longest)."""
        levels = distance_levels(longest, self.levels).to(like)
        left, right = levels.tril(), levels.triu()
        half = (self.heads + 1) // 2
        return torch.stack([left] * half + [right] * (self.heads - half))


def distance_levels(longest: int, levels: int) -> torch.Tensor:
    """Return max(0, levels - ceil(log2(1 + |i - j|))) as integers, by i and j."""
    place = torch.arange(longest)
    distance = (place[:, None] - place).abs()
    # The number of powers of two up to the distance is that ceiling, without rounding.
    powers = 2 ** torch.arange(levels)
    return levels - (distance[..., None] >= powers).sum(dim=-1)


def _exact(spikes: torch.Tensor) -> torch.Tensor:
    """Widen to a type in which sums of spikes are exact."""
    return spikes.to(torch.promote_types(spikes.dtype, torch.float32))


class SpikeBertBlock(GradientCheckpointingLayer):  # type: ignore[no-untyped-call]
    """X + attention, then X + perceptron: spikes added to spikes."""

    def __init__(self, config: SpikeBertConfig) -> None:
        super().__init__()
        width, hidden = config.hidden_size, config.intermediate_size
        self.attention = SpikingAttention(config)
        self.expand = SpikingProjection(width, hidden, config)
        self.contract = SpikingProjection(hidden, width, config)

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Map the stream (steps, tokens, channels) to the next."""
        x = x + self.attention(x, layout)
        update: torch.Tensor = self.contract(self.expand(x))
        return x + update
