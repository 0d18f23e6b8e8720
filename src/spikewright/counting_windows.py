"""Windows of a kernel over places that are bits: a place of the kernel is a shift.

A window is told at the source place where the top left place of its kernel would lie
if there were no padding: windows and sources share one layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from spikewright.counting_packed import Bits, as_words, pack, unpack
from spikewright.counting_touch import Mask
from spikewright.nodes import ConvSynapses, IntArray

Words: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]
"""(words, rows): the first place is the highest bit of the first word"""


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of a kernel."""

    synapses: ConvSynapses
    kept: dict[int, Words] = field(default_factory=dict)
    """by columns to the right: the places that have a place so far from them"""

    @property
    def are_inside(self) -> bool:
        """Say whether each window has a source place to be told at."""
        last = (np.array(self.synapses.target_shape[1:]) - 1) * self.synapses.stride
        return bool((last < self.synapses.shape[1:]).all())

    def find(self, bits: Bits, places: IntArray) -> Words:
        """Tell which windows have a set bit at some places of the kernel.

        Args:
            bits: of the source, (rows, bytes).
            places: of the kernel, row by row.
        """
        words = _to_words(bits)
        found = np.zeros_like(words)
        for rights, downs in self._shifts(places):
            seen = np.zeros_like(words)
            for right in rights:
                part = words & self._keep(right) if right else words
                _mark_shifted(seen, part, right)
            for down in downs:
                _mark_shifted(found, seen, down * self.synapses.shape[2])
        return found

    def spread(self, found: Words) -> Mask:
        """Return windows as a mask, (rows, target height, target width)."""
        height, width = self.synapses.shape[1:]
        (rows, columns), (down, right) = (
            self.synapses.target_shape[1:],
            self.synapses.stride,
        )
        bits = np.ascontiguousarray(found.T.byteswap()).view(np.uint8)
        wide = unpack(bits, height * width).reshape(-1, height, width)
        return wide[:, ::down, ::right][:, :rows, :columns]

    def _shifts(self, places: IntArray) -> Iterator[tuple[tuple[int, ...], list[int]]]:
        """Yield columns to the right, with all rows down that have just these."""
        (below, beside), ((top, _), (left, _)) = (
            self.synapses.dilation,
            self.synapses.padding,
        )
        down, right = np.divmod(places, self.synapses.weight.shape[3])
        found: dict[tuple[int, ...], list[int]] = {}
        for row in np.unique(down).tolist():
            columns = tuple((right[down == row] * beside - left).tolist())
            found.setdefault(columns, []).append(row * below - top)
        yield from found.items()

    def _keep(self, right: int) -> Words:
        """Return the places that stay in their row when moved to the left."""
        if right not in self.kept:
            height, width = self.synapses.shape[1:]
            column = np.arange(width) - right
            stays = np.tile((column >= 0) & (column < width), height)
            self.kept[right] = _to_words(pack(stays, 1))
        return self.kept[right]


def _to_words(bits: Bits) -> Words:
    """Turn (rows, bytes) so that a shift by words moves what lies in one piece."""
    turned: Words = np.ascontiguousarray(as_words(bits).T).byteswap()
    return turned


def _mark_shifted(into: Words, words: Words, by: int) -> None:
    """Set each place if the one `by` further on is set."""
    width = 8 * words.itemsize
    whole, rest = divmod(by, width)
    target, source = _overlap(len(words), whole)
    into[target] |= words[source] << words.dtype.type(rest)
    if rest:
        target, source = _overlap(len(words), whole + 1)
        into[target] |= words[source] >> words.dtype.type(width - rest)


def _overlap(length: int, by: int) -> tuple[slice, slice]:
    """Return where what lies `by` further on goes to, and where it is."""
    size = max(0, length - abs(by))
    start = max(0, -by)
    return slice(start, start + size), slice(start + by, start + by + size)
