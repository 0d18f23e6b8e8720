"""NIR's nodes that neither torch nor snnTorch has a module for."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from spikewright.values import FloatArray, Shape


class Layer(nn.Module):
    """A module that stands for one NIR node."""


class Scale(Layer):
    """y = weight * x."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scale (batch, *shape)."""
        return x * self.weight


class Matrices(Layer):
    """y = weight @ x + bias over the last axis, each leading index with its own."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, …, sources) to (batch, …, targets)."""
        y = torch.matmul(self.weight, x.unsqueeze(-1)).squeeze(-1)
        return y if self.bias is None else y + self.bias


class Reshape(Layer):
    """y = x in another shape."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Reshape (batch, …)."""
        return x.reshape(len(x), *self.shape)


class Delay(Layer):
    """y[t] = x[t - steps], for each element; 0 before."""

    def __init__(self, delay_s: FloatArray, steps: FloatArray) -> None:
        super().__init__()
        self.delay_s = delay_s
        self.steps = steps
        self._past: list[torch.Tensor] = []

    def rest(self) -> None:
        """Forget the past."""
        self._past = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Take the values (batch, *shape) of a step, give those of an earlier one."""
        self._past.append(x)
        y = torch.zeros_like(x)
        for late in np.unique(self.steps):
            if late < len(self._past):
                here = torch.from_numpy(self.steps == late).to(x.device)
                y = torch.where(here, self._past[-1 - int(late)], y)
        del self._past[: -1 - int(self.steps.max())]
        return y
