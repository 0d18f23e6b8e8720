"""Spikes on the way between machines: eight to a byte."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewright.simulate.inputs import is_binary

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Packed:
    """An array of 0 and 1."""

    bits: npt.NDArray[np.uint8]
    shape: tuple[int, ...]
    dtype: str


def pack(arrays: Mapping[str, Array]) -> dict[str, Array | Packed]:
    """Pack the arrays of integers that are all 0 or 1; leave the others."""
    return {name: _packed(array) for name, array in arrays.items()}


def unpack(arrays: Mapping[str, Array | Packed]) -> dict[str, Array]:
    """Return what `pack` was given."""
    return {
        name: _unpacked(each) if isinstance(each, Packed) else each
        for name, each in arrays.items()
    }


def _packed(array: Array) -> Array | Packed:
    if array.dtype.kind not in "bui" or not is_binary(array):
        return array
    bits = np.packbits(array.astype(np.bool_, copy=False))
    return Packed(bits, array.shape, array.dtype.str)


def _unpacked(each: Packed) -> Array:
    flat = np.unpackbits(each.bits, count=math.prod(each.shape))
    return flat.astype(each.dtype, copy=False).reshape(each.shape)
