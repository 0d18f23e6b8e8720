"""The integer simulator at work: a batch of samples, step by step.

All buffers of a batch are made once and small enough for the cache: a population's
signal of a step is a matrix (neurons, samples), read by the products while it is warm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spikewright.loihi import MAX_MESSAGE, STATE_BITS
from spikewright.nodes import (
    POPULATIONS,
    BiasLine,
    DiagonalSynapses,
    Input,
    Output,
    Population,
    QuantizedNeurons,
)
from spikewright.simulate.inputs import Signals
from spikewright.simulate.integer_neurons import (
    SUM,
    Group,
    Place,
    advance,
    make_group,
)
from spikewright.simulate.integer_plan import Plan, Target
from spikewright.simulate.integer_trace import Recorder, make_recorder
from spikewright.simulate.kernels import Batch, Form, Product, Sent, make_product
from spikewright.simulate.window import Connection
from spikewright.trace import SpikeTrace, TracePolicy
from spikewright.values import frozen

ONE = frozen(np.ones((), np.int64))
"""weight of an edge without synapses"""


@dataclass(frozen=True, eq=False)
class Way:
    """A connection at work."""

    source: str
    lag: int
    last: int
    """steps for which the source sends"""
    product: Product
    constant: Batch | None
    """from a bias line: what it always delivers"""


@dataclass(frozen=True, eq=False)
class Room:
    """Where a step is computed, (neurons, samples) each; shared by all targets."""

    total: Batch
    part: Batch
    scratch: Batch


@dataclass(frozen=True, eq=False)
class Cell:
    """A target at work."""

    target: Target
    ways: tuple[Way, ...]
    group: Group | None
    """None: an Output"""
    last: int
    room: Room


@dataclass(frozen=True, eq=False)
class Machine:
    """A plan with the buffers for `batch` samples at once."""

    plan: Plan
    batch: int
    cells: tuple[Cell, ...]
    sent: Mapping[str, tuple[Sent, ...]]
    """what each population sent lately: step t at t modulo the length"""


def make_machine(plan: Plan, batch: int) -> Machine:
    """Make all products and buffers."""
    sent = {
        name: tuple(_line(node, batch) for _ in range(plan.slots[name]))
        for name, node in plan.graph.populations().items()
        if not isinstance(node, BiasLine)
    }
    rooms = _rooms(plan, batch)
    cells = tuple(_cell(plan, each, batch, rooms[each.name]) for each in plan.targets)
    return Machine(plan, batch, cells, sent)


def _rooms(plan: Plan, batch: int) -> dict[str, Room]:
    """Cut the room of each target from one, so that it stays in the cache."""
    largest = max(math.prod(each.node.shape) for each in plan.targets)
    whole = {
        kind: [np.empty((largest, batch), kind) for _ in range(3)]
        for kind in {each.dtype for each in plan.targets}
    }
    return {
        each.name: Room(*(a[: math.prod(each.node.shape)] for a in whole[each.dtype]))
        for each in plan.targets
    }


def _line(node: Population, batch: int) -> Sent:
    shape = (math.prod(node.shape), batch)
    values = np.zeros(shape, np.float32)
    if isinstance(node, Input | QuantizedNeurons):
        return Sent(values, np.zeros(shape, np.bool_), 0)
    return Sent(values, None, None)


def _cell(plan: Plan, target: Target, batch: int, room: Room) -> Cell:
    node = target.node
    is_output = isinstance(node, Output)
    unit = 1.0 if is_output else 2.0**STATE_BITS
    form = Form(batch, unit, target.dtype)
    return Cell(
        target,
        tuple(_way(plan, each, form, len(room.total)) for each in target.ways),
        None if is_output else make_group(target, batch),
        plan.lasts[target.name],
        room,
    )


def _way(plan: Plan, way: Connection, form: Form, neurons: int) -> Way:
    source = plan.graph.nodes[way.source]
    assert isinstance(source, POPULATIONS)  # noqa: S101 - only they send
    last = plan.lasts[way.source]
    size = math.prod(source.shape)
    product = make_product(way.synapses or DiagonalSynapses(ONE), size, form)
    if not isinstance(source, BiasLine):
        return Way(way.source, way.lag, last, product, None)
    constant = np.zeros((neurons, form.batch), form.dtype)
    ones = np.ones((size, form.batch), np.float32)
    product(Sent(ones, None, None), constant)
    return Way(way.source, way.lag, last, product, constant)


# --- running -------------------------------------------------------------------------


def run_batch(
    machine: Machine, inputs: Signals, policy: TracePolicy, first: int = 0
) -> SpikeTrace:
    """Run up to `batch` samples.

    Args:
        machine: made for the graph and the steps of the inputs.
        inputs: by Input, (samples, steps, *shape), 0 or 1.
        policy: what to keep.
        first: number of the first sample, for errors.

    Raises:
        OverflowDetectedError: a sum or a state left its register.
    """
    plan = machine.plan
    samples = len(next(iter(inputs.values())))
    # Filling up with a real sample, not with silence: it overflows only if that does.
    filled = [*range(samples), *[0] * (machine.batch - samples)]
    padded = {name: each[filled] for name, each in inputs.items()}
    recorder = make_recorder(plan, policy, machine.batch)
    for cell in machine.cells:
        if cell.group is not None:
            cell.group.rest()
    for step in range(max(plan.lasts.values())):
        if step < plan.steps:
            _load(machine, padded, step)
        for cell in machine.cells:
            if step < cell.last:
                _compute(machine, cell, recorder, Place(first, step))
    return recorder.trace(inputs)


def _load(machine: Machine, inputs: Signals, step: int) -> None:
    """Let the Inputs send their spikes of a step."""
    for name, array in inputs.items():
        sent = _sent(machine, name, step)
        assert sent.mask is not None  # noqa: S101 - an Input spikes
        flat = array[:, step].reshape(machine.batch, -1)
        np.copyto(sent.mask, flat.T, casting="unsafe")
        np.copyto(sent.values, sent.mask)
        sent.spikes = int(np.count_nonzero(sent.mask))


def _sent(machine: Machine, name: str, step: int) -> Sent:
    line = machine.sent[name]
    return line[step % len(line)]


def _compute(machine: Machine, cell: Cell, recorder: Recorder, place: Place) -> None:
    """Compute one step of one node, and record it."""
    target, total, step = cell.target, cell.room.total, place.step
    _sum(machine, cell, step)

    if cell.group is None:
        if target.bounds.a >= MAX_MESSAGE:
            place.refuse_overflow(target, SUM, total)
        recorder.take_output(target.name, step, total)
        return
    sent = _sent(machine, target.name, step)
    advance(cell.group, total, cell.room.scratch, sent, place)
    recorder.take_spikes(target.name, step, sent)


def _sum(machine: Machine, cell: Cell, step: int) -> None:
    """Write what all ways deliver at a step into `total`."""
    total, is_empty = cell.room.total, True
    for way in cell.ways:
        sent_at = step - way.lag
        if not 0 <= sent_at < way.last:
            continue
        if way.constant is not None:
            delivered = way.constant
        elif (sent := _sent(machine, way.source, sent_at)).is_silent:
            continue
        else:
            delivered = total if is_empty else cell.room.part
            way.product(sent, delivered)
        if is_empty and delivered is not total:
            np.copyto(total, delivered)
        elif not is_empty:
            np.add(total, delivered, out=total)
        is_empty = False
    if is_empty:
        total.fill(0)
