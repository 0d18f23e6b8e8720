"""Which neurons were active: they received an event, have a bias, or spiked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spikewright import nodes as n
from spikewright.counting_events import EVERY, Chosen, Mark, choose, make_mark
from spikewright.counting_signals import (
    Levels,
    Projection,
    Reals,
    Signal,
    Sparks,
    Steady,
    Sums,
)
from spikewright.counting_sums import Amount, Grid, Weights, make_totals, steady_amount
from spikewright.counting_touch import Mask
from spikewright.linear import ends

Feeds = Sequence[tuple[Projection, Signal]]


@dataclass(frozen=True, eq=False)
class _Way:
    """A projection whose events change from step to step."""

    shift: int
    mark: Mark
    sent: Mask
    """(samples, steps, neurons)"""


@dataclass(frozen=True, eq=False)
class _Work:
    """What makes the neurons of one population active."""

    steady: Mask
    """(steps, chosen neurons), in every sample"""
    ways: tuple[_Way, ...]
    own: Mask | None
    """(samples, steps, neurons)"""
    chosen: Chosen


def active_amount(
    grid: Grid,
    node: n.Neurons | n.Graded,
    own: Signal,
    feeds: Feeds,
    slots: int,
) -> Amount | None:
    """Count the neuron-steps that were active; None if the trace does not tell."""
    steady = _steady(grid, node, feeds)
    settled: Mask = np.asarray(steady.all(axis=0))
    if settled.all():
        return _always(grid, settled, slots)
    if any(isinstance(each, Sums) for each in (own, *(signal for _, signal in feeds))):
        return None
    changing = [(each, x) for each, s in feeds if (x := _values(grid, s)) is not None]
    sizes = [(each.synapses, x.shape[2]) for each, x in changing]
    chosen = choose(~settled, node.shape, sizes, slots)
    settled[chosen.neurons] = False  # the others are active at every step
    ways = tuple(
        _Way(each.shift, make_mark(each.synapses, x.shape[2], chosen), x)
        for each, x in changing
    )
    work = _Work(steady[:, chosen.neurons], ways, _values(grid, own), chosen)
    return _always(grid, settled, slots) + _masked_amount(grid, work, slots)


def _always(grid: Grid, active: Mask, slots: int) -> Amount:
    return steady_amount(grid, Weights(active.astype(np.int64), slots))


def _values(grid: Grid, signal: Signal) -> Mask | None:
    """Return where messages are, (samples, steps, neurons); None if always."""
    match signal:
        case Sparks():
            return signal.spikes.reshape(grid.samples, grid.steps, -1)
        case Levels():
            sent = np.asarray(signal.values != 0)
            return sent.reshape(grid.samples, grid.steps, -1)
        case Steady() | Reals() | Sums():
            return None


def _steady(grid: Grid, node: n.Neurons | n.Graded, feeds: Feeds) -> Mask:
    """Return who is active in every sample, (steps, neurons)."""
    mask = np.zeros((grid.steps, math.prod(node.shape)), dtype=np.bool_)
    if isinstance(node, n.SpikingNeurons | n.Integrators):
        mask |= np.broadcast_to(node.bias != 0, node.shape).reshape(-1)
    for projection, signal in feeds:
        if isinstance(signal, Steady | Reals):
            mask[projection.shift :] |= _receivers(projection)
    return mask


def _receivers(projection: Projection) -> Mask:
    """Tell which targets have a non-zero synapse, (targets,)."""
    size = math.prod(projection.population.shape)
    mask = np.zeros((1, math.prod(ends(projection.synapses, size)[1])), dtype=np.bool_)
    make_mark(projection.synapses, size, EVERY)(np.ones((1, size), np.bool_), mask)
    return np.asarray(mask[0])


def _masked_amount(grid: Grid, work: _Work, slots: int) -> Amount:
    neurons = work.steady.shape[1]
    every = Weights(np.ones(neurons, dtype=np.int64), slots)
    widest = max(neurons, *(way.sent.shape[2] for way in work.ways), 1)
    totals = make_totals(grid, neurons, [every])
    cells = np.empty((grid.samples, grid.steps), dtype=np.int64)
    for chunk in grid.chunks(widest):
        mask = _mask(work, chunk)
        rows = mask.reshape(-1, neurons)
        counts = np.fromiter(map(np.count_nonzero, rows), np.int64, len(rows))
        cells[chunk] = counts.reshape(mask.shape[:2])
        totals.add(chunk, mask.view(np.uint8))
    return totals.amount(cells, every)


def _mask(work: _Work, chunk: slice) -> Mask:
    """Return who was active in some samples, (samples, steps, chosen neurons)."""
    steps, neurons = work.steady.shape
    mask = np.empty((chunk.stop - chunk.start, steps, neurons), dtype=np.bool_)
    mask[:] = work.steady
    if work.own is not None:
        mask |= work.own[chunk, :, work.chosen.neurons]
    for way in work.ways:
        heard = steps - way.shift
        if heard <= 0:
            continue  # delayed beyond the end of the sample
        sent = way.sent[chunk, :heard].reshape(-1, way.sent.shape[2])
        part = mask if way.shift == 0 else np.zeros_like(mask[:, way.shift :])
        way.mark(sent, part.reshape(-1, neurons))
        if way.shift:
            mask[:, way.shift :] |= part
    return mask


def feeds_of(
    projections: Mapping[str, Projection], signals: Mapping[str, Signal], name: str
) -> Feeds:
    """Return the projections into a node, each with what its source sent."""
    return [
        (each, signals[each.source])
        for each in projections.values()
        if each.target == name
    ]
