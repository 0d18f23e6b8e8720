"""Exact weighted sums over what a population sent: by sample and step, token, padding.

Everything is a sum of integers. Matrix products in float32 or float64 do the work where
no sum on the way can leave what they hold exactly (2**24, 2**53); else int64 does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewright.counting_touch import BYTE
from spikewright.nodes import IntArray

CELLS = 2**21
"""values looked at together; the result is the same"""
CACHED = 2**17
"""values of up to 8 bytes that fit the cache"""


@dataclass(frozen=True, eq=False)
class Grid:
    """The samples and steps of a run."""

    samples: int
    steps: int
    lengths: IntArray | None
    """(samples,), tokens of each sample that are no padding; None: not told"""

    def chunks(self, neurons: int, most: int = BYTE) -> Iterator[slice]:
        """Yield samples to look at together, with up to `most` steps if they may."""
        rows = min(most, max(1, CELLS // max(1, neurons)))
        size = max(1, rows // max(1, self.steps))
        for start in range(0, self.samples, size):
            yield slice(start, min(start + size, self.samples))

    def is_padding(self, tokens: int) -> npt.NDArray[np.bool_]:
        """Return (samples, tokens); needs lengths."""
        assert self.lengths is not None  # noqa: S101 - asked for only with lengths
        late: npt.NDArray[np.bool_] = np.arange(tokens) >= self.lengths[:, np.newaxis]
        return late

    def padding_of(self, shares: IntArray) -> int:
        """Add up, over all samples, the shares (tokens,) of tokens that are padding."""
        assert self.lengths is not None  # noqa: S101 - asked for only with lengths
        used = np.minimum(self.lengths, len(shares))
        return int(np.append(shares[::-1].cumsum()[::-1], 0)[used].sum())


@dataclass(frozen=True, eq=False)
class Amount:
    """How much of something there was."""

    cells: IntArray
    """(samples, steps)"""
    tokens: IntArray | None
    """(tokens,), where they can be told"""
    padding: int
    """the part of padding tokens, where they can be told"""

    def __add__(self, other: Amount) -> Amount:
        """Add amounts of the same population."""
        tokens = None
        if self.tokens is not None and other.tokens is not None:
            tokens = self.tokens + other.tokens
        padding = self.padding + other.padding
        return Amount(self.cells + other.cells, tokens, padding)

    def __mul__(self, times: int) -> Amount:
        """Count everything `times` times."""
        tokens = None if self.tokens is None else self.tokens * times
        return Amount(self.cells * times, tokens, self.padding * times)


@dataclass(frozen=True, eq=False)
class Weights:
    """What each message of a neuron counts for."""

    each: IntArray
    """(neurons,)"""
    slots: int = 1
    """tokens of the population, its last axis; 1: not told by its neurons"""
    spread: IntArray | None = None
    """(neurons, tokens) where the token is that of who receives; adds up to `each`"""

    def by_token(self, sent: IntArray | None) -> IntArray | None:
        """Share out `sent` (neurons,), weighted, to the tokens; None: one of each."""
        shared: IntArray
        if self.spread is not None:
            shared = self.spread.sum(axis=0) if sent is None else sent @ self.spread
        elif self.slots == 1:
            return None
        else:
            each = self.each if sent is None else sent * self.each
            shared = each.reshape(-1, self.slots).sum(axis=0)
        return shared


class Reading(Enum):
    """What of a message counts."""

    SENT = "1 if there is a message"
    LEVEL = "its absolute level"
    ZERO = "1 if it is 0"
    ALWAYS = "1, whatever it is"


# --- what never changes --------------------------------------------------------------


def steady_amount(grid: Grid, weights: Weights) -> Amount:
    """Count a message of every neuron at every step."""
    cell = int(weights.each.sum())
    cells = np.broadcast_to(np.int64(cell), (grid.samples, grid.steps))
    shares = weights.by_token(None)
    if shares is None:
        return Amount(cells, None, 0)
    padding = 0
    if grid.lengths is not None:
        padding = grid.steps * grid.padding_of(shares)
    return Amount(cells, shares * (grid.samples * grid.steps), padding)


# --- what does -----------------------------------------------------------------------


def sent_amounts(
    grid: Grid,
    values: npt.NDArray[Any],
    reading: Reading,
    weights: Sequence[Weights],
) -> list[Amount]:
    """Count the messages `values` (samples, steps, *shape), under several weights."""
    flat = values.reshape(grid.samples, grid.steps, -1)
    neurons = flat.shape[2]
    matrix = np.stack([each.each for each in weights], axis=1)
    most = 1
    if reading is Reading.LEVEL:
        most = max(int(flat.max(initial=0)), -int(flat.min(initial=0)), 1)
    typed = matrix.astype(exact_type(matrix, most))
    cells = np.empty((grid.samples, grid.steps, len(weights)), dtype=np.int64)
    totals = make_totals(grid, neurons, weights)
    for chunk in grid.chunks(neurons):
        x = _read(flat[chunk], reading)
        cells[chunk] = product(x.reshape(-1, neurons), typed).reshape(*x.shape[:2], -1)
        totals.add(chunk, x)
    return [
        totals.amount(np.ascontiguousarray(cells[:, :, k]), each)
        for k, each in enumerate(weights)
    ]


def product(sent: npt.NDArray[Any], typed: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return sent @ typed, some rows at a time, so that the wide copies stay cached."""
    size = max(1, CACHED // max(1, sent.shape[1]))
    parts = [
        sent[start : start + size].astype(typed.dtype) @ typed
        for start in range(0, len(sent), size)
    ]
    return np.concatenate(parts)


def _read(values: npt.NDArray[Any], reading: Reading) -> npt.NDArray[Any]:
    """Return what counts of some values; spikes count as they are."""
    match reading:
        case Reading.LEVEL:
            return np.asarray(np.abs(values.astype(np.int64)))
        case Reading.ZERO:
            return np.asarray(values == 0).view(np.uint8)
        case Reading.SENT | Reading.ALWAYS:
            is_sent = values if values.dtype == np.bool_ else values != 0
            return np.asarray(is_sent).view(np.uint8)


def exact_type(
    matrix: IntArray, most: int
) -> type[np.float32] | type[np.float64] | type[np.int64]:
    """Return a type that holds sums of up to `most` times each row of `matrix`."""
    largest = most * int(matrix.sum(axis=0).max(initial=0))
    if largest < 2**24:
        return np.float32
    return np.float64 if largest < 2**53 else np.int64


@dataclass(frozen=True, eq=False)
class Totals:
    """Messages of each neuron, added up chunk by chunk."""

    grid: Grid
    slots: int
    whole: IntArray
    """(neurons,)"""
    padding: IntArray
    """(neurons,), of the samples where the neuron is a padding token"""
    by_sample: IntArray | None
    """(samples, neurons), kept only where receivers tell the token"""

    def add(self, chunk: slice, x: npt.NDArray[Any]) -> None:
        """Add the messages of some samples, (samples, steps, neurons)."""
        count = x.shape[0] * x.shape[1]
        kind = np.uint8 if x.dtype == np.uint8 and count <= BYTE else np.int64
        if self.by_sample is not None:
            self.by_sample[chunk] = x.sum(axis=1, dtype=np.int64)
        if self.slots == 1 or self.grid.lengths is None:
            if self.slots > 1 or self.by_sample is not None:
                self.whole[:] += x.reshape(count, -1).sum(axis=0, dtype=kind)
            return
        summed = x.sum(axis=1, dtype=kind)
        self.whole[:] += summed.sum(axis=0, dtype=kind)
        late = self.grid.is_padding(self.slots)[chunk].astype(kind)
        shaped = summed.reshape(len(summed), -1, self.slots) * late[:, np.newaxis]
        self.padding[:] += shaped.sum(axis=0, dtype=kind).reshape(-1)

    def amount(self, cells: IntArray, weights: Weights) -> Amount:
        """Return the amount under one set of weights."""
        tokens = weights.by_token(self.whole)
        if tokens is None or self.grid.lengths is None:
            return Amount(cells, tokens, 0)
        if weights.spread is None:
            return Amount(cells, tokens, int(self.padding @ weights.each))
        assert self.by_sample is not None  # noqa: S101 - kept where there is a spread
        shares = self.by_sample @ weights.spread
        padding = int(shares[self.grid.is_padding(len(tokens))].sum())
        return Amount(cells, tokens, padding)


def make_totals(grid: Grid, neurons: int, weights: Sequence[Weights]) -> Totals:
    """Return empty totals with what these weights ask for."""
    slots = max((each.slots for each in weights), default=1)
    has_spread = any(each.spread is not None for each in weights)
    by_sample = np.zeros((grid.samples, neurons), np.int64) if has_spread else None
    whole, padding = (np.zeros(neurons, np.int64) for _ in range(2))
    return Totals(grid, slots, whole, padding, by_sample)
