"""How many neurons of a population are active at each place, step and sample.

A place is a token or pixel, all of whose channels look at the same window of a kernel.
Where so many spikes lie in the window that all of them must receive an event, nothing
else matters; where few places are left, those are looked at alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikewright.counting_events import EVERY, Chosen, Mark, make_mark
from spikewright.counting_kernels import (
    Kernel,
    as_kernel,
    events_at,
    make_kernel,
    seen_by,
)
from spikewright.counting_touch import Counts, Mask, count_rows, count_true
from spikewright.nodes import (
    ConvSynapses,
    DiagonalSynapses,
    IntArray,
    Synapses,
    TokenSynapses,
)

FEW_PLACES = 1 / 4
"""share of places below which they are looked at alone"""
Places = tuple[IntArray, ...]
"""sample, step, place of each"""


@dataclass(frozen=True, eq=False)
class Way:
    """A projection whose events change from step to step."""

    shift: int
    mark: Mark
    sent: Mask
    """(samples, steps, neurons)"""
    kernel: Kernel | None
    """if it is one group of one"""
    meets: Mask | None
    """(neurons,), if it is elementwise"""


@dataclass(frozen=True, eq=False)
class Work:
    """What makes the neurons of one population active."""

    steady: Mask
    """(steps, chosen neurons), in every sample"""
    ways: tuple[Way, ...]
    own: Mask | None
    """(samples, steps, neurons), its own spikes"""
    chosen: Chosen
    places: int
    """the neurons are (channels, places)"""

    @property
    def has_windows(self) -> bool:
        """Say whether all channels of a place look alike, and at nothing else."""
        kernels = [way.kernel for way in self.ways if way.kernel is not None]
        return (
            self.chosen is EVERY
            and not self.steady.any()
            and bool(kernels)
            and all(self._fits(each) for each in kernels)
            and all(way.kernel or way.meets is not None for way in self.ways)
        )

    def _fits(self, kernel: Kernel) -> bool:
        channels, rows, columns = kernel.synapses.target_shape
        is_whole = channels * self.places == self.steady.shape[1]
        return is_whole and rows * columns == self.places


def make_way(synapses: Synapses, shift: int, sent: Mask, chosen: Chosen) -> Way:
    """Return a projection at work on the chosen neurons of its target."""
    size = sent.shape[2]
    mark, kernel, meets = make_mark(synapses, size, chosen), None, None
    if isinstance(synapses, DiagonalSynapses):
        meets = synapses.weight.reshape(-1) != 0
    elif isinstance(synapses, TokenSynapses):
        kernel = make_kernel(as_kernel(synapses, size), chosen.channels)
    elif isinstance(synapses, ConvSynapses) and synapses.groups == 1:
        kernel = make_kernel(synapses, chosen.channels)
    return Way(shift, mark, sent, kernel, meets)


def active_by_place(work: Work, chunk: slice) -> IntArray:
    """Count the active neurons of some samples, (samples, steps, places)."""
    if work.has_windows:
        found = _by_window(work, chunk)
        if found is not None:
            return found
    mask = _mask(work, chunk)
    rows = mask.reshape(-1, mask.shape[2])
    if work.places == 1:
        counts = count_rows(rows)
    else:
        by_channel = rows.reshape(len(rows), -1, work.places)
        counts = count_true(by_channel, axis=1).astype(np.int64)
    return counts.reshape(*mask.shape[:2], work.places)


def _mask(work: Work, chunk: slice) -> Mask:
    """Return who was active in some samples, (samples, steps, chosen neurons)."""
    steps, neurons = work.steady.shape
    mask = np.empty((chunk.stop - chunk.start, steps, neurons), dtype=np.bool_)
    mask[:] = work.steady
    if work.own is not None:
        mask |= work.own[chunk, :, work.chosen.neurons]
    for way in work.ways:
        sent = _heard(way, chunk, steps)
        if not len(sent):
            continue  # delayed beyond the end of the sample
        part = mask if way.shift == 0 else np.zeros_like(mask[:, way.shift :])
        way.mark(sent, part.reshape(-1, neurons))
        if way.shift:
            mask[:, way.shift :] |= part
    return mask


def _heard(way: Way, chunk: slice, steps: int) -> Mask:
    """Return what arrives within the sample, (rows, sources)."""
    heard = max(0, steps - way.shift)
    return way.sent[chunk, :heard].reshape(-1, way.sent.shape[2])


# --- windows -------------------------------------------------------------------------


def _by_window(work: Work, chunk: slice) -> IntArray | None:
    """Count place by place; None if too many places are unclear."""
    steps = work.steady.shape[0]
    shape = (chunk.stop - chunk.start, steps, work.places)
    full = np.zeros(shape, dtype=np.bool_)
    seen: dict[int, tuple[Mask, Counts]] = {}
    for index, way in enumerate(work.ways):
        sent = _heard(way, chunk, steps)
        if way.kernel is not None and len(sent):
            wide, count = seen_by(way.kernel, sent)
            seen[index] = wide, count
            is_full = count > way.kernel.most
            full[:, way.shift :] |= is_full.reshape(shape[0], -1, work.places)
    left: Places = np.nonzero(~full)
    if len(left[0]) > FEW_PLACES * full.size:
        return None
    channels = work.steady.shape[1] // work.places
    found = np.where(full, np.int64(channels), np.int64(0))
    found[left] = _active_at(work, chunk, left, seen).sum(axis=1)
    return found


def _active_at(
    work: Work, chunk: slice, left: Places, seen: dict[int, tuple[Mask, Counts]]
) -> Mask:
    """Tell which channels are active at some places, (places, channels)."""
    sample, step, place = left
    channels = work.steady.shape[1] // work.places
    active = np.zeros((len(sample), channels), dtype=np.bool_)
    if work.own is not None:
        active |= _at(work.own[chunk], work.places, left)
    for index, way in enumerate(work.ways):
        some = np.flatnonzero(step >= way.shift)
        when = sample[some], step[some] - way.shift, place[some]
        if way.meets is not None:
            meets = way.meets.reshape(channels, work.places).T[when[2]]
            active[some] |= _at(way.sent[chunk], work.places, when) & meets
        elif way.kernel is not None and len(some):
            heard = len(work.steady) - way.shift
            active[some] |= _events(way.kernel, *seen[index], when, heard)
    return active


def _at(values: Mask, places: int, when: Places) -> Mask:
    """Return what all channels of some places sent, (places, channels)."""
    sample, step, place = when
    by_place = values.reshape(*values.shape[:2], -1, places)
    return np.asarray(by_place[sample, step, :, place])


def _events(
    kernel: Kernel, wide: Mask, count: Counts, when: Places, heard: int
) -> Mask:
    """Tell which channels a kernel sends an event to, (places, channels)."""
    row = when[0] * heard + when[1]
    down, across = np.divmod(when[2], count.shape[3])
    found = np.zeros((len(row), kernel.meets.shape[1]), dtype=np.bool_)
    some = np.flatnonzero(count[row, 0, down, across])
    found[some] = events_at(kernel, 0, wide, (row[some], down[some], across[some]))
    return found
