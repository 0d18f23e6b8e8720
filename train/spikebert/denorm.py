"""A SpikeBERT whose norms fold, near the LayerNorm one that it is made of.

LayerNorm y = g (x - mean of the token) / deviation of the token + b needs each token's
own moments, which no neuron computes. Its nearest line in x, channel by channel, needs
none: slope cov(x, y) / var(x) through the means of x and y. So of each channel

    mean, variance   x's, measured in the new student itself, layer after layer
    weight, bias     cov(x, y) / deviation(x) and mean(y), measured in the old one
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification

Batch = Mapping[str, torch.Tensor]
"""`input_ids` and `attention_mask`, (samples, tokens)"""
LEAST_VARIANCE = 1e-5
"""that of FoldableNorm: a channel that never changes gets no slope"""


@torch.no_grad()
def foldable_twin(
    student: SpikeBertForSequenceClassification, batches: Sequence[Batch]
) -> SpikeBertForSequenceClassification:
    """Return a student of `norm = "channel"` that answers nearly like one of "layer".

    Args:
        student: with LayerNorm, in evaluation mode.
        batches: texts that the norms are measured on.
    """
    config = copy.deepcopy(student.config)
    config.norm = "channel"
    twin = SpikeBertForSequenceClassification(config)
    twin.load_state_dict({**twin.state_dict(), **student.state_dict()})
    twin.to(student.device).eval()  # type: ignore[arg-type]
    lines = _lines(student, batches)
    norms = {
        name: module
        for name, module in twin.named_modules()
        if isinstance(module, FoldableNorm)
    }
    for name, norm in norms.items():
        norm.weight.copy_(lines[name].weight)
        norm.bias.copy_(lines[name].bias)
    _measure(twin, list(norms.values()), batches)
    return twin


def _measure(
    twin: nn.Module, norms: Sequence[FoldableNorm], batches: Sequence[Batch]
) -> None:
    """Set each norm's statistics to their mean over batches, all norms at work."""
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
    for count, batch in enumerate(batches, start=1):
        for norm in norms:
            norm.momentum = 1 / count
        twin(**batch)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
        norm.eval()


# --- what a LayerNorm does to each channel -------------------------------------------


class _Line:
    """The least-squares line from x to y of each channel, from sums in float64."""

    def __init__(self) -> None:
        self.count, self.sums = 0, torch.zeros(())

    def add(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Take more of them, (…, channels) each."""
        x, y = x.double().flatten(0, -2), y.double().flatten(0, -2)
        sums = torch.stack([x.sum(0), y.sum(0), (x * x).sum(0), (x * y).sum(0)])
        self.sums = self.sums.to(sums.device) + sums
        self.count += len(x)

    @property
    def weight(self) -> torch.Tensor:
        """Return the slope for an x of deviation 1, (channels,)."""
        x, y, square, product = self.sums / self.count
        covariance: torch.Tensor = product - x * y
        return covariance * torch.rsqrt(square - x * x + LEAST_VARIANCE)

    @property
    def bias(self) -> torch.Tensor:
        """Return the mean of y, (channels,)."""
        return self.sums[1] / self.count


def _lines(student: nn.Module, batches: Sequence[Batch]) -> dict[str, _Line]:
    lines = {
        name: _Line()
        for name, module in student.named_modules()
        if isinstance(module, nn.LayerNorm)
    }
    hooks = [
        student.get_submodule(name).register_forward_hook(
            functools.partial(_note, line)
        )
        for name, line in lines.items()
    ]
    try:
        for batch in batches:
            student(**batch)
    finally:
        for hook in hooks:
            hook.remove()
    return lines


def _note(line: _Line, module: nn.Module, given: Any, y: torch.Tensor) -> None:
    del module
    line.add(given[0], y)
