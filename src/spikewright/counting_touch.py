"""Counting and matching of masks, as fast as bytes go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from spikewright.nodes import IntArray

Mask: TypeAlias = npt.NDArray[np.bool_]
Counts: TypeAlias = npt.NDArray[np.int32]
BYTE = 255
FIRST = 64
"""sources looked at first; where spikes are many, few targets are left after them"""
FEW_LEFT = 1 / 8
"""share of pairs below which they are looked at one by one"""
FEW_ZEROS = 1 / 16
"""share of zeros below which those are added up instead of the weights"""
MOST_ZEROS = 64
"""zeros of any target up to which that pays"""
LONG = 2048
"""neurons from which a call for each row is faster than a loop over all"""
_ONES = np.uint64(0x0101010101010101)


def count_true(x: Mask, *, axis: int) -> Counts:
    """Count along an axis, in bytes, which add many times faster than wider numbers."""
    axis %= x.ndim
    if axis == x.ndim - 1 and fits_words(x.shape[axis]) and x.flags.c_contiguous:
        return count_in_words(x.view(np.uint8)).astype(np.int32)
    first = np.moveaxis(x, axis, 0).view(np.uint8)
    total = np.zeros(first.shape[1:], np.int32)
    for start in range(0, len(first), BYTE):
        total += _folded(first[start : start + BYTE])
    return total


def _folded(x: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Add one half of up to 255 to the other until one is left: long vectors."""
    while len(x) > 1:
        half = len(x) // 2
        added = x[:half] + x[half : 2 * half]
        if len(x) % 2:
            added[0] += x[-1]
        x = added
    return np.asarray(x[0])


def count_in_words(x: npt.NDArray[np.uint8]) -> IntArray:
    """Count along the last axis, eight bytes at a time.

    Args:
        x: zeros and ones, contiguous; the last axis a multiple of 8 and at most 248,
            so that no byte of a sum of words overflows.
    """
    words = x.view(np.uint64)
    total = words[..., 0].copy()
    for place in range(1, words.shape[-1]):
        total += words[..., place]
    return ((total * _ONES) >> np.uint64(56)).astype(np.int64)


def count_rows(x: Mask) -> IntArray:
    """Count along the last of two axes, row by row if rows are long."""
    if x.shape[1] < LONG:
        return np.asarray(x.sum(axis=1, dtype=np.int64))
    return np.fromiter(map(np.count_nonzero, x), np.int64, len(x))


def fits_words(length: int) -> bool:
    """Say whether `count_in_words` takes a last axis of this length."""
    return length % 8 == 0 and 0 < length < BYTE


@dataclass(frozen=True, eq=False)
class Pattern:
    """Which targets have a weight from which sources, (targets, sources)."""

    has_weight: Mask
    most: int
    """zeros of the target that has most"""
    has_few_zeros: bool

    @cached_property
    def meets(self) -> npt.NDArray[np.float32]:
        """1 where there is a weight, else 0."""
        return self.has_weight.astype(np.float32)

    @cached_property
    def missed(self) -> list[tuple[IntArray, IntArray]]:
        """Targets with the first source that each lacks, with the second, and so on."""
        targets, sources = np.nonzero(~self.has_weight)
        number = np.arange(len(targets)) - np.searchsorted(targets, targets)
        each = [number == k for k in range(self.most)]
        return [(targets[some], sources[some]) for some in each]


def make_pattern(weight: npt.NDArray[Any]) -> Pattern:
    """Return the pattern of weights (targets, sources)."""
    has_weight = np.asarray(weight != 0)
    zeros = weight.shape[1] - np.count_nonzero(has_weight, axis=1)
    most = int(zeros.max(initial=0))
    has_few = bool(zeros.sum() <= FEW_ZEROS * weight.size) and most <= MOST_ZEROS
    return Pattern(has_weight, most, has_few)


def touches(pattern: Pattern, x: Mask) -> Mask:
    """Tell which targets (rows, targets) meet a source that sent.

    Sums of zeros and ones are exact in float32, and zero only if all are.

    Args:
        pattern: of the weights.
        x: (rows, sources).
    """
    if pattern.has_few_zeros:
        return _touch_most(pattern, x)
    meets = pattern.meets
    found = _meet(meets[:, :FIRST], x[:, :FIRST])
    if meets.shape[1] <= FIRST:
        return found
    rest = slice(FIRST, None)
    rows, targets = np.nonzero(~found)
    if len(rows) > FEW_LEFT * found.size:
        found |= _meet(meets[:, rest], x[:, rest])
    else:
        both = x[rows, rest] & (meets[targets, rest] != 0)
        found[rows, targets] = both.any(axis=1)
    return found


def _touch_most(pattern: Pattern, x: Mask) -> Mask:
    """As `touches`: a target meets one if it misses fewer than were sent."""
    by_source = np.ascontiguousarray(x.T).view(np.uint8)
    missed = np.zeros((len(pattern.has_weight), len(x)), dtype=np.uint8)
    for targets, sources in pattern.missed:
        missed[targets] += by_source[sources]
    return np.asarray((missed < np.count_nonzero(x, axis=1)).T)


def _meet(meets: npt.NDArray[np.float32], x: Mask) -> Mask:
    return np.asarray(x.astype(np.float32) @ meets.T > 0)
