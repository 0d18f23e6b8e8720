"""What attention by coincidences costs, before anything is built."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from spikewright.errors import GraphError, InputError
from spikewright.export.attention.orders import Contexts, Order, Scores, bits_of

OrderName = Literal["contexts", "scores"]
MAX_BYTES = 2**28
"""of the arrays of one attention, as NIR stores them, if nobody asks for more"""
_NUMBER_BYTES = 4
_SYNAPSE_BYTES = 12
"""a weight and the places of its two ends"""


@dataclass(frozen=True)
class AttentionSize:
    """What lies between the neurons of q, k, v and the neuron behind the product."""

    order: OrderName
    units: int
    """threshold units"""
    synapses: int
    """connections that are not 0, once lowered"""
    numbers: int
    """in the arrays of a NIR file, zeros and thresholds among them"""

    @property
    def dense_bytes(self) -> int:
        """Bytes of these arrays: NIR knows no sparse maps; files are compressed."""
        return self.numbers * _NUMBER_BYTES

    @property
    def sparse_bytes(self) -> int:
        """Bytes of a list of synapses and thresholds, which NIR has no node for."""
        return self.synapses * _SYNAPSE_BYTES + self.units * _NUMBER_BYTES


class AttentionTooLargeError(GraphError):
    """Attention by coincidences would take more bytes than allowed."""

    def __init__(self, where: str, size: AttentionSize, max_bytes: int) -> None:
        self.size, self.max_bytes = size, max_bytes
        super().__init__(
            f"{where}: products of spikes as coincidences take {size.units:,} units, "
            f"{size.synapses:,} synapses and {size.dense_bytes:,} bytes of arrays "
            f"({size.sparse_bytes:,} if sparse); allowed: {max_bytes:,} bytes; use "
            "fewer tokens or channels a head; or build it by coincidence_attention "
            "with a larger max_bytes; or train another model, which is smaller: "
            "respiked_attention, with a neuron behind kᵀ v, or spike_driven_attention"
        )


def coincidence_size(
    tokens: int, channels: int, heads: int = 1, *, order: OrderName | None = None
) -> AttentionSize:
    """Return what `coincidence_attention` costs, without building it.

    Args:
        tokens: that attend to one another.
        channels: of all heads.
        heads: each has its share of the channels, and nodes of its own.
        order: which product comes first; by default what takes fewer bytes.

    Raises:
        InputError: the channels cannot be shared by the heads, or there are none.
    """
    chosen = choose_order(tokens, head_channels(channels, heads), 1, order)
    return size_of(chosen, copies=heads)


def head_channels(channels: int, heads: int) -> int:
    """Return the channels of one head."""
    if heads < 1 or channels < 1 or channels % heads:
        raise InputError(
            f"{channels} channels for {heads} heads; allowed: a multiple of the heads"
        )
    return channels // heads


def choose_order(
    tokens: int, channels: int, heads: int, name: OrderName | None = None
) -> Order:
    """Return the order with this name, or what takes fewer bytes."""
    if tokens < 1:
        raise InputError(f"{tokens} tokens; allowed: 1 or more")
    both: dict[str, Order] = {
        "contexts": Contexts(tokens, channels, heads),
        "scores": Scores(tokens, channels, heads),
    }
    if name is not None and name not in both:
        raise InputError(f"order '{name}'; allowed: {', '.join(both)}")
    if name is not None:
        return both[name]
    return min(both.values(), key=lambda order: size_of(order).numbers)


def size_of(order: Order, *, copies: int = 1) -> AttentionSize:
    """Return what the nodes of an order cost, times `copies`."""
    counts, bits = prod(order.counts), bits_of(order)
    taken = (bits - 1) * (counts + prod(order.units))
    before, behind = size_before(order), size_behind(order, bits)
    lower = counts * bits * (bits - 1) // 2
    into_bits = (bits - 1) * prod(order.units) + lower
    return AttentionSize(
        before.order,
        copies * (before.units + bits * counts + behind.units),
        copies * (before.synapses + into_bits + behind.synapses),
        copies * (before.numbers + bits * counts + taken + behind.numbers),
    )


def size_before(order: Order) -> AttentionSize:
    """Return what the ANDs of pairs cost, with their sums, which go to one reader."""
    units = prod(order.units)
    return AttentionSize(_name(order), units, 3 * units, order.map_numbers[0] + units)


def size_behind(order: Order, bits: int) -> AttentionSize:
    """Return what the ANDs of bits, or of other spikes, with the third operand cost."""
    units = bits * prod(order.units)
    _, fixed, each = order.map_numbers
    numbers = fixed + bits * each + units
    return AttentionSize(_name(order), units, 3 * units, numbers)


def _name(order: Order) -> OrderName:
    return "contexts" if isinstance(order, Contexts) else "scores"
