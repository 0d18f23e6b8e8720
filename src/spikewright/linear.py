"""Synapses as linear maps: their shapes, their products, their fan-in and fan-out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from spikewright.errors import GraphError
from spikewright.synapses import (
    ChannelSynapses,
    ConvSynapses,
    DenseSynapses,
    DiagonalSynapses,
    SparseSynapses,
    Synapses,
    TokenSynapses,
)
from spikewright.values import IntArray, NumberArray, Shape

Batch = npt.NDArray[Any]
Window = tuple[slice, slice]
ROWS = 2**17
"""weights of which the magnitude is taken at once"""

# --- shapes --------------------------------------------------------------------------


def ends(synapses: Synapses, size: int) -> tuple[Shape, Shape]:
    """Return the shapes that synapses see at both ends, for a source of `size`.

    Raises:
        GraphError: a source of `size` neurons does not fit the weight.
    """
    weight = synapses.weight.shape
    taken: Shape
    given: Shape
    match synapses:
        case DenseSynapses():
            taken, given = weight[1:], weight[:1]
        case ChannelSynapses():
            taken, given = (weight[0], weight[2]), weight[:2]
        case DiagonalSynapses():
            taken, given = weight, weight
        case ConvSynapses():
            taken, given = synapses.shape, synapses.target_shape
        case SparseSynapses():
            taken, given = (synapses.shape[1],), (synapses.shape[0],)
        case TokenSynapses():
            tokens = size // weight[2]
            taken, given = (weight[2], tokens), (weight[1], tokens - weight[0] + 1)
    if (
        math.prod(taken) != size
        or min((*taken, *given)) < 1
        or not _groups_fit(synapses)
    ):
        raise GraphError(
            f"{type(synapses).__name__} with a weight of shape {weight} cannot take "
            f"{size} signals; correct the weight"
        )
    return taken, given


def _groups_fit(synapses: Synapses) -> bool:
    """Say whether the groups of a kernel share out all channels on both sides."""
    if not isinstance(synapses, ConvSynapses):
        return True
    targets, sources = synapses.weight.shape[:2]
    taken = int(sources) * synapses.groups
    return targets % synapses.groups == 0 and taken == synapses.shape[0]


# --- products ------------------------------------------------------------------------


def apply_synapses(synapses: Synapses, x: Batch, target: Shape) -> Batch:
    """Return weight applied to x (batch, *source shape): (batch, *target shape).

    The exponent is left to the caller; the product has the type of `x`.
    """
    weight = synapses.weight.astype(x.dtype, copy=False)
    out: Batch
    match synapses:
        case DenseSynapses():
            out = x.reshape(len(x), -1) @ weight.T
        case DiagonalSynapses():
            out = x.reshape(len(x), -1) * weight.reshape(-1)
        case TokenSynapses():
            out = _slide(weight, x)
        case ChannelSynapses():
            channels, _, sources = weight.shape
            by_channel = x.reshape(len(x), channels, sources).transpose(1, 0, 2)
            out = np.matmul(by_channel, weight.transpose(0, 2, 1)).transpose(1, 0, 2)
        case ConvSynapses():
            out = _convolve(synapses, weight, x)
        case SparseSynapses():
            out = (to_matrix(synapses, weight) @ x.reshape(len(x), -1).T).T
    shaped: Batch = out.reshape(len(x), *target)
    return shaped


def to_matrix(synapses: SparseSynapses, weight: NumberArray) -> sparse.csr_array:
    """Return sparse synapses as a SciPy matrix (targets, sources)."""
    places = (synapses.targets, synapses.sources)
    return sparse.coo_array((weight, places), shape=synapses.shape).tocsr()


def from_matrix(matrix: sparse.csr_array) -> SparseSynapses:
    """Return the non-zero connections of a SciPy matrix (targets, sources)."""
    matrix.sum_duplicates()  # sorts them, too
    matrix.eliminate_zeros()
    targets = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    sources = matrix.indices.astype(np.int64)
    return SparseSynapses(matrix.data, targets, sources, matrix.shape)


def _slide(weight: Batch, x: Batch) -> Batch:
    """out[:, :, l] = sum_k weight[k] @ x[:, :, l + k]."""
    taps, _, channels = weight.shape
    tokens = x.reshape(len(x), channels, -1)
    length = tokens.shape[2] - taps + 1
    out: Batch = np.matmul(weight[0], tokens[:, :, :length])
    for tap in range(1, taps):
        out += np.matmul(weight[tap], tokens[:, :, tap : tap + length])
    return out


def _convolve(synapses: ConvSynapses, weight: Batch, x: Batch) -> Batch:
    """Add one matrix product per place of the kernel, all groups side by side."""
    targets, rows, columns = synapses.target_shape
    groups, batch = synapses.groups, len(x)
    wide = np.pad(
        x.reshape(batch, *synapses.shape), [(0, 0), (0, 0), *synapses.padding]
    )
    out = np.zeros((batch, groups, targets // groups, rows * columns), dtype=x.dtype)
    for (p, q), (down, right) in windows(synapses):
        seen = wide[:, :, down, right].reshape(batch, groups, -1, rows * columns)
        kernel = weight[:, :, p, q].reshape(groups, targets // groups, -1)
        out += np.matmul(kernel, seen)
    return out


def windows(synapses: ConvSynapses) -> Iterator[tuple[tuple[int, int], Window]]:
    """Yield each place (row, column) of a kernel, and what it sees of the padded x."""
    _, rows, columns = synapses.target_shape
    (down, right), (gap_down, gap_right) = synapses.stride, synapses.dilation
    for p, q in np.ndindex(*synapses.weight.shape[2:]):
        top, left = p * gap_down, q * gap_right
        yield (
            (p, q),
            (
                slice(top, top + (rows - 1) * down + 1, down),
                slice(left, left + (columns - 1) * right + 1, right),
            ),
        )


# --- fan-in and fan-out --------------------------------------------------------------


def pattern(synapses: Synapses) -> Synapses:
    """Return the synapses with a weight of 1 where there is one, else 0."""
    return replace(synapses, weight=(synapses.weight != 0).astype(np.int64), exponent=0)


def fan_in(synapses: Synapses) -> NumberArray:
    """Return the sum of |weight| at each target; of shared weights, where all meet."""
    weight = synapses.weight
    found: NumberArray
    match synapses:
        case TokenSynapses():
            found = np.abs(weight).sum(axis=(0, 2))
        case ConvSynapses():
            found = np.abs(weight).sum(axis=(1, 2, 3))
        case SparseSynapses():
            found = np.bincount(synapses.targets, np.abs(weight), synapses.shape[0])
        case DiagonalSynapses():
            found = np.abs(weight)
        case DenseSynapses() | ChannelSynapses():
            found = _sums_of_rows(weight)
    return found


def _sums_of_rows(weight: NumberArray) -> NumberArray:
    """Sum |weight| over the last axis, some rows at once: no copy of the whole."""
    rows = max(1, ROWS // max(1, weight[:1].size))
    starts = range(0, max(1, len(weight)), rows)
    return np.concatenate([np.abs(weight[i : i + rows]).sum(axis=-1) for i in starts])


def fan_out(synapses: Synapses, size: int) -> IntArray:
    """Count the non-zero connections of each of `size` sources, (size,)."""
    meets = (synapses.weight != 0).astype(np.int64)
    match synapses:
        case DenseSynapses():
            count = meets.sum(axis=0)
        case ChannelSynapses():
            count = meets.sum(axis=1)
        case DiagonalSynapses():
            count = meets
        case SparseSynapses():
            count = np.bincount(synapses.sources[meets > 0], minlength=size)
        case TokenSynapses():
            count = _fan_out_of_window(meets, ends(synapses, size)[0])
        case ConvSynapses():
            count = _fan_out_of_kernel(synapses, meets)
    return np.asarray(count, dtype=np.int64).reshape(-1)


def _fan_out_of_window(meets: IntArray, shape: Shape) -> IntArray:
    """Add up, for each channel and token, the taps that reach a target token."""
    length = shape[1] - len(meets) + 1
    targets = meets.sum(axis=1)
    count = np.zeros(shape, dtype=np.int64)
    for tap in range(len(meets)):
        count[:, tap : tap + length] += targets[tap][:, np.newaxis]
    return count


def _fan_out_of_kernel(synapses: ConvSynapses, meets: IntArray) -> IntArray:
    """Add up, for each channel and place, the taps that reach a target place."""
    channels, rows, columns = synapses.shape
    (top, bottom), (left, right) = synapses.padding
    wide = np.zeros((channels, rows + top + bottom, columns + left + right), np.int64)
    by_group = meets.reshape(synapses.groups, -1, *meets.shape[1:]).sum(axis=1)
    targets = by_group.reshape(channels, *meets.shape[2:])
    for (p, q), (down, across) in windows(synapses):
        wide[:, down, across] += targets[:, p, q][:, np.newaxis, np.newaxis]
    return wide[:, top : top + rows, left : left + columns]


# --- one by one ----------------------------------------------------------------------


def to_sparse(synapses: Synapses, size: int) -> SparseSynapses:
    """Write out every connection of a map whose source has `size` neurons.

    Non-zero weights only; memory grows with their number.
    """
    if isinstance(synapses, SparseSynapses):
        return synapses
    taken, given = ends(synapses, size)
    targets, sources, weights = _connections(synapses, taken, given)
    shape = (math.prod(given), size)
    matrix = sparse.coo_array((weights, (targets, sources)), shape=shape).tocsr()
    return replace(from_matrix(matrix), exponent=synapses.exponent)


def _connections(
    synapses: Synapses, taken: Shape, given: Shape
) -> tuple[IntArray, IntArray, NumberArray]:
    """Return target, source and weight of every connection, flat."""
    into = np.arange(math.prod(given)).reshape(given)
    out_of = np.arange(math.prod(taken)).reshape(taken)
    weight = synapses.weight
    parts: list[tuple[IntArray, IntArray, NumberArray]] = []
    match synapses:
        case DiagonalSynapses():
            parts = [(into, out_of, weight)]
        case DenseSynapses():
            parts = [(into[:, None], out_of[None], weight)]
        case ChannelSynapses():
            parts = [(into[:, :, None], out_of[:, None, :], weight)]
        case TokenSynapses():
            length = given[1]
            parts = [
                (into[:, None, :], out_of[None, :, k : k + length], each[:, :, None])
                for k, each in enumerate(weight)
            ]
        case ConvSynapses():
            parts = list(_of_kernel(synapses, into, out_of))
    flat = [[each.reshape(-1) for each in np.broadcast_arrays(*part)] for part in parts]
    targets, sources, weights = (
        np.concatenate(each) for each in zip(*flat, strict=True)
    )
    return targets, sources, weights


def _of_kernel(
    synapses: ConvSynapses, into: IntArray, out_of: IntArray
) -> Iterator[tuple[IntArray, IntArray, NumberArray]]:
    """Yield the connections of each place of the kernel; padding connects nothing."""
    groups, targets = synapses.groups, into.shape[0]
    wide = np.pad(out_of, [(0, 0), *synapses.padding], constant_values=-1)
    by_group = into.reshape(groups, targets // groups, 1, *into.shape[1:])
    for (p, q), (down, right) in windows(synapses):
        seen = wide[:, down, right].reshape(groups, 1, -1, *into.shape[1:])
        kernel = synapses.weight[:, :, p, q]
        shaped = kernel.reshape(groups, targets // groups, -1, 1, 1)
        yield by_group, np.maximum(seen, 0), np.where(seen < 0, 0, shaped)
