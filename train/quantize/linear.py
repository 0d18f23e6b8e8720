"""Products of the chip's integers with spikes, exact; gradients pass the rounding."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional


def exactly(integers: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Return the integers, with the gradient of the numbers that were rounded."""
    return integers + (real - real.detach())  # a number minus itself is 0, exactly


class _ExactLinear(torch.autograd.Function):
    """Sums in float32, gradients in bfloat16 as where all of a training is in it.

    Eight-bit integers and spikes are bfloat16 numbers; their sums are not.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        short = x.to(torch.bfloat16), weight.to(torch.bfloat16)
        ctx.save_for_backward(*short)
        return functional.linear(x, weight)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, weight = ctx.saved_tensors
        grad = grads[0].to(torch.bfloat16)
        into = grad.flatten(0, -2).T @ x.flatten(0, -2)
        return (grad @ weight).to(grads[0].dtype), into.to(grads[0].dtype)


def exact_linear(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return x @ weight.T.

    Args:
        x: spikes, (…, sources), float32.
        weight: integers of eight bits times a power of two, (targets, sources).
    """
    found: torch.Tensor = _ExactLinear.apply(x, weight)  # type: ignore[no-untyped-call]
    return found
