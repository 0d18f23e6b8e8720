"""The block of a SpikeBERT: spiking attention and a spiking perceptron.

    X' = X + LIF(norm(Y W_o + b_o))
    X_next = X' + LIF(norm(LIF(norm(X' W_1 + b_1)) W_2 + b_2))

X holds small integers, 0 to 2 l + 1 after l blocks; Y is the attention's spikes.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional
from transformers.modeling_layers import GradientCheckpointingLayer

from spikewright.train.neurons.compiled_layers import (
    COMPILED_TYPES,
    by_head,
    fire_counts,
    layer_leaky,
)
from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.layout import Layout
from spikewright.train.spikebert.neuron import SpikingNeuron

NORM_EPS = 1e-5
"""added to the variance of a token by LayerNorm"""


def make_norm(width: int, config: SpikeBertConfig) -> nn.Module:
    """Return a norm over the channels of a token, or per channel over the tokens."""
    if config.norm == "layer":
        return nn.LayerNorm(width, eps=NORM_EPS)
    return FoldableNorm(width, limit=math.inf)


class SpikingProjection(nn.Module):
    """s = LIF(norm(x W + b))."""

    def __init__(self, sources: int, targets: int, config: SpikeBertConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(sources, targets)
        self.norm = make_norm(targets, config)
        self.neuron = SpikingNeuron(config, threshold=config.threshold)

    def forward(
        self, x: torch.Tensor, residual: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Map (steps, tokens, sources) to spikes (steps, tokens, targets).

        Spikes are added to the residual, where one is given.
        """
        z = self.linear(x)
        if self.runs_compiled(z.dtype):
            weight, bias = map(self.norm.get_parameter, ("weight", "bias"))
            norm = (weight, bias, NORM_EPS)
            return layer_leaky(z, norm, self.neuron.numbers, residual)
        spikes: torch.Tensor = self.neuron(self.norm(z))
        return spikes if residual is None else residual + spikes

    def runs_compiled(self, kind: torch.dtype) -> bool:
        """Return whether norm and neuron run as one compiled loop."""
        compiled = self.neuron.compiled and self.training
        is_layer = isinstance(self.norm, nn.LayerNorm)
        return compiled and is_layer and kind in COMPILED_TYPES


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
        """Map the stream (steps, tokens, channels) to x + spikes of that shape."""
        if self.kind == "ssa" and self.query.runs_compiled(x.dtype):
            attended = self._attend_compiled(x, layout)
        else:
            q, k, v = self.query(x), self.key(x), self.value(x)
            attend = self._similarity if self.kind == "ssa" else self._gated
            attended = attend(q, k, v, layout)
        added: torch.Tensor = self.output(attended, x)
        return added

    def _attend_compiled(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Return the spikes of ssa, with query, key and value as one map."""
        parts = (self.query, self.key, self.value)
        weight = torch.cat([each.linear.weight for each in parts])
        bias = torch.cat([each.linear.bias for each in parts])
        z = functional.linear(x, weight, bias)
        z = z.view(*z.shape[:2], len(parts), -1)
        scale, shift = (
            torch.stack([each.norm.get_parameter(name) for each in parts])
            for name in ("weight", "bias")
        )
        norm = (scale, shift, NORM_EPS)
        spikes = layer_leaky(z, norm, self.query.neuron.numbers, None)
        index = (layout.rows, layout.sample, layout.place)
        with torch.autocast(x.device.type, enabled=False):
            q, k, v = by_head(spikes, index, self.heads).unbind()
            counts = self._with_levels(q @ k.mT, layout) @ v
            numbers = self.neuron.numbers
            return fire_counts(counts, index, self.scale, numbers, z.dtype)

    def _similarity(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, layout: Layout
    ) -> torch.Tensor:
        with torch.autocast(q.device.type, enabled=False):  # bfloat16 counts to 256
            scores = self.scores(q, k, layout)
            counts = (scores @ self._by_head(v, layout)).transpose(2, 3).flatten(3)
            return self._fire(layout.in_a_row(counts))

    def scores(self, q: torch.Tensor, k: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Return q_i . k_j + R_ij, (steps, samples, heads, longest, longest)."""
        return self._with_levels(
            self._by_head(q, layout) @ self._by_head(k, layout).mT, layout
        )

    def _with_levels(self, scores: torch.Tensor, layout: Layout) -> torch.Tensor:
        if not self.levels:
            return scores
        return scores + self._nearness(layout.longest, scores)

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
        x = self.attention(x, layout)
        changed: torch.Tensor = self.contract(self.expand(x), x)
        return changed
