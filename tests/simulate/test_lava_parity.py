"""Every node, every setup: Lava gives the spikes and outputs of the reference executor.

No tolerance: weights are dyadic, so float sums are exact in any order.
"""

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.export.lower import lower
from spikewright.graph import Edge, Graph, Stage
from spikewright.simulate.lava_backend.supervise import run_lava
from spikewright.simulate.reference import run_reference

pytestmark = pytest.mark.lava

STAGES = (Stage.TIMED, Stage.QUANTIZED)
EDGES = [
    ("in", "in_a"),
    ("in_a", "a"),
    ("bias", "bias_a"),
    ("bias_a", "a"),
    ("a", "a_a", 1),
    ("a_a", "a"),
    ("a", "a_c", 3),
    ("a_c", "c"),
    ("c", "c_c"),
    ("c_c", "c"),
    ("a", "a_e", 1),
    ("a_e", "e"),
    ("a", "a_b", 1),
    ("a_b", "b"),
    ("c", "c_b"),
    ("c_b", "b", 2),
    ("in", "in_b", 2),
    ("in_b", "b"),
    ("in2", "in2_b", 2),
    ("in2_b", "b"),
    ("b", "b_i"),
    ("b_i", "i"),
    ("i", "out", 1),
    ("b", "b_out", 1),
    ("b_out", "out"),
    ("i", "i_out2"),
    ("i_out2", "out2"),
    ("e", "out2", 3),
    ("e", "out3"),
]
ARRIVAL = {"in": 0, "in2": 0, "bias": 2, "a": 1, "c": 2, "e": 3, "b": 3, "i": 4}
ARRIVAL |= {"out": 5, "out2": 4, "out3": 3}


class Draw:
    """Draws weights and neurons, as integers or as dyadic numbers."""

    def __init__(self, seed, stage, *, is_stock):
        self.rng = np.random.default_rng(seed)
        self.is_fixed, self.is_stock = stage is Stage.QUANTIZED, is_stock

    def weight(self, low, high, *shape):
        weight = self.rng.integers(low, high + 1, shape)
        return weight if self.is_fixed else weight / 64

    def neurons(self, *shape, drop=None, current=True):
        """Decays that differ between neurons; a soft reset where it is allowed."""
        drop = None if self.is_stock else drop
        if self.is_fixed:
            dv, du = self.rng.integers(0, 4097, (2, *shape))
            du = du if current else 4096
            return n.QuantizedNeurons(shape, dv, 90, 1.0, du, drop)
        decay, current_decay = self.rng.integers(0, 9, (2, *shape)) / 8
        threshold = self.rng.integers(64, 128, shape) / 64
        zeros = np.zeros(shape)
        current_decay = current_decay if current else n.ZERO
        drop = None if drop is None else np.asarray(drop / 64)
        return n.SpikingNeurons(decay, threshold, zeros, current_decay, drop)

    def integrators(self, *shape):
        if self.is_stock:
            return self.neurons(*shape)
        if self.is_fixed:
            dv, du = self.rng.integers(200, 4097, (2, *shape))
            return n.QuantizedIntegrators(shape, dv, 1.0, du)
        decay, current_decay, gain = self.rng.integers(0, 8, (3, *shape)) / 8
        return n.Integrators(decay, np.zeros(shape), gain, current_decay)


def every_node(draw, prefix=""):
    """All synapses, signs and shifts, loops, delays, two Inputs, three Outputs."""
    pairs = np.flatnonzero(draw.rng.random(6 * 12) < 0.5)
    sparse = draw.weight(-127, 127, len(pairs))
    nodes = {
        "in": n.Input((3, 5)),
        "in2": n.Input((6,)),
        "bias": n.BiasLine(),
        "in_a": n.TokenSynapses(draw.weight(-127, 127, 2, 4, 3), 1),
        "bias_a": n.DenseSynapses(draw.weight(-127, 127, 16, 1)),
        "a_a": n.DiagonalSynapses(draw.weight(-255, 0, 4, 4), 2),
        "a": draw.neurons(4, 4),
        "a_c": n.ChannelSynapses(draw.weight(-127, 127, 4, 3, 4), 1),
        "c_c": n.DiagonalSynapses(draw.weight(0, 90, 12)),
        "c": draw.neurons(4, 3, drop=draw.rng.integers(50, 100, (4, 3))),
        "a_e": n.ConvSynapses(
            draw.weight(-127, 127, 4, 2, 1, 2),
            shape=(4, 2, 2),
            stride=(1, 2),
            padding=((1, 0), (0, 1)),
            dilation=(1, 2),
            groups=2,
            exponent=1,
        ),
        "e": draw.neurons(4, 3, 1, drop=70, current=False),
        "a_b": n.DenseSynapses(draw.weight(0, 255, 6, 16)),
        "c_b": n.SparseSynapses(sparse, pairs // 12, pairs % 12, (6, 12), -1),
        "in_b": n.DenseSynapses(draw.weight(-255, 0, 6, 15), -2),
        "in2_b": n.DiagonalSynapses(draw.weight(1, 255, 6), -3),
        "b": draw.neurons(6, current=False),
        "b_i": n.DenseSynapses(draw.weight(-100, 127, 2, 6)),
        "i": draw.integrators(2),
        "b_out": n.DenseSynapses(draw.weight(-127, 127, 2, 6), 4),
        "out": n.Output((2,), scale=0.25),
        "i_out2": n.DenseSynapses(draw.weight(-3, 3, 12, 2), -5),
        "out2": n.Output((12,), scale=2.0),
        "out3": n.Output((4, 3)),
    }
    edges = [Edge(prefix + a, prefix + b, *delay) for a, b, *delay in EDGES]
    named = {prefix + name: node for name, node in nodes.items()}
    return named, edges, {prefix + name: at for name, at in ARRIVAL.items()}


def two_islands(stage, processes):
    """Two nets side by side: Lava alone would run one of them."""
    stock = processes == "stock"
    left = every_node(Draw(1, stage, is_stock=stock))
    right = every_node(Draw(2, stage, is_stock=stock), "other_")
    nodes, edges, arrival = left[0] | right[0], left[1] + right[1], left[2] | right[2]
    return Graph(nodes, tuple(edges), stage, 1e-3, arrival)


def spikes_for(graph, seed, samples=3, steps=9):
    rng = np.random.default_rng(seed)
    return {
        name: (rng.random((samples, steps, *node.shape)) < 0.4).astype(np.uint8)
        for name, node in graph.inputs.items()
    }


def assert_same(one, other):
    assert one.spikes.keys() == other.spikes.keys()
    for name, spikes in one.spikes.items():
        np.testing.assert_array_equal(spikes, other.spikes[name], err_msg=name)
    assert one.outputs.keys() == other.outputs.keys()
    for name, output in one.outputs.items():
        np.testing.assert_array_equal(output, other.outputs[name], err_msg=name)


@pytest.mark.parametrize("models", ["fast", "stock"])
@pytest.mark.parametrize("processes", ["auto", "stock"])
@pytest.mark.parametrize("stage", STAGES)
def test_every_node_in_one_process(stage, processes, models):
    graph = two_islands(stage, processes)
    inputs = spikes_for(graph, 3)
    judge = run_reference(graph, inputs)
    assert all(0 < judge.rate(name) < 1 for name in ("a", "b", "c", "e"))
    assert all(len(np.unique(output)) >= 2 for output in judge.outputs.values())
    assert_same(judge, run_lava(graph, inputs, processes=processes, models=models))


@pytest.mark.parametrize(
    ("processes", "models"), [("auto", "fast"), ("auto", "stock"), ("stock", "stock")]
)
@pytest.mark.parametrize("stage", STAGES)
def test_every_node_on_lavas_own_runtime(stage, processes, models):
    draw = Draw(4, stage, is_stock=processes == "stock")
    nodes, edges, arrival = every_node(draw)
    graph = Graph(nodes, tuple(edges), stage, 1e-3, arrival)
    inputs = spikes_for(graph, 5, samples=2, steps=6)
    trace = run_lava(graph, inputs, runtime="lava", processes=processes, models=models)
    assert_same(run_reference(graph, inputs), trace)


@pytest.mark.parametrize("stage", STAGES)
def test_real_valued_inputs_and_outputs(stage):
    """Numbers, not spikes, at an Input (TIMED) and within the graph (both)."""
    draw = Draw(6, stage, is_stock=False)
    shift = -6 if draw.is_fixed else 6  # v has 6 bits more, weights are drawn / 64
    nodes = {
        "in": n.Input((6,)),
        "w": n.DenseSynapses(draw.weight(-9, 20, 6, 6), 1),
        "i": draw.integrators(6),
        "sparse": n.SparseSynapses(
            draw.weight(1, 9, 4), np.arange(4), np.array([1, 5, 0, 2]), (4, 6), shift
        ),
        "a": draw.neurons(4),
        "all": n.TokenSynapses(draw.weight(-9, 9, 2, 1, 3), shift - 1),
        "out": n.Output((4,)),
        "out2": n.Output((1, 1)),
    }
    edges = [("in", "w"), ("w", "i"), ("i", "sparse", 1), ("sparse", "a"), ("a", "out")]
    edges += [("i", "all"), ("all", "out2")]
    arrival = {"in": 0, "i": 1, "a": 3, "out": 3, "out2": 2}
    every = tuple(Edge(*each) for each in edges)
    graph = Graph(nodes, every, stage, 1e-3, arrival)
    values = np.random.default_rng(7).integers(-8, 9, (2, 8, 6)) / 8
    inputs = values if stage is Stage.TIMED else values > 0
    judge = run_reference(graph, inputs)
    assert 0 < judge.rate("a") < 1
    assert ("in" in judge.spikes) == (stage is Stage.QUANTIZED)
    for models in ("fast", "stock"):
        assert_same(judge, run_lava(graph, inputs, models=models))


# --- from NIR's nodes, through all passes --------------------------------------------


@pytest.mark.parametrize("seed", (100, 101))
@pytest.mark.parametrize("stage", STAGES)
def test_random_graphs_that_were_lowered(any_graph, any_inputs, dt_s, seed, stage):
    lowered = lower(any_graph(seed), dt_s=dt_s, to=stage).graph
    inputs = any_inputs(lowered, seed, samples=2, steps=9)
    judge = run_reference(lowered, inputs)
    for models in ("fast", "stock"):
        assert_same(judge, run_lava(lowered, inputs, models=models))


@pytest.mark.parametrize("stage", STAGES)
def test_a_random_graph_that_stock_processes_express(
    any_graph, any_inputs, dt_s, stage
):
    def expressible(seed):
        lowered = lower(any_graph(seed), dt_s=dt_s, to=stage).graph
        nodes = lowered.nodes.values()
        soft = any(isinstance(x, n.SPIKING) and x.drop is not None for x in nodes)
        return None if soft or any(isinstance(x, n.GRADED) for x in nodes) else lowered

    graph = next(filter(None, map(expressible, range(200, 300))))
    inputs = any_inputs(graph, 1, samples=2, steps=9)
    judge = run_reference(graph, inputs)
    for models in ("fast", "stock"):
        trace = run_lava(graph, inputs, processes="stock", models=models)
        assert_same(judge, trace)
