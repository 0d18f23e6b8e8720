"""Synapses: one linear map between two populations; each takes one step once TIMED.

`x` is what the source sends, `a` what the target receives, both in C order. Synapses
mean `a * 2**exponent`; the exponent is 0 until weights are integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from spikewright.values import IntArray, NumberArray, Pair, Shape, Value


@dataclass(frozen=True, eq=False)
class DenseSynapses(Value):
    """a = weight @ x * 2**exponent, with x and a flattened in C order."""

    weight: NumberArray
    """(targets, sources)"""
    exponent: int = 0


@dataclass(frozen=True, eq=False)
class TokenSynapses(Value):
    """a[:, l] = sum_k weight[k] @ x[:, l + k] * 2**exponent: shared by all tokens."""

    weight: NumberArray
    """(taps, target channels, source channels)"""
    exponent: int = 0


@dataclass(frozen=True, eq=False)
class ChannelSynapses(Value):
    """a[c] = weight[c] @ x[c] * 2**exponent: mixes the tokens of each channel."""

    weight: NumberArray
    """(channels, target tokens, source tokens)"""
    exponent: int = 0


@dataclass(frozen=True, eq=False)
class DiagonalSynapses(Value):
    """a = weight * x * 2**exponent, elementwise: one synapse a neuron."""

    weight: NumberArray
    """the shape of the population"""
    exponent: int = 0


@dataclass(frozen=True, eq=False)
class ConvSynapses(Value):
    """A convolution over rows and columns, shared by all places.

    a[o, i, j] = 2**exponent sum_cpq weight[o, c, p, q]
        x[g + c, stride_0 i + dilation_0 p - top, stride_1 j + dilation_1 q - left],
    where x is zero outside and g is the first source channel of the group of o.
    """

    weight: NumberArray
    """(target channels, source channels / groups, rows, columns)"""
    shape: Shape
    """(source channels, rows, columns)"""
    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    """((top, bottom), (left, right))"""
    dilation: Pair = (1, 1)
    groups: int = 1
    exponent: int = 0

    @property
    def target_shape(self) -> Shape:
        """(target channels, rows, columns)."""
        lengths = (
            (length + sum(pads) - dilation * (taps - 1) - 1) // stride + 1
            for length, pads, dilation, taps, stride in zip(
                self.shape[1:],
                self.padding,
                self.dilation,
                self.weight.shape[2:],
                self.stride,
                strict=True,
            )
        )
        return (self.weight.shape[0], *lengths)


@dataclass(frozen=True, eq=False)
class SparseSynapses(Value):
    """a[targets[k]] += weight[k] x[sources[k]] * 2**exponent, flattened in C order.

    Sorted by target, then source; no pair occurs twice.
    """

    weight: NumberArray
    """(synapses,)"""
    targets: IntArray
    """(synapses,)"""
    sources: IntArray
    """(synapses,)"""
    shape: Pair
    """(targets, sources): sizes of the populations"""
    exponent: int = 0


Synapses: TypeAlias = (
    DenseSynapses
    | TokenSynapses
    | ChannelSynapses
    | DiagonalSynapses
    | ConvSynapses
    | SparseSynapses
)
SYNAPSES = (
    DenseSynapses,
    TokenSynapses,
    ChannelSynapses,
    DiagonalSynapses,
    ConvSynapses,
    SparseSynapses,
)
