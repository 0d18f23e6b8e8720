"""Counts against arithmetic by hand, and against a loop over every single synapse."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from spikewright import counting_sums
from spikewright import nodes as n
from spikewright.counting import count_operations, row_of_nodes
from spikewright.counts import OperationCount
from spikewright.errors import GraphError, InputError
from spikewright.export.lower import lower
from spikewright.graph import Edge, Graph, Stage
from spikewright.linear import to_sparse
from spikewright.simulate.integer import run_integer
from spikewright.trace import SpikeTrace


def neurons(*shape, bias=0.0):
    return n.SpikingNeurons(
        np.full(shape, 0.5), np.full(shape, 1.0), np.full(shape, bias)
    )


def integrators(*shape):
    return n.Integrators(np.ones(shape), np.zeros(shape), np.ones(shape))


def chain(synapses, source, target, **more):
    """in -> synapses -> out, where the last population is silent towards the Output."""
    nodes = {
        "in": source,
        "syn": synapses,
        "lif": target,
        "out": n.Output(target.shape),
    }
    edges = (Edge("in", "syn"), Edge("syn", "lif"), Edge("lif", "out"))
    arrival = {"in": 0, "lif": 1, "out": 1}
    return Graph(nodes, edges, Stage.TIMED, 1e-3, arrival, **more)


def trace_of(graph, spikes, samples, steps):
    output = np.zeros((samples, steps, *graph.nodes[graph.output_name].shape))
    return SpikeTrace(
        {k: np.asarray(v, dtype=np.uint8) for k, v in spikes.items()}, {"out": output}
    )


def without_bits(count):
    """The operations alone; test_counting_bits.py has the bits."""
    bits = {key: 0 for key in vars(count) if "_bits_" in key}
    return replace(count, **bits)


def random_spikes(rng, samples, steps, *shape, rate=0.4):
    return (rng.random((samples, steps, *shape)) < rate).astype(np.uint8)


# --- by hand -------------------------------------------------------------------------


def test_dense_synapses_count_only_non_zero_weights():
    graph = chain(
        n.DenseSynapses(np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 4.0]])),
        n.Input((2,)),
        neurons(3),
    )
    # One sample, two steps. Fan-out: 3 from source 0, 1 from source 1.
    trace = trace_of(graph, {"in": [[[1, 0], [1, 1]]], "lif": [[[0] * 3] * 2]}, 1, 2)
    counts = count_operations(graph, trace)
    # Two spikes x 3 + one spike x 1 = 7 synops; the last meets two zeros, too.
    assert without_bits(counts["syn"]) == OperationCount(synops=7, synops_zero=2)
    assert without_bits(counts["in"]) == OperationCount(spikes=3)
    # 3 neurons x 2 steps, all with an event: source 0 reaches all at both steps.
    assert without_bits(counts["lif"]) == OperationCount(updates_active=6)


def test_border_tokens_of_a_window_have_a_smaller_fan_out():
    graph = chain(n.TokenSynapses(np.ones((3, 1, 1))), n.Input((1, 5)), neurons(1, 3))
    # 3 taps over 5 tokens give 3 windows; tokens 0…4 lie in 1, 2, 3, 2, 1 of them.
    for token, fan_out in enumerate([1, 2, 3, 2, 1]):
        sent = np.zeros((1, 1, 1, 5))
        sent[..., token] = 1
        trace = trace_of(graph, {"in": sent, "lif": np.zeros((1, 1, 1, 3))}, 1, 1)
        counts = count_operations(graph, trace)
        assert counts["syn"].synops == fan_out
        assert counts["lif"].updates_active == fan_out
        assert counts["lif"].updates_inactive == 3 - fan_out


def test_bias_line_spikes_at_each_step_of_each_sample():
    graph = Graph(
        {
            "in": n.Input((2,)),
            "syn": n.DiagonalSynapses(np.array([1.0, 1.0])),
            "one": n.BiasLine(),
            "bias": n.DenseSynapses(np.array([[0.5], [0.0]])),
            "lif": neurons(2),
            "out": n.Output((2,)),
        },
        (
            Edge("in", "syn"),
            Edge("syn", "lif"),
            Edge("one", "bias"),
            Edge("bias", "lif"),
            Edge("lif", "out"),
        ),
        Stage.TIMED,
        1e-3,
        {"in": 0, "one": 0, "lif": 1, "out": 1},
    )
    silent = np.zeros((3, 4, 2))
    counts = count_operations(
        graph, trace_of(graph, {"in": silent, "lif": silent}, 3, 4)
    )
    # 3 samples x 4 steps x 1 non-zero bias = 12; the line itself sends 12 spikes.
    assert counts["bias"].synops == 12
    assert without_bits(counts["one"]) == OperationCount(spikes=12)
    # The neuron with a bias is always active, the other never: 12 and 12.
    assert without_bits(counts["lif"]) == OperationCount(
        updates_active=12, updates_inactive=12
    )


def test_real_valued_input_costs_dense_macs():
    weight = np.array([[1.0, 0.0], [0.0, 0.0]])
    graph = chain(n.DenseSynapses(weight), n.Input((2,)), neurons(2))
    trace = trace_of(graph, {"lif": np.zeros((5, 3, 2))}, 5, 3)
    counts = count_operations(graph, trace)
    # 5 samples x 3 steps x 4 weights, zeros included = 60.
    assert without_bits(counts["syn"]) == OperationCount(macs=60)
    assert without_bits(counts["in"]) == OperationCount()
    # Neuron 0 has a non-zero weight and is active in 15 steps, neuron 1 never.
    assert without_bits(counts["lif"]) == OperationCount(
        updates_active=15, updates_inactive=15
    )


def test_integrators_send_a_graded_message_a_step():
    graph = Graph(
        {
            "in": n.Input((2,)),
            "syn": n.DiagonalSynapses(np.array([1.0, 1.0])),
            "li": integrators(2),
            "read": n.DenseSynapses(np.array([[1.0, 0.0], [1.0, 1.0]])),
            "out": n.Output((2,)),
        },
        (
            Edge("in", "syn"),
            Edge("syn", "li"),
            Edge("li", "read"),
            Edge("read", "out"),
        ),
        Stage.TIMED,
        1e-3,
        {"in": 0, "li": 1, "out": 2},
    )
    trace = trace_of(graph, {"in": np.zeros((2, 3, 2))}, 2, 3)
    counts = count_operations(graph, trace)
    # 2 samples x 3 steps x 3 non-zero weights = 18, though nothing ever spiked.
    # The zero weight meets 2 x 3 messages.
    read = OperationCount(graded_synops=18, synops_zero=6)
    assert without_bits(counts["read"]) == read
    # 2 samples x 3 steps x 2 neurons received nothing.
    assert without_bits(counts["li"]) == OperationCount(updates_inactive=12)


def test_self_loop_wakes_its_neuron_one_step_later():
    graph = chain(n.DiagonalSynapses(np.array([1.0])), n.Input((1,)), neurons(1))
    loop = Graph(
        {**graph.nodes, "loop": n.DiagonalSynapses(np.array([-1.0]))},
        (*graph.edges, Edge("lif", "loop"), Edge("loop", "lif")),
        Stage.TIMED,
        1e-3,
        graph.arrival,
    )
    sent = np.array([1, 0, 0, 0]).reshape(1, 4, 1)
    trace = trace_of(loop, {"in": sent, "lif": sent}, 1, 4)
    counts = count_operations(loop, trace)
    assert counts["loop"].synops == 1
    # Step 0: input and spike. Step 1: its own spike returns. Steps 2, 3: nothing.
    assert without_bits(counts["lif"]) == OperationCount(
        spikes=1,
        updates_active=2,
        updates_inactive=2,
        residual_additions=4,  # its two ways are added once a step
    )


def test_a_delay_beyond_path_balancing_shifts_the_active_steps():
    graph = chain(n.DiagonalSynapses(np.array([1.0])), n.Input((1,)), neurons(1))
    edges = (Edge("in", "syn", delay=2), *graph.edges[1:])
    late = Graph(graph.nodes, edges, Stage.TIMED, 1e-3, graph.arrival)
    sent = np.array([1, 1, 1, 1]).reshape(1, 4, 1)
    trace = trace_of(late, {"in": sent, "lif": np.zeros((1, 4, 1))}, 1, 4)
    counts = count_operations(late, trace)
    # D = 2 + 1 - (1 - 0) = 2: spikes of steps 0, 1 arrive at 2, 3; the last two after
    # the sample's last update. All four cross their synapse.
    assert counts["syn"].synops == 4
    assert without_bits(counts["lif"]) == OperationCount(
        updates_active=2, updates_inactive=2
    )


@pytest.mark.parametrize("delay", [4, 5, 60])
def test_a_delay_beyond_the_sample_leaves_the_target_inactive(delay):
    graph = chain(n.DiagonalSynapses(np.array([1.0])), n.Input((1,)), neurons(1))
    edges = (Edge("in", "syn", delay=delay), *graph.edges[1:])
    late = Graph(graph.nodes, edges, Stage.TIMED, 1e-3, graph.arrival)
    sent = np.ones((1, 4, 1))
    trace = trace_of(late, {"in": sent, "lif": np.zeros((1, 4, 1))}, 1, 4)
    counts = count_operations(late, trace)
    # step 0 arrives at step `delay` of a sample of 4 steps, 0 to 3
    assert counts["syn"].synops == 4
    assert without_bits(counts["lif"]) == OperationCount(
        updates_active=0, updates_inactive=4
    )


def test_a_neuron_with_its_own_bias_is_always_active():
    graph = chain(
        n.DiagonalSynapses(np.array([1.0])), n.Input((1,)), neurons(1, bias=0.1)
    )
    silent = np.zeros((2, 3, 1))
    counts = count_operations(
        graph, trace_of(graph, {"in": silent, "lif": silent}, 2, 3)
    )
    # 2 samples x 3 steps: active, and a bias to add, each time
    lif = OperationCount(updates_active=6, bias_additions=6)
    assert without_bits(counts["lif"]) == lif


def test_synapses_work_for_the_population_they_feed():
    graph = chain(n.DiagonalSynapses(np.array([1.0])), n.Input((1,)), neurons(1))
    assert row_of_nodes(graph) == {
        "in": "in",
        "syn": "lif",
        "lif": "lif",
        "out": "out",
    }


# --- against a loop over every synapse -----------------------------------------------


def unrolled(synapses, source_shape, target_shape):
    """The connections as {(target index, source index): weight}."""
    weight = synapses.weight
    pairs = {}
    for source in np.ndindex(*source_shape):
        for target in np.ndindex(*target_shape):
            match synapses:
                case n.DenseSynapses():
                    row = np.ravel_multi_index(target, target_shape)
                    column = np.ravel_multi_index(source, source_shape)
                    pairs[target, source] = weight[row, column]
                case n.TokenSynapses():
                    tap = source[1] - target[1]
                    if 0 <= tap < len(weight):
                        pairs[target, source] = weight[tap, target[0], source[0]]
                case n.ChannelSynapses():
                    if source[0] == target[0]:
                        pairs[target, source] = weight[target[0], target[1], source[1]]
                case n.DiagonalSynapses():
                    if source == target:
                        pairs[target, source] = weight[target]
    return pairs


def brute_force(graph, trace):
    """Count one spike and one synapse at a time."""
    synops = dict.fromkeys(graph.nodes, 0)
    awake = {name: set() for name in graph.nodes}
    for name, node in graph.nodes.items():
        if not isinstance(node, n.SYNAPSES):
            continue
        (into,), (out_of,) = graph.into(name), graph.out_of(name)
        source, target = into.source, out_of.target
        shapes = graph.nodes[source].shape, graph.nodes[target].shape
        shift = into.delay + out_of.delay + 1
        shift -= graph.arrival[target] - graph.arrival[source]
        for (to, from_), weight in unrolled(node, *shapes).items():
            cells = itertools.product(range(trace.samples), range(trace.steps))
            for sample, step in cells:
                is_bias = isinstance(graph.nodes[source], n.BiasLine)
                sent = is_bias or trace.spikes[source][(sample, step, *from_)]
                if sent and weight != 0:
                    synops[name] += 1
                    if step + shift < trace.steps:
                        awake[target].add((sample, step + shift, to))
    for name, spikes in trace.spikes.items():
        for sample, step, *neuron in zip(*np.nonzero(spikes), strict=True):
            awake[name].add((int(sample), int(step), tuple(map(int, neuron))))
    return synops, {name: len(cells) for name, cells in awake.items()}


def sparse(rng, *shape):
    """Weights of which about half are zero."""
    return rng.normal(size=shape) * (rng.random(shape) < 0.5)


def random_graph(rng):
    """All kinds of synapses, a bias line, a self-loop and a shifted edge."""
    nodes = {
        "in": n.Input((2, 5)),
        "one": n.BiasLine(),
        "stem_syn": n.TokenSynapses(sparse(rng, 3, 4, 2)),
        "stem": neurons(4, 3),
        "mix_syn": n.ChannelSynapses(sparse(rng, 4, 3, 3)),
        "mix": neurons(4, 3),
        "skip_syn": n.DiagonalSynapses(sparse(rng, 4, 3)),
        "loop_syn": n.DiagonalSynapses(sparse(rng, 4, 3)),
        "bias_syn": n.DenseSynapses(sparse(rng, 12, 1)),
        "head_syn": n.DenseSynapses(sparse(rng, 6, 12)),
        "head": neurons(6),
        "back_syn": n.DenseSynapses(sparse(rng, 12, 6)),
        "out": n.Output((6,)),
    }
    edges = [
        *(Edge("in", "stem_syn"), Edge("stem_syn", "stem")),
        *(Edge("stem", "mix_syn"), Edge("mix_syn", "mix")),
        *(Edge("stem", "skip_syn", 1), Edge("skip_syn", "mix")),
        *(Edge("mix", "loop_syn"), Edge("loop_syn", "mix")),
        *(Edge("one", "bias_syn", 1), Edge("bias_syn", "mix")),
        *(Edge("mix", "head_syn"), Edge("head_syn", "head")),
        *(Edge("head", "back_syn", 2), Edge("back_syn", "stem")),
        Edge("head", "out"),
    ]
    arrival = {"in": 0, "one": 0, "stem": 1, "mix": 2, "head": 3, "out": 3}
    return Graph(nodes, tuple(edges), Stage.TIMED, 1e-3, arrival)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("cells_per_chunk", [1, 150, 2**22])
def test_counts_equal_a_loop_over_every_synapse(seed, cells_per_chunk, monkeypatch):
    monkeypatch.setattr(counting_sums, "CELLS", cells_per_chunk)
    rng = np.random.default_rng(seed)
    graph = random_graph(rng)
    populations = {"in": (2, 5), "stem": (4, 3), "mix": (4, 3), "head": (6,)}
    spikes = {
        name: random_spikes(rng, 3, 6, *shape, rate=0.1)
        for name, shape in populations.items()
    }
    trace = trace_of(graph, spikes, 3, 6)
    counts = count_operations(graph, trace)
    synops, active = brute_force(graph, trace)
    for name, count in counts.items():
        assert count.synops == synops[name]
        if name in ("stem", "mix", "head"):
            updates = 3 * 6 * math.prod(populations[name])
            assert count.updates_active == active[name]
            assert count.updates_inactive == updates - active[name]
            assert count.spikes == int(spikes[name].sum())
    assert 0 < active["mix"] < 3 * 6 * 12  # neither trivial case


def test_quantized_and_timed_graphs_count_alike():
    weight = np.array([[1, 0], [-3, 4]])
    timed = chain(n.DenseSynapses(weight.astype(float)), n.Input((2,)), neurons(2))
    quantized = Graph(
        {
            **timed.nodes,
            "syn": n.DenseSynapses(weight.astype(np.int64), exponent=2),
            "lif": n.QuantizedNeurons((2,), dv=2048, vth=1, scale=1.0),
        },
        timed.edges,
        Stage.QUANTIZED,
        1e-3,
        timed.arrival,
    )
    rng = np.random.default_rng(0)
    spikes = {k: random_spikes(rng, 4, 3, 2) for k in ("in", "lif")}
    trace = trace_of(timed, spikes, 4, 3)
    one, other = (count_operations(each, trace) for each in (timed, quantized))
    for name in one:
        assert without_bits(one[name]) == without_bits(other[name])
    # 32-bit floats against 4 bits: 4 needs 3, and a sign
    assert one["syn"].weight_bits_read == 8 * other["syn"].weight_bits_read > 0


def test_counts_are_python_integers_that_json_accepts():
    graph = chain(n.DiagonalSynapses(np.array([1.0])), n.Input((1,)), neurons(1))
    ones = np.ones((1, 1, 1))
    counts = count_operations(graph, trace_of(graph, {"in": ones, "lif": ones}, 1, 1))
    assert type(counts["syn"].synops) is int
    assert type(counts["lif"].updates_active) is int


# --- refusals ------------------------------------------------------------------------


@pytest.fixture
def simple():
    return chain(n.DiagonalSynapses(np.array([1.0])), n.Input((1,)), neurons(1))


def test_refuses_a_graph_that_is_not_timed(simple):
    graph = Graph(simple.nodes, simple.edges, Stage.DISCRETE, 1e-3)
    trace = trace_of(graph, {"lif": np.zeros((1, 1, 1))}, 1, 1)
    with pytest.raises(GraphError, match="needs a TIMED or QUANTIZED graph"):
        count_operations(graph, trace)


def test_refuses_a_trace_without_a_population(simple):
    with pytest.raises(InputError, match="'lif': the trace has no spikes"):
        count_operations(simple, trace_of(simple, {}, 1, 1))


def test_refuses_spikes_of_another_shape(simple):
    trace = trace_of(simple, {"lif": np.zeros((1, 1, 2))}, 1, 1)
    with pytest.raises(InputError, match=r"'lif': spikes of shape \(1, 1, 2\)"):
        count_operations(simple, trace)


def test_refuses_spikes_that_are_not_binary(simple):
    trace = trace_of(simple, {"lif": np.full((1, 1, 1), 3)}, 1, 1)
    with pytest.raises(InputError, match="'lif': a spike of 3"):
        count_operations(simple, trace)


def test_refuses_synapses_with_two_sources(simple):
    nodes = {**simple.nodes, "one": n.BiasLine()}
    edges = (*simple.edges, Edge("one", "syn"))
    graph = Graph(nodes, edges, Stage.TIMED, 1e-3, {**simple.arrival, "one": 0})
    trace = trace_of(graph, {"lif": np.zeros((1, 1, 1))}, 1, 1)
    with pytest.raises(
        GraphError, match="'syn': synapses need one edge in, got several"
    ):
        count_operations(graph, trace)


def test_refuses_a_delay_behind_synapses(simple):
    edges = [replace(e, delay=int(e.source == "syn")) for e in simple.edges]
    graph = Graph(simple.nodes, tuple(edges), Stage.TIMED, 1e-3, simple.arrival)
    trace = trace_of(graph, {"lif": np.zeros((1, 1, 1))}, 1, 1)
    with pytest.raises(GraphError, match="syn -> lif: a delay of 1 steps behind"):
        count_operations(graph, trace)


@pytest.mark.parametrize("seed", range(12))
def test_shared_and_sparse_synapses_count_like_their_connections(seed):
    rng = np.random.default_rng(seed)
    conv = n.ConvSynapses(
        sparse(rng, 4, 1, 3, 2),
        (2, 6, 5),
        stride=(2, 1),
        padding=((1, 0), (0, 1)),
        dilation=(1, 2),
        groups=2,
    )
    target = neurons(*conv.target_shape)
    shared = chain(conv, n.Input((2, 6, 5)), target)
    unrolled = chain(to_sparse(conv, 60), n.Input((2, 6, 5)), target)
    dense = np.zeros((math.prod(target.shape), 60))
    dense[unrolled.nodes["syn"].targets, unrolled.nodes["syn"].sources] = (
        unrolled.nodes["syn"].weight
    )
    plain = chain(n.DenseSynapses(dense), n.Input((2, 6, 5)), target)
    spikes = {
        "in": random_spikes(rng, 2, 3, 2, 6, 5, rate=0.2),
        "lif": random_spikes(rng, 2, 3, *target.shape, rate=0.1),
    }
    counts = [
        count_operations(each, trace_of(each, spikes, 2, 3))
        for each in (shared, unrolled, plain)
    ]
    for name in ("in", "lif"):
        assert counts[0][name] == counts[1][name] == counts[2][name]
    shared_work, sparse_work, dense_work = (each["syn"] for each in counts)
    assert shared_work.synops == sparse_work.synops == dense_work.synops > 0
    # The kernel stores fewer zeros than the matrix, and sparse synapses none.
    assert dense_work.synops_zero > shared_work.synops_zero > 0
    assert sparse_work.synops_zero == 0


def test_refuses_populations_joined_without_synapses(simple):
    nodes = {**simple.nodes, "next": neurons(1)}
    edges = (*simple.edges, Edge("lif", "next"))
    graph = Graph(nodes, edges, Stage.TIMED, 1e-3, {**simple.arrival, "next": 2})
    still = np.zeros((1, 1, 1))
    trace = trace_of(graph, {"lif": still, "next": still}, 1, 1)
    with pytest.raises(GraphError, match="lif -> next: two populations without syn"):
        count_operations(graph, trace)


def test_refuses_a_population_without_arrival(simple):
    graph = Graph(simple.nodes, simple.edges, Stage.TIMED, 1e-3, {"in": 0})
    trace = trace_of(graph, {"lif": np.zeros((1, 1, 1))}, 1, 1)
    with pytest.raises(GraphError, match="'lif' has no arrival time"):
        count_operations(graph, trace)


def test_refuses_arrivals_that_no_delay_can_meet(simple):
    arrival = {"in": 0, "lif": 3, "out": 3}
    graph = Graph(simple.nodes, simple.edges, Stage.TIMED, 1e-3, arrival)
    trace = trace_of(graph, {"lif": np.zeros((1, 1, 1))}, 1, 1)
    with pytest.raises(GraphError, match="reach 'lif' 2 steps before"):
        count_operations(graph, trace)


@pytest.mark.parametrize(
    ("shape", "linear", "target"),
    [
        ((3, 1, 5), (3, 1, 4, 5), (3, 1, 4)),
        ((2, 3, 5), (2, 3, 4, 5), (2, 3, 4)),
    ],
)
def test_leading_axes_of_a_linear_are_counted_once(
    shape: tuple[int, ...], linear: tuple[int, ...], target: tuple[int, ...]
) -> None:
    nodes: dict[str, n.Node] = {
        "input": n.Input(shape),
        "w": n.Linear(np.ones(linear)),
        "n": n.Threshold(np.ones(target)),
        "output": n.Output(target),
    }
    pairs = [("input", "w"), ("w", "n"), ("n", "output")]
    graph = Graph(nodes, tuple(Edge(*pair) for pair in pairs), Stage.CONTINUOUS)
    lowered = lower(graph, dt_s=1e-3).graph
    inputs = (np.random.default_rng(0).random((2, 4, *shape)) < 0.5).astype(np.uint8)
    counts = count_operations(lowered, run_integer(lowered, inputs))
    assert counts["w"].synops == inputs.sum() * 4  # each spike reaches 4 targets


def test_a_flattened_scale_is_counted() -> None:
    nodes: dict[str, n.Node] = {
        "input": n.Input((2, 3)),
        "flat": n.Flatten((2, 3), (6,)),
        "w": n.Scale(np.ones(6)),
        "n": n.Threshold(np.full(6, 0.5)),
        "output": n.Output((6,)),
    }
    pairs = [("input", "flat"), ("flat", "w"), ("w", "n"), ("n", "output")]
    graph = Graph(nodes, tuple(Edge(*pair) for pair in pairs), Stage.CONTINUOUS)
    lowered = lower(graph, dt_s=1e-3).graph
    inputs = np.ones((1, 4, 2, 3), dtype=np.uint8)
    counts = count_operations(lowered, run_integer(lowered, inputs))
    assert counts["w"].synops == 4 * 6
    assert counts["n"].updates_active == 4 * 6
