"""Real Lava processes against hand-worked traces and a golden model in chip time."""

import math
from collections import defaultdict

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.graph import Edge, Graph, Stage
from spikewright.simulate.lava_backend.doctor import doctor
from spikewright.simulate.lava_backend.supervise import run_lava

pytestmark = pytest.mark.lava


# --- golden model: chip steps, one after the other, straight from the docstrings -----


def product(node, x):
    weight = node.weight
    match node:
        case n.DenseSynapses():
            a = weight @ x.ravel()
        case n.ChannelSynapses():
            a = np.einsum("cts,cs->ct", weight, x.reshape(len(weight), -1))
        case n.DiagonalSynapses():
            a = weight * x.reshape(weight.shape)
        case n.TokenSynapses():
            x = x.reshape(weight.shape[2], -1)
            tokens = x.shape[1] - len(weight) + 1
            a = np.stack(
                [
                    sum(weight[k] @ x[:, token + k] for k in range(len(weight)))
                    for token in range(tokens)
                ],
                axis=1,
            )
    return a * 2**node.exponent


def rsz(x, bits):
    return np.sign(x) * (np.abs(x) >> bits)


def fire(v, threshold):
    spikes = v > threshold
    v[spikes] = 0
    return spikes.astype(v.dtype)


def update(node, v, a):
    """Return what a neuron sends; v changes in place."""
    match node:
        case n.SpikingNeurons():
            v[...] = node.decay * v + a
            return fire(v, node.threshold)
        case n.Integrators():
            v[...] = node.decay * v + a
            return node.gain * v
        case n.QuantizedNeurons():
            decayed = rsz(v * (4096 - node.dv), 12)
            v[...] = np.clip(decayed + (a << 6), 1 - 2**23, 2**23 - 1)
            return fire(v, node.vth << 6)
        case n.QuantizedIntegrators():
            v[...] = rsz(v * (4096 - node.dv), 12) + (a << 6)
            return v.copy()


def golden(graph, sample):
    """Return all that is sent, (chip steps, *shape) by name, and the raw output."""
    dtype = np.int64 if graph.stage is Stage.QUANTIZED else np.float64
    last = len(sample) + max(graph.arrival.values())
    sent = defaultdict(dict)
    v = {k: np.zeros(p.shape, dtype) for k, p in graph.populations().items()}

    def arriving(name, t):
        """Sum what reaches a node at step t, looking back along its edges."""
        total = np.zeros(graph.nodes[name].shape, dtype)
        for edge in graph.into(name):
            source = graph.nodes[edge.source]
            if isinstance(source, n.SYNAPSES):
                (before,) = graph.into(edge.source)
                t_sent = t - edge.delay - 1 - before.delay
                if t_sent >= 0:
                    a = product(source, sent[before.source][t_sent])
                    total += a.reshape(total.shape)
            elif t >= edge.delay:
                total += sent[edge.source][t - edge.delay].reshape(total.shape)
        return total

    for t in range(last):
        for name, node in graph.populations().items():
            inside = t < len(sample)
            if isinstance(node, n.Input):
                sent[name][t] = sample[t].astype(dtype) * inside if inside else v[name]
            elif isinstance(node, n.BiasLine):
                sent[name][t] = np.full(node.shape, inside, dtype)
            else:
                sent[name][t] = update(node, v[name], arriving(name, t))
    first = graph.arrival[graph.output_name]
    output = [arriving(graph.output_name, first + t) for t in range(len(sample))]
    return sent, np.stack(output)


def assert_equals_golden(trace, graph, inputs):
    for index, sample in enumerate(inputs):
        sent, raw = golden(graph, sample)
        scale = graph.nodes[graph.output_name].scale
        np.testing.assert_array_equal(trace.output[index], raw * scale)
        for name, spikes in trace.spikes.items():
            first = graph.arrival[name]
            wanted = [sent[name][first + t] for t in range(len(sample))]
            np.testing.assert_array_equal(spikes[index], wanted, err_msg=name)


def assert_same(one, other):
    np.testing.assert_array_equal(one.output, other.output)
    assert one.spikes.keys() == other.spikes.keys()
    for name, spikes in one.spikes.items():
        np.testing.assert_array_equal(spikes, other.spikes[name], err_msg=name)


# --- graphs -------------------------------------------------------------------------


def chain(nodes, *edges, arrival, stage=Stage.QUANTIZED):
    return Graph(nodes, tuple(Edge(*edge) for edge in edges), stage, 1e-3, arrival)


def fixed_graph(rng):
    """All synapse kinds, sign modes and exponents, a loop, delays and integrators."""
    nodes = {
        "in": n.Input((3, 5)),
        "bias": n.BiasLine(),
        "in_a": n.TokenSynapses(rng.integers(-128, 128, (2, 4, 3)), 1),
        "bias_a": n.DenseSynapses(rng.integers(-128, 128, (16, 1)), 0),
        "a_a": n.DiagonalSynapses(-rng.integers(0, 256, (4, 4)), 2),
        "a": n.QuantizedNeurons((4, 4), dv=700, vth=90, scale=1.0),
        "a_c": n.ChannelSynapses(rng.integers(-128, 128, (4, 3, 4)), 1),
        "c": n.QuantizedNeurons((4, 3), dv=0, vth=200, scale=1.0),
        "a_b": n.DenseSynapses(rng.integers(0, 256, (6, 16)), 0),
        "c_b": n.DenseSynapses(rng.integers(-128, 128, (6, 12)), 3),
        "in_b": n.DenseSynapses(-rng.integers(0, 256, (6, 15)), 0),
        "b": n.QuantizedNeurons((6,), dv=4096, vth=100, scale=1.0),
        "b_i": n.DenseSynapses(rng.integers(-128, 128, (2, 6)), 0),
        "i": n.QuantizedIntegrators((2,), dv=300, scale=1.0),
        "b_out": n.DenseSynapses(rng.integers(-128, 128, (2, 6)), 4),
        "out": n.Output((2,), scale=0.25),
    }
    return chain(
        nodes,
        ("in", "in_a"),
        ("in_a", "a"),
        ("bias", "bias_a"),
        ("bias_a", "a"),
        ("a", "a_a", 1),
        ("a_a", "a"),
        ("a", "a_c"),
        ("a_c", "c"),
        ("a", "a_b", 1),
        ("a_b", "b"),
        ("c", "c_b"),
        ("c_b", "b"),
        ("in", "in_b", 2),
        ("in_b", "b"),
        ("b", "b_i"),
        ("b_i", "i"),
        ("i", "out", 1),
        ("b", "b_out", 1),
        ("b_out", "out"),
        arrival={"in": 0, "bias": 0, "a": 1, "c": 2, "b": 3, "i": 4, "out": 5},
    )


def float_graph(rng):
    """A residual branch around two layers, integrators inside, a loop, a bias."""

    def neurons(*shape):
        threshold = rng.uniform(0.2, 0.6, shape)
        return n.SpikingNeurons(rng.uniform(0, 1, shape), threshold, np.zeros(shape))

    nodes = {
        "in": n.Input((3, 5)),
        "bias": n.BiasLine(),
        "in_a": n.TokenSynapses(rng.normal(0, 0.5, (2, 3, 3)), 1),
        "bias_a": n.DenseSynapses(rng.normal(0, 0.1, (12, 1))),
        "a_a": n.DiagonalSynapses(rng.normal(0, 0.3, (3, 4))),
        "a": neurons(3, 4),
        "a_i": n.ChannelSynapses(rng.normal(0, 0.5, (3, 4, 4)), -1),
        "i": n.Integrators(
            decay=rng.uniform(0.2, 0.9, (3, 4)),
            bias=np.zeros((3, 4)),
            gain=rng.uniform(1, 2, (3, 4)),
        ),
        "i_b": n.DenseSynapses(rng.normal(0, 0.5, (12, 12))),
        "a_b": n.DiagonalSynapses(rng.uniform(0, 1, (3, 4))),
        "b": neurons(3, 4),
        "b_out": n.DenseSynapses(rng.normal(0, 1, (2, 12))),
        "out": n.Output((2,)),
    }
    return chain(
        nodes,
        ("in", "in_a"),
        ("in_a", "a"),
        ("bias", "bias_a"),
        ("bias_a", "a"),
        ("a", "a_a"),
        ("a_a", "a"),
        ("a", "a_i"),
        ("a_i", "i"),
        ("i", "i_b"),
        ("i_b", "b"),
        ("a", "a_b", 1),
        ("a_b", "b"),
        ("b", "b_out"),
        ("b_out", "out"),
        arrival={"in": 0, "bias": 0, "a": 1, "i": 2, "b": 3, "out": 4},
        stage=Stage.TIMED,
    )


def spikes_like(rng, *shape, rate=0.4):
    return (rng.random(shape) < rate).astype(np.uint8)


# --- tests --------------------------------------------------------------------------


def hand_graph():
    """in -> a -> b, in -> (late) b, bias -> b, b -> b: all weights powers of two."""
    ones, zeros = np.ones(1), np.zeros(1)
    nodes = {
        "in": n.Input((1,)),
        "bias": n.BiasLine(),
        "in_a": n.DenseSynapses(np.array([[1.0]])),
        "a": n.SpikingNeurons(zeros, 0.5 * ones, zeros),
        "a_b": n.DiagonalSynapses(np.array([1.0])),
        "skip": n.DenseSynapses(np.array([[0.5]])),
        "bias_b": n.DenseSynapses(np.array([[0.25]])),
        "b_b": n.DiagonalSynapses(np.array([-1.0])),
        "b": n.SpikingNeurons(ones, 1.5 * ones, zeros),
        "out": n.Output((1,)),
    }
    return chain(
        nodes,
        ("in", "in_a"),
        ("in_a", "a"),
        ("a", "a_b"),
        ("a_b", "b"),
        ("in", "skip", 1),
        ("skip", "b"),
        ("bias", "bias_b", 1),
        ("bias_b", "b"),
        ("b", "b_b"),
        ("b_b", "b"),
        ("b", "out"),
        arrival={"in": 0, "bias": 0, "a": 1, "b": 2, "out": 2},
        stage=Stage.TIMED,
    )


def test_a_residual_branch_a_bias_line_and_a_loop_by_hand():
    # b: step 0: 1 + 0.5 + 0.25 = 1.75 > 1.5 fires, v = 0
    #    step 1: -1 (loop) + 0.25 = -0.75
    #    step 2: -0.75 + 1.75 = 1.0
    #    step 3: 1.0 + 0.25 = 1.25
    #    step 4: 1.25 + 0.25 = 1.5, a tie: silent
    #    step 5: 1.5 + 0.25 = 1.75 fires
    inputs = np.array([1, 0, 1, 0, 0, 0]).reshape(1, 6, 1)
    trace = run_lava(hand_graph(), inputs)
    assert trace.spikes["a"].ravel().tolist() == [1, 0, 1, 0, 0, 0]
    assert trace.spikes["b"].ravel().tolist() == [1, 0, 0, 0, 0, 1]
    assert trace.output.ravel().tolist() == [1, 0, 0, 0, 0, 1]
    assert trace.spikes.keys() == {"in", "a", "b"}


def test_a_fixed_point_tie_is_silent_and_decay_rounds_towards_zero():
    # dv = 1: v = 3<<6 = 192 is the threshold: silent. rsz(192 * 4095, 12) = 191.
    # The last bit of the odd weight 3 beside a negative one must survive.
    graph = chain(
        {
            "in": n.Input((2,)),
            "w": n.DenseSynapses(np.array([[3, -1]])),
            "a": n.QuantizedNeurons((1,), dv=1, vth=3, scale=1.0),
            "out": n.Output((1,)),
        },
        ("in", "w"),
        ("w", "a"),
        ("a", "out"),
        arrival={"in": 0, "a": 1, "out": 1},
    )
    # 192 silent; 191 + 192 - 64 = 319 fires; -64; rsz(-64 * 4095, 12) + 192 = 129
    inputs = np.array([[1, 0], [1, 1], [0, 1], [1, 0]])[np.newaxis]
    trace = run_lava(graph, inputs)
    assert trace.spikes["a"].ravel().tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("seed", [1, 2])
def test_fixed_point_equals_the_golden_model_for_several_samples(seed):
    rng = np.random.default_rng(seed)
    graph, inputs = fixed_graph(rng), spikes_like(rng, 3, 9, 3, 5)
    counts = []
    trace = run_lava(graph, inputs, on_sample=counts.append)
    assert_equals_golden(trace, graph, inputs)
    assert all(0.02 < trace.rate(name) < 0.98 for name in "abc")
    assert counts == [1, 2, 3]


def test_float_equals_the_golden_model():
    rng = np.random.default_rng(3)
    graph, inputs = float_graph(rng), spikes_like(rng, 2, 8, 3, 5)
    trace = run_lava(graph, inputs)
    for index, sample in enumerate(inputs):
        sent, raw = golden(graph, sample)
        np.testing.assert_allclose(trace.output[index], raw, atol=1e-12)
        for name in "ab":
            wanted = [sent[name][graph.arrival[name] + t] for t in range(8)]
            np.testing.assert_array_equal(trace.spikes[name][index], wanted)
    assert all(0.02 < trace.rate(name) < 0.98 for name in "ab")


def test_a_float_graph_takes_real_numbers():
    # Stock Dense would make them booleans. a sends 1 where 2 x > 1.
    ones = np.ones(2)
    graph = chain(
        {
            "in": n.Input((2,)),
            "w": n.DenseSynapses(np.diag([1.0, 1.0]), exponent=1),
            "a": n.SpikingNeurons(0 * ones, ones, 0 * ones),
            "out": n.Output((2,)),
        },
        ("in", "w"),
        ("w", "a"),
        ("a", "out"),
        arrival={"in": 0, "a": 1, "out": 1},
        stage=Stage.TIMED,
    )
    trace = run_lava(graph, np.array([[[0.6, 0.4], [-3.0, 2.5]]]))
    assert trace.spikes["a"].tolist() == [[[1, 0], [0, 1]]]
    assert "in" not in trace.spikes


def test_fixed_integrators_feed_synapses_exactly():
    # v = 5 << 6 = 320, then 640; a = 100 * 2 * v = 64000, 128000, 128000
    graph = chain(
        {
            "in": n.Input((1,)),
            "w": n.DenseSynapses(np.array([[5]])),
            "i": n.QuantizedIntegrators((1,), dv=0, scale=1.0),
            "w2": n.DenseSynapses(np.array([[100]]), exponent=1),
            "out": n.Output((1,), scale=0.5),
        },
        ("in", "w"),
        ("w", "i"),
        ("i", "w2"),
        ("w2", "out"),
        arrival={"in": 0, "i": 1, "out": 2},
    )
    trace = run_lava(graph, np.array([1, 1, 0]).reshape(1, 3, 1))
    assert trace.output.ravel().tolist() == [32000, 64000, 64000]


@pytest.mark.parametrize("make", [fixed_graph, float_graph])
def test_both_runtimes_agree_bit_for_bit(make):
    rng = np.random.default_rng(4)
    graph, inputs = make(rng), spikes_like(rng, 2, 6, 3, 5)
    assert_same(run_lava(graph, inputs), run_lava(graph, inputs, runtime="lava"))


def test_the_trace_records_how_it_was_made():
    graph = hand_graph()
    trace = run_lava(graph, np.ones((1, 2, 1)))
    assert trace.meta["backend"] == "lava"
    assert trace.meta["runtime"] == "local"
    assert trace.meta["arithmetic"] == "float"
    assert trace.meta["steps"] == 2
    assert math.isclose(trace.meta["dt_s"], 1e-3)
    assert trace.meta["graph_sha256"] == graph.fingerprint()
    assert trace.meta["lava_nc"] == "0.10.0"
    assert trace.meta["versions"].keys() >= {"numpy", "python"}


def test_doctor_finds_both_runtimes_well():
    found = doctor()
    assert found["local runtime"] == "ok"
    assert found["lava runtime"] == "ok"
    assert found["lava-nc"] == "0.10.0"
