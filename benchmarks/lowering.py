"""How long and how large is lowering? `python benchmarks/lowering.py`.

A chain of 2,000 nodes, and a graph of 50 million synapses, each in a process of its
own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
from machine import describe_machine, peak_bytes

from spikewright.export.lower import lower
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import LIF, Affine, Input, Linear, Node, Output

DT_S = 1e-3
LARGE = 10**7
"""synapses from which the weights outweigh the program"""


def neuron_chain(length: int = 2000, size: int = 8) -> Graph:
    """Affine and LIF in turn, all biased."""
    rng = np.random.default_rng(0)
    nodes: dict[str, Node] = {}
    for index in range(length // 2):
        weight = rng.integers(-8, 9, (size, size)) / 8
        nodes[f"affine{index}"] = Affine(weight, rng.integers(-2, 3, size) / 8)
        nodes[f"lif{index}"] = _lif(size)
    return _chained(nodes, size, size)


def map_chain(length: int = 2000, size: int = 8) -> Graph:
    """Linear maps in a row (rotations, so that the product stays), and one LIF."""
    turn = np.roll(np.eye(size), 1, axis=0)
    nodes: dict[str, Node] = {f"map{index}": Linear(turn) for index in range(length)}
    return _chained({**nodes, "lif": _lif(size)}, size, size)


def large(layers: int = 12, size: int = 2048) -> Graph:
    """Dense layers: 12 x 2048 x 2048 is 50 million synapses."""
    rng = np.random.default_rng(0)
    nodes: dict[str, Node] = {}
    for index in range(layers):
        weight = rng.standard_normal((size, size), dtype=np.float32).astype(np.float64)
        weight.setflags(write=False)
        nodes[f"fc{index}"] = Linear(weight)
        nodes[f"lif{index}"] = _lif(size)
    return _chained(nodes, size, size)


def _lif(size: int) -> LIF:
    ones = np.ones(size)
    return LIF(2 * DT_S * ones, 2 * ones, 0 * ones, ones, 0 * ones)


def _chained(nodes: dict[str, Node], first: int, last: int) -> Graph:
    every = {"input": Input((first,)), **nodes, "output": Output((last,))}
    names = list(every)
    edges = tuple(map(Edge, names, names[1:]))
    return Graph(every, edges, Stage.CONTINUOUS)


CASES = {"neuron chain": neuron_chain, "map chain": map_chain, "large": large}


def measure(case: str) -> dict[str, object]:
    """Lower one graph in this process."""
    before = peak_bytes()
    graph = CASES[case]()
    weights = sum(
        node.weight.nbytes
        for node in graph.nodes.values()
        if isinstance(node, Affine | Linear)
    )
    start = time.perf_counter()
    lowering = lower(graph, dt_s=DT_S)
    return {
        "nodes": len(graph.nodes),
        "synapses": weights // 8,
        "s": time.perf_counter() - start,
        "peak": (peak_bytes() - before) / weights,
        "passes": {each.name: each.seconds for each in lowering.log},
    }


def main() -> None:
    """Measure each case in a child."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
        return
    print(describe_machine())
    for case in CASES:
        command = [sys.executable, __file__, case]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        found = json.loads(done.stdout)
        passes = ", ".join(
            f"{k} {v / found['s']:.0%}" for k, v in found["passes"].items()
        )
        print(
            f"{case}: {found['nodes']:,} nodes, {found['synapses']:,} synapses: "
            f"{found['s']:.2f} s ({passes})"
        )
        if found["synapses"] > LARGE:
            print(
                f"  peak memory, the graph itself included: {found['peak']:.2f} x its "
                "float64 weights"
            )


if __name__ == "__main__":
    main()
