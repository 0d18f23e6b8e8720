"""Which neurons were active: they received an event, have a bias, or spiked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from spikewright import nodes as n
from spikewright.counting_bitwise import bitwise_amount
from spikewright.counting_cells import Way, Work, count_active
from spikewright.counting_events import EVERY, choose
from spikewright.counting_packed import Heard, Sent
from spikewright.counting_signals import (
    Levels,
    Projection,
    Reals,
    Signal,
    Sparks,
    Steady,
    Sums,
)
from spikewright.counting_sums import CELLS, Amount, Grid, Weights, steady_amount
from spikewright.counting_touch import Mask
from spikewright.linear import ends, fan_in

PACKED = 8
"""times more neurons are looked at together where their bits are"""
Feeds = Sequence[tuple[Projection, Signal]]


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
    changing = [(each, x) for each, s in feeds if (x := _sent(each, s)) is not None]
    sizes = [(each.synapses, x.mask.shape[2]) for each, x in changing]
    chosen = choose(~settled, node.shape, sizes, slots)
    settled[chosen.neurons] = False  # the others are active at every step
    places = math.prod(node.shape[1:])
    work = Work(
        steady[:, chosen.neurons],
        tuple(Way(each.synapses, each.shift, x, chosen) for each, x in changing),
        own.sent if isinstance(own, Sparks) else None,
        chosen,
        slots if places % slots else places,
    )
    return _always(grid, settled, slots) + _changing_amount(grid, work, slots)


def _always(grid: Grid, active: Mask, slots: int) -> Amount:
    return steady_amount(grid, Weights(active.astype(np.int64), slots))


def _sent(projection: Projection, signal: Signal) -> Sent | None:
    """Return where messages are; None if always."""
    match signal:
        case Sparks():
            return signal.sent
        case Levels(values=values):
            mask = np.asarray(values != 0).reshape(*values.shape[:2], -1)
            return Sent(mask, projection.population.shape)
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
    synapses = projection.synapses
    if not isinstance(synapses, n.TokenSynapses | n.ConvSynapses):
        return np.asarray(fan_in(synapses).reshape(-1) > 0)
    size = math.prod(projection.population.shape)
    mask = np.zeros((1, math.prod(ends(synapses, size)[1])), dtype=np.bool_)
    every = Sent(np.ones((1, 1, size), np.bool_), (size,))
    Way(synapses, 0, every, EVERY).mark(Heard(every, slice(0, 1), 1), mask)
    return np.asarray(mask[0])


def _changing_amount(grid: Grid, work: Work, slots: int) -> Amount:
    """Count what differs between samples; places are whole rounds of tokens."""
    if work.is_bitwise:
        return bitwise_amount(grid, work, slots)
    cells, by_sample = _in_chunks(grid, work, slots)
    if slots == 1:
        return Amount(cells, None, 0)
    padding = 0
    if grid.lengths is not None:
        padding = int(by_sample[grid.is_padding(slots)].sum())
    return Amount(cells, by_sample.sum(axis=0), padding)


def _in_chunks(grid: Grid, work: Work, slots: int) -> tuple[n.IntArray, n.IntArray]:
    cells = np.empty((grid.samples, grid.steps), dtype=np.int64)
    by_sample = np.empty((grid.samples, slots), dtype=np.int64)
    for chunk in grid.chunks(_widest(work), most=CELLS):
        cells[chunk], by_sample[chunk] = count_active(work, chunk, slots)
    return cells, by_sample


def _widest(work: Work) -> int:
    """Return the bytes that a step is looked at by."""
    always = work.has_windows
    widest: int = work.steady.shape[1] // (PACKED if always else 1)
    for way in work.ways:
        is_packed = always or way.is_packed
        widest = max(widest, way.sent.mask.shape[2] // (PACKED if is_packed else 1))
    return widest


def feeds_of(
    projections: Mapping[str, Projection], signals: Mapping[str, Signal], name: str
) -> Feeds:
    """Return the projections into a node, each with what its source sent."""
    return [
        (each, signals[each.source])
        for each in projections.values()
        if each.target == name
    ]
