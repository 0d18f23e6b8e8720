"""What nodes are made of: shapes, arrays, and the base that makes a node a value."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]
Array: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
NumberArray: TypeAlias = npt.NDArray[Any]
"""real weights, or integers once QUANTIZED"""


class Value:
    """Freezes the array fields of a dataclass: private, read-only copies.

    An array that is read-only and owns its memory already belongs to a node, so it is
    shared: passes that leave a weight alone do not copy it.
    """

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray | np.floating):  # 0-d sums lose their array
                object.__setattr__(self, field.name, frozen(np.asarray(value)))


def frozen(array: Array) -> Array:
    """Return a read-only copy, or the array itself if it is one already."""
    if not array.flags.writeable and array.base is None:
        return array
    copy = array.copy()
    copy.setflags(write=False)
    return copy


ZERO: FloatArray = frozen(np.zeros(()))
"""the same for every neuron: nothing"""
