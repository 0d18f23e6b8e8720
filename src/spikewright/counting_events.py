"""Which neurons receive an event: exact, and mostly without a product.

Targets that look at the same sources surely receive an event if more of those spiked
than any target has zeros, and surely none if none did. Only what lies between needs the
pattern of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from spikewright.counting_kernels import as_kernel, make_kernel, mark_kernel
from spikewright.counting_touch import Mask, Pattern, count_true, touches
from spikewright.linear import ends, to_matrix
from spikewright.nodes import (
    ChannelSynapses,
    ConvSynapses,
    DenseSynapses,
    DiagonalSynapses,
    IntArray,
    Shape,
    SparseSynapses,
    Synapses,
    TokenSynapses,
)

Mark: TypeAlias = Callable[[Mask, Mask], None]
"""sets where events fall: from (sent (rows, sources), mask (rows, chosen neurons))"""
Places: TypeAlias = IntArray | slice


@dataclass(frozen=True, eq=False)
class Chosen:
    """The neurons of a population that are looked at: whole channels."""

    channels: Places
    neurons: Places
    """flat"""


EVERY = Chosen(slice(None), slice(None))


def choose(
    wanted: Mask, shape: Shape, feeds: Iterable[tuple[Synapses, int]], slots: int
) -> Chosen:
    """Choose the channels with wanted neurons; all where synapses know none.

    Args:
        wanted: (neurons,).
        shape: of the population.
        feeds: synapses that lead to it, with the size of their source.
        slots: tokens of the population, of which none is left out.
    """
    channels = shape[0] if shape else 1
    places = wanted.size // channels
    if places % slots:
        return EVERY
    for synapses, size in feeds:
        is_shared = isinstance(synapses, ConvSynapses) and synapses.groups > 1
        by_channel = isinstance(
            synapses, TokenSynapses | ChannelSynapses | ConvSynapses
        )
        if by_channel and (is_shared or ends(synapses, size)[1][0] != channels):
            return EVERY
    used = np.flatnonzero(wanted.reshape(channels, -1).any(axis=1))
    if len(used) == channels:
        return EVERY
    neurons = (used[:, np.newaxis] * places + np.arange(places)).reshape(-1)
    return Chosen(used, neurons)


def make_mark(synapses: Synapses, size: int, chosen: Chosen) -> Mark:
    """Return what marks the chosen targets of events from a source of `size`."""
    match synapses:
        case DiagonalSynapses():
            meets = synapses.weight.reshape(-1) != 0
            return partial(_diagonal, meets[chosen.neurons], chosen.neurons)
        case SparseSynapses():
            ones = (synapses.weight != 0).astype(np.float32)
            matrix = to_matrix(synapses, ones)
            is_all = isinstance(chosen.neurons, slice)
            return partial(_sparse, matrix if is_all else matrix[chosen.neurons])
        case DenseSynapses():
            return _grouped_mark(synapses.weight[chosen.neurons][None], slice(None))
        case ChannelSynapses():
            return _grouped_mark(synapses.weight[chosen.channels], chosen.channels)
        case TokenSynapses():
            kernel = make_kernel(as_kernel(synapses, size), chosen.channels)
            return partial(mark_kernel, kernel)
        case ConvSynapses():
            return partial(mark_kernel, make_kernel(synapses, chosen.channels))


def _diagonal(meets: Mask, taken: Places, sent: Mask, mask: Mask) -> None:
    seen = sent[:, taken]
    mask |= seen if meets.all() else seen & meets


def _sparse(matrix: Any, sent: Mask, mask: Mask) -> None:
    mask |= (matrix @ sent.T.astype(np.float32)).T > 0


def _grouped_mark(weight: npt.NDArray[Any], taken: Places) -> Mark:
    """Return the mark of weight (groups, targets, sources): each group on its own."""
    meets = (weight != 0).astype(np.float32)
    most = np.count_nonzero(weight == 0, axis=2).max(axis=1, initial=0)
    return partial(_grouped, meets, most, taken)


def _grouped(
    meets: Pattern, most: IntArray, taken: Places, sent: Mask, mask: Mask
) -> None:
    groups, targets, sources = meets.shape
    x = sent.reshape(len(sent), -1, sources)[:, taken]
    count = count_true(x, axis=2)
    into = mask.reshape(len(sent), groups, targets)
    into |= (count > most)[:, :, np.newaxis]
    unclear = (count > 0) & (count <= most)
    for group in np.flatnonzero(unclear.any(axis=0)):
        some = np.flatnonzero(unclear[:, group])
        into[some, group] |= touches(meets[group], x[some, group])
