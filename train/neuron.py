"""The student's neuron: snnTorch's `Leaky`, exactly, but all steps at once.

One node of the autograd graph that keeps potentials only, where stepping snnTorch's
module keeps every intermediate of every step.
"""

from __future__ import annotations

import math
from typing import Any

import snntorch
import torch

SURROGATE_ALPHA = 2.0


def leaky(beta: float) -> snntorch.Leaky:
    """Return the one neuron of all our students: NIR's LIF with r = tau / dt.

    v[t] = beta v[t-1] (1 - s[t-1]) + a[t];  s[t] = v[t] > 1
    """
    # snnTorch reads its own buffers while it builds, which fails on the meta device
    # that from_pretrained builds models on.
    with torch.device("cpu"):
        return snntorch.Leaky(
            beta=beta,
            threshold=1.0,
            reset_mechanism="zero",
            spike_grad=snntorch.surrogate.atan(alpha=SURROGATE_ALPHA),
        )


class _MultiStepLeaky(torch.autograd.Function):
    """Runs all steps in one node of the autograd graph, storing only v."""

    @staticmethod
    def forward(
        ctx: Any,
        current: torch.Tensor,
        beta: float,
        threshold: float,
    ) -> torch.Tensor:
        wide = torch.promote_types(current.dtype, torch.float32)
        potentials = torch.empty_like(current, dtype=wide)
        v = torch.zeros_like(potentials[0])
        for t in range(len(current)):
            # Not add(alpha=beta): that rounds once where snnTorch rounds twice.
            v = torch.add(current[t], v.mul_(beta), out=potentials[t])
            v = v.masked_fill(v > threshold, 0.0)
        ctx.save_for_backward(potentials)
        ctx.beta, ctx.threshold = beta, threshold
        return (potentials > threshold).to(current.dtype)

    @staticmethod
    def backward(
        ctx: Any,
        *grads: torch.Tensor,
    ) -> tuple[torch.Tensor, None, None]:
        (potentials,) = ctx.saved_tensors
        (grad_spikes,) = grads
        slope = math.pi / 2 * SURROGATE_ALPHA
        distance = (potentials - ctx.threshold).mul_(slope)
        surrogate = distance.square_().add_(1).reciprocal_().mul_(SURROGATE_ALPHA / 2)
        grad = surrogate.mul_(grad_spikes)  # dL/dv through this step's spike
        for t in range(len(grad) - 2, -1, -1):
            # v[t+1] = beta v[t] (1 - s[t]) + a: no gradient through the reset
            kept = potentials[t] <= ctx.threshold
            grad[t].add_((grad[t + 1] * kept).mul_(ctx.beta))
        return grad.to(grad_spikes.dtype), None, None


def run_leaky(neuron: snntorch.Leaky, current: torch.Tensor) -> torch.Tensor:
    """Return the spikes of `neuron`, from rest, for all steps of `current`.

    Args:
        neuron: made by `leaky`.
        current: (steps, …).

    Returns:
        0 and 1, of the shape and type of `current`; gradients are snnTorch's own.
    """
    spikes: torch.Tensor = _MultiStepLeaky.apply(  # type: ignore[no-untyped-call]
        current, float(neuron.beta), float(neuron.threshold)
    )
    return spikes
