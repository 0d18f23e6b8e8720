"""The values of a NIR node, as they are in the file: float64, whole numbers, words."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from spikewright.errors import GraphError
from spikewright.export.nir.fields import OPTIONS, SHAPES, Datasets, is_text
from spikewright.values import FloatArray

Field: TypeAlias = FloatArray | tuple[int, ...] | str
Values: TypeAlias = dict[str, Field]
"""by field: arrays are read-only; options and shapes are whole numbers, or a word"""

_EXACT = 2**53  # the largest integer up to which float64 holds every integer


def read_values(name: str, datasets: Datasets) -> Values:
    """Read the fields of a node; each is in memory once.

    Raises:
        GraphError: a value is not finite, not whole, or no float64.
    """
    return {field: _read(name, field, each) for field, each in datasets.items()}


def _read(name: str, field: str, dataset: Any) -> Field:
    if field in SHAPES:
        return _shape(name, field, dataset)
    if field not in OPTIONS:
        return _numbers(name, field, dataset)
    return _word(dataset) if is_text(dataset) else _whole(name, field, dataset)


def _numbers(name: str, field: str, dataset: Any) -> FloatArray:
    """Return finite float64 values, equal to those in the file."""
    exact: FloatArray = np.asarray(dataset.astype(np.float64)[()])
    exact.setflags(write=False)
    if not np.isfinite(exact).all():
        raise GraphError(
            f"node '{name}': {field} holds {_first_strange(exact)}; allowed: finite "
            "numbers; look for a training that diverged or a decay of 1"
        )
    if dataset.dtype.kind in "iu" and max(exact.max(), -exact.min()) >= _EXACT:
        raise GraphError(
            f"node '{name}': {field} holds integers of 2**53 or more, which float64 "
            "cannot hold exactly; rescale them"
        )
    return exact


def _first_strange(values: FloatArray) -> str:
    place = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
    return f"{values[place]} at {list(place)}"


def _word(dataset: Any) -> str:
    value = dataset[()]
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _whole(name: str, field: str, dataset: Any) -> tuple[int, ...]:
    values = [float(each) for each in np.ravel(dataset[()])]
    for value in values:
        if not value.is_integer():
            raise GraphError(
                f"node '{name}': {field} is {value}; allowed: whole numbers; "
                "export the model again"
            )
    return tuple(int(each) for each in values)


def _shape(name: str, field: str, dataset: Any) -> tuple[int, ...]:
    lengths = np.asarray(dataset[()])
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or lengths.min() < 1:
        raise GraphError(
            f"node '{name}': {field} is {lengths.tolist()}; allowed: a list of whole "
            "numbers of 1 or more"
        )
    return tuple(int(each) for each in lengths)
