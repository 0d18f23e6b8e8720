"""Fixed points by Anderson acceleration: y = step(y)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch

from spikewright.errors import SpikewrightError

MEMORY = 6
"""differences of earlier evaluations that the next guess is made of"""


class NoEquilibriumError(SpikewrightError, ArithmeticError):
    """A map has no fixed point that the solver finds, such as one that expands."""


@dataclass(frozen=True, eq=False)
class Solution:
    """A fixed point, as far as it was found."""

    value: torch.Tensor
    residual: float
    """largest entry of |step(value) - value|"""
    evaluations: int


@torch.no_grad()
def solve(
    step: Callable[[torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    *,
    tolerance: float,
    most: int,
    what: str,
) -> Solution:
    """Return y = step(y), to a residual of `tolerance`.

    With residuals g_k = step(y_k) - y_k, and dG, dF the differences between the last
    g_k and step(y_k), the next guess is step(y_k) - dF c, c = argmin |g_k - dG c|.

    Args:
        step: the map.
        start: y_0.
        tolerance: largest entry of |step(y) - y|.
        most: evaluations of `step`.
        what: is solved, for the message.

    Raises:
        NoEquilibriumError: not within so many evaluations.
    """
    y, residual = start, math.inf
    past: list[tuple[torch.Tensor, torch.Tensor]] = []
    for evaluation in range(1, most + 1):
        image = step(y)
        gap = image - y
        before, residual = residual, float(gap.abs().max())
        if residual <= tolerance:
            return Solution(image, residual, evaluation)
        if not math.isfinite(residual):
            break
        if residual > 2 * before:
            past.clear()  # a corner of the clamp: what was learned before misleads
        past = [*past, (gap.flatten(), image.flatten())][-MEMORY:]
        y = _next(past).view_as(image)
    raise NoEquilibriumError(
        f"{what}: the residual is {residual:.3g} after {evaluation} evaluations, must "
        f"be {tolerance:.3g}: the rates have no equilibrium, or settle too slowly; "
        "shrink the feedback, or allow more solver_evaluations"
    )


def _next(past: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """Return the next guess from pairs of residual and image, the newest last."""
    gap, image = past[-1]
    if len(past) == 1:
        return image
    gaps = torch.stack([newer[0] - older[0] for older, newer in pairwise(past)])
    images = torch.stack([newer[1] - older[1] for older, newer in pairwise(past)])
    normal, right = (gaps @ gaps.T).double(), (gaps @ gap).double()
    # Scaled, with a ridge: differences may be parallel or of very unlike length.
    scale = normal.diagonal().clamp(min=torch.finfo(normal.dtype).tiny).sqrt()
    normal = normal / (scale[:, None] * scale)
    ridge = 1e-12 * torch.eye(len(scale), dtype=normal.dtype, device=normal.device)
    weights = torch.linalg.solve(normal + ridge, right / scale) / scale
    better: torch.Tensor = image - weights.to(image.dtype) @ images
    return better
