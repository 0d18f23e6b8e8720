"""What a SpikingBERT answers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers.utils.generic import ModelOutput


@dataclass
class SettledOutput(ModelOutput):
    """What a SpikingBERT without a classifier answers."""

    last_hidden_state: torch.Tensor | None = None
    """rates of the last block, (samples, tokens, D); 0 at padding"""
    hidden_states: tuple[torch.Tensor, ...] | None = None
    """the same of the encoder and of each block, if asked for"""
    scores: tuple[torch.Tensor, ...] | None = None
    """q k / sqrt(d) of each block's rates, (samples, heads, longest, longest), if asked
    for; -inf where the second token is none"""


@dataclass
class SettledClassification(ModelOutput):
    """What a SpikingBERT answers."""

    loss: torch.Tensor | None = None
    """where labels were given: cross entropy, or of one class the squared error"""
    logits: torch.Tensor | None = None
    """(samples, classes)"""
    hidden_states: tuple[torch.Tensor, ...] | None = None
    """as those of `SettledOutput`"""
    scores: tuple[torch.Tensor, ...] | None = None
    """as those of `SettledOutput`"""
