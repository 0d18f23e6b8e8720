"""The student's neuron: snnTorch's `Leaky`, exactly, but all steps at once.

One node of the autograd graph that keeps potentials only, where stepping snnTorch's
module keeps every intermediate of every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import snntorch
import torch

SURROGATE_ALPHA = 2.0


def _arctangent(
    distance: torch.Tensor, alpha: float, grad: torch.Tensor
) -> torch.Tensor:
    """dS/dv = alpha/2 / (1 + (pi/2 alpha (v - threshold))^2)."""
    slope = distance.mul_(math.pi / 2 * alpha).square_().add_(1).reciprocal_()
    return slope.mul_(alpha / 2).mul_(grad)


def _fast_sigmoid(
    distance: torch.Tensor, slope: float, grad: torch.Tensor
) -> torch.Tensor:
    """dS/dv = 1 / (slope |v - threshold| + 1)^2."""
    return grad / distance.abs_().mul_(slope).add_(1).square_()


Slope = Callable[[torch.Tensor, float, torch.Tensor], torch.Tensor]
SURROGATES: dict[str, Slope] = {"atan": _arctangent, "fast_sigmoid": _fast_sigmoid}
"""(v - threshold, its sharpness, dL/ds) -> dL/dv through the spike of this step"""


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
        surrogate: str,
        sharpness: float,
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
        ctx.surrogate, ctx.sharpness = surrogate, sharpness
        return (potentials > threshold).to(current.dtype)

    @staticmethod
    def backward(
        ctx: Any,
        *grads: torch.Tensor,
    ) -> tuple[torch.Tensor, None, None, None, None]:
        (potentials,) = ctx.saved_tensors
        (grad_spikes,) = grads
        distance = potentials - ctx.threshold
        grad = SURROGATES[ctx.surrogate](distance, ctx.sharpness, grad_spikes)
        for t in range(len(grad) - 2, -1, -1):
            # v[t+1] = beta v[t] (1 - s[t]) + a: no gradient through the reset
            kept = potentials[t] <= ctx.threshold
            grad[t].add_((grad[t + 1] * kept).mul_(ctx.beta))
        return grad.to(grad_spikes.dtype), None, None, None, None


def run_leaky(neuron: snntorch.Leaky, current: torch.Tensor) -> torch.Tensor:
    """Return the spikes of `neuron`, from rest, for all steps of `current`.

    Args:
        neuron: made by `leaky`.
        current: (steps, …).

    Returns:
        0 and 1, of the shape and type of `current`; gradients are snnTorch's own.
    """
    return spike(current, beta=float(neuron.beta), threshold=float(neuron.threshold))


def spike(
    current: torch.Tensor,
    *,
    beta: float,
    threshold: float,
    surrogate: str = "atan",
    sharpness: float = SURROGATE_ALPHA,
) -> torch.Tensor:
    """Return the spikes of a Leaky with reset to zero, from rest, for all steps.

    v[t] = beta v[t-1] (1 - s[t-1]) + a[t];  s[t] = v[t] > threshold

    Args:
        current: a, (steps, …).
        beta: the decay.
        threshold: of v, strict.
        surrogate: key of `SURROGATES`.
        sharpness: its alpha or slope.

    Returns:
        0 and 1, of the shape and type of `current`.
    """
    spikes: torch.Tensor = _MultiStepLeaky.apply(  # type: ignore[no-untyped-call]
        current, beta, threshold, surrogate, sharpness
    )
    return spikes
