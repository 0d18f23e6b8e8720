"""Linear maps of torch as nodes: where their axes must lie, where their biases go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.graphs.shapes import ends, same_pads
from spikewright.export.snntorch.convert.constants import (
    convolve_constant,
    multiply_constant,
)
from spikewright.export.snntorch.convert.signal import (
    AxesError,
    Signal,
    Source,
    channels_first,
    plain,
)
from spikewright.export.snntorch.convert.sketch import Sketch
from spikewright.values import FloatArray, Pair, Shape


@dataclass(frozen=True)
class Window:
    """How a kernel moves over one or two axes."""

    stride: tuple[int, ...]
    padding: tuple[Pair, ...]
    dilation: tuple[int, ...]
    groups: int = 1


def linear(
    sketch: Sketch,
    name: str,
    signal: Signal,
    weight: FloatArray,
    bias: FloatArray | None,
) -> Signal:
    """Map the last axis; with tokens before it, as a convolution of one tap.

    Raises:
        AxesError: the channels of tokens do not come first in the graph.
    """
    if signal.places.ndim == 1:
        return _matrix(sketch, name, signal, weight, bias)
    tokens = signal.places.shape[:-1]
    places, shape = channels_first(signal.places.shape)
    if signal.shape != shape or not np.array_equal(signal.places, places):
        raise AxesError(
            f"'{name}': a linear layer on tokens needs them as (channels, tokens) in "
            f"the graph, but they lie as {signal.shape}; do not mix both orders"
        )
    taps = weight.reshape(*weight.shape, *(1 for _ in tokens))
    none = tuple((0, 0) for _ in tokens)
    ones = tuple(1 for _ in tokens)
    node = _convolution(taps, tokens, Window(ones, none, ones))
    source, late = _mapped(sketch, name, node, signal, bias)
    made = Signal((source,), *channels_first((*tokens, len(weight))))
    return made.plus(_apply_linear(weight, signal.constant)).plus(late)


def _matrix(
    sketch: Sketch,
    name: str,
    signal: Signal,
    weight: FloatArray,
    bias: FloatArray | None,
) -> Signal:
    """Map one vector; its numbers may lie in another order in the graph."""
    permuted = weight
    if not signal.is_plain:
        permuted = np.empty_like(weight)
        permuted[:, signal.places] = weight
    flat = flattened(sketch, name, signal)
    source, late = _mapped(sketch, name, n.Linear(permuted), flat, bias)
    made = plain(source, weight.shape[:1])
    return made.plus(_apply_linear(weight, signal.constant)).plus(late)


def flattened(sketch: Sketch, name: str, signal: Signal) -> Signal:
    """Return a signal that lies in one row in the graph; its constant stays outside."""
    if len(signal.shape) == 1:
        return signal
    size = (prod(signal.shape),)
    flat = sketch.name(f"{name}_flat")
    source = sketch.add_map(flat, n.Flatten(signal.shape, size), signal)
    return replace(signal, sources=(source,), shape=size)


def convolution(
    sketch: Sketch,
    name: str,
    signal: Signal,
    weight: FloatArray,
    bias: FloatArray | None,
    window: Window,
) -> Signal:
    """Convolve (channels, tokens) or (channels, rows, columns).

    Raises:
        AxesError: the axes do not lie so in the graph.
    """
    if signal.places.ndim != len(window.stride) + 1:
        raise GraphError(
            f"layer '{name}': takes channels and {len(window.stride)} axes for each "
            f"sample, got {signal.places.shape}; the first axis of the sample must be "
            "the samples of a batch (unsqueeze it)"
        )
    check_axes(name, signal)
    node = _convolution(weight, signal.shape[1:], window)
    source, late = _mapped(sketch, name, node, signal, bias)
    made = plain(source, ends(name, node)[1])
    if late is not None:
        late = late.reshape(-1, *(1 for _ in window.stride))
    return made.plus(_apply_convolution(weight, signal.constant, window)).plus(late)


def scaled(sketch: Sketch, name: str, signal: Signal, factor: FloatArray) -> Signal:
    """Multiply by a constant that fits torch's shape."""
    source = sketch.add_map(name, n.Scale(signal.laid_out(factor)), signal)
    constant = None if signal.constant is None else signal.constant * factor
    bare = Signal((source,), signal.places, signal.shape)
    return bare.plus(constant)


# --- pieces --------------------------------------------------------------------------


def window_of(
    taps: Shape,
    stride: tuple[int, ...],
    padding: str | tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Window:
    """Return how torch moves a kernel, with its padding in numbers."""
    if padding == "same":
        pads = tuple(same_pads(*axis) for axis in zip(taps, dilation, strict=True))
    elif padding == "valid":
        pads = tuple((0, 0) for _ in taps)
    else:
        pads = tuple((int(each), int(each)) for each in padding)
    return Window(stride, pads, dilation, groups)


def _convolution(
    weight: FloatArray, size: Shape, window: Window
) -> n.Conv1d | n.Conv2d:
    none = np.zeros(len(weight), weight.dtype)
    if len(size) == 1:
        (stride,), (pads,), (dilation,) = window.stride, window.padding, window.dilation
        return n.Conv1d(weight, none, size[0], stride, pads, dilation, window.groups)
    if len(size) == 2:
        return n.Conv2d(
            weight,
            none,
            (size[0], size[1]),
            (window.stride[0], window.stride[1]),
            (window.padding[0], window.padding[1]),
            (window.dilation[0], window.dilation[1]),
            window.groups,
        )
    raise GraphError(
        f"a layer over {len(size)} axes of {size} besides the channels; NIR has one or "
        "two; flatten some of them"
    )


def _mapped(
    sketch: Sketch,
    name: str,
    node: n.Linear | n.Conv1d | n.Conv2d,
    signal: Signal,
    bias: FloatArray | None,
) -> tuple[Source, FloatArray | None]:
    """Add a map with its bias; return the bias instead if the signal is a step late.

    At the first step nothing late has come, but a bias is there: so that of a late map
    goes on as a constant.
    """
    late = signal.is_lagging
    made: n.Node = node
    if bias is not None and not late:
        if isinstance(node, n.Linear):
            made = n.Affine(node.weight, bias)
        else:
            made = replace(node, bias=bias)
    return sketch.add_map(name, made, signal), bias if late else None


def check_axes(name: str, signal: Signal) -> None:
    """Raise `AxesError` unless torch's axes are those of the graph."""
    if not signal.is_plain or signal.shape != signal.places.shape:
        raise AxesError(
            f"'{name}': needs the axes of its input, {signal.places.shape}, in this "
            f"order in the graph, where they lie as {signal.shape}; do not transpose "
            "or reshape behind another layer"
        )


def _apply_linear(weight: FloatArray, x: FloatArray | None) -> FloatArray | None:
    return None if x is None else multiply_constant(weight, x)


def _apply_convolution(
    weight: FloatArray, x: FloatArray | None, window: Window
) -> FloatArray | None:
    if x is None:
        return None
    wide = np.pad(x, [(0, 0), *window.padding])
    return convolve_constant(
        weight, wide, window.stride, window.dilation, window.groups
    )
