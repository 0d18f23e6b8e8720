"""Runs a TIMED or QUANTIZED graph on real Lava processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewright.graph import Graph, Stage
from spikewright.holds import work_folder
from spikewright.simulate.inputs import Inputs, check_inputs, input_spikes, run_meta
from spikewright.simulate.lava_backend.guard import supervise
from spikewright.simulate.lava_backend.installed import require_lava, versions
from spikewright.simulate.lava_backend.job import (
    Job,
    LavaOptions,
    Models,
    Processes,
    Runtime,
    finished_samples,
    sample_folder,
    write_job,
)
from spikewright.simulate.lava_backend.plan import Plan, make_plan
from spikewright.trace import SpikeTrace

CHILD = (sys.executable, "-m", "spikewright.simulate.lava_backend.child")


def run_lava(
    graph: Graph,
    inputs: Inputs,
    *,
    runtime: Runtime = "local",
    processes: Processes = "auto",
    models: Models = "fast",
    deadline_s: float = 300.0,
    on_sample: Callable[[int], None] = lambda done: None,
) -> SpikeTrace:
    """Run a graph on Lava's processes, float if TIMED, fixed point if QUANTIZED.

    Args:
        graph: TIMED or QUANTIZED.
        inputs: (samples, steps, *input shape), by name if there are several Inputs;
            spikes for a QUANTIZED graph.
        runtime: "lava" is Lava's own, an OS process for each Lava process; "local"
            runs the same compiled models in one OS process: faster, bit for bit equal.
        processes: "stock" builds the graph of processes that come with Lava, for those
            who own a chip (recorders are ours: a probe on the host); "auto" takes them
            where they express a node, and our own elsewhere.
        models: "fast" runs stock processes by our models, "stock" by Lava's; both give
            the same bits, but ours raise where Lava's wrap or saturate.
        deadline_s: seconds for the whole run, until it counts as hanging.
        on_sample: called with the number of finished samples, after each.

    Raises:
        GraphError: the graph has another stage or cannot be expressed in Lava.
        InputError: the inputs do not fit the graph, or a choice is unknown.
        BackendMissingError: Lava is not installed.
        LavaRunError: Lava raised, died or outlived the deadline.
    """
    options = LavaOptions(runtime, processes, models, deadline_s)
    graph.expect(Stage.TIMED, Stage.QUANTIZED)
    checked = check_inputs(graph, inputs)
    plan = make_plan(graph, checked, processes)
    require_lava()
    with work_folder("lava") as folder:
        write_job(Job(graph, checked, options), folder)
        samples = len(next(iter(checked.values())))
        run_in_child(CHILD, folder, samples, deadline_s, on_sample)
        recorded = _read_recordings(plan, folder, samples)
    outputs = {
        k: node.scale * recorded.pop(k).astype(np.float64)
        for k, node in graph.outputs.items()
    }
    meta = run_meta(graph, "lava", plan.steps)
    meta |= {"runtime": runtime, "processes": processes, "models": models}
    meta |= {"lava_nc": versions()["lava-nc"]}
    return SpikeTrace({**input_spikes(checked), **recorded}, outputs, meta)


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


def _read_recordings(
    plan: Plan, folder: Path, samples: int
) -> dict[str, npt.NDArray[Any]]:
    """Return what was recorded, (samples, steps, *shape) each."""
    folders = [sample_folder(folder, index) for index in range(samples)]
    return {
        name: np.stack(
            [np.load(each / f"{index}.npy", allow_pickle=False) for each in folders]
        )
        for index, name in enumerate(plan.recorded)
    }
