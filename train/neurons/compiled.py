"""The elementwise work of a spiking layer in one pass, compiled for this machine.

Eager torch reads and writes the whole tensor once an operation, which is most of what
a step of training costs. `torch.compile` writes the same operations as one loop; the
tests compare both, to the bit where the order of operations is the same.
"""

from __future__ import annotations

import functools
import math
import shutil
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from spikewright.errors import BackendMissingError
from spikewright.train.meter import Say

COMPILERS = ("g++", "clang++", "c++", "cl")
Tensor = torch.Tensor


def has_compiler() -> bool:
    """Whether a C++ compiler is at hand, which torch.compile needs on a CPU."""
    return torch.cuda.is_available() or any(map(shutil.which, COMPILERS))


def compile_neurons(model: nn.Module) -> None:
    """Let every neuron of `model` that knows how train by compiled loops.

    Raises:
        BackendMissingError: there is no C++ compiler.
    """
    if not has_compiler():
        raise BackendMissingError(
            "compiled neurons need a C++ compiler, and none of "
            f"{', '.join(COMPILERS)} is on the PATH; install one (Debian: apt install "
            'g++) or set compile = "never"'
        )
    for module in model.modules():
        if hasattr(module, "compiled"):
            module.compiled = True  # type: ignore[assignment]


def compile_as_told(model: nn.Module, choice: str, label: str, say: Say) -> None:
    """Let neurons and norms train by compiled loops, if the configuration wants it.

    Args:
        model: in training.
        choice: "auto", "always" or "never".
        label: the table of the configuration that says so.
        say: receives a line on it.

    Raises:
        BackendMissingError: it insists, and there is no C++ compiler.
    """
    if choice == "never":
        return
    if choice == "auto" and not has_compiler():
        say(
            f"{label}: no C++ compiler found, so neurons are not compiled; this is slow"
        )
        return
    say(f"{label}: neurons and norms are compiled at the first step")
    compile_neurons(model)


VARIANTS = 64
"""of a kernel: types, strides and channels that a model may have; by default torch
compiles 8 and then goes on without compiling"""


@functools.cache
def compile_once(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Return the kernel, compiled once for all numbers of tokens."""
    made = torch.compile(kernel, dynamic=True, fullgraph=True)

    @functools.wraps(kernel)
    def run(*inputs: Any) -> Any:
        with torch._dynamo.config.patch(recompile_limit=VARIANTS):
            return made(*inputs)

    return run


# --- the arctangent surrogate's neuron ------------------------------------------------


Parts = tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]
"""z, gain, shift, and skip with what it skips from, or None twice"""


def _currents(parts: Parts) -> list[Tensor]:
    """Return a[t] = gain z[t] + shift (+ skip more[t]) in float32."""
    z, gain, shift, skip, more = parts
    found = [each.float() * gain + shift for each in z]
    if skip is None or more is None:
        return found
    return [a + skip * b for a, b in zip(found, more, strict=True)]


def _potentials(currents: list[Tensor], beta: float, threshold: float) -> list[Tensor]:
    """Return v[t] = beta v[t-1] (1 - s[t-1]) + a[t]."""
    found, v = [], torch.zeros_like(currents[0])
    for a in currents:
        v = a + beta * v
        found.append(v)
        v = torch.where(v > threshold, 0.0, v)
    return found


def arctangent_gradients(
    potentials: list[Tensor],
    grad: Tensor,
    beta: float | Tensor,
    threshold: float | Tensor,
    alpha: float,
) -> list[Tensor]:
    """Return dL/da[t], none through the reset, dS/dv the arctangent's."""
    found, later = [], torch.zeros_like(potentials[0])
    for v, g in zip(reversed(potentials), reversed(grad.unbind()), strict=True):
        slope = 1 + (math.pi / 2 * alpha * (v - threshold)).square()
        carried = torch.where(v > threshold, 0.0, beta * later)
        later = g.float() * (alpha / 2) / slope + carried
        found.append(later)
    return found[::-1]


def _spikes(parts: Parts, beta: float, threshold: float) -> Tensor:
    found, kind = _potentials(_currents(parts), beta, threshold), parts[0].dtype
    # Each as a number of its last type: comparisons that are stacked first are not
    # vectorized, which makes the loop 25 times slower.
    return torch.stack([torch.where(v > threshold, 1.0, 0.0).to(kind) for v in found])


def _spikes_backward(
    grad: Tensor, parts: Parts, beta: float, threshold: float, alpha: float
) -> Parts:
    z, gain, _, skip, more = parts
    found = _potentials(_currents(parts), beta, threshold)
    da = torch.stack(arctangent_gradients(found, grad, beta, threshold, alpha))
    dz, dgain = (da * gain).to(z.dtype), (da * z.float()).sum(dim=(0, 1))
    dshift = da.sum(dim=(0, 1))
    if skip is None or more is None:
        return dz, dgain, dshift, None, None
    dskip = (da * more.float()).sum(dim=(0, 1))
    return dz, dgain, dshift, dskip, (da * skip).to(more.dtype)


class _NormLeaky(torch.autograd.Function):
    """s = LIF(gain z + shift + skip more); keeps its inputs, not its potentials."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        *parts, beta, threshold, alpha = inputs
        ctx.save_for_backward(*parts)
        ctx.numbers = beta, threshold, alpha
        spikes: Tensor = compile_once(_spikes)(tuple(parts), beta, threshold)
        return spikes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        found: Parts = compile_once(_spikes_backward)(
            grads[0], tuple(ctx.saved_tensors), *ctx.numbers
        )
        return *found, None, None, None


def norm_leaky(  # noqa: PLR0913 - the parts of one layer
    z: Tensor,
    gain: Tensor,
    shift: Tensor,
    *,
    skip: Tensor | None = None,
    more: Tensor | None = None,
    beta: float,
    threshold: float,
    alpha: float,
) -> Tensor:
    """Return the spikes of a Leaky with reset to zero, from rest.

    v[t] = beta v[t-1] (1 - s[t-1]) + gain z[t] + shift + skip more[t], in float32;
    s[t] = v[t] > threshold

    Args:
        z: (steps, tokens, channels).
        gain: (channels,).
        shift: (channels,).
        skip: (channels,), with `more`.
        more: (steps, tokens, channels).
        beta: the decay.
        threshold: of v, strict.
        alpha: sharpness of the arctangent surrogate.

    Returns:
        0 and 1, of the shape and type of z.
    """
    spikes: Tensor = _NormLeaky.apply(  # type: ignore[no-untyped-call]
        z, gain, shift, skip, more, beta, threshold, alpha
    )
    return spikes


# --- the norm's moments ---------------------------------------------------------------


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    wide = x.float()
    mean = wide.mean(dim=0)
    return mean, (wide - mean).square().mean(dim=0)


def _moments_backward(
    x: Tensor, mean: Tensor, grad_mean: Tensor, grad_variance: Tensor
) -> Tensor:
    share = 1.0 / len(x)
    slope = grad_mean * share + grad_variance * (2 * share) * (x.float() - mean)
    return slope.to(x.dtype)


class _Moments(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        (x,) = inputs
        mean, variance = compile_once(_moments)(x)
        ctx.save_for_backward(x, mean)
        return mean, variance

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        x, mean = ctx.saved_tensors
        slope: Tensor = compile_once(_moments_backward)(x, mean, *grads)
        return slope


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance (biased) of each channel of (rows, channels)."""
    mean, variance = _Moments.apply(x)  # type: ignore[no-untyped-call]
    return mean, variance
