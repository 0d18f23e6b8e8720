"""How often each population of a SpikeBERT fires."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn

from spikewright.train.spikebert.neuron import SpikingNeuron


@torch.no_grad()
def spike_rates(
    model: nn.Module, input_ids: torch.Tensor, attention_mask: torch.Tensor
) -> dict[str, float]:
    """Return spikes per neuron, token and step of each population, by its name.

    Padding is counted only where the model computes it. The model is left in the mode,
    training or evaluation, that it was in.
    """
    rates: dict[str, float] = {}
    hooks = [
        module.register_forward_hook(functools.partial(_note, rates, name))
        for name, module in model.named_modules()
        if isinstance(module, SpikingNeuron)
    ]
    was_training = model.training
    model.eval()
    try:
        model(input_ids=input_ids, attention_mask=attention_mask)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return rates


def _note(
    rates: dict[str, float], name: str, module: nn.Module, given: Any, spikes: Any
) -> None:
    del module, given
    rates[name.removesuffix(".neuron")] = float(spikes.float().mean())


def mean_rate(rates: dict[str, float]) -> float:
    """Return the mean over populations."""
    return sum(rates.values()) / len(rates)
