"""One linear map out of several: structure is kept where it survives."""

from __future__ import annotations

from dataclasses import fields, replace
from math import prod

import numpy as np
from scipy import sparse

from spikewright.errors import GraphError
from spikewright.export.passes.compose_kernels import as_kernel, kernel_after_kernel
from spikewright.linear import ends, fan_out, from_matrix, to_matrix, to_sparse
from spikewright.nodes import (
    ChannelSynapses,
    ConvSynapses,
    DenseSynapses,
    DiagonalSynapses,
    FloatArray,
    SparseSynapses,
    Synapses,
    TokenSynapses,
)

MAX_DENSE = 2**25
"""Weights in the largest dense matrix that we make of other maps (256 MB)."""
MAX_SYNAPSES = 2**26
"""Connections in the largest map that we write out one by one (1.6 GB)."""

# --- one after the other -------------------------------------------------------------


def compose(first: Synapses, then: Synapses, size: int, where: str) -> Synapses:
    """Return `then` after `first`, for `size` sources.

    Diagonals scale the other map. Dense, channel-wise and token-wise maps in a row stay
    such maps, and kernels do where the zeros around them allow it. Else connections
    are written out: in a dense matrix if a factor is dense, the result is no larger
    than that or `MAX_DENSE`, and a third of it connects; one by one otherwise.

    Raises:
        GraphError: there may be more than `MAX_SYNAPSES` connections.
    """
    if isinstance(first, DiagonalSynapses):
        return _scale_columns(then, first.weight, size, where)
    if isinstance(then, DiagonalSynapses):
        return _scaled_rows(first, then.weight, size, where)
    kept = _same_kind(first, then, size, where)
    return _written_out(first, then, size, where) if kept is None else kept


def target_size(synapses: Synapses, size: int) -> int:
    """Return how many values come out when `size` go in."""
    return prod(ends(synapses, size)[1])


def _same_kind(
    first: Synapses, then: Synapses, size: int, where: str
) -> Synapses | None:
    match first, then:
        case DenseSynapses(), DenseSynapses():
            _refuse_above_limit(where, len(then.weight) * size)
            return DenseSynapses(then.weight @ first.weight)
        case ChannelSynapses(), ChannelSynapses():
            if len(first.weight) == len(then.weight):
                return ChannelSynapses(then.weight @ first.weight)
        case TokenSynapses(), TokenSynapses():
            if first.weight.shape[1] == then.weight.shape[2]:
                return TokenSynapses(_convolve_taps(first.weight, then.weight))
        case (ConvSynapses(), _) | (_, ConvSynapses()):
            one, two = as_kernel(first, size), as_kernel(then, target_size(first, size))
            if one is not None and two is not None:
                return kernel_after_kernel(one, two)
    return None


def _convolve_taps(first: FloatArray, then: FloatArray) -> FloatArray:
    """weight[i + j] = sum of then[j] @ first[i]: two windows in a row are one."""
    taps = len(first) + len(then) - 1
    weight = np.zeros((taps, then.shape[1], first.shape[2]))
    for i, one in enumerate(first):
        for j, two in enumerate(then):
            weight[i + j] += two @ one
    return weight


def _written_out(first: Synapses, then: Synapses, size: int, where: str) -> Synapses:
    middle = target_size(first, size)
    rows = target_size(then, middle)
    dense = [each for each in (first, then) if isinstance(each, DenseSynapses)]
    room = max([MAX_DENSE, *(each.weight.size for each in dense)])
    if dense and rows * size <= room:
        product = _matrix(then, middle, where) @ _matrix(first, size, where)
        return thrifty(DenseSynapses(np.asarray(product)), size)
    one, two = _listed(first, size, where), _listed(then, middle, where)
    meetings = int(np.bincount(one.targets, minlength=middle) @ fan_out(two, middle))
    _refuse_above_limit(where, min(meetings, rows * size))
    return from_matrix(to_matrix(two, two.weight) @ to_matrix(one, one.weight))


def thrifty(synapses: Synapses, size: int) -> Synapses:
    """Write a map of its own weights one by one where that takes less memory."""
    if not isinstance(synapses, DenseSynapses | DiagonalSynapses):
        return synapses
    numbers = 3 * np.count_nonzero(synapses.weight)  # weight, target, source
    return to_sparse(synapses, size) if numbers < synapses.weight.size else synapses


# --- side by side --------------------------------------------------------------------


def add(first: Synapses, second: Synapses, size: int, where: str) -> Synapses:
    """Return the map that gives the sum of both, for `size` sources.

    Raises:
        GraphError: there may be more than `MAX_SYNAPSES` connections.
    """
    if _are_alike(first, second):
        weight = first.weight + second.weight.reshape(first.weight.shape)
        return replace(first, weight=weight)
    if isinstance(first, DenseSynapses) or isinstance(second, DenseSynapses):
        total = _matrix(first, size, where) + _matrix(second, size, where)
        return DenseSynapses(np.asarray(total))
    one, two = _listed(first, size, where), _listed(second, size, where)
    _refuse_above_limit(where, one.weight.size + two.weight.size)
    return from_matrix(to_matrix(one, one.weight) + to_matrix(two, two.weight))


def _are_alike(first: Synapses, second: Synapses) -> bool:
    """Say whether weights at the same place join the same neurons."""
    if isinstance(first, SparseSynapses) or type(first) is not type(second):
        return False
    if isinstance(first, DiagonalSynapses):
        return True  # of any shape: signals are in C order
    others = [each.name for each in fields(first) if each.name != "weight"]
    return first.weight.shape == second.weight.shape and all(
        getattr(first, name) == getattr(second, name) for name in others
    )


# --- scaled --------------------------------------------------------------------------


def scale_rows(synapses: Synapses, scale: FloatArray, size: int) -> Synapses:
    """Multiply what reaches each target by its `scale`.

    Weights that targets share become one by one where their scales differ.

    Raises:
        GraphError: there are then more than `MAX_SYNAPSES` connections.
    """
    where = f"a scale of each neuron that {type(synapses).__name__} reach"
    return _scaled_rows(synapses, scale, size, where)


def _scaled_rows(
    synapses: Synapses, scale: FloatArray, size: int, where: str
) -> Synapses:
    if np.all(scale == 1):
        return synapses
    weight, factor = synapses.weight, scale
    match synapses:
        case DiagonalSynapses():
            factor = scale.reshape(weight.shape)
        case DenseSynapses():
            factor = scale.reshape(-1, 1)
        case ChannelSynapses():
            factor = scale.reshape(*weight.shape[:2], 1)
        case SparseSynapses():
            factor = scale.reshape(-1)[synapses.targets]
        case TokenSynapses() if (shared := _shared(scale, weight.shape[1])) is not None:
            factor = shared[:, np.newaxis]
        case ConvSynapses() if (shared := _shared(scale, len(weight))) is not None:
            factor = shared[:, np.newaxis, np.newaxis, np.newaxis]
        case _:
            listed = _listed(synapses, size, where)
            return _scaled_rows(listed, scale, size, where)
    return replace(synapses, weight=weight * factor)


def _scale_columns(
    synapses: Synapses, scale: FloatArray, size: int, where: str
) -> Synapses:
    """Multiply what leaves each source by its `scale`."""
    if np.all(scale == 1):
        return synapses
    weight, factor = synapses.weight, scale
    match synapses:
        case DiagonalSynapses():
            factor = scale.reshape(weight.shape)
        case DenseSynapses():
            factor = scale.reshape(-1)
        case ChannelSynapses():
            factor = scale.reshape(len(weight), 1, -1)
        case SparseSynapses():
            factor = scale.reshape(-1)[synapses.sources]
        case TokenSynapses() if (shared := _shared(scale, weight.shape[2])) is not None:
            factor = shared
        case ConvSynapses() if (
            shared := _shared(scale, synapses.shape[0])
        ) is not None:
            by_group = shared.reshape(synapses.groups, -1)
            repeats = len(weight) // synapses.groups
            factor = np.repeat(by_group, repeats, axis=0)[:, :, np.newaxis, np.newaxis]
        case _:
            listed = _listed(synapses, size, where)
            return _scale_columns(listed, scale, size, where)
    return replace(synapses, weight=weight * factor)


def _shared(values: FloatArray, channels: int) -> FloatArray | None:
    """Return the value of each channel, or None if it differs between places."""
    table: FloatArray = values.reshape(channels, -1)
    return table[:, 0] if np.all(table == table[:, :1]) else None


# --- one by one ----------------------------------------------------------------------


def _matrix(synapses: Synapses, size: int, where: str) -> FloatArray | sparse.csr_array:
    """Return (targets, sources) over flattened signals, dense if the synapses are."""
    if isinstance(synapses, DenseSynapses):
        return synapses.weight
    listed = _listed(synapses, size, where)
    return to_matrix(listed, listed.weight)


def _listed(synapses: Synapses, size: int, where: str) -> SparseSynapses:
    if isinstance(synapses, SparseSynapses):
        return synapses
    _refuse_above_limit(where, int(fan_out(synapses, size).sum()))
    return to_sparse(synapses, size)


def _refuse_above_limit(where: str, count: int) -> None:
    if count > MAX_SYNAPSES:
        raise GraphError(
            f"{where}: its linear maps make up to {count} connections, at most "
            f"{MAX_SYNAPSES}; put a neuron between the maps"
        )
