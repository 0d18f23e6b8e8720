"""Linear maps without weights of their own: pools, norms, sums over tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np
import torch
from torch.nn import functional

from spikewright import nodes as n
from spikewright.export.graphs.shapes import ends
from spikewright.export.snntorch.convert.maps import check_axes, scaled
from spikewright.export.snntorch.convert.signal import (
    AxesError,
    Signal,
    in_order,
    plain,
)
from spikewright.export.snntorch.convert.sketch import Sketch, takes_bias
from spikewright.values import FloatArray, Shape


def pooled(
    sketch: Sketch, name: str, signal: Signal, node: n.AvgPool2d | n.SumPool2d
) -> Signal:
    """Pool (channels, rows, columns).

    Raises:
        AxesError: the axes do not lie so in the graph.
    """
    check_axes(name, signal)
    made = plain(sketch.add_map(name, node, signal), ends(name, node)[1])
    if signal.constant is None:
        return made
    constant = torch.from_numpy(signal.constant)[None]
    mean = functional.avg_pool2d(constant, node.kernel, node.stride, node.padding)
    scale = 1 if isinstance(node, n.AvgPool2d) else prod(node.kernel)
    return made.plus(mean[0].numpy() * scale)


def normalized(
    sketch: Sketch, name: str, signal: Signal, gain: FloatArray, shift: FloatArray
) -> Signal:
    """Return gain x + shift, folded into the map before if nothing else reads that."""
    folded = _folded(sketch, signal, signal.laid_out(gain))
    if folded is None:
        folded = scaled(sketch, name, signal, gain)
    return folded.plus(shift)


def _folded(sketch: Sketch, signal: Signal, gain: FloatArray) -> Signal | None:
    """Scale each target of a map, if it is the only source and has no other reader."""
    by_channel = gain.reshape(len(gain), -1)
    if len(signal.sources) != 1 or np.any(by_channel != by_channel[:, :1]):
        return None
    source, factor = signal.sources[0], by_channel[:, 0]
    node = sketch.nodes.get(source.node)
    if not source.is_sole or node is None or not takes_bias(node, gain.shape):
        return None
    each = factor.reshape(-1, *(1 for _ in node.weight.shape[1:]))
    if isinstance(node, n.Linear):
        sketch.nodes[source.node] = n.Linear(node.weight * each)
    else:
        sketch.nodes[source.node] = replace(
            node, weight=node.weight * each, bias=node.bias * factor
        )
    if signal.constant is None:
        return signal
    moved = signal.constant * gain.reshape(-1)[signal.places]
    return replace(signal, constant=moved)


def summed_tokens(
    sketch: Sketch, name: str, signal: Signal, axes: Sequence[int], *, is_mean: bool
) -> Signal:
    """Sum or average over torch's axes `axes`, which stay with one number each.

    Raises:
        AxesError: they are not all but the first axis in the graph.
    """
    lengths = tuple(signal.places.shape[axis] for axis in axes)
    moved = np.moveaxis(signal.places, axes, range(-len(axes), 0))
    channels = signal.shape[0]
    if signal.shape != (channels, *lengths) or np.any(
        moved.reshape(-1) != np.arange(moved.size)
    ):
        raise AxesError(
            f"'{name}': sums axes {[axis + 1 for axis in axes]} of one sample's "
            f"{signal.places.shape}; allowed: all but the channels; use a linear layer"
        )
    places = np.expand_dims(in_order(moved.shape[: -len(axes)]), tuple(axes))
    source = sketch.add_map(name, _sum_node(signal.shape, is_mean=is_mean), signal)
    made = Signal((source,), places, (channels, *(1 for _ in lengths)))
    if signal.constant is None:
        return made
    reduce = np.mean if is_mean else np.sum
    return made.plus(reduce(signal.constant, axis=tuple(axes), keepdims=True))


def _sum_node(shape: Shape, *, is_mean: bool) -> n.Node:
    if len(shape) == 3:
        size = (shape[1], shape[2])
        is_average = is_mean or size == (1, 1)
        return (n.AvgPool2d if is_average else n.SumPool2d)(shape, size, size)
    weight = 1.0 / shape[1] if is_mean else 1.0
    return n.Linear(np.full((shape[0], 1, shape[1]), weight))


def spread_tokens(sketch: Sketch, name: str, signal: Signal, shape: Shape) -> Signal:
    """Repeat one number a channel for every token of torch's (…, tokens, channels).

    Raises:
        AxesError: the signal is not one number a channel.
    """
    channels, given = signal.shape[0], signal.places.shape
    differing = [a for a, size in enumerate(given[: len(shape)]) if size != shape[a]]
    is_channel = signal.shape == (channels, 1) and signal.is_plain
    if len(given) != len(shape) or len(differing) != 1 or not is_channel:
        raise AxesError(
            f"'{name}': a signal of shape {given} meets one of {shape}; allowed: equal "
            "shapes, or channels that were summed over all tokens"
        )
    tokens = shape[differing[0]]
    along = [tokens if axis in differing else 1 for axis in range(len(shape))]
    node = n.Linear(np.ones((channels, tokens, 1)))
    places = signal.places * tokens + np.arange(tokens).reshape(along)
    made = (channels, tokens)
    spread = Signal((sketch.add_map(name, node, signal),), places, made)
    return spread.plus(signal.constant)
