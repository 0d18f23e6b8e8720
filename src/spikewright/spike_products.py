"""What products of spikes with spikes cost, under each convention in use.

A graph spells q k^T and (q k^T) v out as populations whose synapses are counted like
any others. These functions say what the same products cost where a machine, or a paper,
takes them as one operation. The choice moves attention by a factor of three, so none is
the default: all are returned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewright.errors import InputError
from spikewright.nodes import IntArray


@dataclass(frozen=True, eq=False)
class SpikeProducts:
    """Accumulates of a product of two spike matrices; all (samples, steps)."""

    both: IntArray
    """AND: pairs of which both sent; what remains if both sides are sparse"""
    first_driven: IntArray
    """each spike of the first matrix meets all it could meet, sent or not"""
    second_driven: IntArray
    """each spike of the second matrix does"""
    dense: IntArray
    """all pairs"""
    levels: IntArray
    """the result, added up: pairs of which both sent, weighed with their level"""

    def totals(self) -> dict[str, int]:
        """Add up samples and steps."""
        return {name: int(values.sum()) for name, values in vars(self).items()}


def count_scores(q: npt.ArrayLike, k: npt.ArrayLike) -> SpikeProducts:
    """Count q k^T of spikes.

    Args:
        q: (samples, steps, ..., queries, width), 0 or 1.
        k: (samples, steps, ..., keys, width), 0 or 1.

    Raises:
        InputError: the arrays are no spikes, or their shapes do not fit.
    """
    first, second = _spikes("q", q), _spikes("k", k)
    _check_fit(first.shape, second.shape, first.shape[-1], second.shape[-1])
    return _products(first, np.swapaxes(second, -1, -2))


def count_mixtures(scores: npt.ArrayLike, v: npt.ArrayLike) -> SpikeProducts:
    """Count scores v, where the scores q k^T are integers and v spikes.

    A score is one event here, however high; `levels` counts it as often as it is high.

    Args:
        scores: (samples, steps, ..., queries, keys), integers from 0 on.
        v: (samples, steps, ..., keys, width), 0 or 1.

    Raises:
        InputError: the arrays are no such integers, or their shapes do not fit.
    """
    first, second = _levels("scores", scores), _spikes("v", v)
    _check_fit(first.shape, second.shape, first.shape[-1], second.shape[-2])
    return _products(first, second)


def count_coincidences(first: npt.ArrayLike, second: npt.ArrayLike) -> SpikeProducts:
    """Count an elementwise product of spikes (samples, steps, ...).

    Raises:
        InputError: the arrays are no spikes, or their shapes differ.
    """
    one, other = _spikes("first", first), _spikes("second", second)
    if one.shape != other.shape:
        raise InputError(f"spikes of {one.shape} and {other.shape}; allowed: equal")
    both = _each(one * other)
    return SpikeProducts(both, _each(one), _each(other), _each(one * 0 + 1), both)


def _products(first: IntArray, second: IntArray) -> SpikeProducts:
    """Count first @ second: the sums over the inner axis need no product."""
    sent, met = (first != 0).astype(np.int64), second
    both = sent.sum(axis=-2) * met.sum(axis=-1)
    levels = first.sum(axis=-2) * second.sum(axis=-1)
    rows, columns = first.shape[-2], second.shape[-1]
    pairs = np.full(first.shape[:2], first[0, 0].size * columns, dtype=np.int64)
    return SpikeProducts(
        _each(both), _each(sent) * columns, _each(met) * rows, pairs, _each(levels)
    )


def _each(values: IntArray) -> IntArray:
    summed: IntArray = values.reshape(*values.shape[:2], -1).sum(axis=2)
    return summed


def _spikes(name: str, values: npt.ArrayLike) -> IntArray:
    found = _levels(name, values)
    if found.max(initial=0) > 1:
        raise InputError(f"{name}: a spike of {found.max()}; spikes are 0 or 1")
    return found


def _levels(name: str, values: npt.ArrayLike) -> IntArray:
    found: npt.NDArray[Any] = np.asarray(values)
    is_whole = found.dtype.kind in "biu" and found.min(initial=0) >= 0
    if found.ndim < 4 or found.size == 0 or not is_whole:
        raise InputError(
            f"{name}: {found.dtype} of shape {found.shape}; allowed: integers from 0 "
            "on, (samples, steps, ..., rows, columns)"
        )
    return found.astype(np.int64)


def _check_fit(
    first: tuple[int, ...], second: tuple[int, ...], inner: int, other: int
) -> None:
    if first[:-2] != second[:-2] or inner != other:
        raise InputError(
            f"a product of shapes {first} and {second}; allowed: the same samples, "
            "steps and heads, and inner axes of one length"
        )
