"""What the executors share: the check of inputs, and what a trace records of a run."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from spikewright.errors import InputError
from spikewright.files import read_arrays
from spikewright.graph import Graph, Stage
from spikewright.nodes import Shape
from spikewright.trace import Spikes

Signals: TypeAlias = dict[str, npt.NDArray[Any]]
"""by Input: (samples, steps, *input shape)"""
Inputs: TypeAlias = npt.ArrayLike | Mapping[str, npt.ArrayLike]
"""an array for the only Input, or an array for each"""


def load_spikes(path: str | Path) -> Inputs:
    """Read what to give to `run`: a .npy, or a .npz with an array for each Input.

    The one array of a .npz may also be called `inputs`. That the arrays fit a graph is
    checked when they are run.

    Raises:
        InputError: the file is missing, damaged, or holds pickled objects.
    """
    arrays = read_arrays(path)
    return arrays["inputs"] if set(arrays) == {"inputs"} else arrays


def check_inputs(graph: Graph, inputs: Inputs) -> Signals:
    """Return one array for each Input of the graph, in the graph's order.

    Raises:
        InputError: an Input has no array or an array no Input; an array is not
            (samples, steps, *input shape), not numbers, not finite, or not binary for a
            QUANTIZED graph; or numbers of samples or steps differ.
    """
    named = _named(graph, inputs)
    for name, array in named.items():
        _check_shape(name, array, graph.inputs[name].shape)
        _check_values(name, array, graph.stage)
    runs = {array.shape[:2] for array in named.values()}
    if len(runs) > 1:
        raise InputError(
            f"the inputs {', '.join(named)} have {sorted(runs)} (samples, steps); "
            "allowed: the same for all; cut or pad them"
        )
    return named


def _named(graph: Graph, inputs: Inputs) -> Signals:
    wanted = list(graph.inputs)
    if not isinstance(inputs, Mapping):
        if len(wanted) != 1:
            raise InputError(
                f"the graph has {len(wanted)} Inputs ({', '.join(wanted)}), got one "
                "array without a name; give an array for each, by name"
            )
        return {wanted[0]: np.asarray(inputs)}
    if set(inputs) != set(wanted):
        raise InputError(
            f"inputs for {', '.join(map(str, inputs)) or 'nothing'}, but the graph has "
            f"the Inputs {', '.join(wanted)}; give exactly one array for each"
        )
    return {name: np.asarray(inputs[name]) for name in wanted}


def _check_shape(name: str, array: npt.NDArray[Any], shape: Shape) -> None:
    if array.ndim < 2 or array.shape[2:] != shape or 0 in array.shape:
        wanted = ", ".join(["samples", "steps", *map(str, shape)])
        raise InputError(
            f"inputs have shape {array.shape}; '{name}' needs ({wanted}), "
            "with one sample and one step at least; reshape them"
        )


def _check_values(name: str, array: npt.NDArray[Any], stage: Stage) -> None:
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise InputError(
            f"inputs '{name}' of type {array.dtype} are not all finite numbers; "
            "look for NaN, infinity or text"
        )
    if stage is Stage.QUANTIZED and not is_binary(array):
        strange = array[(array != 0) & (array != 1)][0]
        raise InputError(
            f"inputs '{name}' hold {strange}; a QUANTIZED graph takes spikes, 0 or 1"
        )


def is_binary(values: npt.NDArray[np.generic]) -> bool:
    """Say whether all values are 0 or 1."""
    return bool(np.all((values == 0) | (values == 1)))


def input_spikes(inputs: Signals) -> dict[str, Spikes]:
    """Return what a trace keeps of the Inputs: those that hold spikes."""
    return {
        name: array.astype(np.uint8)
        for name, array in inputs.items()
        if is_binary(array)
    }


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
