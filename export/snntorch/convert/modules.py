"""Layers of torch as nodes; those without a node are refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.snntorch.convert.constants import multiply_constant
from spikewright.export.snntorch.convert.functions import (
    NORM_CURE,
    lower_function,
    training,
)
from spikewright.export.snntorch.convert.maps import (
    Window,
    check_axes,
    convolution,
    linear,
    scaled,
    window_of,
)
from spikewright.export.snntorch.convert.pools import normalized, pooled
from spikewright.export.snntorch.convert.signal import Signal, numbers, plain
from spikewright.export.snntorch.convert.sketch import Sketch
from spikewright.export.snntorch.convert.sums import Lowering
from spikewright.export.snntorch.record.layers import Layer, Matrices, Reshape, Scale
from spikewright.export.snntorch.record.tape import Call, taken
from spikewright.values import FloatArray, Pair, Shape

MapOf = Callable[[Sketch, str, Any, Signal], Signal]

# --- maps ----------------------------------------------------------------------------


def _linear(sketch: Sketch, name: str, layer: Any, signal: Signal) -> Signal:
    return linear(sketch, name, signal, numbers(layer.weight), _maybe(layer.bias))


def _maybe(held: torch.Tensor | None) -> FloatArray | None:
    return None if held is None else numbers(held)


def _convolution(sketch: Sketch, name: str, layer: Any, signal: Signal) -> Signal:
    if layer.padding_mode != "zeros":
        raise GraphError(
            f"layer '{name}': padding_mode='{layer.padding_mode}'; allowed: 'zeros', "
            "for NIR pads with nothing else"
        )
    window = window_of(
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.dilation,
        layer.groups,
    )
    weight, bias = numbers(layer.weight), _maybe(layer.bias)
    return convolution(sketch, name, signal, weight, bias, window)


def _one_to_one(sketch: Sketch, name: str, layer: Any, signal: Signal) -> Signal:
    """Add the recurrent weight V of single neurons, as snnTorch has it."""
    return scaled(sketch, name, signal, numbers(layer.V).astype(np.float64))


def _scale(sketch: Sketch, name: str, layer: Any, signal: Signal) -> Signal:
    return scaled(sketch, name, signal, numbers(layer.weight).astype(np.float64))


def _reshape(sketch: Sketch, name: str, layer: Any, signal: Signal) -> Signal:
    check_axes(name, signal)
    made = plain(
        sketch.add_map(name, n.Flatten(signal.shape, layer.shape), signal), layer.shape
    )
    constant = signal.constant
    return made.plus(None if constant is None else constant.reshape(layer.shape))


def _matrices(sketch: Sketch, name: str, layer: Any, signal: Signal) -> Signal:
    check_axes(name, signal)
    weight, bias = numbers(layer.weight), _maybe(layer.bias)
    late = signal.is_lagging
    node: n.Node = n.Linear(weight)
    if bias is not None and not late:
        node = n.Affine(weight, bias)
    made = plain(sketch.add_map(name, node, signal), weight.shape[:-1])
    if signal.constant is not None:
        made = made.plus(multiply_constant(weight, signal.constant))
    return made.plus(bias if late else None)


# --- pools ---------------------------------------------------------------------------


def _average_pool(sketch: Sketch, name: str, layer: Any, signal: Signal) -> Signal:
    """Average with the zeros around counted, as NIR's; with divisor 1 it is a sum."""
    kernel, stride = _pair(layer.kernel_size), _pair(layer.stride)
    padding = _pair(layer.padding)
    if any(padding) and not layer.count_include_pad:
        raise GraphError(
            f"layer '{name}': does not count its padding, but NIR's AvgPool2d does; "
            "build it with count_include_pad=True or without padding"
        )
    if layer.ceil_mode and not _divides(signal, kernel, stride, padding):
        raise GraphError(
            f"layer '{name}': ceil_mode=True lets windows reach over the edge, and "
            "NIR has no such; build it with ceil_mode=False"
        )
    divisor, size = layer.divisor_override, kernel[0] * kernel[1]
    if divisor not in (None, 1, size):
        raise GraphError(
            f"layer '{name}': divides by {divisor}; allowed: {size}, its window, or 1"
        )
    is_sum = divisor == 1 and size != 1
    kind = n.SumPool2d if is_sum else n.AvgPool2d
    node = kind(_rows(signal), kernel, stride, padding)
    return pooled(sketch, name, signal, node)


def _adaptive_pool(sketch: Sketch, name: str, layer: Any, signal: Signal) -> Signal:
    """Average over windows that do not overlap, where the sizes divide."""
    sizes, wanted = _rows(signal)[1:], _pair(layer.output_size)
    made = [each or size for each, size in zip(wanted, sizes, strict=True)]
    if any(size % each for each, size in zip(made, sizes, strict=True)):
        raise GraphError(
            f"layer '{name}': pools {sizes} to {tuple(made)} with windows of several "
            "sizes; allowed: sizes that divide"
        )
    kernel = (sizes[0] // made[0], sizes[1] // made[1])
    node = n.AvgPool2d(_rows(signal), kernel, kernel)
    return pooled(sketch, name, signal, node)


def _average_pool1d(sketch: Sketch, name: str, layer: Any, signal: Signal) -> Signal:
    """Average tokens, as a convolution of each channel by itself."""
    (taps,), (stride,), (pad,) = layer.kernel_size, layer.stride, layer.padding
    if layer.ceil_mode or (pad and not layer.count_include_pad):
        raise GraphError(
            f"layer '{name}': allowed: ceil_mode=False and count_include_pad=True"
        )
    channels = signal.places.shape[0]
    weight = np.full((channels, 1, taps), 1.0 / taps)
    window = Window((stride,), ((pad, pad),), (1,), channels)
    return convolution(sketch, name, signal, weight, None, window)


def _pair(held: Any) -> Pair:
    return (held, held) if isinstance(held, int) or held is None else tuple(held)


def _rows(signal: Signal) -> Shape:
    if len(signal.places.shape) != 3:
        raise GraphError(
            f"a 2d pool takes (channels, rows, columns), got {signal.places.shape}"
        )
    shape: Shape = signal.places.shape
    return shape


def _divides(signal: Signal, kernel: Pair, stride: Pair, padding: Pair) -> bool:
    axes = zip(_rows(signal)[1:], kernel, stride, padding, strict=True)
    return all((n + 2 * pad - taps) % step == 0 for n, taps, step, pad in axes)


# --- norms ---------------------------------------------------------------------------


def _batch_norm(sketch: Sketch, name: str, layer: Any, signal: Signal) -> Signal:
    """Add (x - mean) weight / sqrt(var + eps) + bias."""
    if layer.training:
        raise training(name, type(layer).__name__)
    if layer.running_mean is None:
        raise GraphError(
            f"layer '{name}': keeps no running statistics, so it depends on the batch; "
            "build it with track_running_stats=True"
        )
    mean, var = (
        numbers(each).astype(np.float64)
        for each in (layer.running_mean, layer.running_var)
    )
    if not (np.isfinite(mean).all() and np.isfinite(var).all()) or np.any(
        var + layer.eps <= 0
    ):
        raise GraphError(
            f"layer '{name}': its running statistics are not finite, or a variance is "
            "not above 0; look for a training that diverged"
        )
    gain = 1.0 / np.sqrt(var + layer.eps)
    if layer.weight is not None:
        gain = gain * numbers(layer.weight)
    shift = -mean * gain
    if layer.bias is not None:
        shift = shift + numbers(layer.bias)
    shape = (-1, *(1 for _ in signal.places.shape[1:]))
    return normalized(sketch, name, signal, gain.reshape(shape), shift.reshape(shape))


# --- what there is -------------------------------------------------------------------

_CURES: Mapping[str, str] = {
    "LayerNorm": NORM_CURE,
    "RMSNorm": NORM_CURE,
    "GroupNorm": "replace it by BatchNorm, which folds into weights",
    "InstanceNorm1d": "replace it by BatchNorm, which folds into weights",
    "InstanceNorm2d": "replace it by BatchNorm, which folds into weights",
    "Embedding": "look tokens up outside, and give their vectors as input",
    "Softmax": "use spike-driven attention, without it",
    "MultiheadAttention": "use spike-driven attention",
    "MaxPool1d": "use average pooling, or a convolution with a stride",
    "MaxPool2d": "use average pooling, or a convolution with a stride",
    "ReLU": "use a neuron",
    "GELU": "use a neuron",
    "SiLU": "use a neuron",
    "Tanh": "use a neuron",
    "Sigmoid": "use a neuron",
}

_MAPS: Mapping[type[nn.Module], MapOf] = {
    nn.Linear: _linear,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.AvgPool1d: _average_pool1d,
    nn.AvgPool2d: _average_pool,
    nn.AdaptiveAvgPool2d: _adaptive_pool,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    Scale: _scale,
    Matrices: _matrices,
    Reshape: _reshape,
}
POOLS: Mapping[str, Callable[..., nn.Module]] = {
    "avg_pool1d": nn.AvgPool1d,
    "avg_pool2d": nn.AvgPool2d,
    "adaptive_avg_pool2d": nn.AdaptiveAvgPool2d,
}
"""by function, with the arguments of the layer"""
_ALIASES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
_RESHAPES = (nn.Flatten, nn.Unflatten)


def lower_layer(lowering: Lowering, call: Call) -> Signal:
    """Return the signal of what a layer without a state gives.

    Raises:
        GraphError: no node can do what the layer does.
    """
    layer = call.layer
    if isinstance(layer, _ALIASES):
        if layer.training and getattr(layer, "p", 0) > 0:
            raise training(call.path, type(layer).__name__)
        return lowering.signal(taken(call))
    if isinstance(layer, _RESHAPES):
        given = (taken(call), *call.args[1:])
        return lower_function(lowering, replace(call, name="reshape", args=given))
    signal = lowering.signal(taken(call))
    return lower_map(lowering.sketch, lowering.name(call, ""), layer, signal)


def lower_pool(lowering: Lowering, call: Call) -> Signal:
    """Return the signal of a pool that is called as a function.

    Raises:
        GraphError: as for its layer.
    """
    layer = POOLS[call.name](*call.args[1:], **call.kwargs)
    signal, name = lowering.signal(call.args[0]), lowering.name(call, "pool")
    return lower_map(lowering.sketch, name, layer, signal)


def lower_map(sketch: Sketch, name: str, layer: Any, signal: Signal) -> Signal:
    """Add a linear layer under a name.

    Raises:
        GraphError: it is none, or none of those that are exported.
    """
    found = _MAPS.get(type(layer))
    if found is None and type(layer).__name__ == "RecurrentOneToOne":
        found = _one_to_one
    if found is None:
        kind = type(layer).__name__
        exported = (*_MAPS, *_ALIASES, *_RESHAPES)
        known = sorted(e.__name__ for e in exported if not issubclass(e, Layer))
        raise GraphError(
            f"layer '{name}': {kind} has no exact counterpart in NIR; exported are "
            f"{', '.join(known)}; {_CURES.get(kind, 'use one of them')}"
        )
    return found(sketch, name, layer, signal)
