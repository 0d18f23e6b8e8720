"""Which neurons receive an event: exact, and mostly without a product.

Targets that look at the same sources surely receive an event if more of those spiked
than any target has zeros, and surely none if none did. Only what lies between needs the
pattern of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from spikewright.counting_kernels import Kernel, as_kernel, make_kernel
from spikewright.counting_packed import Bits, Heard, Sent, as_words, count_set, pack
from spikewright.counting_touch import Mask, Pattern, count_true, make_pattern, touches
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

Mark: TypeAlias = Callable[[Heard, Mask], None]
"""sets where events fall: from (what arrives, mask (rows, chosen neurons))"""
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


def make_mark(
    synapses: DiagonalSynapses | SparseSynapses | DenseSynapses | ChannelSynapses,
    chosen: Chosen,
) -> Mark:
    """Return what marks the chosen targets of events."""
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
            return partial(_dense, make_pattern(synapses.weight[chosen.neurons]))
        case ChannelSynapses() if synapses.weight.shape[1] == 1:
            meets = pack(synapses.weight[:, 0] != 0, 1)[chosen.channels, 0]
            return partial(_gathered, len(synapses.weight), meets, chosen.channels)
        case ChannelSynapses():
            return _grouped_mark(synapses.weight[chosen.channels], chosen.channels)


def kernel_of(
    synapses: TokenSynapses | ConvSynapses, sent: Sent, chosen: Chosen
) -> Kernel:
    """Return what the chosen targets of synapses see of what a source sent."""
    if isinstance(synapses, TokenSynapses):
        synapses = as_kernel(synapses, sent.mask.shape[2])
    return make_kernel(synapses, chosen.channels, sent)


def _diagonal(meets: Mask, taken: Places, heard: Heard, mask: Mask) -> None:
    seen = heard.mask[:, taken]
    mask |= seen if meets.all() else seen & meets


def _sparse(matrix: Any, heard: Heard, mask: Mask) -> None:
    mask |= (matrix @ heard.mask.T.astype(np.float32)).T > 0


def _gathered(
    channels: int, meets: Bits, taken: Places, heard: Heard, mask: Mask
) -> None:
    """Mark the one target of each channel: whether any of its sources sends."""
    mask |= as_words(heard.bits(channels)[:, taken] & meets).any(axis=2)


def _dense(pattern: Pattern, heard: Heard, mask: Mask) -> None:
    bits = heard.bits(heard.sent.channels(1))
    count = count_set(bits.reshape(len(bits), -1))
    mask[count > pattern.most] = True
    some = np.flatnonzero((count > 0) & (count <= pattern.most))
    mask[some] |= touches(pattern, heard.mask[some])


def _grouped_mark(weight: npt.NDArray[Any], taken: Places) -> Mark:
    """Return the mark of weight (groups, targets, sources): each group on its own."""
    return partial(_grouped, [make_pattern(each) for each in weight], taken)


def _grouped(
    patterns: Sequence[Pattern], taken: Places, heard: Heard, mask: Mask
) -> None:
    targets, sources = patterns[0].has_weight.shape
    x = heard.mask.reshape(len(mask), -1, sources)[:, taken]
    count = count_true(x, axis=2)
    into = mask.reshape(len(mask), len(patterns), targets)
    most = np.array([each.most for each in patterns])
    into |= (count > most)[:, :, np.newaxis]
    unclear = (count > 0) & (count <= most)
    for group in np.flatnonzero(unclear.any(axis=0)).tolist():
        some = np.flatnonzero(unclear[:, group])
        into[some, group] |= touches(patterns[group], x[some, group])
