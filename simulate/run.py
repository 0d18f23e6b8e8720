"""One interface to the three executors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum

from spikewright.errors import InputError
from spikewright.graph import Graph, Stage
from spikewright.nodes import SPIKING, Input
from spikewright.simulate.inputs import Inputs, check_inputs
from spikewright.simulate.integer import (
    ALONE,
    Batching,
    refuse_overflow,
    run_integer,
)
from spikewright.simulate.lava_backend.job import LAVA, LavaOptions
from spikewright.simulate.lava_backend.supervise import run_lava
from spikewright.simulate.reference import run_reference
from spikewright.simulate.registers import may_overflow
from spikewright.trace import EVERYTHING, SpikeTrace, TracePolicy


class Backend(StrEnum):
    """Who executes a graph."""

    REFERENCE = "reference"
    """float64 or int64 numpy, any stage from DISCRETE on: the judge"""
    INTEGER = "integer"
    """QUANTIZED only, batched and fast"""
    LAVA = "lava"
    """TIMED (float) or QUANTIZED (fixed point), real Lava processes in a child"""


def run(
    graph: Graph,
    inputs: Inputs,
    *,
    backend: Backend | str = Backend.REFERENCE,
    trace: TracePolicy = EVERYTHING,
    batching: Batching = ALONE,
    lava: LavaOptions = LAVA,
    on_samples: Callable[[int], None] = lambda done: None,
) -> SpikeTrace:
    """Run `inputs` (samples, steps, *input shape) through a lowered graph.

    The stage of the graph decides the arithmetic: float before QUANTIZED, fixed after.
    Before Lava, a QUANTIZED graph that could leave its registers runs in `integer`.

    Args:
        graph: DISCRETE, TIMED or QUANTIZED; see `Backend` for who takes which.
        inputs: numbers, by name if there are several Inputs; 0 or 1 for a QUANTIZED
            graph.
        backend: one of `Backend`.
        trace: which spikes to keep.
        batching: for `integer`: samples at once, and worker processes.
        lava: for `lava`.
        on_samples: called with the number of finished samples.

    Raises:
        GraphError: the backend does not take a graph of this stage.
        InputError: the inputs do not fit the graph, or an option is unknown.
        OverflowDetectedError: an integer left its register.
        WorkerError: a worker process died.
        LavaRunError: Lava raised, died or outlived the deadline.
    """
    if backend not in set(Backend):
        raise InputError(f"backend '{backend}': must be one of {', '.join(Backend)}")
    kinds = (Input, *SPIKING)
    trace.check([k for k, node in graph.nodes.items() if isinstance(node, kinds)])
    match Backend(backend):
        case Backend.REFERENCE:
            return trace.apply(run_reference(graph, inputs))
        case Backend.INTEGER:
            return run_integer(
                graph, inputs, trace=trace, batching=batching, on_samples=on_samples
            )
        case Backend.LAVA:
            _refuse_overflow(graph, inputs)
            done = run_lava(graph, inputs, on_sample=on_samples, **asdict(lava))
            return trace.apply(done)


def _refuse_overflow(graph: Graph, inputs: Inputs) -> None:
    """Raise where Lava would wrap or saturate in silence."""
    if graph.stage is Stage.QUANTIZED:
        checked = check_inputs(graph, inputs)
        if may_overflow(graph, next(iter(checked.values())).shape[1]):
            refuse_overflow(graph, checked)
