from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from spikewright.errors import GraphError, InputError, OverflowDetectedError
from spikewright.export.lower import lower
from spikewright.graph import Edge, Graph, Stage
from spikewright.loihi import shift_to_zero, weight_limit
from spikewright.nodes import (
    BiasLine,
    DenseSynapses,
    Input,
    Node,
    Output,
    QuantizedIntegrators,
    QuantizedNeurons,
)
from spikewright.simulate.compare import compare_traces
from spikewright.simulate.integer import Batching, iterate_integer, run_integer
from spikewright.simulate.reference import run_reference
from spikewright.trace import Keep, TracePolicy


def _graph(neurons: Node, weight: int, exponent: int = 0) -> Graph:
    """One input, one synapse, one neuron."""
    nodes: dict[str, Node] = {
        "input": Input((1,)),
        "w": DenseSynapses(np.array([[weight]]), exponent),
        "n": neurons,
        "output": Output((1,), 0.5),
    }
    edges = (Edge("input", "w"), Edge("w", "n"), Edge("n", "output"))
    arrival = {"input": 0, "n": 1, "output": 1}
    return Graph(nodes, edges, Stage.QUANTIZED, 1e-3, arrival)


def _inputs(*spikes: int) -> np.ndarray:
    return np.array(spikes, dtype=np.uint8).reshape(1, -1, 1)


def test_a_neuron_worked_out_by_hand() -> None:
    # dv 2048 halves v towards zero; a = 3 << 1 = 6 units = 384; vth 10 units = 640.
    # v: 384 | 192 + 384 = 576 | 288 + 384 = 672 > 640 spike, 0 | 0 | 384
    graph = _graph(QuantizedNeurons((1,), 2048, 10, 1.0), weight=3, exponent=1)
    trace = run_integer(graph, _inputs(1, 1, 1, 0, 1))
    np.testing.assert_array_equal(trace.spikes["n"].ravel(), [0, 0, 1, 0, 0])
    np.testing.assert_array_equal(trace.output.ravel(), [0, 0, 0.5, 0, 0])


def test_v_equal_to_the_threshold_does_not_fire() -> None:
    graph = _graph(QuantizedNeurons((1,), 0, 6, 1.0), weight=3)
    # v: 3, 6 = vth silent, 9 > 6 spike, 3
    trace = run_integer(graph, _inputs(1, 1, 1, 1))
    np.testing.assert_array_equal(trace.spikes["n"].ravel(), [0, 0, 1, 0])


def test_an_integrator_sends_its_state_with_six_bits_more() -> None:
    # -3 units = -192; halved towards zero: -96, -48, -24.
    graph = _graph(QuantizedIntegrators((1,), 2048, 1.0), weight=-3)
    trace = run_integer(graph, _inputs(1, 0, 0, 0))
    np.testing.assert_array_equal(trace.output.ravel(), [-96, -48, -24, -12])


def test_shifts_go_towards_zero() -> None:
    np.testing.assert_array_equal(shift_to_zero(np.array([-5, 5, -4]), 1), [-2, 2, -2])


def test_eight_bits_lose_one_to_mixed_signs() -> None:
    assert weight_limit(np.array([1, -1])) == 127
    assert weight_limit(np.array([0, -1])) == 255


def test_a_current_keeps_what_du_leaves() -> None:
    # du 2048 halves u, dv 4096 makes v = u. a = 3 units = 192, vth 4 units = 256.
    # u: 192 | 96 + 192 = 288 spike, u stays | 144 | 72 + 192 = 264 spike
    neurons = QuantizedNeurons((1,), 4096, 4, 1.0, du=2048)
    trace = run_integer(_graph(neurons, weight=3), _inputs(1, 1, 0, 1))
    np.testing.assert_array_equal(trace.spikes["n"].ravel(), [0, 1, 0, 1])


def test_a_current_without_decay_never_ends() -> None:
    # du 0, dv 4096: v = u = 3, 3, 3, 6 units against 5
    neurons = QuantizedNeurons((1,), 4096, 5, 1.0, du=0)
    trace = run_integer(_graph(neurons, weight=3), _inputs(1, 0, 0, 1))
    np.testing.assert_array_equal(trace.spikes["n"].ravel(), [0, 0, 0, 1])


def test_a_soft_reset_takes_its_drop_at_the_next_step() -> None:
    # dv 0, vth = drop = 4 units, a = 5 units:
    # v: 5 spike | 5 + 5 - 4 = 6 spike | 6 - 4 = 2 | 2 + 5 = 7 spike | 7 - 4 = 3
    neurons = QuantizedNeurons((1,), 0, 4, 1.0, drop=4)
    trace = run_integer(_graph(neurons, weight=5), _inputs(1, 1, 0, 1, 0))
    np.testing.assert_array_equal(trace.spikes["n"].ravel(), [1, 1, 0, 1, 0])


def test_each_neuron_may_have_its_own_decays_and_drop() -> None:
    # a = 5 units each; vth 4. First: no memory, spikes with each input. Second: dv 0
    # and drop 9: v = 5 spike | 5 - 9 = -4 | 1 | 6 spike.
    nodes: dict[str, Node] = {
        "input": Input((1,)),
        "w": DenseSynapses(np.array([[5], [5]])),
        "n": QuantizedNeurons((2,), np.array([4096, 0]), 4, 1.0, drop=np.array([0, 9])),
        "output": Output((2,)),
    }
    edges = (Edge("input", "w"), Edge("w", "n"), Edge("n", "output"))
    arrival = {"input": 0, "n": 1, "output": 1}
    graph = Graph(nodes, edges, Stage.QUANTIZED, 1e-3, arrival)
    trace = run_integer(graph, _inputs(1, 0, 1, 1))
    np.testing.assert_array_equal(trace.spikes["n"][0, :, 0], [1, 0, 1, 1])
    np.testing.assert_array_equal(trace.spikes["n"][0, :, 1], [1, 0, 0, 1])


def test_an_edge_without_synapses_weighs_one() -> None:
    # Both Inputs straight into n, as an AND: 1 + 1 > 1.
    nodes: dict[str, Node] = {
        "left": Input((1,)),
        "right": Input((1,)),
        "n": QuantizedNeurons((1,), 4096, 1, 1.0),
        "output": Output((1,), 3.0),
    }
    edges = (Edge("left", "n"), Edge("right", "n"), Edge("n", "output"))
    arrival = dict.fromkeys(nodes, 0)
    graph = Graph(nodes, edges, Stage.QUANTIZED, 1e-3, arrival)
    given = {"left": _inputs(1, 1, 0), "right": _inputs(1, 0, 0)}
    trace = run_integer(graph, given)
    np.testing.assert_array_equal(trace.output.ravel(), [3, 0, 0])
    assert compare_traces(run_reference(graph, given), trace).is_equal


def test_a_bias_line_that_starts_late_is_on_for_the_sample() -> None:
    # The bias, 2 units a step, reaches n with its data: v = 2, 4, 6 > 5, 0 + 2.
    nodes: dict[str, Node] = {
        "input": Input((1,)),
        "bias": BiasLine(),
        "w": DenseSynapses(np.array([[0]])),
        "b": DenseSynapses(np.array([[2]])),
        "n": QuantizedNeurons((1,), 0, 5, 1.0),
        "output": Output((1,)),
    }
    edges = (Edge("input", "w", 4), Edge("w", "n"), Edge("bias", "b", 1))
    edges += (Edge("b", "n"), Edge("n", "output"))
    arrival = {"input": 0, "bias": 3, "n": 5, "output": 5}
    graph = Graph(nodes, edges, Stage.QUANTIZED, 1e-3, arrival)
    trace = run_integer(graph, _inputs(0, 0, 0, 0))
    np.testing.assert_array_equal(trace.spikes["n"].ravel(), [0, 0, 1, 0])
    assert compare_traces(run_reference(graph, _inputs(0, 0, 0, 0)), trace).is_equal


# --- overflow ------------------------------------------------------------------------


def test_an_input_that_leaves_24_bits_is_refused() -> None:
    # 255 << 9 = 130560 fits below 2**17; 255 << 10 = 261120 does not: u = a << 6 would
    # wrap on the chip.
    neurons = QuantizedNeurons((1,), 2048, 10, 1.0)
    run_integer(_graph(neurons, weight=255, exponent=9), _inputs(1))
    message = (
        r"node 'n', neuron \[0\], sample 0, step 1: weighted input a is 261120; "
        r"allowed: \|a\| below 131072; quantize with a smaller scale"
    )
    with pytest.raises(OverflowDetectedError, match=message):
        run_integer(_graph(neurons, weight=255, exponent=10), _inputs(0, 1))


def test_a_state_that_leaves_24_bits_is_refused() -> None:
    # -100 << 10 = -102400 fits, but twice that times 64 is -13107200 < -2**23.
    graph = _graph(QuantizedNeurons((1,), 0, 10, 1.0), weight=-100, exponent=10)
    run_integer(graph, _inputs(1))
    message = "step 1: membrane potential v is -13107200; allowed: .v. below 8388608"
    with pytest.raises(OverflowDetectedError, match=message):
        run_integer(graph, _inputs(1, 1))


def test_a_current_that_leaves_24_bits_is_refused() -> None:
    neurons = QuantizedNeurons((1,), 4096, 10, 1.0, du=0)
    graph = _graph(neurons, weight=100, exponent=10)
    with pytest.raises(
        OverflowDetectedError, match="step 2: synaptic current u is 131"
    ):
        run_integer(graph, _inputs(1, 0, 1))


def test_an_output_that_leaves_24_bits_is_refused() -> None:
    nodes: dict[str, Node] = {
        "input": Input((1,)),
        "w": DenseSynapses(np.array([[255]]), 15),
        "output": Output((1,)),
    }
    edges = (Edge("input", "w"), Edge("w", "output"))
    arrival = {"input": 0, "output": 1}
    graph = Graph(nodes, edges, Stage.QUANTIZED, 1e-3, arrival)
    # 255 << 15 = 8355840 < 2**23; 2 * 255 << 15 is beyond
    assert run_integer(graph, _inputs(1)).output.item() == 8355840
    twice = {**nodes, "w": DenseSynapses(np.array([[510]]), 15)}
    with pytest.raises(OverflowDetectedError, match=r"'output'.* sum a is 16711680"):
        run_integer(Graph(twice, edges, Stage.QUANTIZED, 1e-3, arrival), _inputs(1))


@pytest.mark.parametrize(("arrival", "overflows"), [(2, False), (3, True)])
def test_the_chip_runs_until_the_last_data_arrive(
    arrival: int, overflows: bool
) -> None:
    """A current that never decays pushes v on after the sample."""
    # a = 51200 units, u = 51200 * 64 = 3276800 for ever; v = u, 2 u, 3 u > 2**23.
    # n is updated at chip steps 1 to 1 + arrival - 1, for a sample of one step.
    graph = _graph(QuantizedNeurons((1,), 0, 131071, 1.0, du=0), weight=100, exponent=9)
    edges = (*graph.edges[:2], Edge("n", "output", arrival - 1))
    late = {**graph.arrival, "output": arrival}
    later = Graph(graph.nodes, edges, Stage.QUANTIZED, 1e-3, late)
    for execute in (run_reference, run_integer):
        if overflows:
            with pytest.raises(OverflowDetectedError, match="potential v is 9830400"):
                execute(later, _inputs(1))
        else:
            execute(later, _inputs(1))


# --- batches and what is kept --------------------------------------------------------


def test_more_samples_than_a_batch_and_one_by_one_agree(
    make_graph: Callable[[int], Graph], dt_s: float
) -> None:
    graph = lower(make_graph(3), dt_s=dt_s).graph
    rng = np.random.default_rng(0)
    inputs = (rng.random((19, 7, 6)) < 0.5).astype(np.uint8)
    whole = run_integer(graph, inputs)
    done: list[int] = []
    parts = iterate_integer(graph, inputs, batching=Batching(8), on_samples=done.append)
    # 19 samples, at most 8 at once: 7 + 7 + 5
    assert [part.samples for part in parts] == [7, 7, 5]
    assert done == [7, 14, 19]
    for index in (0, 8, 18):
        alone = run_integer(graph, inputs[index : index + 1])
        np.testing.assert_array_equal(alone.output[0], whole.output[index])


def test_a_filled_up_batch_overflows_only_if_a_sample_does() -> None:
    """Silence instead would let the bias overflow where inhibition holds it."""
    nodes: dict[str, Node] = {
        "input": Input((1,)),
        "bias": BiasLine(),
        "w": DenseSynapses(np.array([[-200]]), 9),
        "b": DenseSynapses(np.array([[200]]), 9),
        "n": QuantizedNeurons((1,), 0, 131071, 1.0),
        "output": Output((1,)),
    }
    pairs = ["input w", "w n", "bias b", "b n", "n output"]
    edges = tuple(Edge(*pair.split()) for pair in pairs)
    arrival = {"input": 0, "bias": 0, "n": 1, "output": 1}
    graph = Graph(nodes, edges, Stage.QUANTIZED, 1e-3, arrival)
    # 200 << 9 = 102400 units; twice that leaves the register.
    run_integer(graph, np.ones((3, 4, 1)), batching=Batching(2))
    with pytest.raises(OverflowDetectedError, match="sample 2, step 1"):
        inputs = np.ones((3, 4, 1))
        inputs[2, :2] = 0
        run_integer(graph, inputs, batching=Batching(2))


@pytest.mark.parametrize("keep", Keep)
def test_a_trace_keeps_what_the_policy_says(
    make_graph: Callable[[int], Graph], dt_s: float, keep: Keep
) -> None:
    graph = lower(make_graph(3), dt_s=dt_s).graph
    inputs = np.random.default_rng(0).integers(0, 2, (5, 7, 6))
    whole = run_integer(graph, inputs)
    policy = TracePolicy(keep, full=["n2"])
    trace = run_integer(graph, inputs, trace=policy, batching=Batching(2))
    assert compare_traces(policy.apply(whole), trace).is_equal
    others = set(whole.spikes) - {"n2"}
    assert set(trace.counts) == (others if keep is Keep.COUNTS else set())
    assert set(trace.spikes) == ({"n2"} if keep is not Keep.FULL else {"n2", *others})


def test_a_population_that_is_not_there_cannot_be_kept() -> None:
    graph = _graph(QuantizedNeurons((1,), 0, 6, 1.0), weight=3)
    with pytest.raises(InputError, match=r"no population 'w' to keep; .* input, n"):
        run_integer(graph, _inputs(1), trace=TracePolicy(full=["w"]))


# --- what it refuses -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            np.zeros((1, 2, 2)),
            r"shape \(1, 2, 2\); 'input' needs \(samples, steps, 1\)",
        ),
        (np.zeros((0, 2, 1)), "one sample and one step at least"),
        (np.full((1, 2, 1), 2), "'input' hold 2; a QUANTIZED graph takes spikes"),
        (np.full((1, 2, 1), np.nan), "not all finite numbers"),
        (np.full((1, 2, 1), "x"), "not all finite numbers"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs: np.ndarray, message: str) -> None:
    graph = _graph(QuantizedNeurons((1,), 0, 6, 1.0), weight=3)
    with pytest.raises(InputError, match=message):
        run_integer(graph, inputs)


def test_a_float_graph_is_refused(
    make_graph: Callable[[int], Graph], dt_s: float
) -> None:
    graph = lower(make_graph(0), dt_s=dt_s, to=Stage.TIMED).graph
    with pytest.raises(GraphError, match="needs a QUANTIZED graph, got TIMED"):
        run_integer(graph, np.zeros((1, 2, 6)))


def _changed(**changes: object) -> Graph:
    """A graph of one neuron in which something is wrong."""
    graph = _graph(QuantizedNeurons((1,), 2048, 10, 1.0), weight=3)
    return replace(graph, **changes)


def _with(name: str, node: Node) -> Graph:
    nodes = _changed().nodes
    return _changed(nodes={**nodes, name: node})


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (
            _with("w", DenseSynapses(np.array([[0.5]]))),
            "node 'w': weights of type float64; allowed in a QUANTIZED graph: integers",
        ),
        (
            _with("w", DenseSynapses(np.array([[2**60]]))),
            "node 'n': sums of weights up to .*; allowed: 8-bit weights",
        ),
        (
            _with("n", QuantizedNeurons((1,), 2048, -1, 1.0)),
            "node 'n': threshold -1 is below 0",
        ),
        (
            _with("n", QuantizedNeurons((1,), 4097, 1, 1.0)),
            "node 'n': dv from 4097 to 4097; allowed: 0 to 4096",
        ),
        (
            _with("n", QuantizedNeurons((1,), 0, 1, 1.0, du=-1)),
            "node 'n': du from -1 to -1; allowed: 0 to 4096",
        ),
        (
            _with("n", QuantizedNeurons((1,), np.array([1, 2]), 1, 1.0)),
            r"node 'n': dv of shape \(2,\) for neurons of shape \(1,\)",
        ),
        (
            _with("n", QuantizedNeurons((2,), 0, 1, 1.0)),
            r"node 'n': takes shape \(2,\), but 'input' sends it \(1,\)",
        ),
        (
            _with("n", QuantizedNeurons((1,), 0, 1, 1.0, drop=np.array([[1]]))),
            r"node 'n': drop of shape \(1, 1\) for neurons of shape \(1,\)",
        ),
        (
            _with("w", DenseSynapses(np.array([[3, 4]]))),
            "cannot take 1 signals; correct the weight",
        ),
        (
            _changed(arrival={"input": 0, "output": 1}),
            "node 'n': has no arrival time",
        ),
        (
            _changed(arrival={"input": 1, "n": 2, "output": 2}),
            "input 'input': arrives at step 1; allowed: 0",
        ),
        (
            _changed(arrival={"input": 0, "n": 3, "output": 3}),
            "edge input -> w: reaches 'n' 2 steps before its arrival time, step 3",
        ),
    ],
)
def test_graphs_that_no_chip_could_run_are_refused(graph: Graph, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        run_integer(graph, _inputs(1))


def test_a_rounded_sum_of_two_edges_is_refused() -> None:
    graph = _with("w", DenseSynapses(np.array([[3]]), -1))
    nodes = {**graph.nodes, "twin": Input((1,))}
    edges = (*graph.edges, Edge("twin", "w"))
    with pytest.raises(GraphError, match="'w': the sum of 2 edges is rounded by expo"):
        run_integer(
            replace(graph, nodes=nodes, edges=edges),
            {"input": _inputs(1), "twin": _inputs(1)},
        )
