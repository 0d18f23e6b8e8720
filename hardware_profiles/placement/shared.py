"""Synapses that treat all places of a population alike, and what one place needs.

A place is a token or a pixel: all but the first axis of a population's shape.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spikewright.errors import GraphError
from spikewright.nodes import (
    ChannelSynapses,
    ConvSynapses,
    DenseSynapses,
    DiagonalSynapses,
    NumberArray,
    SparseSynapses,
    Synapses,
    TokenSynapses,
)


def is_same_at_every_place(
    synapses: Synapses, channels: int, *, is_sent_by_place: bool
) -> bool:
    """Say whether all places of the target get the same, each from its own place.

    Args:
        synapses: the projection.
        channels: of the target.
        is_sent_by_place: the source sends one place after the other; if not, it sends
            all that it has at once, and each place must get the same of it.
    """
    match synapses:
        case TokenSynapses() | ConvSynapses():
            return is_sent_by_place
        case DiagonalSynapses():
            return is_sent_by_place and _is_even(synapses.weight.reshape(channels, -1))
        case DenseSynapses():
            return not is_sent_by_place and _is_even(_rows_by_place(synapses, channels))
        case ChannelSynapses():
            return not is_sent_by_place and _is_even(synapses.weight)
        case SparseSynapses():
            return False


def _rows_by_place(synapses: DenseSynapses, channels: int) -> NumberArray:
    """Return the weight as (channels, places, sources)."""
    return synapses.weight.reshape(channels, -1, synapses.weight.shape[1])


def _is_even(weight: NumberArray) -> bool:
    """Say whether all places, on axis 1, have the same weights."""
    return bool(np.all(weight == weight[:, :1]))


def of_one_place(synapses: Synapses, channels: int) -> dict[str, Synapses]:
    """Return the synapses into one place, by suffix of their name.

    A window becomes one matrix for each of its places, from one place of the source
    each. Only for synapses that treat all places alike.
    """
    exponent = synapses.exponent
    match synapses:
        case TokenSynapses():
            return {
                f"[{tap}]": DenseSynapses(each, exponent)
                for tap, each in enumerate(synapses.weight)
            }
        case ConvSynapses():
            return {
                f"[{p},{q}]": _of_tap(synapses, synapses.weight[:, :, p, q])
                for p, q in np.ndindex(*synapses.weight.shape[2:])
            }
        case DiagonalSynapses():
            first = synapses.weight.reshape(channels, -1)[:, :1]
            return {"": DiagonalSynapses(first, exponent)}
        case ChannelSynapses():
            return {"": replace(synapses, weight=synapses.weight[:, :1])}
        case DenseSynapses():
            first = _rows_by_place(synapses, channels)[:, 0]
            return {"": DenseSynapses(first, exponent)}
        case SparseSynapses():
            raise GraphError("SparseSynapses have no places; do not stream them")


def _of_tap(synapses: ConvSynapses, weight: NumberArray) -> Synapses:
    """Return the matrix of one place of a kernel, (targets, sources / groups)."""
    if synapses.groups == 1:
        return DenseSynapses(weight, synapses.exponent)
    targets, sources = weight.shape
    target, source = np.divmod(np.arange(weight.size), sources)
    group = target // (targets // synapses.groups)
    return SparseSynapses(
        weight.reshape(-1),
        target,
        group * sources + source,
        (targets, synapses.shape[0]),
        synapses.exponent,
    )
