"""What the executors share: the check of inputs, and a graph in windowed time.

Populations see a sample's step t at chip step arrival + t. Read in each population's
own window, an edge of a TIMED graph is `lag` steps late, where

    lag = arrival[source] + axonal delay + synaptic step - arrival[target]

so 0 on every balanced branch, and the loop's own delay on a loop.
"""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spikewright.errors import InputError
from spikewright.graph import Graph, Stage
from spikewright.nodes import SYNAPSES, Input, Synapses

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Connection:
    """One way into a population or the Output, in windowed time."""

    source: str
    target: str
    synapses: Synapses | None
    """None: straight to the Output"""
    lag: int
    name: str
    """of the Synapses node, or of the source"""


def connections(graph: Graph) -> tuple[Connection, ...]:
    """Return the connections of a TIMED or QUANTIZED graph, in edge order."""
    graph.expect(Stage.TIMED, Stage.QUANTIZED)
    found = []
    for edge in graph.edges:
        if edge.source not in graph.arrival:
            continue  # the second half of a connection: synapses to target
        node = graph.nodes[edge.target]
        through = isinstance(node, SYNAPSES)
        target = graph.out_of(edge.target)[0].target if through else edge.target
        lag = graph.arrival[edge.source] + edge.delay + through - graph.arrival[target]
        synapses = node if isinstance(node, SYNAPSES) else None
        name = edge.target if through else edge.source
        found.append(Connection(edge.source, target, synapses, lag, name))
    return tuple(found)


def check_inputs(graph: Graph, inputs: npt.NDArray[np.generic]) -> Values:
    """Return `inputs` as float64 if they fit the graph.

    Raises:
        InputError: not (samples, steps, *input shape), not numbers, not finite, or not
            binary for a QUANTIZED graph.
    """
    node = graph.nodes[graph.input_name]
    assert isinstance(node, Input)  # noqa: S101 - the name says so
    wanted = ("samples", "steps", *node.shape)
    if inputs.shape[2:] != node.shape or inputs.ndim != len(wanted):
        raise InputError(
            f"inputs: shape {inputs.shape}, the graph needs "
            f"({', '.join(map(str, wanted))})"
        )
    if min(inputs.shape[:2]) < 1:
        raise InputError(f"inputs: shape {inputs.shape} holds no sample or no step")
    if inputs.dtype.kind not in "biuf":
        raise InputError(f"inputs: type {inputs.dtype}, need numbers")
    values = inputs.astype(np.float64)
    if not np.all(np.isfinite(values)):
        raise InputError("inputs: hold NaN or infinity; need finite numbers")
    if graph.stage is Stage.QUANTIZED and not is_binary(values):
        raise InputError(
            "inputs: a QUANTIZED graph takes spikes, 0 or 1; "
            f"got values from {values.min():g} to {values.max():g}"
        )
    return values


def is_binary(values: npt.NDArray[np.generic]) -> bool:
    """Say whether all values are 0 or 1."""
    return bool(np.all((values == 0) | (values == 1)))


def run_meta(graph: Graph, backend: str, arithmetic: str, steps: int) -> dict[str, object]:
    """Return what a trace records about its run."""
    return {
        "backend": backend,
        "arithmetic": arithmetic,
        "dt_s": graph.dt_s,
        "steps": steps,
        "arrival": dict(graph.arrival),
        "graph_sha256": graph.fingerprint(),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "spikewright": importlib.metadata.version("spikewright"),
        },
    }
