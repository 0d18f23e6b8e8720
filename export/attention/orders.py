"""Products of three spike trains as coincidences: two orders, and what they cost.

SpikeBERT's attention sums, for each head, token i and channel e,

    y[e, i] = sum over tokens j and channels c of q[c, i] k[c, j] v[e, j].

A product of two spikes is their AND, a unit that fires where their sum is above 1.5. A
product of three could be an AND of three, but then there are tokens² channels² of
them. It is far less to sum first, as the brackets of either order say:

    scores    (sum_c q[c, i] k[c, j]) v[e, j]     a score for each pair of tokens
    contexts  q[c, i] (sum_j k[c, j] v[e, j])     a context for each pair of channels

The sum in brackets is a whole number. Threshold units take it apart into its bits,
highest first, and each bit is a spike again: m v = sum_b 2^b (bit b of m AND v). With U
units for the pairs and B bits this makes U (1 + B) units, where an AND of three in the
place of the bits would make U times tokens, or channels. A unary code of the number,
one unit for each value, would make as many. Both orders are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol, TypeAlias

import numpy as np

from spikewright import nodes as n
from spikewright.values import NumberArray, Shape

AND_OF_TWO = 1.5
AND_OF_THREE = 2.5


class Wires(Protocol):
    """A graph under construction."""

    def add(self, name: str, node: n.Node, *sources: str) -> str:
        """Add a node and the edges into it; return the name that it got."""


@dataclass(frozen=True)
class Contexts:
    """Units (heads channels channels, tokens); a count for each two channels of a head.

    q, k and v lie as (heads channels, tokens).
    """

    tokens: int
    channels: int
    """of one head"""
    heads: int = 1

    @property
    def units(self) -> Shape:
        """Shape of the coincidences."""
        return (self.heads * self.channels**2, self.tokens)

    @property
    def counts(self) -> Shape:
        """Shape of the sums in brackets."""
        return (self.heads * self.channels**2, 1)

    @property
    def highest(self) -> int:
        """The largest number that a sum in brackets can be."""
        return self.tokens

    @property
    def map_numbers(self) -> tuple[int, int, int]:
        """Numbers stored in the maps before and behind the bits, and of each bit."""
        wide, size = self.units[0], self.heads * self.channels
        repeating = wide * size + wide
        total = size * wide + size
        units = prod(self.units)
        return 2 * repeating + units, repeating + total, units

    def repeated(self) -> n.Conv1d:
        """Unit (c, e) takes channel c."""
        once = np.kron(np.eye(self.channels), np.ones((self.channels, 1)))
        return _one_tap(np.kron(np.eye(self.heads), once), self.tokens)

    def tiled(self) -> n.Conv1d:
        """Unit (c, e) takes channel e."""
        once = np.kron(np.ones((self.channels, 1)), np.eye(self.channels))
        return _one_tap(np.kron(np.eye(self.heads), once), self.tokens)

    def third(self) -> n.Conv1d:
        """Unit (c, e) takes channel c of the query."""
        return self.repeated()

    def counted(self) -> n.Linear:
        """Sum over tokens."""
        return n.Linear(ones(self.units[0], 1, self.tokens))

    def spread(self) -> n.Linear:
        """Repeat a bit for all tokens."""
        return n.Linear(ones(self.units[0], self.tokens, 1))

    def total(self) -> n.Conv1d:
        """Channel e sums the units (c, e) over c."""
        return _one_tap(self.tiled().weight[:, :, 0].T, self.tokens)


@dataclass(frozen=True)
class Scores:
    """Units (heads channels, tokens tokens); a count for each two tokens of a head.

    q, k and v lie as (heads channels, tokens).
    """

    tokens: int
    channels: int
    """of one head"""
    heads: int = 1

    @property
    def units(self) -> Shape:
        """Shape of the coincidences."""
        return (self.heads * self.channels, self.tokens**2)

    @property
    def counts(self) -> Shape:
        """Shape of the sums in brackets."""
        return (self.heads, self.tokens**2)

    @property
    def highest(self) -> int:
        """The largest number that a sum in brackets can be."""
        return self.channels

    @property
    def map_numbers(self) -> tuple[int, int, int]:
        """Numbers stored in the maps before and behind the bits, and of each bit."""
        size, repeating = self.units[0], prod(self.units) * self.tokens
        counted, spread = self.heads * size + self.heads, size * self.heads + size
        return 2 * repeating + counted, 2 * repeating, spread

    def repeated(self) -> n.Linear:
        """Unit (i, j) takes token i."""
        once = np.kron(np.eye(self.tokens), np.ones((self.tokens, 1)))
        return _each_channel(once, self.units[0])

    def tiled(self) -> n.Linear:
        """Unit (i, j) takes token j."""
        once = np.kron(np.ones((self.tokens, 1)), np.eye(self.tokens))
        return _each_channel(once, self.units[0])

    def third(self) -> n.Linear:
        """Unit (i, j) takes token j of the value."""
        return self.tiled()

    def counted(self) -> n.Conv1d:
        """Sum over the channels of each head."""
        weight = np.kron(np.eye(self.heads), np.ones((1, self.channels)))
        return _one_tap(weight, self.units[1])

    def spread(self) -> n.Conv1d:
        """Repeat a bit for all channels of its head."""
        return _one_tap(self.counted().weight[:, :, 0].T, self.units[1])

    def total(self) -> n.Linear:
        """Token i sums the units (i, j) over j."""
        return n.Linear(np.swapaxes(self.repeated().weight, 1, 2))


Order: TypeAlias = Contexts | Scores


def operands(order: Order, q: str, k: str, v: str) -> tuple[str, str, str]:
    """Return what meets in brackets, and what is multiplied by the sum."""
    return (k, v, q) if isinstance(order, Contexts) else (q, k, v)


def bits_of(order: Order) -> int:
    """Return how many bits the largest sum in brackets has."""
    return order.highest.bit_length()


# --- nodes ---------------------------------------------------------------------------


def add_product(wires: Wires, order: Order, prefix: str, q: str, k: str, v: str) -> str:
    """Add (q kᵀ) v of spikes (heads channels, tokens); return the node that sends it.

    It sends whole numbers, (heads channels, tokens).
    """
    first, second, third = operands(order, q, k, v)
    count = add_counts(wires, order, prefix, first, second)
    bits = add_bits(wires, order, prefix, count)
    return add_weighted(wires, order, prefix, bits, third)


def add_counts(wires: Wires, order: Order, prefix: str, first: str, second: str) -> str:
    """Add the ANDs of all pairs and the sums in brackets; return who sends the sums."""
    one = wires.add(f"{prefix}_first", order.repeated(), first)
    other = wires.add(f"{prefix}_second", order.tiled(), second)
    pairs = wires.add(f"{prefix}_pairs", and_of_two(order.units), one, other)
    return wires.add(f"{prefix}_count", order.counted(), pairs)


def add_bits(wires: Wires, order: Order, prefix: str, count: str) -> list[str]:
    """Add units that fire for the bits of whole numbers; the lowest bit comes first.

    Bit b is count - sum of 2^h (bit h) over the higher bits h > 2^b - 1/2.
    """
    bits: list[str] = []
    taken: list[str] = []
    for bit in reversed(range(bits_of(order))):
        node = n.Threshold(_full(order.counts, 2.0**bit - 0.5))
        bits.append(wires.add(f"{prefix}_bit{bit}", node, count, *taken))
        if bit:
            loss = n.Scale(_full(order.counts, -(2.0**bit)))
            taken.append(wires.add(f"{prefix}_bit{bit}_taken", loss, bits[-1]))
    return bits[::-1]


def add_weighted(
    wires: Wires, order: Order, prefix: str, bits: Sequence[str], third: str
) -> str:
    """Add the ANDs of bits with the third operand, and their sum, bit b times 2^b."""
    other = wires.add(f"{prefix}_third", order.third(), third)
    parts = []
    for bit, each in enumerate(bits):
        name = f"{prefix}_bit{bit}"
        here = wires.add(f"{name}_spread", order.spread(), each)
        part = wires.add(f"{name}_passed", and_of_two(order.units), here, other)
        if bit:
            value = n.Scale(_full(order.units, 2.0**bit))
            part = wires.add(f"{name}_value", value, part)
        parts.append(part)
    return wires.add(f"{prefix}_total", order.total(), *parts)


def and_of_two(shape: Shape) -> n.Threshold:
    """Return units that fire where both of two spikes come."""
    return n.Threshold(_full(shape, AND_OF_TWO))


def and_of_three(shape: Shape) -> n.Threshold:
    """Return units that fire where all of three spikes come."""
    return n.Threshold(_full(shape, AND_OF_THREE))


# --- wiring: ones and powers of two, in float32 --------------------------------------


def one_tap(
    weight: NumberArray, tokens: int, bias: NumberArray | None = None
) -> n.Conv1d:
    """Return a map of the channels of each token."""
    none = np.zeros(len(weight), weight.dtype)
    return n.Conv1d(weight[:, :, np.newaxis], none if bias is None else bias, tokens)


def _one_tap(weight: NumberArray, tokens: int) -> n.Conv1d:
    return one_tap(weight.astype(np.float32), tokens)


def _each_channel(weight: NumberArray, channels: int) -> n.Linear:
    narrow = weight.astype(np.float32)
    return n.Linear(np.broadcast_to(narrow, (channels, *weight.shape)))


def ones(*shape: int) -> NumberArray:
    """Return ones in float32, which hold small whole numbers exactly."""
    return _full(shape, 1.0)


def _full(shape: Shape, value: float) -> NumberArray:
    return np.full(shape, value, np.float32)
