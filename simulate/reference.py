"""The reference executor: slow, obviously right, the judge of all other backends.

One rule serves all stages. At step t a node takes the sum of what its edges bring, in
the order of the edges; an edge brings what its source sent `delay` steps ago. A
DelaySteps node works on what it took `steps` steps ago. From TIMED on, Synapses work on
what they took one step ago; before, all nodes of a step are computed at that step.
Samples run one by one, so a result never depends on what else is in the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError, InputError
from spikewright.graph import Graph, Stage
from spikewright.simulate.inputs import (
    Inputs,
    Signals,
    check_inputs,
    input_spikes,
    run_meta,
)
from spikewright.simulate.reference_maps import Signal, mapped
from spikewright.simulate.reference_neurons import (
    V_LIMIT,
    State,
    at_rest,
    check_register,
    neurons,
    quantized,
)
from spikewright.simulate.reference_plan import Plan, make_plan
from spikewright.trace import SpikeTrace

Probe: TypeAlias = Callable[[str, int, Signal, State], None]


def run_reference(
    graph: Graph,
    inputs: Inputs,
    *,
    steps: int | None = None,
    probe: Probe = lambda name, t, a, state: None,
) -> SpikeTrace:
    """Run samples through a graph in float64, or int64 if it is QUANTIZED.

    From TIMED on the run lasts max(arrival) steps longer than a sample, with silence at
    the Input and on the bias line; each population is read from its arrival on.

    Args:
        graph: a graph of any stage from DISCRETE on.
        inputs: (samples, steps, *input shape), by name if there are several Inputs;
            0 or 1 for a QUANTIZED graph.
        steps: run only so many steps of each sample; all by default.
        probe: called for each population of neurons and each step of each sample, with
            its name, the step of the run, its summed input and its new state.

    Returns:
        Spikes of each Input (if all its values are 0 or 1) and of all spiking neurons,
        and the outputs.

    Raises:
        InputError: the inputs do not fit the graph.
        GraphError: the graph is CONTINUOUS, or its shapes or arrival times do not fit.
        OverflowDetectedError: a QUANTIZED input or state leaves its register.
    """
    if graph.stage is Stage.CONTINUOUS:
        raise GraphError(
            "the graph is CONTINUOUS, it has no time step; allowed: DISCRETE, TIMED, "
            "QUANTIZED; call discretize(graph, dt_s=…) first"
        )
    checked = _checked(graph, inputs, steps)
    samples, length = next(iter(checked.values())).shape[:2]
    plan = make_plan(graph, length)
    runs = [
        _run_sample(plan, {name: each[i] for name, each in checked.items()}, probe)
        for i in range(samples)
    ]
    return SpikeTrace(
        {**input_spikes(checked), **_stacked([run.spikes for run in runs])},
        _stacked([run.outputs for run in runs]),
        run_meta(graph, "reference", plan.steps),
    )


def _stacked(runs: list[dict[str, Signal]]) -> dict[str, Signal]:
    return {name: np.stack([run[name] for run in runs]) for name in runs[0]}


# --- before the run ------------------------------------------------------------------


def _checked(graph: Graph, inputs: Inputs, steps: int | None) -> Signals:
    """Return inputs of the right shape, finite, as float64 or int64, cut to `steps`."""
    checked = check_inputs(graph, inputs)
    length = next(iter(checked.values())).shape[1]
    if steps is not None and not 1 <= steps <= length:
        raise InputError(
            f"steps is {steps}; allowed: 1 to {length}, the steps of the "
            "inputs; give longer inputs"
        )
    kind = np.int64 if graph.stage is Stage.QUANTIZED else np.float64
    return {name: each[:, :steps].astype(kind) for name, each in checked.items()}


# --- the run -------------------------------------------------------------------------


@dataclass
class _Run:
    """One sample on its way."""

    sample: Signals
    """by Input: (steps, *input shape)"""
    states: dict[str, State]
    """the neurons as they are now"""
    sent: dict[str, dict[int, Signal]]
    """what each node sent, by step, as long as another node may need it"""
    read: dict[str, list[Signal]]
    """what spiking neurons and Outputs sent in their own windows"""
    probe: Probe


@dataclass(frozen=True)
class _Result:
    spikes: dict[str, Signal]
    """(steps, *shape)"""
    outputs: dict[str, Signal]
    """(steps, *output shape)"""


def _run_sample(plan: Plan, sample: Signals, probe: Probe) -> _Result:
    """Run all steps, and read each population in its own window."""
    sent: dict[str, dict[int, Signal]] = {name: {} for name in plan.order}
    run = _Run(sample, {}, sent, {name: [] for name in plan.reads}, probe)
    for t in range(plan.total):
        for name in plan.order:
            a = _worked_on(plan, run, name, t)
            run.sent[name][t] = _step(plan, run, name, a, t)
            run.sent[name].pop(t - plan.keeps[name], None)
            _read(plan, run, name, t)
    read = {name: np.stack(each) for name, each in run.read.items()}
    outputs = plan.graph.outputs
    return _Result(
        {name: each for name, each in read.items() if name not in outputs},
        {k: node.scale * read[k].astype(np.float64) for k, node in outputs.items()},
    )


def _read(plan: Plan, run: _Run, name: str, t: int) -> None:
    """Keep what a node sent at step t if that is in its window; spikes as uint8."""
    late = plan.reads.get(name, plan.total)
    if late <= t < late + plan.steps:
        sent = run.sent[name][t]
        is_output = isinstance(plan.graph.nodes[name], n.Output)
        run.read[name].append(sent if is_output else sent.astype(np.uint8))


def _worked_on(plan: Plan, run: _Run, name: str, t: int) -> Signal:
    """Return what a node works on at step t; a DelaySteps may hold many delays."""
    node = plan.graph.nodes[name]
    if not isinstance(node, n.DelaySteps):
        return _taken(plan, run, name, t - plan.waits[name])
    steps = np.broadcast_to(node.steps, node.shape)
    late = {int(each): _taken(plan, run, name, t - each) for each in np.unique(steps)}
    return np.select([steps == each for each in late], list(late.values()))


def _taken(plan: Plan, run: _Run, name: str, t: int) -> Signal:
    """Sum what the edges bring to a node at step t, in the order of the edges."""
    a = np.zeros(plan.takes[name], plan.dtype)
    for edge in plan.into[name]:
        if t >= edge.delay:
            a = a + run.sent[edge.source][t - edge.delay].reshape(a.shape)
    return a


def _step(plan: Plan, run: _Run, name: str, a: Signal, t: int) -> Signal:
    """Return what a node sends at step t, and keep its new state."""
    node = plan.graph.nodes[name]
    sent: Signal
    match node:
        case n.Input():
            sent = run.sample[name][t] if t < plan.steps else np.zeros_like(a)
        case n.Output() if plan.graph.stage is Stage.QUANTIZED:
            check_register(name, "sum a", a, V_LIMIT, t)
            sent = a
        case n.BiasLine():
            start = plan.graph.arrival.get(name, 0)
            sent = np.full_like(a, start <= t < start + plan.steps)
        case n.SpikingNeurons() | n.Integrators():
            state = run.states.get(name, at_rest(node, a))
            run.states[name], sent = neurons(node, state, a)
            run.probe(name, t, a, run.states[name])
        case n.QuantizedNeurons() | n.QuantizedIntegrators():
            state = run.states.get(name, at_rest(node, a))
            run.states[name], sent = quantized(name, node, state, a, t)
            run.probe(name, t, a, run.states[name])
        case _:
            sent = mapped(node, a)
    return sent
