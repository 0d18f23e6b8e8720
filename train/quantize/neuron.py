"""Loihi's neuron for training: the arithmetic of its registers, in floats that hold it.

Numbers are in the units of the float student, where one unit of a register is a power
of two: so they are the chip's integers but for a factor that costs no bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from spikewright.loihi import DECAY_ONE
from spikewright.train.neurons.compiled import arctangent_gradients, compile_once
from spikewright.train.neurons.leaky import SURROGATE_ALPHA

Tensor = torch.Tensor


@dataclass(frozen=True)
class Registers:
    """What a population keeps besides its weights."""

    decay: int
    """4096 - dv: what stays of a potential in a step, in 1 / 4096"""
    threshold: float
    """vth, in units of the float student"""
    quantum: float
    """one unit of the potential's register, a power of two"""

    def numbers(self, device: torch.device) -> Tensor:
        """Return (decay / quantum, quantum, decay, threshold), the decay as a factor.

        In the type in which v decay is exact: a product with a power of two has the
        bits of v, any other up to 35.
        """
        is_short = self.decay & (self.decay - 1) == 0
        kept = self.decay / DECAY_ONE
        return torch.tensor(
            [kept / self.quantum, self.quantum, kept, self.threshold],
            dtype=torch.float32 if is_short else torch.float64,
            device=device,
        )


# --- what is compiled: all steps in one loop ------------------------------------------


def _potentials(
    z: Tensor, bias: Tensor | None, skip: Tensor | None, more: Tensor | None, n: Tensor
) -> list[Tensor]:
    """Return v[t] before the reset, in float32."""
    found, v = [], torch.zeros_like(z[0], dtype=n.dtype)
    for t in range(len(z)):
        a = z[t] if bias is None else z[t] + bias
        if skip is not None and more is not None:
            a = a + skip * more[t]
        v = torch.trunc(v * n[0]) * n[1] + a
        found.append(v.float())
        v = torch.where(v > n[3], 0.0, v)
    return found


def _spikes(
    z: Tensor, bias: Tensor | None, skip: Tensor | None, more: Tensor | None, n: Tensor
) -> Tensor:
    found = _potentials(z, bias, skip, more, n)
    return torch.stack([torch.where(v > n[3], 1.0, 0.0) for v in found])


def _gradients(
    grad: Tensor,
    z: Tensor,
    bias: Tensor | None,
    skip: Tensor | None,
    more: Tensor | None,
    n: Tensor,
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    found = _potentials(z, bias, skip, more, n)
    numbers = n.float()  # the gradient needs no more
    da = torch.stack(
        arctangent_gradients(found, grad, numbers[2], numbers[3], SURROGATE_ALPHA)
    )
    dbias = None if bias is None else da.sum(dim=(0, 1))
    if skip is None or more is None:
        return da, dbias, None, None
    return da, dbias, (da * more).sum(dim=(0, 1)), da * skip


# --- the neuron -----------------------------------------------------------------------


class _RegisterLeaky(torch.autograd.Function):
    """All steps in one node of the autograd graph; keeps inputs, not potentials."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        *tensors, ctx.compiled = inputs
        ctx.save_for_backward(*tensors)
        run = compile_once(_spikes) if ctx.compiled else _spikes
        spikes: Tensor = run(*tensors)
        return spikes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        run = compile_once(_gradients) if ctx.compiled else _gradients
        return *run(grads[0], *ctx.saved_tensors), None, None


def register_spikes(
    z: Tensor,
    registers: Registers,
    *,
    bias: Tensor | None = None,
    skip: Tensor | None = None,
    more: Tensor | None = None,
    compiled: bool = False,
) -> Tensor:
    """Return the spikes of `QuantizedNeurons` with hard reset, from rest, at all steps.

    v[t] = rsz(v[t-1] (4096 - dv), 12) (1 - s[t-1]) + z[t] + bias + skip more[t];
    s[t] = v[t] > vth

    Gradients are those of the student's neuron, straight through the rounding.

    Args:
        z: (steps, …, channels), float32. All inputs are multiples of 2**6 quanta, and
            |v| stays below 2**23 of them: then nothing is rounded but by rsz.
        registers: of the population.
        bias: (channels,).
        skip: (channels,), with `more`.
        more: spikes, of the shape of z.
        compiled: run loops that torch.compile made.

    Returns:
        0 and 1, of the shape and type of z.
    """
    numbers = registers.numbers(z.device)
    spikes: Tensor = _RegisterLeaky.apply(  # type: ignore[no-untyped-call]
        z, bias, skip, more, numbers, compiled
    )
    return spikes
