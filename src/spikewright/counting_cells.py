"""How many neurons of a population are active at each place, step and sample.

A place is a token or pixel, all of whose channels look at the same window of a kernel.
Where so many spikes lie in the window that all of them must receive an event, nothing
else matters; where few places are left, those are looked at alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from spikewright.counting_events import EVERY, Chosen, Mark, kernel_of, make_mark
from spikewright.counting_kernels import (
    FEW_PLACES,
    Kernel,
    Seen,
    events_at,
    look,
    mark_kernel,
)
from spikewright.counting_packed import Heard, Sent, read_places, unpack
from spikewright.counting_touch import Mask, count_rows, count_true
from spikewright.nodes import (
    ChannelSynapses,
    ConvSynapses,
    DiagonalSynapses,
    IntArray,
    Synapses,
    TokenSynapses,
)

Places = tuple[IntArray, ...]
"""sample, step, place of each"""


@dataclass(frozen=True, eq=False)
class Way:
    """A projection whose events change from step to step."""

    synapses: Synapses
    shift: int
    sent: Sent
    chosen: Chosen
    """neurons of the target that are looked at"""

    @cached_property
    def mark(self) -> Mark:
        """What marks all that it sends events to."""
        if isinstance(self.synapses, TokenSynapses | ConvSynapses):
            assert self.groups is not None  # noqa: S101 - such synapses have a kernel
            return partial(mark_kernel, self.groups)
        return make_mark(self.synapses, self.chosen)

    @cached_property
    def groups(self) -> Kernel | None:
        """Its kernel, of one group or more."""
        if not isinstance(self.synapses, TokenSynapses | ConvSynapses):
            return None
        return kernel_of(self.synapses, self.sent, self.chosen)

    @property
    def kernel(self) -> Kernel | None:
        """Its kernel, if that has one group."""
        kernel = self.groups
        return kernel if kernel is not None and len(kernel.patterns) == 1 else None

    @property
    def is_packed(self) -> bool:
        """Say whether its sources are looked at as bits, but for a few."""
        if isinstance(self.synapses, ChannelSynapses):
            return len(self.synapses.weight[0]) == 1
        return self.kernel is not None and self.kernel.windows is not None

    @cached_property
    def meets(self) -> Mask | None:
        """(neurons,), if each has one source: its own, or that of its channel."""
        weight = self.synapses.weight
        match self.synapses:
            case DiagonalSynapses():
                return np.asarray(weight.reshape(-1) != 0)
            case ChannelSynapses() if weight.shape[2] == 1:
                return np.asarray(weight.reshape(-1) != 0)
            case _:
                return None

    @property
    def is_elementwise(self) -> bool:
        """Say whether each neuron has a source of its own."""
        return self.meets is not None and self.meets.size == self.sent.mask.shape[2]


@dataclass(frozen=True, eq=False)
class Work:
    """What makes the neurons of one population active."""

    steady: Mask
    """(steps, chosen neurons), in every sample"""
    ways: tuple[Way, ...]
    own: Sent | None
    """its own spikes"""
    chosen: Chosen
    places: int
    """the neurons are (channels, places)"""

    @property
    def is_bitwise(self) -> bool:
        """Say whether each neuron hears one source of each way."""
        has_all = self.chosen is EVERY and bool(self.ways)
        return has_all and all(self._has_one(way) for way in self.ways)

    def _has_one(self, way: Way) -> bool:
        channels = self.steady.shape[1] // self.places
        is_spread = way.sent.mask.shape[2] == channels
        return way.meets is not None and (way.is_elementwise or is_spread)

    @cached_property
    def has_windows(self) -> bool:
        """Say whether all channels of a place look alike, and at nothing else."""
        kernels = [way.kernel for way in self.ways if way.kernel is not None]
        return (
            self.chosen is EVERY
            and not self.steady.any()
            and bool(kernels)
            and all(self._fits(each) for each in kernels)
            and all(way.kernel or way.is_elementwise for way in self.ways)
        )

    def _fits(self, kernel: Kernel) -> bool:
        channels, rows, columns = kernel.synapses.target_shape
        is_whole = channels * self.places == self.steady.shape[1]
        return is_whole and rows * columns == self.places


def count_active(work: Work, chunk: slice, slots: int) -> tuple[IntArray, IntArray]:
    """Count the active neurons of some samples, (samples, steps) and (…, slots)."""
    found = _by_window(work, chunk) if work.has_windows else None
    if found is not None:
        return _add_up(found, slots)
    mask = _mask(work, chunk)
    cells = count_rows(mask.reshape(-1, mask.shape[2])).reshape(mask.shape[:2])
    if slots == 1:
        return cells, cells.sum(axis=1, keepdims=True)
    by_channel = mask.reshape(len(mask), -1, slots)
    return cells, count_true(by_channel, axis=1).astype(np.int64)


def _mask(work: Work, chunk: slice) -> Mask:
    """Return who was active in some samples, (samples, steps, chosen neurons)."""
    steps, neurons = work.steady.shape
    mask = np.empty((chunk.stop - chunk.start, steps, neurons), dtype=np.bool_)
    mask[:] = work.steady
    if work.own is not None:
        mask |= work.own.mask[chunk, :, work.chosen.neurons]
    for way in work.ways:
        heard = _heard(way, chunk, steps)
        if not heard.rows:
            continue  # delayed beyond the end of the sample
        part = mask if way.shift == 0 else np.zeros_like(mask[:, way.shift :])
        way.mark(heard, part.reshape(-1, neurons))
        if way.shift:
            mask[:, way.shift :] |= part
    return mask


def _heard(way: Way, chunk: slice, steps: int) -> Heard:
    return Heard(way.sent, chunk, max(0, steps - way.shift))


# --- windows -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Found:
    """Places all of whose channels are active, and how many of others are."""

    full: Mask
    """(samples, steps, places)"""
    channels: int
    left: Places
    active: IntArray
    """of each place left"""


def _by_window(work: Work, chunk: slice) -> Found | None:
    """Look place by place; None if too many are left."""
    steps = work.steady.shape[0]
    shape = (chunk.stop - chunk.start, steps, work.places)
    channels = work.steady.shape[1] // work.places
    full, maybe = (np.zeros(shape, dtype=np.bool_) for _ in range(2))
    if work.own is not None:
        maybe |= _anywhere(Heard(work.own, chunk, steps), channels, work.places)
    seen: dict[int, Seen] = {}
    for index, way in enumerate(work.ways):
        heard = _heard(way, chunk, steps)
        if not heard.rows:
            continue
        if way.kernel is None:
            some = _anywhere(heard, channels, work.places)
        else:
            seen[index] = look(way.kernel, heard)
            some = seen[index].open.reshape(shape[0], -1, work.places)
            full[:, way.shift :] |= seen[index].sure.reshape(some.shape)
        maybe[:, way.shift :] |= some
    left: Places = np.unravel_index(np.flatnonzero(maybe & ~full), shape)
    if len(left[0]) > FEW_PLACES * full.size:
        return None
    active = _active_at(work, chunk, left, seen).sum(axis=1)
    return Found(full, channels, left, active)


def _anywhere(heard: Heard, channels: int, places: int) -> Mask:
    """Tell where any channel sends, (samples, steps, places)."""
    found = unpack(heard.any_channel(channels), places)
    return found.reshape(-1, heard.steps, places)


def _add_up(found: Found, slots: int) -> tuple[IntArray, IntArray]:
    """Add up places, (samples, steps), and all but tokens, (samples, slots)."""
    samples, steps, places = found.full.shape
    sample, step, place = found.left

    def added(where: IntArray, size: int) -> IntArray:
        # Sums of small numbers, which float64 holds exactly.
        return np.bincount(where, found.active, size).astype(np.int64)

    rows = count_rows(found.full.reshape(-1, places)) * found.channels
    cells = rows + added(sample * steps + step, samples * steps)
    cells = cells.reshape(samples, steps)
    if slots == 1:
        return cells, cells.sum(axis=1, keepdims=True)
    by_slot = count_true(found.full.reshape(samples, -1, slots), axis=1)
    others = added(sample * slots + place % slots, samples * slots)
    return cells, by_slot * np.int64(found.channels) + others.reshape(samples, slots)


def _active_at(work: Work, chunk: slice, left: Places, seen: dict[int, Seen]) -> Mask:
    """Tell which channels are active at some places, (places, channels)."""
    sample, step, place = left
    channels = work.steady.shape[1] // work.places
    active = np.zeros((len(sample), channels), dtype=np.bool_)
    if work.own is not None:
        active |= _at(Heard(work.own, chunk, len(work.steady)), channels, left)
    for index, way in enumerate(work.ways):
        some = np.flatnonzero(step >= way.shift)
        when = sample[some], step[some] - way.shift, place[some]
        if not len(some):
            continue
        if way.kernel is not None:
            active[some] |= _events(way.kernel, seen[index], when)
        elif way.meets is not None:
            by_place = np.ascontiguousarray(way.meets.reshape(channels, -1).T)
            heard = _heard(way, chunk, len(work.steady))
            active[some] |= _at(heard, channels, when) & by_place[when[2]]
    return active


def _at(heard: Heard, channels: int, when: Places) -> Mask:
    """Return what all channels of some places sent, (places, channels)."""
    sample, step, place = when
    return read_places(heard.bits(channels), sample * heard.steps + step, place)


def _events(kernel: Kernel, seen: Seen, when: Places) -> Mask:
    """Tell which channels a kernel sends an event to, (places, channels)."""
    row = when[0] * seen.heard.steps + when[1]
    down, across = np.divmod(when[2], seen.open.shape[3])
    found = np.zeros((len(row), len(kernel.synapses.weight)), dtype=np.bool_)
    found[seen.sure[row, 0, down, across]] = True
    some = np.flatnonzero(seen.open[row, 0, down, across])
    places = row[some], down[some], across[some]
    found[some] = events_at(kernel, 0, seen.heard, places)
    return found
