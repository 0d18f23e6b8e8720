"""The layers of a netx file (lava-dl), in integers and in torch's axis order.

netx stores images as (channels, rows, columns) and kernels as torch does, for a
cross-correlation. Lava itself works on (columns, rows, channels) and flips kernels;
lava-dl turns both when it builds a network, so nothing of that is in the file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from spikewright.loihi import DECAY_ONE, MAX_THRESHOLD
from spikewright.nodes import (
    ConvSynapses,
    IntArray,
    NumberArray,
    Pair,
    PerNeuron,
    Shape,
)
from spikewright.values import Value

UNIT = 64
"""netx integers to 1.0 of lava-dl's own float networks: its weights are w / 64"""
MAX_NEURONS = 2**24
"""of one layer"""
MAX_BIAS = 4095
"""13 bits with sign"""
MIXED, EXCITING, INHIBITING = (-256, 254), (0, 255), (-256, 0)
"""weights that lava-dl fits into 8 bits: with both signs, without -, without +"""


@dataclass(frozen=True, eq=False)
class CubaNeurons(Value):
    """u[t] = rsz(u[t-1] (4096 - i_decay), 12) + (a[t] << 6).

    v[t] = rsz(v[t-1] (4096 - v_decay), 12) + u[t] + (bias << 6), s[t] = v[t] >
    (threshold << 6), then v = 0 where s. rsz shifts right towards zero.
    """

    i_decay: PerNeuron
    """4096: no memory of the current; 0: no decay. Of a channel, if of several"""
    v_decay: PerNeuron
    threshold: int

    @property
    def is_silent(self) -> bool:
        """Say whether the threshold is out of reach: a layer read by its voltage."""
        return self.threshold >= MAX_THRESHOLD


@dataclass(frozen=True, eq=False)
class InputLayer(Value):
    """Where data enter; neurons, if any, are driven by weight * x + bias."""

    shape: Shape
    neurons: CubaNeurons | None = None
    weight: int = UNIT
    bias: int = 0


@dataclass(frozen=True, eq=False)
class DenseLayer(Value):
    """a[t] = weight @ s[t - 1 - delay] + recurrent @ own s[t - 1], flattened."""

    neurons: CubaNeurons
    weight: IntArray
    """(targets, sources)"""
    bias: IntArray
    """(targets,)"""
    recurrent: IntArray | None = None
    """(targets, targets)"""
    delay: IntArray = field(default_factory=lambda: np.zeros((1, 1), dtype=np.int64))
    """steps: (targets, sources), where 1 stands for all of them"""

    @property
    def shape(self) -> Shape:
        """Shape of the population."""
        return self.weight.shape[:1]


@dataclass(frozen=True, eq=False)
class ConvLayer(Value):
    """a[t] = a cross-correlation of s[t - 1] with the kernel."""

    neurons: CubaNeurons
    weight: IntArray
    """(target channels, source channels / groups, rows, columns)"""
    bias: IntArray
    """(target channels,)"""
    source: Shape
    """(channels, rows, columns) of what arrives"""
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    """zeros on either side of the rows, and of the columns"""
    dilation: Pair = (1, 1)
    groups: int = 1

    def synapses(self, weight: IntArray, exponent: int = 0) -> ConvSynapses:
        """Return synapses of this geometry."""
        (top, left), source = self.padding, self.source
        pads = ((top, top), (left, left))
        geometry = (source, self.stride, pads, self.dilation, self.groups)
        return ConvSynapses(weight, *geometry, exponent)

    @property
    def shape(self) -> Shape:
        """(target channels, rows, columns)."""
        return self.synapses(self.weight).target_shape


Layer: TypeAlias = InputLayer | DenseLayer | ConvLayer
Layers: TypeAlias = dict[str, Layer]
"""by name, from the input to the output; an InputLayer first"""


def per_neuron(values: PerNeuron, shape: Shape) -> PerNeuron:
    """Give every neuron of a layer the value of its channel, if they differ."""
    if isinstance(values, int):
        return values
    lengths = (-1, *(1 for _ in shape[1:]))
    spread: IntArray = np.broadcast_to(values.reshape(lengths), shape)
    return spread


def weight_range(weights: Sequence[NumberArray]) -> Pair:
    """Return the least and the largest integer that weights of one layer may be."""
    least = min(float(each.min()) for each in weights)
    most = max(float(each.max()) for each in weights)
    return MIXED if least < 0 < most else EXCITING if most > 0 else INHIBITING


def has_no_current(neurons: CubaNeurons) -> bool:
    """Say whether the synaptic current lasts one step: v adds up the input itself."""
    return bool(np.all(np.asarray(neurons.i_decay) == DECAY_ONE))


def bias_of(layer: Layer) -> IntArray:
    """Return the bias of each neuron, flat."""
    match layer:
        case InputLayer(shape, _, _, bias):
            return np.full(math.prod(shape), bias)
        case DenseLayer():
            return layer.bias
        case ConvLayer():
            return np.repeat(layer.bias, math.prod(layer.shape[1:]))
