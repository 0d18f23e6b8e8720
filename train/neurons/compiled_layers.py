"""The layers of a SpikeBERT in compiled loops: LayerNorm with neuron, rows and heads.

All arithmetic is in float32, in the order of train.neuron; only the sums of LayerNorm
may be rounded otherwise than torch's own.
"""

from __future__ import annotations

from typing import Any

import torch

from spikewright.train.neurons.compiled import compile_once
from spikewright.train.neurons.leaky import SURROGATES

Tensor = torch.Tensor
Neuron = tuple[float, float, float, str, float]
"""drive, beta, threshold, surrogate, sharpness"""
COMPILED_TYPES = (torch.float32, torch.bfloat16, torch.float16)


# --- the neuron ----------------------------------------------------------------------


def _potentials(currents: list[Tensor], neuron: Neuron) -> list[Tensor]:
    """Return v[t] = beta v[t-1] (1 - s[t-1]) + drive a[t]."""
    drive, beta, threshold, _, _ = neuron
    found, kept = [], torch.zeros_like(currents[0])
    for a in currents:
        v = a * drive + kept * beta
        found.append(v)
        kept = torch.where(v > threshold, 0.0, v)
    return found


def _gradients(potentials: list[Tensor], grad: Tensor, neuron: Neuron) -> list[Tensor]:
    """Return dL/da[t], none through the reset."""
    drive, beta, threshold, surrogate, sharpness = neuron
    slope, found = SURROGATES[surrogate], []
    later = torch.zeros_like(potentials[0])
    for v, g in zip(reversed(potentials), reversed(grad.unbind()), strict=True):
        carried = torch.where(v > threshold, 0.0, later) * beta
        later = slope(v - threshold, sharpness, g.float()) + carried
        found.append(later * drive)
    return found[::-1]


def _ones(potentials: list[Tensor], neuron: Neuron) -> list[Tensor]:
    # As numbers at once: comparisons that are stacked first are not vectorized.
    return [torch.where(v > neuron[2], 1.0, 0.0) for v in potentials]


def _fire(current: Tensor, neuron: Neuron) -> Tensor:
    steps = _potentials([each.float() for each in current], neuron)
    return torch.stack([each.to(current.dtype) for each in _ones(steps, neuron)])


def _fire_backward(grad: Tensor, current: Tensor, neuron: Neuron) -> Tensor:
    steps = _potentials([each.float() for each in current], neuron)
    found = _gradients(steps, grad, neuron)
    return torch.stack([each.to(current.dtype) for each in found])


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, current: Tensor, neuron: Neuron) -> Tensor:
        ctx.save_for_backward(current)
        ctx.neuron = neuron
        spikes: Tensor = compile_once(_fire)(current, neuron)
        return spikes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return compile_once(_fire_backward)(
            *grads, *ctx.saved_tensors, ctx.neuron
        ), None


def fire(current: Tensor, neuron: Neuron) -> Tensor:
    """Return the spikes of a neuron, from rest, for all steps of a: (steps, …)."""
    spikes: Tensor = _Fire.apply(current, neuron)  # type: ignore[no-untyped-call]
    return spikes


# --- LayerNorm and neuron ------------------------------------------------------------


def _row_moments(z: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return mean and 1 / deviation over the last axis."""
    wide = z.float()
    mean = wide.mean(dim=-1, keepdim=True)
    variance = (wide - mean).square().mean(dim=-1, keepdim=True)
    return mean, torch.rsqrt(variance + eps)


def _unit(z: Tensor, mean: Tensor, scale: Tensor) -> list[Tensor]:
    steps = zip(z, mean, scale, strict=True)
    return [(each.float() - m) * s for each, m, s in steps]


Layer = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""z, mean, 1 / deviation, weight, bias"""


def _layer_potentials(layer: Layer, neuron: Neuron) -> list[Tensor]:
    *given, weight, bias = layer
    return _potentials([x * weight + bias for x in _unit(*given)], neuron)


def _layer_spikes(layer: Layer, more: Tensor | None, neuron: Neuron) -> Tensor:
    spikes = _ones(_layer_potentials(layer, neuron), neuron)
    if more is None:
        return torch.stack([each.to(layer[0].dtype) for each in spikes])
    return torch.stack([x + each for x, each in zip(more, spikes, strict=True)])


def _layer_backward(
    grad: Tensor, layer: Layer, neuron: Neuron
) -> tuple[Tensor, Tensor, Tensor]:
    """Return dL/dz, and of each token dL/dweight and dL/dbias.

    Their sum over tokens is torch's own: a compiled loop runs down each column.
    """
    z, mean, scale, weight, _ = layer
    dy = _gradients(_layer_potentials(layer, neuron), grad, neuron)
    steps = _unit(z, mean, scale)
    dweight = (
        sum(d * x for d, x in zip(dy[1:], steps[1:], strict=True)) + dy[0] * steps[0]
    )
    dbias = sum(dy[1:]) + dy[0]
    unit = (z.float() - mean) * scale
    dx = torch.stack(dy) * weight
    level = dx.mean(dim=-1, keepdim=True)
    slope = (dx * unit).mean(dim=-1, keepdim=True)
    return ((dx - level - unit * slope) * scale).to(z.dtype), dweight, dbias


class _LayerLeaky(torch.autograd.Function):
    """Keeps z and its moments, not its potentials."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        z, weight, bias, more, eps, neuron = inputs
        mean, scale = compile_once(_row_moments)(z, eps)
        layer = (z, mean, scale, weight, bias)
        ctx.save_for_backward(*layer)
        ctx.neuron, ctx.adds = neuron, more is not None
        spikes: Tensor = compile_once(_layer_spikes)(layer, more, neuron)
        return spikes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        run = compile_once(_layer_backward)
        dz, dweight, dbias = run(grad, ctx.saved_tensors, ctx.neuron)
        found = dz, dweight.sum(dim=0), dbias.sum(dim=0)
        return *found, grad if ctx.adds else None, None, None


def layer_leaky(
    z: Tensor, norm: tuple[Tensor, Tensor, float], neuron: Neuron, more: Tensor | None
) -> Tensor:
    """Return LIF(LayerNorm(z)), or more + LIF(LayerNorm(z)).

    Args:
        z: (steps, tokens, …, channels).
        norm: weight and bias, (…, channels), and eps.
        neuron: its numbers.
        more: of the shape of z, or None.

    Returns:
        Of the type of `more`, or else 0 and 1 of the type of z.
    """
    weight, bias, eps = norm
    found: Tensor = _LayerLeaky.apply(  # type: ignore[no-untyped-call]
        z, weight, bias, more, eps, neuron
    )
    return found


# --- rows and heads ------------------------------------------------------------------

Index = tuple[Tensor, Tensor, Tensor]
"""row of each place, -1 for none, (samples, longest); sample and place of each row"""


def _by_head(rows: Tensor, row: Tensor, heads: int) -> Tensor:
    found = rows[:, row.clamp(min=0)].float()
    found = torch.where((row >= 0)[..., None, None], found, 0.0)
    split = found.view(*found.shape[:-1], heads, -1)
    return split.permute(3, 0, 1, 4, 2, 5).contiguous()


def _by_row(places: Tensor, sample: Tensor, place: Tensor) -> Tensor:
    """Return (steps, tokens, parts, channels) of (parts, steps, samples, heads, …)."""
    return places.permute(1, 2, 4, 0, 3, 5)[:, sample, place].flatten(-2)


def _by_head_backward(
    grad: Tensor, sample: Tensor, place: Tensor, kind: torch.dtype
) -> Tensor:
    return _by_row(grad, sample, place).to(kind).contiguous()


class _ByHead(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Index, heads: int) -> Tensor:
        row, *back = index
        ctx.save_for_backward(*back)
        ctx.kind = rows.dtype
        found: Tensor = compile_once(_by_head)(rows, row, heads)
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        run = compile_once(_by_head_backward)
        return run(*grads, *ctx.saved_tensors, ctx.kind), None, None


def by_head(rows: Tensor, index: Index, heads: int) -> Tensor:
    """Spread rows over places, zero where there is no token, in float32.

    Args:
        rows: (steps, tokens, parts, channels).
        index: of the layout.
        heads: that the channels are split into.

    Returns:
        (parts, steps, samples, heads, longest, channels / heads).
    """
    found: Tensor = _ByHead.apply(rows, index, heads)  # type: ignore[no-untyped-call]
    return found


def _count_potentials(
    counts: Tensor, sample: Tensor, place: Tensor, scale: float, neuron: Neuron
) -> list[Tensor]:
    rows = _by_row(counts[None], sample, place).flatten(2)
    return _potentials([each * scale for each in rows], neuron)


def _count_spikes(
    counts: Tensor, index: Index, scale: float, neuron: Neuron, kind: torch.dtype
) -> Tensor:
    found = _count_potentials(counts, *index[1:], scale, neuron)
    return torch.stack([each.to(kind) for each in _ones(found, neuron)])


def _count_backward(
    grad: Tensor, counts: Tensor, index: Index, scale: float, neuron: Neuron
) -> Tensor:
    found = _count_potentials(counts, *index[1:], scale, neuron)
    return torch.stack([each * scale for each in _gradients(found, grad, neuron)])


class _FireCounts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        counts, index, scale, neuron, _ = inputs
        ctx.save_for_backward(counts, *index)
        ctx.numbers = scale, neuron
        spikes: Tensor = compile_once(_count_spikes)(*inputs)
        return spikes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        counts, *index = ctx.saved_tensors
        rows = compile_once(_count_backward)(*grads, counts, tuple(index), *ctx.numbers)
        found = compile_once(_by_head)(rows[:, :, None], index[0], counts.shape[2])
        return found[0], None, None, None, None


def fire_counts(
    counts: Tensor, index: Index, scale: float, neuron: Neuron, kind: torch.dtype
) -> Tensor:
    """Return the spikes of a neuron that reads scaled counts, in rows.

    Args:
        counts: (steps, samples, heads, longest, channels / heads), float32.
        index: of the layout.
        scale: of the counts.
        neuron: its numbers.
        kind: type of the spikes.

    Returns:
        (steps, tokens, channels).
    """
    spikes: Tensor = _FireCounts.apply(  # type: ignore[no-untyped-call]
        counts, index, scale, neuron, kind
    )
    return spikes
