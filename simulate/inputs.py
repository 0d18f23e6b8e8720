"""What the executors share: the check of inputs, and what a trace records of a run."""

from __future__ import annotations

import importlib.metadata
import platform

import numpy as np
import numpy.typing as npt

from spikewright.errors import InputError
from spikewright.graph import Graph, Stage
from spikewright.nodes import Input


def check_inputs(graph: Graph, inputs: npt.NDArray[np.generic]) -> None:
    """Refuse inputs that do not fit the graph.

    Raises:
        InputError: not (samples, steps, *input shape), not numbers, not finite, or not
            binary for a QUANTIZED graph.
    """
    node = graph.nodes[graph.input_name]
    assert isinstance(node, Input)  # noqa: S101 - the name says so
    if inputs.ndim < 2 or inputs.shape[2:] != node.shape or 0 in inputs.shape:
        wanted = ", ".join(["samples", "steps", *map(str, node.shape)])
        raise InputError(
            f"inputs have shape {inputs.shape}; '{graph.input_name}' needs ({wanted}), "
            "with one sample and one step at least; reshape them"
        )
    if inputs.dtype.kind not in "biuf" or not np.isfinite(inputs).all():
        raise InputError(
            f"inputs of type {inputs.dtype} are not all finite numbers; "
            "look for NaN, infinity or text"
        )
    if graph.stage is Stage.QUANTIZED and not is_binary(inputs):
        strange = inputs[(inputs != 0) & (inputs != 1)][0]
        raise InputError(
            f"inputs hold {strange}; a QUANTIZED graph takes spikes, 0 or 1"
        )


def is_binary(values: npt.NDArray[np.generic]) -> bool:
    """Say whether all values are 0 or 1."""
    return bool(np.all((values == 0) | (values == 1)))


def run_meta(graph: Graph, backend: str, steps: int) -> dict[str, object]:
    """Return what a trace records about its run."""
    return {
        "backend": backend,
        "arithmetic": "fixed" if graph.stage is Stage.QUANTIZED else "float",
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
