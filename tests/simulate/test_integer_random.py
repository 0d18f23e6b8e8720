"""The integer simulator against the judge, on random graphs of every kind of node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.errors import OverflowDetectedError
from spikewright.graph import Edge, Graph, Stage
from spikewright.simulate import kernels
from spikewright.simulate.compare import compare_traces
from spikewright.simulate.integer import Batching, run_integer
from spikewright.simulate.reference import run_reference

SHAPES = ((6,), (2, 5), (2, 3), (4, 4, 3), (2, 4, 3))
MILD, WILD = 12, 90
"""largest weights: seldom and often out of the registers"""


@dataclass
class _Sketch:
    """A graph under construction; connections arrive in time, or some steps late."""

    rng: np.random.Generator
    largest: int
    nodes: dict[str, n.Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    arrival: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, node: n.Node, arrival: int) -> None:
        self.nodes[name], self.arrival[name] = node, arrival

    def connect(self, source: str, target: str, late: int = 0) -> None:
        """Add synapses that come `late` steps after the target's data, or more."""
        rng = self.rng
        late += int(rng.integers(1, 4)) if rng.random() < 0.3 else 0
        waits = self.arrival[target] + late - self.arrival[source] - 1
        if waits < 0:
            return
        name = f"{source}-{target}-{len(self.edges)}"
        ends = self.nodes[source].shape, self.nodes[target].shape
        self.nodes[name] = _synapses(rng, self.largest, *ends)
        self.edges += [Edge(source, name, waits), Edge(name, target)]


def _synapses(
    rng: np.random.Generator, largest: int, source: n.Shape, target: n.Shape
) -> n.Synapses:
    """Synapses of any kind that fits, with any exponent."""
    sources, targets = int(np.prod(source)), int(np.prod(target))
    exponent = int(rng.integers(-2, 4))

    def weight(*shape: int) -> np.ndarray:
        return rng.integers(-largest, largest + 1, shape)

    some = rng.random((targets, sources)) < 0.3
    each, other = np.nonzero(some)
    options: list[n.Synapses] = [
        n.DenseSynapses(weight(targets, sources), exponent),
        n.DenseSynapses(weight(targets, sources) * some, exponent),
        n.SparseSynapses(weight(len(each)), each, other, some.shape, exponent),
    ]
    if source == target:
        options.append(n.DiagonalSynapses(weight(*source), exponent))
    if len(source) == len(target) == 2 and source[1] >= target[1]:
        taps = source[1] - target[1] + 1
        shared = weight(taps, target[0], source[0])
        options.append(n.TokenSynapses(shared, exponent))
    if len(source) == len(target) == 2 and source[0] == target[0]:
        mixed = weight(source[0], target[1], source[1])
        options.append(n.ChannelSynapses(mixed, exponent))
    if len(source) == len(target) == 3:
        groups = int(rng.integers(1, 3))
        kernel = weight(target[0], source[0] // groups, 3, 2)
        pads = ((1, 1), (0, 1))
        options += [n.ConvSynapses(kernel, source, (1, 1), pads, (1, 1), groups)] * 3
    return options[rng.integers(len(options))]


def _neurons(rng: np.random.Generator, shape: n.Shape) -> n.Node:
    """Neurons with or without each kind of memory, shared or one by one."""

    def decay(*common: int) -> int | np.ndarray:
        if rng.random() < 0.3:
            return rng.integers(0, 4097, shape)
        return int(rng.choice(common))

    dv, du = decay(0, 4096, 2048, 400, 3001), decay(4096, 4096, 2048, 333, 0)
    if rng.random() < 0.15:
        return n.QuantizedIntegrators(shape, dv, 1.0, du)
    drop = [None, int(rng.integers(1, 60)), rng.integers(-3, 60, shape)]
    vth = int(rng.integers(0, 80))
    return n.QuantizedNeurons(
        shape, dv, vth, 1.0, du, drop[rng.choice(3, p=(0.6, 0.2, 0.2))]
    )


def _graph(seed: int, largest: int = MILD) -> Graph:
    """Several Inputs and Outputs, branches, delays, loops, a bias line that waits."""
    rng = np.random.default_rng(seed)
    sketch = _Sketch(rng, largest)
    before = [f"in{i}" for i in range(rng.integers(1, 3))]
    for name in before:
        sketch.add(name, n.Input(SHAPES[rng.integers(5)]), 0)
    if has_bias := rng.random() < 0.6:
        sketch.add("bias", n.BiasLine(), int(rng.integers(0, 3)))
    for index in range(6):
        name = f"n{index}"
        chosen = [before[-1], *rng.choice(before, rng.integers(0, 3))]
        arrival = 1 + max(sketch.arrival[source] for source in chosen)
        sketch.add(name, _neurons(rng, SHAPES[rng.integers(5)]), arrival)
        before.append(name)
        for source in dict.fromkeys(chosen):
            sketch.connect(source, name)
        if has_bias and rng.random() < 0.6:
            sketch.connect("bias", name)
        for back in (name, f"n{max(0, index - 2)}"):
            if rng.random() < 0.35:
                sketch.connect(name, back, late=1)
    for index in range(rng.integers(1, 3)):
        _end(sketch, f"out{index}", before[-1 - index], str(rng.choice(before)))
    order = rng.permutation(len(sketch.edges))
    edges = tuple(sketch.edges[i] for i in order)
    return Graph(sketch.nodes, edges, Stage.QUANTIZED, 1e-3, sketch.arrival)


def _end(sketch: _Sketch, name: str, source: str, other: str) -> None:
    """Add an Output, straight behind a population or also behind synapses."""
    is_sum = int(sketch.rng.random() < 0.5)
    output = n.Output(sketch.nodes[source].shape, 0.37)
    sketch.add(name, output, sketch.arrival[source] + is_sum)
    sketch.edges.append(Edge(source, name, is_sum))
    if is_sum:
        sketch.connect(other, name)


def _inputs(graph: Graph, seed: int, samples: int = 3) -> Mapping[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    steps = int(rng.integers(1, 12))
    return {
        name: (rng.random((samples, steps, *node.shape)) < 0.4).astype(np.uint8)
        for name, node in graph.inputs.items()
    }


# --- no tolerance --------------------------------------------------------------------


@pytest.mark.parametrize("largest", [MILD, WILD])
def test_every_spike_and_every_overflow_is_the_judges(largest: int) -> None:
    equal = overflows = spikes = 0
    for seed in range(120):
        graph = _graph(seed, largest)
        inputs = _inputs(graph, seed)
        try:
            judge = run_reference(graph, inputs)
        except OverflowDetectedError:
            overflows += 1
            with pytest.raises(OverflowDetectedError):
                run_integer(graph, inputs)
            continue
        same = compare_traces(judge, run_integer(graph, inputs), given=graph.inputs)
        assert same.is_equal, f"seed {seed}: {same}"
        equal, spikes = equal + 1, spikes + same.spikes
    assert equal > 20
    assert overflows > 10
    assert spikes > 10_000


def test_sparse_products_are_the_dense_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default only large and quiet populations are worth it."""
    for name, value in (("SPIKES", 2.0), ("TARGETS", 0), ("SIZE", 0), ("WEIGHTS", 2.0)):
        monkeypatch.setattr(kernels, f"SPARSE_{name}", value)
    for weights in (0.0, 2.0):  # dense weights: spike by spike; else row by row
        monkeypatch.setattr(kernels, "SPARSE_WEIGHTS", weights)
        compared = 0
        for seed in range(60):
            graph = _graph(seed)
            inputs = _inputs(graph, seed)
            try:
                judge = run_reference(graph, inputs)
            except OverflowDetectedError:
                continue
            same = compare_traces(judge, run_integer(graph, inputs))
            assert same.is_equal, f"seed {seed}: {same}"
            compared += 1
        assert compared > 20


@pytest.mark.parametrize(
    "batching", [Batching(1), Batching(3), Batching(100), Batching(2, workers=2)]
)
def test_batches_and_workers_change_nothing(batching: Batching) -> None:
    """On a graph with two Inputs, loops, biases, soft resets and both float types."""
    graph = _graph(29)
    inputs = _inputs(graph, 5, samples=7)
    judge = run_reference(graph, inputs)
    trace = run_integer(graph, inputs, batching=batching)
    same = compare_traces(judge, trace)
    assert same.is_equal, same
    assert same.spikes > 100
