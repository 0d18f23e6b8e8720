"""Fixtures that several folders share. The graphs here are random but seeded."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    IF,
    LI,
    LIF,
    Affine,
    Delay,
    Input,
    Linear,
    Node,
    Output,
    Scale,
    Threshold,
)

DT_S = 1e-3
MakeGraph = Callable[[int], Graph]

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
random_graphs = import_module("random_graphs")


def _dyadic(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Multiples of 1/8 in [-1, 1]: sums are exact in any order, and ties are common."""
    return rng.integers(-8, 9, shape) / 8


def _decimal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Multiples of 1/10: no sum is exact in binary, and ties hang on the last bit."""
    return rng.integers(-5, 6, shape) / 10


def _neuron(rng: np.random.Generator, size: int) -> Node:
    threshold = np.full(size, rng.integers(2, 9) / 8)
    ones, zeros = np.ones(size), np.zeros(size)
    match rng.integers(3):
        case 0:  # decay 1/2: tau = 2 dt, r = tau / dt
            tau = np.full(size, 2 * DT_S)
            leak = _dyadic(rng, size) * (rng.random() < 0.5)
            return LIF(tau, 2 * ones, leak, threshold, zeros)
        case 1:
            return IF(ones / DT_S, threshold, zeros)
        case _:
            return Threshold(threshold)


@dataclass(frozen=True)
class _Sketch:
    """A random graph under construction."""

    rng: np.random.Generator
    sizes: dict[str, int]
    nodes: dict[str, Node]
    edges: list[Edge]

    def connect(self, source: str, target: str, size: int) -> None:
        """Connect by an Affine or a Linear, sometimes scaled, sometimes delayed."""
        rng, name = self.rng, f"{source}_{target}"
        weight = _dyadic(rng, size, self.sizes[source])
        bias = _dyadic(rng, size)
        path: list[tuple[str, Node]] = [
            (name, Affine(weight, bias) if rng.random() < 0.5 else Linear(weight))
        ]
        if rng.random() < 0.3:
            path.append((f"{name}_scale", Scale(np.full(size, 0.5))))
        if rng.random() < 0.3:
            delay_s = np.full(size, DT_S * rng.integers(1, 4))
            path.append((f"{name}_late", Delay(delay_s)))
        self.nodes.update(path)
        stops = [source, *(each for each, _ in path), target]
        self.edges.extend(Edge(a, b) for a, b in pairwise(stops))


def _branching(seed: int) -> Graph:
    """A random net: branches of unequal depth, biases, delays, self-loops, fan-in."""
    rng = np.random.default_rng(seed)
    sketch = _Sketch(rng, {"input": 6}, {"input": Input((6,))}, [])
    for index in range(5):
        name, size = f"n{index}", int(rng.integers(3, 8))
        before = list(sketch.sizes)
        sketch.sizes[name] = size
        chosen = map(str, rng.permutation(before)[: rng.integers(1, 3)])
        for source in dict.fromkeys([before[-1], *chosen]):
            sketch.connect(source, name, size)
        sketch.nodes[name] = _neuron(rng, size)
        if rng.random() < 0.4:
            sketch.connect(name, name, size)
    last = list(sketch.sizes)[-1]
    sketch.nodes["output"] = Output((sketch.sizes[last],))
    sketch.edges.append(Edge(last, "output"))
    if rng.random() < 0.5:
        sketch.connect("n1", "output", sketch.sizes[last])
    order = sorted(sketch.edges, key=lambda edge: (edge.source, edge.target))
    return Graph(sketch.nodes, tuple(order), Stage.CONTINUOUS)


@pytest.fixture
def decimal_graph() -> MakeGraph:
    """Return a residual net with biases and decimal weights for a seed: 6 -> 8 -> 8."""

    def make(seed: int) -> Graph:
        rng = np.random.default_rng(seed)
        tau, ones, zeros = np.full(8, 2 * DT_S), np.ones(8), np.zeros(8)
        lif = LIF(tau, 2 * ones, zeros, ones, zeros)
        nodes: dict[str, Node] = {
            "input": Input((6,)),
            "fc1": Affine(_decimal(rng, 8, 6), _decimal(rng, 8)),
            "lif1": lif,
            "fc2": Affine(_decimal(rng, 8, 8), _decimal(rng, 8)),
            "skip": Affine(_decimal(rng, 8, 6), _decimal(rng, 8)),
            "lif2": lif,
            "output": Output((8,)),
        }
        pairs = ["input fc1", "fc1 lif1", "lif1 fc2", "fc2 lif2"]
        pairs += ["input skip", "skip lif2", "lif2 output"]
        edges = tuple(Edge(*pair.split()) for pair in pairs)
        return Graph(nodes, edges, Stage.CONTINUOUS)

    return make


@pytest.fixture
def make_graph() -> MakeGraph:
    """Return a CONTINUOUS graph with dyadic weights for a seed."""
    return _branching


@pytest.fixture(scope="session")
def any_graph() -> MakeGraph:
    """Return a CONTINUOUS graph of any node kinds, with dyadic numbers, for a seed."""
    return random_graphs.random_graph


@pytest.fixture(scope="session")
def any_inputs() -> Callable[..., dict[str, np.ndarray]]:
    """Return random spikes by Input: of (graph, seed, samples, steps)."""
    return random_graphs.random_inputs


@pytest.fixture
def readout_graph() -> Graph:
    """A LIF population with bias whose spikes an LI integrates: a graded output."""
    rng = np.random.default_rng(5)
    nodes: dict[str, Node] = {
        "input": Input((6,)),
        "fc": Affine(_dyadic(rng, 8, 6), _dyadic(rng, 8)),
        "lif": LIF(
            np.full(8, 2 * DT_S),
            np.full(8, 2.0),
            np.zeros(8),
            np.full(8, 0.5),
            np.zeros(8),
        ),
        "head": Linear(_dyadic(rng, 3, 8)),
        "li": LI(np.full(3, 4 * DT_S), np.full(3, 4.0), np.zeros(3)),
        "output": Output((3,)),
    }
    names = list(nodes)
    edges = tuple(Edge(a, b) for a, b in pairwise(names))
    return Graph(nodes, edges, Stage.CONTINUOUS)


@pytest.fixture
def spikes() -> Callable[[Graph, int], np.ndarray]:
    """Return random spikes for a graph's input: 4 samples of 9 steps, rate 0.5."""

    def make(graph: Graph, seed: int = 0) -> np.ndarray:
        node = graph.nodes[graph.input_name]
        assert isinstance(node, Input)
        rng = np.random.default_rng(seed)
        return (rng.random((4, 9, *node.shape)) < 0.5).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def dt_s() -> float:
    """Time step of the graphs above, in seconds."""
    return DT_S


@pytest.fixture(scope="session")
def scheduler() -> Iterator[str]:
    """Address of a Dask scheduler with two worker processes, on loopback.

    A task on which two workers died is given up.
    """
    dask, distributed = import_module("dask"), import_module("distributed")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster.scheduler_address
