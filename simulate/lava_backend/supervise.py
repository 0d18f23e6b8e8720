"""Runs a TIMED or QUANTIZED graph on real Lava processes."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from spikewright import nodes as n
from spikewright.errors import InputError
from spikewright.graph import Graph
from spikewright.simulate.inputs import run_meta
from spikewright.simulate.lava_backend.guard import supervise
from spikewright.simulate.lava_backend.installed import require_lava, versions
from spikewright.simulate.lava_backend.job import (
    Job,
    Runtime,
    finished_samples,
    sample_folder,
    write_job,
)
from spikewright.simulate.lava_backend.plan import Plan, make_plan
from spikewright.trace import Spikes, SpikeTrace

CHILD = (sys.executable, "-m", "spikewright.simulate.lava_backend.child")


def run_lava(
    graph: Graph,
    inputs: npt.NDArray[Any],
    *,
    runtime: Runtime = "local",
    deadline_s: float = 300.0,
    on_sample: Callable[[int], None] = lambda done: None,
) -> SpikeTrace:
    """Run a graph on Lava's processes, float if TIMED, fixed point if QUANTIZED.

    Args:
        graph: TIMED or QUANTIZED.
        inputs: (samples, steps, *input shape); spikes for a QUANTIZED graph.
        runtime: "lava" is Lava's own, an OS process for each Lava process; "local"
            runs the same compiled models in one OS process: faster, bit for bit equal.
        deadline_s: seconds for the whole run, until it counts as hanging.
        on_sample: called with the number of finished samples, after each.

    Raises:
        GraphError: the graph has another stage or cannot be expressed in Lava.
        InputError: the inputs do not fit the graph, or there is no such runtime.
        BackendMissingError: Lava is not installed.
        LavaRunError: Lava raised, died or outlived the deadline.
    """
    if runtime not in get_args(Runtime):
        raise InputError(f"no runtime '{runtime}'; allowed: local, lava")
    plan = make_plan(graph, inputs)
    require_lava()
    with tempfile.TemporaryDirectory(prefix="spikewright-lava-") as name:
        folder = Path(name)
        write_job(Job(graph, inputs, runtime), folder)
        run_in_child(CHILD, folder, len(inputs), deadline_s, on_sample)
        return _read_trace(graph, plan, inputs, folder, runtime)


def run_in_child(
    program: Sequence[str],
    folder: Path,
    samples: int,
    deadline_s: float,
    on_sample: Callable[[int], None] = lambda done: None,
) -> None:
    """Run the job in `folder` by `program FOLDER`, and report finished samples."""
    done = 0

    def on_poll() -> str:
        nonlocal done
        before, done = done, finished_samples(folder, done)
        for count in range(before + 1, done + 1):
            on_sample(count)
        return f"sample {min(done + 1, samples)} of {samples}"

    supervise([*program, str(folder)], folder, deadline_s=deadline_s, on_poll=on_poll)


def _read_trace(
    graph: Graph, plan: Plan, inputs: npt.NDArray[Any], folder: Path, runtime: Runtime
) -> SpikeTrace:
    spikes: dict[str, Spikes] = {}
    if graph.input_name not in plan.graded:
        spikes[graph.input_name] = inputs.astype(np.uint8)
    samples = len(inputs)
    for index, name in enumerate(plan.recorded):
        spikes[name] = _read_recording(folder, samples, index)
    node = graph.nodes[graph.output_name]
    assert isinstance(node, n.Output)  # noqa: S101 - by definition of output_name
    raw = _read_recording(folder, samples, len(plan.recorded))
    meta = run_meta(graph, "lava", plan.steps)
    meta |= {"runtime": runtime, "lava_nc": versions()["lava-nc"]}
    return SpikeTrace(spikes, raw * np.float64(node.scale), meta)


def _read_recording(folder: Path, samples: int, index: int) -> npt.NDArray[Any]:
    """Return (samples, steps, *shape)."""
    files = [sample_folder(folder, k) / f"{index}.npy" for k in range(samples)]
    return np.stack([np.load(file, allow_pickle=False) for file in files])
