"""The reference executor: slow, obviously right, the judge of all other backends.

One rule serves all stages. At step t a node takes the sum of what its edges bring, in
the order of the edges; an edge brings what its source sent `delay` steps ago. A
DelaySteps node works on what it took `steps` steps ago. From TIMED on, Synapses work on
what they took one step ago; before, all nodes of a step are computed at that step.
Samples run one by one, so a result never depends on what else is in the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spikewright import nodes as n
from spikewright.errors import GraphError, InputError
from spikewright.graph import Graph, Stage
from spikewright.simulate.inputs import check_inputs, is_binary, run_meta
from spikewright.simulate.reference_nodes import (
    V_LIMIT,
    Signal,
    check_register,
    integrating,
    mapped,
    quantized,
    spiking,
)
from spikewright.simulate.reference_plan import Plan, make_plan
from spikewright.trace import Spikes, SpikeTrace, Values


def run_reference(
    graph: Graph, inputs: npt.ArrayLike, *, steps: int | None = None
) -> SpikeTrace:
    """Run samples through a graph in float64, or int64 if it is QUANTIZED.

    From TIMED on the run lasts max(arrival) steps longer than a sample, with silence at
    the Input and on the bias line; each population is read from its arrival on.

    Args:
        graph: a graph of any stage from DISCRETE on.
        inputs: (samples, steps, *input shape); 0 or 1 for a QUANTIZED graph.
        steps: run only so many steps of each sample; all by default.

    Returns:
        Spikes of the Input (if all its values are 0 or 1) and of all spiking neurons,
        and the output.

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
    plan = make_plan(graph, checked.shape[1])
    runs = [_run_sample(plan, sample) for sample in checked]
    spikes = {name: np.stack([run.spikes[name] for run in runs]) for name in plan.reads}
    if is_binary(checked):
        spikes = {graph.input_name: checked.astype(np.uint8), **spikes}
    output = np.stack([run.output for run in runs])
    return SpikeTrace(spikes, output, run_meta(graph, "reference", plan.steps))


# --- before the run ------------------------------------------------------------------


def _checked(graph: Graph, inputs: npt.ArrayLike, steps: int | None) -> Signal:
    """Return inputs of the right shape, finite, as float64 or int64, cut to `steps`."""
    array = np.asarray(inputs)
    check_inputs(graph, array)
    if steps is not None and not 1 <= steps <= array.shape[1]:
        raise InputError(
            f"steps is {steps}; allowed: 1 to {array.shape[1]}, the steps of the "
            "inputs; give longer inputs"
        )
    kind = np.int64 if graph.stage is Stage.QUANTIZED else np.float64
    checked: Signal = array[:, :steps].astype(kind)
    return checked


# --- the run -------------------------------------------------------------------------


@dataclass
class _Run:
    """One sample on its way."""

    sample: Signal
    """(steps, *input shape)"""
    v: dict[str, Signal]
    """potentials of the neurons, as they are now"""
    sent: dict[str, list[Signal]]
    """what each node sent at steps 0, 1, …"""


@dataclass(frozen=True)
class _Result:
    spikes: Mapping[str, Spikes]
    """(steps, *shape)"""
    output: Values
    """(steps, *output shape)"""


def _run_sample(plan: Plan, sample: Signal) -> _Result:
    """Run all steps, then read each population in its own window."""
    run = _Run(sample, {}, {name: [] for name in plan.order})
    for t in range(plan.total):
        for name in plan.order:
            a = _taken(plan, run, name, t - plan.waits[name])
            run.sent[name].append(_step(plan, run, name, a, t))
    return _Result(
        {
            name: np.stack(run.sent[name][late : late + plan.steps]).astype(np.uint8)
            for name, late in plan.reads.items()
        },
        _output(plan, run),
    )


def _taken(plan: Plan, run: _Run, name: str, t: int) -> Signal:
    """Sum what the edges bring to a node at step t, in the order of the edges."""
    a = np.zeros(plan.takes[name], run.sample.dtype)
    for edge in plan.into[name]:
        if t >= edge.delay:
            a = a + run.sent[edge.source][t - edge.delay].reshape(a.shape)
    return a


def _step(plan: Plan, run: _Run, name: str, a: Signal, t: int) -> Signal:
    """Return what a node sends at step t, and keep its new potential."""
    node = plan.graph.nodes[name]
    v = run.v.get(name, np.zeros_like(a))
    sent: Signal
    match node:
        case n.Input():
            sent = run.sample[t] if t < plan.steps else np.zeros_like(a)
        case n.Output() if plan.graph.stage is Stage.QUANTIZED:
            check_register(name, "sum a", a, V_LIMIT, t)
            sent = a
        case n.BiasLine():
            sent = np.full_like(a, t < plan.steps)
        case n.SpikingNeurons():
            run.v[name], sent = spiking(node, v, a)
        case n.Integrators():
            run.v[name], sent = integrating(node, v, a)
        case n.QuantizedNeurons() | n.QuantizedIntegrators():
            run.v[name], sent = quantized(name, node, v, a, t)
        case _:
            sent = mapped(node, a)
    return sent


def _output(plan: Plan, run: _Run) -> Values:
    name, late = plan.graph.output_name, plan.reads_output
    node = plan.graph.nodes[name]
    assert isinstance(node, n.Output)  # noqa: S101 - output_name finds Outputs only
    read = np.stack(run.sent[name][late : late + plan.steps])
    output: Values = node.scale * read.astype(np.float64)
    return output
