"""What flows into a neuron of a SpikingBERT, given what its sources send.

Sources send rows, (tokens, channels) of the real tokens of a batch, or one row a
sample, (samples, channels). A map is told the layout, and may be asked whether it is
affine: then the mean of what it makes of spikes is what it makes of their mean.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.spikebert.layout import Layout
from spikewright.train.spikingbert.config import SpikingBertConfig

NORM_EPS = 1e-5
"""added to the variance of a token by LayerNorm"""


def channel_norm(width: int, config: SpikingBertConfig) -> nn.Module | None:
    """Return the norm where none is published, which must cost nothing."""
    is_free = config.norm == "channel"
    return FoldableNorm(width, limit=math.inf) if is_free else None


def stream_norm(width: int, config: SpikingBertConfig) -> nn.Module | None:
    """Return the norm behind a residual."""
    if config.norm == "layer":
        return nn.LayerNorm(width, eps=NORM_EPS)
    return channel_norm(width, config)


class Map(nn.Module):
    """A map from what the sources of a population send to its current."""

    is_affine = True
    per_sample = False
    """whether it gives one row a sample instead of one a token"""

    def forward(self, layout: Layout, *sources: torch.Tensor) -> torch.Tensor:
        """Return the current, (tokens or samples, channels)."""
        raise NotImplementedError


class Encode(Map):
    """x, a constant current, + y F, y what the last layer sent a step ago.

    F is scaled down to a Frobenius norm of `feedback_limit`, which bounds its slope.
    """

    def __init__(self, config: SpikingBertConfig) -> None:
        super().__init__()
        width, self.limit = config.hidden_size, config.feedback_limit
        self.feedback: nn.Linear | None = None
        if config.feedback == "learned":
            self.feedback = nn.Linear(width, width, bias=False)

    def forward(self, layout: Layout, *sources: torch.Tensor) -> torch.Tensor:
        """Return the current of x, and of y where there is feedback."""
        del layout
        if self.feedback is None:
            return sources[0]
        length = self.feedback.weight.norm().clamp(min=self.limit)
        added: torch.Tensor = sources[0] + self.feedback(sources[1]) * (
            self.limit / length
        )
        return added


class Project(Map):
    """norm(s W + b), + the residual r inside the norm where there is one."""

    def __init__(self, sources: int, targets: int, norm: nn.Module | None) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(sources, targets), norm
        self.is_affine = not isinstance(norm, nn.LayerNorm)

    def forward(self, layout: Layout, *sources: torch.Tensor) -> torch.Tensor:
        """Return the current of s, or of s and r."""
        del layout
        a: torch.Tensor = self.linear(sources[0])
        for residual in sources[1:]:
            a = a + residual
        normed: torch.Tensor = a if self.norm is None else self.norm(a)
        return normed


class Gelu(Map):
    """GELU(s W + b)."""

    is_affine = False

    def __init__(self, sources: int, targets: int) -> None:
        super().__init__()
        self.linear = nn.Linear(sources, targets)

    def forward(self, layout: Layout, *sources: torch.Tensor) -> torch.Tensor:
        """Return the current of s."""
        del layout
        return functional.gelu(self.linear(sources[0]))


class SoftmaxAttention(Map):
    """softmax(q k / sqrt(d)) v with q = s W + b, head by head, real tokens only."""

    is_affine = False

    def __init__(self, config: SpikingBertConfig) -> None:
        super().__init__()
        width, self.heads = config.hidden_size, config.num_attention_heads
        self.query = nn.Linear(width, width)

    def forward(self, layout: Layout, *sources: torch.Tensor) -> torch.Tensor:
        """Return the current of s, k and v."""
        s, k, v = sources
        weights = self.scores(layout, s, k).softmax(dim=-1)
        mixed = weights.to(v.dtype) @ self._by_head(layout, v)
        return layout.in_a_row(mixed.transpose(1, 2).flatten(2)[None])[0]

    def scores(self, layout: Layout, s: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        """Return q k / sqrt(d), (samples, heads, longest, longest).

        -inf where the second token is none.
        """
        q = self._by_head(layout, self.query(s))
        k = self._by_head(layout, k.to(q.dtype))
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        none = layout.rows < 0
        return scores.masked_fill(none[:, None, None], -torch.inf)

    def _by_head(self, layout: Layout, row: torch.Tensor) -> torch.Tensor:
        places = layout.in_places(row[None])[0]
        heads = places.view(*places.shape[:2], self.heads, -1)
        return heads.transpose(1, 2)


class Both(Map):
    """theta (s + r - 1): a neuron of this current fires where both do, at rest.

    Its rate settles at max(0, rate of s + rate of r - 1). A source that sends one row a
    sample sends it to each token of the sample.
    """

    def __init__(self, config: SpikingBertConfig) -> None:
        super().__init__()
        self.threshold = config.threshold

    def forward(self, layout: Layout, *sources: torch.Tensor) -> torch.Tensor:
        """Return the current of s and r."""
        s, r = sources
        if len(r) != len(s):
            r = r[layout.sample]
        return self.threshold * (s + r - 1.0)


class Gate(Map):
    """gain * the sum over the tokens of a sample, channel by channel."""

    per_sample = True

    def __init__(self, config: SpikingBertConfig) -> None:
        super().__init__()
        scale = torch.full((config.hidden_size,), config.attention_scale)
        self.gain = nn.Parameter(scale)

    def forward(self, layout: Layout, *sources: torch.Tensor) -> torch.Tensor:
        """Return the current of s."""
        (s,) = sources
        total = s.new_zeros((len(layout.lengths), s.shape[1]))
        return self.gain * total.index_add(0, layout.sample, s)
