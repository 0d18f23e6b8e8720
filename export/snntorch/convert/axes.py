"""Functions that move numbers, or sum them along axes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from spikewright.errors import GraphError
from spikewright.export.snntorch.convert.pools import summed_tokens
from spikewright.export.snntorch.convert.signal import Signal
from spikewright.export.snntorch.convert.sums import Lowering
from spikewright.export.snntorch.record.tape import Call, with_values

MOVES = (
    *("view", "reshape", "flatten", "transpose", "permute", "movedim", "moveaxis"),
    *("swapaxes", "swapdims", "squeeze", "unsqueeze", "unflatten", "ravel", "view_as"),
    *("reshape_as", "t", "T", "mT", "contiguous", "clone", "detach", "requires_grad_"),
    *("flip", "roll", "squeeze_", "unsqueeze_", "t_", "detach_", "__getitem__"),
)
"""functions that may put numbers into other places, and change none"""


def rearranged(lowering: Lowering, call: Call) -> Signal:
    """Let a function move places instead of numbers.

    Raises:
        GraphError: it leaves out or repeats numbers, or mixes samples.
    """
    signal = lowering.signal(call.args[0])
    samples, size = call.args[0].shape[0], signal.places.size
    moved = _moved(call, signal, samples)
    is_kept = moved.ndim > 0 and moved.shape[0] == samples
    codes = moved.reshape(samples, -1) if is_kept else None
    if codes is None or np.any(codes // size != np.arange(samples)[:, np.newaxis]):
        raise GraphError(
            f"module '{call.path}': '{call.name}' mixes the samples of a batch; keep "
            "the first axis (flatten from axis 1 on, squeeze an axis by its number)"
        )
    if not np.array_equal(np.sort(codes[0]), np.arange(size)):
        raise GraphError(
            f"module '{call.path}': '{call.name}' leaves out or repeats numbers, and "
            "NIR has no node that selects; use a linear layer with weights 0 and 1"
        )
    constant = signal.constant
    if constant is not None:
        flat = np.empty(size)
        flat[signal.places.reshape(-1)] = constant.reshape(-1)
        constant = flat[moved[0]]
    return replace(signal, places=moved[0], constant=constant)


def _moved(call: Call, signal: Signal, samples: int) -> np.ndarray:
    """Run a function on the places of all samples, each with numbers of its own."""
    firsts = np.arange(samples) * signal.places.size
    axes = tuple(1 for _ in signal.places.shape)
    coded = torch.from_numpy(signal.places + firsts.reshape(-1, *axes))
    others, named = with_values(
        (call.args[1:], call.kwargs), lambda each: torch.empty(each.shape)
    )
    moved: np.ndarray = call.run(coded, *others, **named).numpy()
    return moved


def summed_axes(lowering: Lowering, call: Call) -> Signal:
    """Sum or average over axes of each sample.

    Raises:
        GraphError: over samples or steps.
    """
    given = dict(zip(("dim", "keepdim"), call.args[1:], strict=False)) | call.kwargs
    rank, dims = len(call.args[0].shape), given.get("dim")
    wanted = [dims] if isinstance(dims, int) else list(dims or range(rank))
    axes = sorted(int(each) % rank for each in wanted)
    if 0 in axes:
        raise GraphError(
            f"module '{call.path}': '{call.name}' over samples or steps; a graph's "
            "Output has one value a step; return the steps stacked, and sum outside"
        )
    signal, own = lowering.signal(call.args[0]), [axis - 1 for axis in axes]
    name, is_mean = lowering.name(call, call.name), call.name == "mean"
    made = summed_tokens(lowering.sketch, name, signal, own, is_mean=is_mean)
    if given.get("keepdim"):
        return made
    constant = made.constant
    if constant is not None:
        constant = np.squeeze(constant, tuple(own))
    return replace(made, places=np.squeeze(made.places, tuple(own)), constant=constant)
