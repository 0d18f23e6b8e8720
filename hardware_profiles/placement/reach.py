"""Which sources reach which neurons, counted without writing connections out.

A core stores the synapses of one source as one input axon; so what a set of target
neurons costs depends on how many sources reach it, and on how many of its neurons each
of them reaches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spikewright.hops import Hop
from spikewright.linear import apply_synapses, ends, pattern, windows
from spikewright.loihi import has_both_signs, stored_bits
from spikewright.nodes import (
    ChannelSynapses,
    ConvSynapses,
    DenseSynapses,
    DiagonalSynapses,
    IntArray,
    SparseSynapses,
    Synapses,
    TokenSynapses,
)

Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.float32]
"""small integers, which float32 products keep exact"""


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses between two populations, and which of them are not zero."""

    name: str
    source: str
    target: str
    synapses: Synapses
    size: int
    """neurons of the source"""
    delay: int
    meets: Mask
    """where the weight is not 0; the shape of the weight"""
    is_mixed: bool
    """weights of both signs occur"""
    weight_bits: int
    """that hold the weights exactly"""


@dataclass(frozen=True, eq=False)
class Reach:
    """The sources that reach a set of targets; all arrays are (sources that do,)."""

    sources: IntArray
    """places in the source population"""
    used: IntArray
    """synapses of each"""
    run: IntArray
    """targets of each if it stores the zeros in between too, and no index; those of a
    kernel lie apart, row by row, so it counts all targets"""


def projection(hop: Hop, synapses: Synapses, size: int) -> Projection:
    """Return the projection of a hop whose source has `size` neurons."""
    weight = synapses.weight
    return Projection(
        hop.first.target,
        hop.source,
        hop.target,
        synapses,
        size,
        hop.first.delay,
        meets=weight != 0,
        is_mixed=has_both_signs(weight),
        weight_bits=stored_bits(weight, synapses.exponent),
    )


def in_degree(each: Projection) -> IntArray:
    """Count the synapses of each target neuron, flat."""
    match each.synapses:
        case DenseSynapses() | ChannelSynapses():
            counts = np.count_nonzero(each.meets, axis=-1)
        case DiagonalSynapses():
            counts = each.meets
        case SparseSynapses() as synapses:
            counts = np.bincount(
                synapses.targets[each.meets], minlength=synapses.shape[0]
            )
        case TokenSynapses() | ConvSynapses() as synapses:
            taken, given = ends(synapses, each.size)
            ones = np.ones((1, *taken), dtype=np.float32)
            counts = apply_synapses(pattern(synapses), ones, given)
    return np.asarray(counts).astype(np.int64).reshape(-1)


def reach(each: Projection, rows: IntArray, *, by_place: bool) -> Reach:
    """Return the sources of the target neurons `rows` (flat, none twice).

    Args:
        each: the projection.
        rows: places in the target population.
        by_place: in the core, the channels of a place follow each other, not the
            places of a channel; decides which zeros lie between a source's targets.
    """
    used: npt.NDArray[np.generic]
    run: npt.NDArray[np.generic] | None = None
    match each.synapses:
        case DenseSynapses():
            used = np.count_nonzero(each.meets[rows], axis=0)
        case DiagonalSynapses():
            found = rows[each.meets.reshape(-1)[rows]]
            ones = np.ones(len(found), dtype=np.int64)
            return Reach(found, ones, ones)
        case SparseSynapses() as synapses:
            used = _of_sparse(synapses, each, rows)
        case ChannelSynapses():
            used, whole = _of_channels(each.meets, rows)
            run = None if by_place else whole
        case TokenSynapses() as synapses:
            tokens = ends(synapses, each.size)[0][1]
            used = _of_tokens(each.meets, rows, tokens)
            run = _of_tokens(_filled(each.meets), rows, tokens) if by_place else None
        case ConvSynapses() as synapses:
            used = _of_kernel(synapses, each.meets, rows)
    return _compact(used, run, len(rows))


def _compact(
    used: npt.NDArray[np.generic], run: npt.NDArray[np.generic] | None, rows: int
) -> Reach:
    """Keep the sources that reach anything; without runs, each stores all targets."""
    counts = used.reshape(-1)
    sources = np.flatnonzero(counts != 0)  # of a mask, which is quicker
    if run is None:
        runs = np.full(len(sources), rows, dtype=np.int64)
    else:
        runs = run.reshape(-1)[sources].astype(np.int64)
    return Reach(sources, counts[sources].astype(np.int64), runs)


def _filled(meets: Mask) -> Mask:
    """Fill the targets and taps that a source channel skips."""
    filled: Mask = np.broadcast_to(meets.any(axis=(0, 1)), meets.shape)
    return filled


# --- one kind each -------------------------------------------------------------------


def _of_sparse(synapses: SparseSynapses, each: Projection, rows: IntArray) -> IntArray:
    """Count per source; synapses are sorted by target, so each row is a slice."""
    first = np.searchsorted(synapses.targets, rows, side="left")
    length = np.searchsorted(synapses.targets, rows, side="right") - first
    ends_at = np.cumsum(length)
    places = np.arange(length.sum()) + np.repeat(first - ends_at + length, length)
    places = places[each.meets[places]]
    return np.bincount(synapses.sources[places], minlength=each.size)


def _of_channels(meets: Mask, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Count per (channel, source token), and the targets of the channel there."""
    channel, token = np.divmod(rows, meets.shape[1])
    used = np.zeros((meets.shape[0], meets.shape[2]), dtype=np.int64)
    np.add.at(used, channel, meets[channel, token])
    targets = np.bincount(channel, minlength=meets.shape[0])
    return used, np.broadcast_to(targets[:, np.newaxis], used.shape)


def _of_tokens(meets: Mask, rows: IntArray, tokens: int) -> Counts:
    """Count per (source channel, source token): out[:, l + k] += meets[k].T @ rows."""
    taps, _, channels = meets.shape
    channel, token = np.divmod(rows, tokens - taps + 1)
    first, last = int(token.min()), int(token.max()) + 1
    low, high = int(channel.min()), int(channel.max()) + 1
    chosen = np.zeros((high - low, last - first), dtype=np.float32)
    chosen[channel - low, token - first] = 1
    out = np.zeros((channels, tokens), dtype=np.float32)
    for tap in range(taps):
        back = meets[tap, low:high].T.astype(np.float32)
        out[:, first + tap : last + tap] += back @ chosen
    return out


def _of_kernel(synapses: ConvSynapses, meets: Mask, rows: IntArray) -> Counts:
    """Count per (source channel, row, column), over the target rows that occur."""
    _, height, width = synapses.target_shape
    channel, place = np.divmod(rows, height * width)
    down, across = np.divmod(place, width)
    first, last = int(down.min()), int(down.max()) + 1
    low = 0
    if synapses.groups == 1:  # groups hold all their channels, so none is left out
        low = int(channel.min())
        meets = meets[low : int(channel.max()) + 1]
    chosen = np.zeros((len(meets), last - first, width), dtype=np.float32)
    chosen[channel - low, down - first, across] = 1
    by_group = chosen.reshape(synapses.groups, len(meets) // synapses.groups, -1)
    return _spread(synapses, meets, by_group, slice(first, last))


def _spread(synapses: ConvSynapses, meets: Mask, chosen: Counts, rows: slice) -> Counts:
    """Send `chosen` (groups, targets, places of `rows`) back to the sources."""
    channels, height, width = synapses.shape
    (top, bottom), (left, right) = synapses.padding
    wide = np.zeros(
        (channels, height + top + bottom, width + left + right), dtype=np.float32
    )
    for (p, q), (down, across) in windows(synapses):
        if not meets[:, :, p, q].any():
            continue  # such as the taps behind a look-ahead
        step = down.step or 1
        seen = slice(
            down.start + rows.start * step, down.start + rows.stop * step, step
        )
        kernel = meets[:, :, p, q].reshape(*chosen.shape[:2], -1).astype(np.float32)
        sent = np.matmul(kernel.transpose(0, 2, 1), chosen)
        part = wide[:, seen, across]
        part += sent.reshape(part.shape)
    return wide[:, top : top + height, left : left + width]
