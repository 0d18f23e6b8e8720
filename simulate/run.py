"""One interface to the three executors."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Literal

import numpy as np
import numpy.typing as npt

from spikewright.errors import InputError
from spikewright.graph import Graph, Stage
from spikewright.simulate.inputs import check_inputs
from spikewright.simulate.integer import run_integer
from spikewright.simulate.lava_backend.supervise import run_lava
from spikewright.simulate.reference import run_reference
from spikewright.simulate.registers import may_overflow
from spikewright.trace import SpikeTrace


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
    inputs: npt.NDArray[np.generic],
    *,
    backend: Backend | str = Backend.REFERENCE,
    runtime: Literal["local", "lava"] = "local",
    deadline_s: float = 300.0,
    on_samples: Callable[[int], None] = lambda done: None,
) -> SpikeTrace:
    """Run `inputs` (samples, steps, *input shape) through a lowered graph.

    The stage of the graph decides the arithmetic: float before QUANTIZED, fixed after.
    Before Lava, a QUANTIZED graph that could leave its registers runs in `integer`.

    Args:
        graph: DISCRETE, TIMED or QUANTIZED; see `Backend` for who takes which.
        inputs: numbers; 0 or 1 for a QUANTIZED graph.
        backend: one of `Backend`.
        runtime: who schedules the Lava processes: ours in one OS process, or Lava's.
        deadline_s: seconds that a Lava run may take.
        on_samples: called with the number of finished samples.

    Raises:
        GraphError: the backend does not take a graph of this stage.
        InputError: the inputs do not fit the graph.
        OverflowDetectedError: an integer left its register.
        LavaRunError: Lava raised, died or outlived the deadline.
    """
    if backend not in set(Backend):
        raise InputError(f"backend '{backend}': must be one of {', '.join(Backend)}")
    match Backend(backend):
        case Backend.REFERENCE:
            return run_reference(graph, inputs)
        case Backend.INTEGER:
            return run_integer(graph, inputs, on_samples=on_samples)
        case Backend.LAVA:
            _refuse_overflow(graph, inputs)
            return run_lava(
                graph,
                inputs,
                runtime=runtime,
                deadline_s=deadline_s,
                on_sample=on_samples,
            )


def _refuse_overflow(graph: Graph, inputs: npt.NDArray[np.generic]) -> None:
    """Raise where Lava would wrap or saturate in silence."""
    if graph.stage is Stage.QUANTIZED:
        check_inputs(graph, inputs)
        if may_overflow(graph, inputs.shape[1]):
            run_integer(graph, inputs)
