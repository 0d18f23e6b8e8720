"""The neuron of a SpikeBERT: snnTorch's `Leaky`, its input divided by tau or not."""

from __future__ import annotations

import numpy as np
import snntorch
import torch
from torch import nn

from spikewright.train.neurons.compiled_layers import COMPILED_TYPES, Neuron, fire
from spikewright.train.neurons.leaky import spike
from spikewright.train.spikebert.config import SpikeBertConfig


class SpikingNeuron(nn.Module):
    """v[t] = beta v[t-1] (1 - s[t-1]) + drive a[t];  s[t] = H(v[t] - threshold).

    drive is 1 - beta = 1/tau where the leak is "divided", 1 where it is not. H(0) is 0,
    or 1 if ties "fire". dS/dv is the surrogate's; none passes through the reset.
    """

    def __init__(self, config: SpikeBertConfig, *, threshold: float) -> None:
        super().__init__()
        self.beta, self.threshold = config.beta, threshold
        # Rounded, or 20 coincidences at tau 10 would miss the threshold 0.25 they meet.
        share = round(1.0 - config.beta, 12)
        self.drive = share if config.leak == "divided" else 1.0
        self.ties = config.ties
        self.surrogate = config.surrogate
        self.sharpness = config.sharpness
        self.compiled = False  # by train.compiled, while it trains

    def forward(self, current: torch.Tensor) -> torch.Tensor:
        """Return the spikes, from rest, for all steps of a: (steps, …)."""
        if self.compiled and self.training and current.dtype in COMPILED_TYPES:
            return fire(current, self.numbers)
        return spike(
            current if self.drive == 1.0 else current * self.drive,
            beta=self.beta,
            threshold=fires_above(self.threshold, self.ties, current.dtype),
            surrogate=self.surrogate,
            sharpness=self.sharpness,
        )

    @property
    def numbers(self) -> Neuron:
        """Return what a compiled loop in float32 computes with."""
        above = fires_above(self.threshold, self.ties, torch.float32)
        return self.drive, self.beta, above, self.surrogate, self.sharpness

    def as_snntorch(self) -> snntorch.Leaky:
        """Return the snnTorch neuron that this one is, for an input times `drive`."""
        make = {
            "atan": snntorch.surrogate.atan,
            "fast_sigmoid": snntorch.surrogate.fast_sigmoid,
        }[self.surrogate]
        return snntorch.Leaky(
            beta=self.beta,
            threshold=fires_above(self.threshold, self.ties, torch.float32),
            reset_mechanism="zero",
            spike_grad=make(self.sharpness),
        )

    def extra_repr(self) -> str:
        """Return what a printed model says of this neuron."""
        return f"beta={self.beta}, threshold={self.threshold}, drive={self.drive}"


def fires_above(threshold: float, ties: str, dtype: torch.dtype) -> float:
    """Return what v must exceed: the threshold, or the number below it if ties fire."""
    if ties == "silent":
        return threshold
    # A membrane is kept in float32 at least; see spike().
    kind = np.float64 if dtype == torch.float64 else np.float32
    least = -float(np.finfo(kind).tiny)  # below it numbers may be flushed to zero
    return float(np.nextafter(kind(threshold), kind(-np.inf))) if threshold else least


def binarize(x: torch.Tensor, config: SpikeBertConfig) -> torch.Tensor:
    """Return H(x), 0 or 1: a neuron without memory at threshold 0."""
    return spike(
        x[None],
        beta=0.0,
        threshold=fires_above(0.0, config.ties, x.dtype),
        surrogate=config.surrogate,
        sharpness=config.sharpness,
    )[0]
