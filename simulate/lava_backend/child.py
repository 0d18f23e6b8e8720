"""The child that holds Lava: `python -m …lava_backend.child FOLDER` runs one job."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType

import numpy as np

from spikewright.errors import LavaRunError
from spikewright.simulate.lava_backend.engine.local import LocalRuntime
from spikewright.simulate.lava_backend.engine.native import NativeRuntime
from spikewright.simulate.lava_backend.engine.network import Network, build_network
from spikewright.simulate.lava_backend.engine.populations import played
from spikewright.simulate.lava_backend.job import (
    Job,
    read_job,
    sample_folder,
    samples_of,
)
from spikewright.simulate.lava_backend.plan import Plan, make_plan
from spikewright.simulate.lava_backend.session import sweep


def run_job(job: Job, folder: Path) -> None:
    """Run all samples, one after the other, each from rest.

    The network is compiled and started once. Our models rest by themselves when a
    sample begins, and read it from its file. Lava's own have to be told: on Lava's
    runtime each number of a state or a sample is a message of about 20 us.
    """
    plan = make_plan(job.graph, job.inputs, job.options.processes)
    recording = folder / "recording"
    network = build_network(job, plan, folder, recording)
    start = LocalRuntime if job.options.runtime == "local" else NativeRuntime
    runtime: LocalRuntime | NativeRuntime = start(network)
    for index in range(samples_of(job)):
        recording.mkdir()
        if index and job.options.models == "stock":
            _rewind(runtime, network, job, plan, index)
        runtime.run(plan.run_steps)
        _finish(recording, plan, sample_folder(folder, index))
    runtime.stop()


def _rewind(
    runtime: LocalRuntime | NativeRuntime,
    network: Network,
    job: Job,
    plan: Plan,
    index: int,
) -> None:
    """Bring Lava's own models to rest, and give them the next sample."""
    for var in network.states:
        runtime.set(var, np.zeros(var.shape))
    for name, source in network.sources.items():
        sample = played(plan, job.inputs[name][index])
        runtime.set(source.data, sample)


def _finish(recording: Path, plan: Plan, done: Path) -> None:
    """Hand the recordings over, if all are there."""
    for index, name in enumerate(plan.recorded):
        if not (recording / f"{index}.npy").exists():
            raise LavaRunError(f"the recorder of {name} has written nothing")
    recording.rename(done)


def end_with_parent() -> None:
    """Kill the own process group when the parent dies: its end of stdin closes."""

    def wait() -> None:
        # Not sys.stdin.read: a forked worker closes sys.stdin and would wait for the
        # lock that this thread holds.
        os.read(0, 1)
        sweep([os.getpid()])
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def end_on_error() -> None:
    """Exit at the first error; Lava's workers would keep the interpreter alive."""

    def leave(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        traceback.print_exception(kind, error, trace)
        sys.stderr.flush()
        sweep([os.getpid()])
        os._exit(1)

    sys.excepthook = leave


def main() -> None:
    """Run the job in the folder that the command line names."""
    end_on_error()
    end_with_parent()
    np.seterr(over="raise", invalid="raise")
    folder = Path(sys.argv[1])
    run_job(read_job(folder), folder)
    sys.stdout.flush()
    os._exit(0)  # as in end_on_error: nothing is left to do


if __name__ == "__main__":
    main()
