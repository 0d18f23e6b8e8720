"""Do all executors give the same spikes? `python benchmarks/parity.py [--graphs 200]`.

Random graphs of every node kind, and the golden files of the tests. Each is compared,
with no tolerance, between the reference executor at DISCRETE (the judge), TIMED and
Lava in float; and between the integer simulator and Lava in fixed point, with Lava's
own models. The smallest distance of a potential to its threshold says how near a float
comparison came to the other side; a distance of 0 is a tie, which must not fire.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from machine import describe_machine
from random_graphs import random_graph, random_inputs

from spikewright.errors import GraphError
from spikewright.export.lower import lower
from spikewright.export.nir.io import read_nir, read_nir_dt
from spikewright.graph import Graph, Stage
from spikewright.nodes import SpikingNeurons
from spikewright.simulate.compare import compare_traces
from spikewright.simulate.lava_backend.job import LavaOptions, Models
from spikewright.simulate.reference import run_reference
from spikewright.simulate.reference_neurons import State
from spikewright.simulate.run import run
from spikewright.trace import SpikeTrace

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
DT_S = 1e-3
SAMPLES, STEPS = 3, 12
MODELS: tuple[Models, ...] = ("stock", "fast")
Inputs = dict[str, npt.NDArray[np.uint8]]


@dataclass
class Tally:
    """What one comparison found, over all graphs."""

    graphs: int = 0
    entries: int = 0
    spikes: int = 0
    wrong: int = 0
    wrong_outputs: int = 0

    def add(self, left: SpikeTrace, right: SpikeTrace, given: Graph) -> int:
        """Compare two traces; return how much differs."""
        same = compare_traces(left, right, given=list(given.inputs))
        self.graphs += 1
        self.entries += same.compared
        self.spikes += same.spikes
        self.wrong += same.mismatches
        self.wrong_outputs += same.output_mismatches
        return same.mismatches + same.output_mismatches


@dataclass
class Result:
    """What one graph showed."""

    name: str
    kinds: Counter[str]
    tallies: dict[str, Tally] = field(default_factory=dict)
    distance: float = np.inf
    """smallest |v - threshold| that is not 0"""
    ties: int = 0
    """how often v == threshold"""
    refused: str = ""
    """why it cannot be QUANTIZED"""


def check(name: str, graph: Graph, dt_s: float, inputs: Inputs) -> Result:
    """Compare all executors on one graph."""
    result = Result(name, Counter(type(node).__name__ for node in graph.nodes.values()))
    discrete = lower(graph, dt_s=dt_s, to=Stage.DISCRETE).graph
    timed = lower(graph, dt_s=dt_s, to=Stage.TIMED).graph
    judge = run_reference(discrete, inputs, probe=_distances(discrete, result))
    _compare(result, "DISCRETE vs TIMED", judge, run(timed, inputs), timed)
    lava = run(timed, inputs, backend="lava")
    _compare(result, "DISCRETE vs Lava float", judge, lava, timed)
    try:
        quantized = lower(graph, dt_s=dt_s).graph
    except GraphError as error:
        result.refused = str(error)
        return result
    integer = run(quantized, inputs, backend="integer")
    judge = run(quantized, inputs)
    _compare(result, "integer vs reference", integer, judge, quantized)
    for models in MODELS:
        lava = run(quantized, inputs, backend="lava", lava=LavaOptions(models=models))
        label = f"integer vs Lava fixed, {models} models"
        _compare(result, label, integer, lava, quantized)
    return result


def _distances(graph: Graph, result: Result) -> object:
    thresholds = {
        name: node.threshold
        for name, node in graph.nodes.items()
        if isinstance(node, SpikingNeurons)
    }

    def probe(name: str, step: int, a: npt.NDArray[np.generic], state: State) -> None:
        if name in thresholds:
            distance = np.abs(state.reached - thresholds[name])
            result.ties += int((distance == 0).sum())
            apart = distance[distance > 0]
            result.distance = min(result.distance, float(apart.min(initial=np.inf)))

    return probe


def _compare(
    result: Result, label: str, left: SpikeTrace, right: SpikeTrace, graph: Graph
) -> None:
    tally = result.tallies.setdefault(label, Tally())
    if tally.add(left, right, graph):
        print(f"{result.name}: {label}: DIFFERENT", file=sys.stderr)


def golden() -> Iterator[tuple[str, Graph, float, Inputs]]:
    """Yield the golden files of the tests, with random spikes."""
    for path in sorted(GOLDEN.glob("*.nir")):
        graph = read_nir(path)
        inputs = random_inputs(graph, seed=0, samples=SAMPLES, steps=STEPS)
        yield path.stem, graph, read_nir_dt(path) or DT_S, inputs


def drawn(count: int) -> Iterator[tuple[str, Graph, float, Inputs]]:
    """Yield random graphs, with random spikes."""
    for seed in range(count):
        graph = random_graph(seed)
        inputs = random_inputs(graph, seed=seed, samples=SAMPLES, steps=STEPS)
        yield f"random {seed}", graph, DT_S, inputs


def report(results: list[Result]) -> int:
    """Print what was found; return the number of differences in spikes."""
    kinds: Counter[str] = Counter()
    for result in results:
        kinds.update(result.kinds)
    print("nodes:", ", ".join(f"{name} {k}" for name, k in sorted(kinds.items())))
    print(
        f"\n{'':<36}{'graphs':>7}{'entries':>11}{'spikes':>9}{'wrong':>7}{'outputs':>9}"
    )
    wrong = 0
    for label in dict.fromkeys(label for each in results for label in each.tallies):
        found = [each.tallies[label] for each in results if label in each.tallies]
        sums = [
            sum(getattr(each, name) for each in found)
            for name in ("graphs", "entries", "spikes", "wrong", "wrong_outputs")
        ]
        wrong += sums[3]
        print(
            f"{label:<36}{sums[0]:>7}{sums[1]:>11,}{sums[2]:>9,}{sums[3]:>7}{sums[4]:>9}"
        )
    nearest = min(each.distance for each in results)
    print(f"\nsmallest distance to a threshold: {nearest:g}")
    print(f"ties, v == threshold: {sum(each.ties for each in results):,}")
    for each in results:
        if each.refused:
            print(f"not quantized: {each.name}: {each.refused}")
    return wrong


def main() -> int:
    """Check all graphs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    print(describe_machine())
    jobs = [*golden(), *drawn(args.graphs)]
    results = []
    with ThreadPoolExecutor(args.workers) as pool:
        for done, result in enumerate(pool.map(lambda job: check(*job), jobs), 1):
            results.append(result)
            print(f"\r{done}/{len(jobs)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return 1 if report(results) else 0


if __name__ == "__main__":
    sys.exit(main())
