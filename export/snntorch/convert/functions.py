"""Torch's functions as nodes; those without one are refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from spikewright.errors import GraphError
from spikewright.export.snntorch.convert.axes import MOVES, rearranged, summed_axes
from spikewright.export.snntorch.convert.maps import convolution, linear, window_of
from spikewright.export.snntorch.convert.products import PRODUCTS, product_of_signals
from spikewright.export.snntorch.convert.signal import Signal, numbers
from spikewright.export.snntorch.convert.sums import (
    Lowering,
    add,
    divide,
    multiply,
    negate,
    subtract,
    subtract_from,
)
from spikewright.export.snntorch.record.tape import RANDOM, Call, Value, inner, op

Handler = Callable[[Lowering, Call], Signal]


def lower_function(lowering: Lowering, call: Call) -> Signal:
    """Return the signal of a function's result.

    Raises:
        GraphError: no node can do what the function does.
    """
    handler = _FUNCTIONS.get(op(call))
    if handler is None:
        raise _refused(call)
    return handler(lowering, call)


def training(path: str, kind: str) -> GraphError:
    """Return the error for a layer that is in training mode."""
    return GraphError(
        f"module '{path}': {kind} is in training mode, where it is random or depends "
        "on the batch; call module.eval() first"
    )


# --- maps ----------------------------------------------------------------------------


def _linear(lowering: Lowering, call: Call) -> Signal:
    given = dict(zip(("input", "weight", "bias"), call.args, strict=False))
    given |= call.kwargs
    bias = given.get("bias")
    _check_constants(call, [given["weight"], bias])
    signal, weight = lowering.signal(given["input"]), numbers(given["weight"])
    name, held = lowering.name(call, "linear"), None if bias is None else numbers(bias)
    return linear(lowering.sketch, name, signal, weight, held)


def _convolution(lowering: Lowering, call: Call) -> Signal:
    """Return F.conv1d or F.conv2d, with their options as the layers have them."""
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    plain = {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    given = {**plain, **dict(zip(names, call.args, strict=False)), **call.kwargs}
    weight, bias = given["weight"], given["bias"]
    _check_constants(call, [weight, bias])
    axes = weight.ndim - 2
    stride, padding, dilation = (
        (each,) * axes if isinstance(each, int) else each
        for each in (given["stride"], given["padding"], given["dilation"])
    )
    taps = tuple(weight.shape[2:])
    window = window_of(taps, stride, padding, dilation, given["groups"])
    signal, name = lowering.signal(given["input"]), lowering.name(call, "conv")
    held = None if bias is None else numbers(bias)
    return convolution(lowering.sketch, name, signal, numbers(weight), held, window)


def _matmul(lowering: Lowering, call: Call) -> Signal:
    """Return x @ weight, or a product of spikes."""
    left, right = call.args[:2]
    if isinstance(left, Value) and isinstance(right, Value):
        return product_of_signals(lowering, call)
    if not isinstance(left, Value) or right.ndim != 2:
        raise _refused(call)
    signal, weight = lowering.signal(left), np.ascontiguousarray(numbers(right).T)
    return linear(lowering.sketch, lowering.name(call, "linear"), signal, weight, None)


def _check_constants(call: Call, held: list[Any]) -> None:
    if any(inner(held)):
        raise GraphError(
            f"module '{call.path}': '{call.name}' multiplies two signals, and NIR has "
            "no node for that; weights must be parameters"
        )


def _same(lowering: Lowering, call: Call) -> Signal:
    return lowering.signal(call.args[0])


def _dropout(lowering: Lowering, call: Call) -> Signal:
    given = dict(zip(("input", "p", "training"), call.args, strict=False))
    given = {"p": 0.5, "training": True} | given | call.kwargs
    if given["training"] and given["p"] > 0:
        raise training(call.path, "dropout")
    return lowering.signal(given["input"])


# --- what there is -------------------------------------------------------------------

_CASTS = ("to", "float", "double", "type", "type_as", "cpu", "cuda")
_FUNCTIONS: Mapping[str, Handler] = {
    "add": add,
    "sub": subtract,
    "__rsub__": subtract_from,
    "mul": multiply,
    "div": divide,
    "neg": negate,
    "linear": _linear,
    "conv1d": _convolution,
    "conv2d": _convolution,
    **dict.fromkeys(PRODUCTS, _matmul),
    "sum": summed_axes,
    "mean": summed_axes,
    "dropout": _dropout,
    **dict.fromkeys(MOVES, rearranged),
    **dict.fromkeys(_CASTS, _same),
}
NORM_CURE = (
    "use BatchNorm, which folds into weights; of a SpikeBERT of ours, make one that "
    "folds by `spikewright train CONFIG --stage denorm`"
)
_CURES: Mapping[str, str] = {
    "stack": "return the steps stacked, and nothing made of all of them",
    "cat": "use a linear layer for each part, and add what they give; for steps, stack",
    "select": "to select, use a linear layer with weights 0 and 1",
    "softmax": "use spike-driven attention, which needs none",
    "einsum": "write it as products by @ and *, and sums",
    "scaled_dot_product_attention": "use spike-driven attention",
    "layer_norm": NORM_CURE,
    "embedding": "look tokens up outside, and give their vectors as input",
    "relu": "use a neuron",
    "gelu": "use a neuron",
    "max_pool2d": "use average pooling, or a convolution with a stride",
    "batch_norm": "use the layer BatchNorm1d or BatchNorm2d",
    "addmm": "use the layer Linear, or F.linear",
    "repeat": "repeat the sample outside; in a loop over steps, use it at each",
    "where": "use a neuron, which compares with its threshold",
    "gt": "use a neuron, which compares with its threshold",
    "sigmoid": "use a neuron",
    "tanh": "use a neuron",
    **dict.fromkeys(RANDOM, "draw outside of forward, and give that as the input"),
}


def _refused(call: Call) -> GraphError:
    cure = _CURES.get(op(call), "use functions and layers that are exported")
    known = ", ".join(sorted({*_FUNCTIONS} - {"__rsub__"}))
    return GraphError(
        f"module '{call.path}': '{call.name}' has no exact counterpart in NIR; "
        f"{cure}; exported functions: {known}"
    )
