"""How fast are our Lava models and our runtime? `python benchmarks/lava_speed.py`.

The profile net (4 layers x 32 tokens x 256 channels) runs

- in plain numpy: the equations in a loop, products by BLAS; no messages, no checks;
- in Lava, our processes and models: in the local runtime, and in Lava's own;
- in Lava, a stock Conv for each token-wise layer, by Lava's own model: the old way;
- in the integer simulator, a batch of sentences at once.

All rows in one run, one thread, without start-up. The spikes are compared, those of the
slow stock Conv in a small net: a fast wrong answer would show.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from machine import describe_machine, seconds_of
from plain_numpy import run_plain
from stock_conv import stock_conv, wide_sizes
from threadpoolctl import threadpool_limits
from token_net import random_inputs, token_net

from spikewright.graph import Graph
from spikewright.simulate.integer import iterate_integer
from spikewright.simulate.lava_backend.engine.local import LocalRuntime
from spikewright.simulate.lava_backend.engine.native import NativeRuntime
from spikewright.simulate.lava_backend.engine.network import Network, build_network
from spikewright.simulate.lava_backend.job import LAVA, Job, write_job
from spikewright.simulate.lava_backend.plan import Plan, make_plan
from spikewright.trace import Keep, TracePolicy

Array = npt.NDArray[Any]
REPEATS = 7
SMALL = (1, 5, 6)
"""layers, tokens and channels where all steps run on stock Conv"""


@dataclass(frozen=True)
class InLava:
    """One sample, to be played by any runtime, again and again."""

    job: Job
    plan: Plan
    folder: Path

    @property
    def recording(self) -> Path:
        """Where the recorders write."""
        return self.folder / "recording"

    def network(self) -> Network:
        """Build the processes; one runtime can take them."""
        return build_network(self.job, self.plan, self.folder, self.recording)

    def wrong_spikes(self) -> int:
        """Compare what was recorded last with plain numpy."""
        graph, plan = self.job.graph, self.plan
        sample = self.job.inputs[graph.input_name][0]
        sent = run_plain(graph, plan, sample)
        wrong = 0
        for index, name in enumerate(plan.recorded):
            if name not in graph.outputs:
                first = graph.arrival[name]
                wanted = sent[name][first : first + plan.steps]
                got = np.load(self.recording / f"{index}.npy")
                wrong += int(np.count_nonzero(got != wanted))
        return wrong


def main() -> None:
    """Print one row an executor, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--sentences", type=int, default=256)
    parser.add_argument("--conv-steps", type=int, default=2)
    args = parser.parse_args()
    print(describe_machine())
    with threadpool_limits(1):  # two threads on two busy cores are 60 times slower
        _run(args)


def _run(args: argparse.Namespace) -> None:
    _check_conv()
    graph = token_net(args.layers, args.tokens, args.channels)
    inputs = random_inputs(graph, args.sentences, args.steps)
    with tempfile.TemporaryDirectory() as folder:
        lava = _in_lava(graph, inputs[0], Path(folder))
        numpy_s, ours_s = _side_by_side(lava)
        native_s = _on_lavas_runtime(lava)
        conv_s = _conv_step(lava, args.conv_steps)
    integer_s = _integer(graph, inputs)
    for label, seconds in (
        ("plain numpy", numpy_s),
        ("Lava, our models, local runtime", ours_s),
        ("Lava, our models, Lava's runtime", native_s),
        ("Lava, stock Conv models", conv_s),
        (f"integer, {args.sentences} sentences, each", integer_s),
    ):
        print(f"{label:<34} {1e3 * seconds:10.3f} ms a step")
    longer = lava.plan.run_steps / args.steps
    print(f"ours / plain numpy    {ours_s / numpy_s:8.2f}  (2 or less wanted)")
    print(f"stock Conv / ours     {conv_s / ours_s:8.0f}  (500 or more wanted)")
    print(
        f"stock Conv / integer  {conv_s / integer_s:8.0f} for a step, "
        f"{longer * conv_s / integer_s:.0f} for a step of a sentence (10,000 or more "
        f"wanted): of {args.steps} steps Lava makes {lava.plan.run_steps}, because "
        "each synapse takes one"
    )


def _in_lava(graph: Graph, sample: Array, folder: Path) -> InLava:
    inputs = {graph.input_name: np.stack([sample] * REPEATS)}
    job = Job(graph, inputs, LAVA)
    write_job(job, folder)
    lava = InLava(job, make_plan(graph, inputs, "auto"), folder)
    lava.recording.mkdir()
    return lava


def _side_by_side(lava: InLava) -> tuple[float, float]:
    """Return seconds per step of plain numpy and of ours, in turns."""
    runtime, graph, plan = LocalRuntime(lava.network()), lava.job.graph, lava.plan
    sample = lava.job.inputs[graph.input_name][0]
    numpy_s, ours_s = [], []
    for _ in range(REPEATS):
        numpy_s.append(seconds_of(lambda: run_plain(graph, plan, sample)))
        ours_s.append(seconds_of(lambda: runtime.run(plan.run_steps)))
    processes = len(runtime.models)
    print(
        f"{len(graph.populations())} populations, {processes} Lava processes, "
        f"{plan.run_steps} steps, {lava.wrong_spikes()} wrong spikes"
    )
    return median(numpy_s) / plan.run_steps, median(ours_s) / plan.run_steps


def _on_lavas_runtime(lava: InLava) -> float:
    runtime = NativeRuntime(lava.network())
    seconds = [seconds_of(lambda: runtime.run(lava.plan.run_steps)) for _ in range(3)]
    runtime.stop()
    print(f"{lava.wrong_spikes()} wrong spikes on Lava's runtime")
    return median(seconds) / lava.plan.run_steps


def _conv_step(lava: InLava, steps: int) -> float:
    with stock_conv(), wide_sizes():
        runtime = LocalRuntime(lava.network())
        return seconds_of(lambda: runtime.run(steps)) / steps


def _check_conv() -> None:
    graph = token_net(*SMALL)
    sample = random_inputs(graph, 1, 12)[0]
    with tempfile.TemporaryDirectory() as folder, stock_conv(), wide_sizes():
        lava = _in_lava(graph, sample, Path(folder))
        LocalRuntime(lava.network()).run(lava.plan.run_steps)
        print(f"{lava.wrong_spikes()} wrong spikes of stock Conv, in a small net")


def _integer(graph: Graph, inputs: Array) -> float:
    def consume() -> None:
        for _ in iterate_integer(graph, inputs, trace=TracePolicy(Keep.NONE)):
            pass

    return seconds_of(consume) / (inputs.shape[0] * inputs.shape[1])


if __name__ == "__main__":
    main()
