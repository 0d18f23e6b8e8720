"""Random ways through linear maps: what `random_graphs` is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log2, prod, sqrt

import numpy as np
import numpy.typing as npt

from spikewright.graph import Edge, unique_name
from spikewright.nodes import (
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Delay,
    Flatten,
    Linear,
    Node,
    Scale,
    Shape,
    SumPool2d,
)

DT_S = 1e-3
Floats = npt.NDArray[np.float64]


# --- a graph in the making -----------------------------------------------------------


@dataclass
class Sketch:
    """Nodes and edges so far, and the populations among them."""

    rng: np.random.Generator
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    """of each Input and each population of spikes, in order"""
    entries: dict[str, str] = field(default_factory=dict)
    """where the inputs of a population go: itself, or the LI before its Threshold"""

    def add(self, wanted: str, node: Node, *sources: str) -> str:
        """Add a node behind others; return its name."""
        name = unique_name(wanted, self.nodes)
        self.nodes[name] = node
        self.edges += [Edge(source, name) for source in sources]
        return name

    def draw(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        """Toss a coin."""
        return bool(self.rng.random() < probability)

    def eighths(self, low: int, high: int, shape: Shape) -> Floats:
        """Return multiples of 1/8."""
        return self.rng.integers(low, high + 1, shape) / 8

    def input_shape(self) -> Shape:
        """Return one, two or three axes."""
        shapes = [(6,), (2, 6), (4, 7), (2, 6, 7), (2, 5, 6), (4, 4, 5)]
        return shapes[self.draw(0, 5)]

    def weights(self, fan_in: int, shape: Shape) -> Floats:
        """Return weights with which half of the inputs sum to about 1 / 2."""
        unit = 2.0 ** -round(log2(4.5 * sqrt(fan_in)))
        return self.rng.integers(-6, 8, shape) * unit


# --- ways ----------------------------------------------------------------------------


def flat(sketch: Sketch, source: str, size: int) -> str:
    """Lead all of a source to `size` values."""
    shape = sketch.shapes[source]
    name = f"{source}_fc"
    if len(shape) > 1:
        source = sketch.add(f"{source}_flat", Flatten(shape, (prod(shape),)), source)
    width = prod(shape)
    if sketch.chance(0.15):  # a bottleneck: two maps in a row
        middle = Linear(sketch.weights(width, (4, width)))
        source, width = sketch.add(f"{name}_in", middle, source), 4
    return affine(sketch, name, source, (size, width))


def affine(sketch: Sketch, name: str, source: str, shape: Shape) -> str:
    """Add a matrix for each leading axis, sometimes with a bias."""
    weight = sketch.weights(shape[-1], shape)
    if sketch.chance(0.5):
        return sketch.add(name, Linear(weight), source)
    return sketch.add(name, Affine(weight, sketch.eighths(-2, 2, shape[:-1])), source)


def alike(sketch: Sketch, source: str) -> str:
    """Lead a source to its own shape."""
    shape = sketch.shapes[source]
    match sketch.draw(0, 2 if len(shape) > 1 else 1):
        case 0 if sketch.chance(0.5):
            return source
        case 0:
            scale = sketch.rng.choice([0.25, 0.5, -0.25], shape)
            return sketch.add(f"{source}_scale", Scale(scale), source)
        case 1:
            square = (*shape, shape[-1])
            return affine(sketch, f"{source}_mix", source, square)
        case _ if len(shape) == 2:
            return conv1d(sketch, source, keep_shape=True)[0]
        case _:
            return conv2d(sketch, source, shape, keep_shape=True)[0]


def conv1d(
    sketch: Sketch, source: str, *, keep_shape: bool = False
) -> tuple[str, Shape]:
    """Add a Conv1d; return its name and what it gives."""
    channels, tokens = sketch.shapes[source]
    groups = 2 if channels % 2 == 0 and sketch.chance(0.4) else 1
    targets = channels if keep_shape else groups * sketch.draw(1, 2)
    taps = 3 if keep_shape else sketch.draw(1, 3)
    stride, dilation, pads = 1, 1, [(1, 1), (2, 0), (0, 2)][sketch.draw(0, 2)]
    if not keep_shape:
        stride, dilation = sketch.draw(1, 2), sketch.draw(1, 2)
        pads = (0, 0) if sketch.chance(0.4) else (sketch.draw(0, 2), sketch.draw(0, 2))
        if tokens + sum(pads) <= dilation * (taps - 1):
            dilation, taps = 1, 1
    weight = sketch.weights(
        taps * channels // groups, (targets, channels // groups, taps)
    )
    bias = sketch.eighths(-1, 1, (targets,))
    node = Conv1d(weight, bias, tokens, stride, pads, dilation, groups)
    length = (tokens + sum(pads) - dilation * (taps - 1) - 1) // stride + 1
    return sketch.add(f"{source}_conv", node, source), (targets, length)


def conv2d(
    sketch: Sketch, source: str, shape: Shape, *, keep_shape: bool = False
) -> tuple[str, Shape]:
    """Add a Conv2d; return its name and what it gives."""
    channels, *size = shape
    groups = 2 if channels % 2 == 0 and sketch.chance(0.4) else 1
    targets = channels if keep_shape else groups * sketch.draw(1, 2)
    options = [_axis(sketch, length, keep_shape=keep_shape) for length in size]
    taps, stride, pads, dilation, given = zip(*options, strict=True)
    kernel = (targets, channels // groups, *taps)
    node = Conv2d(
        sketch.weights(prod(kernel[1:]), kernel),
        sketch.eighths(-1, 1, (targets,)),
        (size[0], size[1]),
        stride,
        pads,
        dilation,
        groups,
    )
    return sketch.add(f"{source}_conv", node, source), (targets, *given)


def _axis(
    sketch: Sketch, length: int, *, keep_shape: bool
) -> tuple[int, int, tuple[int, int], int, int]:
    """Return taps, stride, padding, dilation and the length that they give."""
    if keep_shape:
        return 3, 1, (1, 1), 1, length
    taps, stride, dilation = sketch.draw(1, 3), sketch.draw(1, 2), sketch.draw(1, 2)
    pads = (sketch.draw(0, 1), sketch.draw(0, 2))
    if length + sum(pads) <= dilation * (taps - 1):
        taps = dilation = 1
    given = (length + sum(pads) - dilation * (taps - 1) - 1) // stride + 1
    return taps, stride, pads, dilation, given


def pool(sketch: Sketch, source: str) -> tuple[str, Shape]:
    """Add a pool, sometimes a Conv2d behind it; return its name and what it gives."""
    shape = channels, rows, columns = sketch.shapes[source]
    kernel = (min(sketch.draw(1, 2), rows), min(2, columns))
    stride = kernel if sketch.chance(0.5) else (1, 2)
    padding = (0, sketch.draw(0, 1))
    kind = SumPool2d if sketch.chance(0.5) else AvgPool2d
    name = sketch.add(f"{source}_pool", kind(shape, kernel, stride, padding), source)
    given = (
        channels,
        (rows - kernel[0]) // stride[0] + 1,
        (columns + 2 * padding[1] - kernel[1]) // stride[1] + 1,
    )
    return conv2d(sketch, name, given) if sketch.chance(0.4) else (name, given)


def wait(sketch: Sketch, source: str, shape: Shape, least: int = 0) -> str:
    """Add a Delay, now and then with another one for each element."""
    steps = np.full(shape, least + sketch.draw(0, 2))
    if sketch.chance(0.5):
        steps = least + sketch.rng.integers(0, 3, shape)
    return sketch.add(f"{source}_late", Delay(steps * DT_S), source)
