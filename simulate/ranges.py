"""What the states of a graph reach on sample inputs, and which spikes come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spikewright.bounds import StateRange
from spikewright.graph import Graph, Stage
from spikewright.loihi import STATE_BITS
from spikewright.nodes import FloatArray
from spikewright.simulate.inputs import Inputs
from spikewright.simulate.reference import run_reference
from spikewright.simulate.reference_maps import Signal
from spikewright.simulate.reference_neurons import State
from spikewright.trace import SpikeTrace


@dataclass(frozen=True, eq=False)
class Observation:
    """A run of the reference executor, with what its states reached."""

    trace: SpikeTrace
    ranges: Mapping[str, StateRange]
    """by population of neurons and by Output, in the population's shape; of an Output
    the sums that it received in the window of the sample"""


def measure_ranges(graph: Graph, inputs: Inputs) -> Mapping[str, StateRange]:
    """Return the largest |a|, |u| and |v| of every neuron over all samples and steps.

    Of the TIMED graph they are what `Quantization.calibration` takes.

    Args:
        graph: TIMED or QUANTIZED.
        inputs: (samples, steps, *input shape), by name if there are several Inputs.

    Raises:
        GraphError: the graph is of another stage.
        InputError: the inputs do not fit the graph.
        OverflowDetectedError: a QUANTIZED state leaves its register.
    """
    return observe(graph, inputs).ranges


def observe(graph: Graph, inputs: Inputs) -> Observation:
    """Run samples in the reference executor and watch all states; see above."""
    graph.expect(Stage.TIMED, Stage.QUANTIZED)
    unit = 2.0**-STATE_BITS if graph.stage is Stage.QUANTIZED else 1.0
    largest: dict[str, tuple[FloatArray, FloatArray, FloatArray]] = {}

    def watch(name: str, _: int, a: Signal, state: State) -> None:
        if name not in largest:
            largest[name] = (np.zeros(a.shape), np.zeros(a.shape), np.zeros(a.shape))
        for most, values in zip(
            largest[name], (a, state.u * unit, state.reached * unit), strict=True
        ):
            np.maximum(most, np.abs(values), out=most)

    trace = run_reference(graph, inputs, probe=watch)
    ranges = {name: StateRange(*states) for name, states in largest.items()}
    for name, node in graph.outputs.items():
        received = np.abs(trace.outputs[name] / node.scale).max(axis=(0, 1))
        ranges[name] = StateRange(received, received, received)
    return Observation(trace, ranges)
