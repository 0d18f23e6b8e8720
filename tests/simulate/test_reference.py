"""The reference executor against numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.errors import GraphError, InputError, OverflowDetectedError
from spikewright.graph import Edge, Graph, Stage
from spikewright.simulate.reference import run_reference

DT_S = 1e-3


def full(value: float, *shape: int) -> n.FloatArray:
    return np.full(shape or (1,), float(value))


def neurons(decay: float, threshold: float, bias: float = 0.0) -> n.SpikingNeurons:
    return n.SpikingNeurons(full(decay), full(threshold), full(bias))


def graph(
    nodes: Mapping[str, n.Node],
    *edges: Any,
    stage: Stage = Stage.DISCRETE,
    arrival: dict[str, int] | None = None,
    inputs: n.Shape = (1,),
    outputs: n.Shape = (1,),
) -> Graph:
    every: dict[str, n.Node] = {"in": n.Input(inputs), **nodes}
    every.setdefault("out", n.Output(outputs))
    return Graph(every, tuple(Edge(*e) for e in edges), stage, DT_S, arrival or {})


def column(*values: float) -> np.ndarray:
    """One sample of one neuron."""
    return np.array(values, float).reshape(1, -1, 1)


# --- DISCRETE -------------------------------------------------------------------------


def test_a_neuron_leaks_fires_strictly_above_the_threshold_and_resets() -> None:
    # decay 1/2, threshold 1; a = 1, 0.5, 0.75, 0.5, 0.25
    # v = 1 (no spike: not above), 1 (again), 1.25 -> spike and 0, 0.5, 0.5
    g = graph({"x": neurons(0.5, 1.0)}, ("in", "x"), ("x", "out"))
    trace = run_reference(g, column(1, 0.5, 0.75, 0.5, 0.25))
    assert trace.spikes["x"][0, :, 0].tolist() == [0, 0, 1, 0, 0]
    assert trace.output[0, :, 0].tolist() == [0, 0, 1, 0, 0]


def test_the_bias_of_a_neuron_is_added_each_step() -> None:
    # decay 1, bias 0.5, threshold 1: v = 0.5, 1, 1.5 -> spike and 0, 0.5, ...
    g = graph({"x": neurons(1.0, 1.0, bias=0.5)}, ("in", "x"), ("x", "out"))
    trace = run_reference(g, column(0, 0, 0, 0, 0, 0))
    assert trace.spikes["x"][0, :, 0].tolist() == [0, 0, 1, 0, 0, 1]


def test_an_integrator_sends_gain_times_v() -> None:
    # v = 0.5 v + a + 1: 2, 2, 3;  sends 10 v
    node = n.Integrators(full(0.5), full(1.0), full(10.0))
    g = graph({"x": node}, ("in", "x"), ("x", "out"))
    trace = run_reference(g, column(1, 0, 1))
    assert trace.output[0, :, 0].tolist() == [20, 20, 30]
    assert "x" not in trace.spikes


def test_a_current_leaks_before_the_potential_does() -> None:
    # u = 0.5 u + a;  v = 0.75 v + u: u = 4, 2, 1, 0.5;  v = 4, 5, 4.75, 4.0625
    node = n.Integrators(full(0.75), full(0.0), full(1.0), full(0.5))
    g = graph({"x": node}, ("in", "x"), ("x", "out"))
    trace = run_reference(g, column(4, 0, 0, 0))
    assert trace.output[0, :, 0].tolist() == [4, 5, 4.75, 4.0625]


def test_a_spike_resets_the_potential_and_not_the_current() -> None:
    # v = 4 (a tie), 5 -> spike and 0; then u = 1: v = 1, and u = 0.5: v = 1.25
    node = n.SpikingNeurons(full(0.75), full(4.0), full(0.0), full(0.5))
    nodes = {"x": node, "y": n.Integrators(full(0.75), full(0.0), full(1.0), full(0.5))}
    reached = {"x": [], "y": []}
    run_reference(
        graph(nodes, ("in", "x"), ("in", "y"), ("x", "out")),
        column(4, 0, 0, 0),
        probe=lambda name, step, a, state: reached[name].append(state.reached[0]),
    )
    assert reached == {"x": [4, 5, 1, 1.25], "y": [4, 5, 4.75, 4.0625]}


def test_a_soft_reset_takes_off_a_step_later_and_after_the_decay() -> None:
    # threshold 1, drop 0.5, decay 0.5: v = 3 -> spike;  1.5 - 0.5 = 1: a tie;
    # 0.5 + 1 = 1.5 -> spike;  0.75 - 0.5 = 0.25
    node = replace(neurons(0.5, 1.0), drop=full(0.5))
    g = graph({"x": node}, ("in", "x"), ("x", "out"))
    trace = run_reference(g, column(3, 0, 1, 0))
    assert trace.spikes["x"][0, :, 0].tolist() == [1, 0, 1, 0]


def test_a_drop_of_nothing_is_no_reset_at_all() -> None:
    node = replace(neurons(1.0, 1.0), drop=full(0.0))
    g = graph({"x": node}, ("in", "x"), ("x", "out"))
    assert run_reference(g, column(2, 0, 0)).output[0, :, 0].tolist() == [1, 1, 1]


def test_neurons_begin_at_their_start() -> None:
    # start 3, decay 0.5, threshold 1: 1.5 -> spike and 0; then 0.75
    node = replace(neurons(0.5, 1.0), start=full(3.0))
    g = graph({"x": node}, ("in", "x"), ("x", "out"))
    trace = run_reference(g, column(0, 0.75, 0))
    assert trace.spikes["x"][0, :, 0].tolist() == [1, 0, 0]


def test_each_sample_begins_at_the_start() -> None:
    node = replace(neurons(1.0, 1.0), start=full(2.0))
    g = graph({"x": node}, ("in", "x"), ("x", "out"))
    trace = run_reference(g, np.zeros((2, 2, 1)))
    assert trace.spikes["x"][:, :, 0].tolist() == [[1, 0], [1, 0]]


def test_each_element_has_its_own_delay() -> None:
    nodes = {"d": n.DelaySteps((3,), np.array([0, 2, 1]))}
    g = graph(nodes, ("in", "d"), ("d", "out"), inputs=(3,), outputs=(3,))
    inputs = np.arange(1.0, 10).reshape(1, 3, 3)
    trace = run_reference(g, inputs)
    assert trace.output[0].tolist() == [[1, 0, 0], [4, 0, 3], [7, 2, 6]]


def test_a_loop_through_delays_of_each_element_needs_no_other_delay() -> None:
    # each element takes its own sum of 1 or 2 steps ago
    nodes = {
        "s": n.Scale(np.array([10.0, 10.0])),
        "d": n.DelaySteps((2,), np.array([1, 2])),
    }
    edges = [("in", "s"), ("s", "d"), ("d", "s"), ("s", "out")]
    g = graph(nodes, *edges, inputs=(2,), outputs=(2,))
    inputs = np.zeros((1, 4, 2))
    inputs[0, 0] = 1
    trace = run_reference(g, inputs)
    assert trace.output[0].tolist() == [[10, 10], [100, 0], [1000, 100], [10000, 0]]


def test_several_inputs_and_outputs_go_by_name() -> None:
    nodes = {
        "b": n.Input((2,)),
        "sum": n.Linear(np.array([[1.0, 10.0]])),
        "spikes": neurons(0, 11.5),
        "raw": n.Output((2,)),
    }
    edges = [("b", "sum"), ("sum", "spikes"), ("in", "spikes"), ("spikes", "out")]
    g = graph(nodes, *edges, ("b", "raw"))
    trace = run_reference(g, {"in": column(0, 1), "b": np.ones((1, 2, 2))})
    # 11 + 0 is not above 11.5, and 11 + 1 is
    assert trace.outputs["out"][0].tolist() == [[0], [1]]
    assert trace.outputs["raw"][0].tolist() == [[1, 1], [1, 1]]
    assert trace.spikes.keys() == {"in", "b", "spikes"}


def test_all_layers_of_a_step_are_computed_at_that_step() -> None:
    nodes = {"a": neurons(0, 0.5), "b": neurons(0, 0.5), "c": neurons(0, 0.5)}
    g = graph(nodes, ("in", "a"), ("a", "b"), ("b", "c"), ("c", "out"))
    trace = run_reference(g, column(1, 0, 1))
    assert trace.output[0, :, 0].tolist() == [1, 0, 1]


def test_the_order_of_nodes_in_the_graph_does_not_matter() -> None:
    nodes = {"c": neurons(0, 0.5), "b": neurons(0, 0.5), "a": neurons(0, 0.5)}
    g = graph(nodes, ("in", "a"), ("a", "b"), ("b", "c"), ("c", "out"))
    assert run_reference(g, column(1, 0, 1)).output[0, :, 0].tolist() == [1, 0, 1]


def test_a_delayed_self_loop_sees_the_step_before() -> None:
    # threshold 0.5, decay 0, self weight -1 through the edge's one step:
    # a[t] = 1 - s[t-1]: spike, 0, spike, 0
    nodes = {"x": neurons(0, 0.5), "w": n.Scale(full(-1.0))}
    g = graph(nodes, ("in", "x"), ("x", "w"), ("w", "x", 1), ("x", "out"))
    trace = run_reference(g, column(1, 1, 1, 1))
    assert trace.spikes["x"][0, :, 0].tolist() == [1, 0, 1, 0]


def test_a_delay_node_and_a_delay_on_an_edge_add_up() -> None:
    nodes = {"d": n.DelaySteps((1,), 2)}
    g = graph(nodes, ("in", "d", 1), ("d", "out"))
    trace = run_reference(g, column(5, 6, 7, 8, 9))
    assert trace.output[0, :, 0].tolist() == [0, 0, 0, 5, 6]


def test_affine_adds_its_bias() -> None:
    # [[1, 2], [3, 4]] @ [1, 10] + [0.5, -0.5] = [21.5, 42.5]
    node = n.Affine(np.array([[1.0, 2], [3, 4]]), np.array([0.5, -0.5]))
    g = graph({"x": node}, ("in", "x"), ("x", "out"), inputs=(2,), outputs=(2,))
    trace = run_reference(g, np.array([[[1.0, 10.0]]]))
    assert trace.output[0, 0].tolist() == [21.5, 42.5]


def test_linear_with_a_leading_axis_has_one_matrix_a_channel() -> None:
    # token sums of [[1, 2, 3], [4, 5, 6]] with weights 1 and 10: 6 and 150
    weight = np.stack([full(1, 1, 3), full(10, 1, 3)])
    g = graph(
        {"x": n.Linear(weight)},
        ("in", "x"),
        ("x", "out"),
        inputs=(2, 3),
        outputs=(2, 1),
    )
    trace = run_reference(g, np.arange(1.0, 7).reshape(1, 1, 2, 3))
    assert trace.output[0, 0].tolist() == [[6], [150]]


def test_conv1d_slides_without_turning_the_kernel() -> None:
    # kernel [1, 10, 100] over [1, 2, 3, 4]: 321, 432; plus the bias 0.5
    node = n.Conv1d(np.array([[[1.0, 10, 100]]]), full(0.5), 4)
    g = graph({"x": node}, ("in", "x"), ("x", "out"), inputs=(1, 4), outputs=(1, 2))
    trace = run_reference(g, np.arange(1.0, 5).reshape(1, 1, 1, 4))
    assert trace.output[0, 0].tolist() == [[321.5, 432.5]]


# x = [1, 2, 3, 4, 5], taps 1, 10, 100
CONV1D = {
    "stride": ({"stride": 2}, [321, 543]),
    "padding": ({"padding": (2, 1)}, [100, 210, 321, 432, 543, 54]),
    "dilation": ({"dilation": 2}, [531]),
    # x[2 i + 2 k - 1]: 0, 2, 4;  2, 4, 0
    "all": ({"stride": 2, "padding": (1, 1), "dilation": 2}, [420, 42]),
}


@pytest.mark.parametrize(("options", "wanted"), CONV1D.values(), ids=CONV1D)
def test_conv1d_options(options: dict[str, Any], wanted: list[float]) -> None:
    node = n.Conv1d(np.array([[[1.0, 10, 100]]]), full(0.0), 5, **options)
    shape = (1, len(wanted))
    g = graph({"x": node}, ("in", "x"), ("x", "out"), inputs=(1, 5), outputs=shape)
    trace = run_reference(g, np.arange(1.0, 6).reshape(1, 1, 1, 5))
    assert trace.output[0, 0].tolist() == [wanted]


def test_groups_see_only_their_own_channels() -> None:
    # channels 1, 2 | 3, 4 of one token; two targets for each group, biases 0.5
    weight = np.array([[[1.0], [10]], [[2], [20]], [[1], [10]], [[0], [1]]])
    node = n.Conv1d(weight, full(0.5, 4), 1, groups=2)
    g = graph({"x": node}, ("in", "x"), ("x", "out"), inputs=(4, 1), outputs=(4, 1))
    trace = run_reference(g, np.arange(1.0, 5).reshape(1, 1, 4, 1))
    assert trace.output[0, 0, :, 0].tolist() == [21.5, 42.5, 43.5, 4.5]


# x = [[1, 2, 3], [4, 5, 6]], kernel [[1, 10], [100, 1000]]
CONV2D = {
    "plain": ({}, [[5421, 6532]]),
    "stride": ({"stride": (1, 2), "padding": ((0, 1), (0, 1))}, [[5421, 603], [54, 6]]),
    # rows -1 and 0, then 0 and 1, 1 and 2; columns 0 and 1, 1 and 2
    "rows padded": (
        {"padding": ((1, 1), (0, 0))},
        [[2100, 3200], [5421, 6532], [54, 65]],
    ),
    # columns -1 and 1, 0 and 2, 1 and 3
    "columns apart": (
        {"dilation": (1, 2), "padding": ((0, 0), (1, 1))},
        [[5020, 6431, 502]],
    ),
}


@pytest.mark.parametrize(("options", "wanted"), CONV2D.values(), ids=CONV2D)
def test_conv2d_options(options: dict[str, Any], wanted: list[list[float]]) -> None:
    kernel = np.array([[[[1.0, 10], [100, 1000]]]])
    node = n.Conv2d(kernel, full(0.0), (2, 3), **options)
    shape = (1, len(wanted), len(wanted[0]))
    g = graph({"x": node}, ("in", "x"), ("x", "out"), inputs=(1, 2, 3), outputs=shape)
    trace = run_reference(g, np.arange(1.0, 7).reshape(1, 1, 1, 2, 3))
    assert trace.output[0, 0].tolist() == [wanted]
    # synapses of the same options give the same
    synapses = n.ConvSynapses(kernel, (1, 2, 3), **options)
    assert synapses.target_shape == shape
    g = graph(
        {"x": synapses}, ("in", "x"), ("x", "out"), inputs=(1, 2, 3), outputs=shape
    )
    trace = run_reference(g, np.arange(1.0, 7).reshape(1, 1, 1, 2, 3))
    assert trace.output[0, 0].tolist() == [wanted]


def test_conv2d_sums_over_channels_and_adds_its_bias() -> None:
    # 1 * (1 + 2) + 10 * (3 + 4) + 0.5, of two places each
    node = n.Conv2d(np.array([[[[1.0, 1]], [[10, 10]]]]), full(0.5), (1, 2))
    shapes: dict[str, n.Shape] = {"inputs": (2, 1, 2), "outputs": (1, 1, 1)}
    g = graph({"x": node}, ("in", "x"), ("x", "out"), **shapes)
    trace = run_reference(g, np.arange(1.0, 5).reshape(1, 1, 2, 1, 2))
    assert trace.output.ravel().tolist() == [73.5]


# x = [[1, 2, 3], [4, 5, 6]] and ten times that
POOLS = {
    "sum": (n.SumPool2d((2, 2, 3), (2, 2), (1, 1)), [[12, 16]]),
    "mean": (n.AvgPool2d((2, 2, 3), (2, 2), (1, 1)), [[3, 4]]),
    "stride": (n.SumPool2d((2, 2, 3), (1, 1), (1, 2)), [[1, 3], [4, 6]]),
    # zeros outside count: (0 + 1) / 2, (2 + 3) / 2;  (0 + 4) / 2, (5 + 6) / 2
    "padding": (n.AvgPool2d((2, 2, 3), (1, 2), (1, 2), (0, 1)), [[0.5, 2.5], [2, 5.5]]),
}


@pytest.mark.parametrize(("node", "wanted"), POOLS.values(), ids=POOLS)
def test_pools_add_up_each_channel(
    node: n.SumPool2d, wanted: list[list[float]]
) -> None:
    shape = (2, len(wanted), len(wanted[0]))
    g = graph({"x": node}, ("in", "x"), ("x", "out"), inputs=(2, 2, 3), outputs=shape)
    x = np.arange(1.0, 7).reshape(2, 3)
    trace = run_reference(g, np.stack([x, 10 * x])[np.newaxis, np.newaxis])
    assert trace.output[0, 0].tolist() == [wanted, (10 * np.array(wanted)).tolist()]


def test_flatten_is_in_c_order() -> None:
    g = graph(
        {"x": n.Flatten((2, 2), (4,))},
        ("in", "x"),
        ("x", "out"),
        inputs=(2, 2),
        outputs=(4,),
    )
    trace = run_reference(g, np.array([[[[1.0, 2], [3, 4]]]]))
    assert trace.output[0, 0].tolist() == [1, 2, 3, 4]


def test_edges_into_a_node_sum_and_the_output_is_scaled() -> None:
    nodes = {"x": n.Scale(full(10.0)), "out": n.Output((1,), scale=0.5)}
    g = graph(nodes, ("in", "x"), ("in", "out"), ("x", "out"))
    assert run_reference(g, column(1)).output[0, 0, 0] == 5.5  # (1 + 10) / 2


SYNAPSES = {
    # x = [[1, 2, 3], [4, 5, 6]]
    "dense": (n.DenseSynapses(np.eye(6)[::-1].copy()), [[6, 5, 4], [3, 2, 1]]),
    "diagonal": (
        n.DiagonalSynapses(np.array([[1.0, 2, 3], [1, 2, 3]])),
        [[1, 4, 9], [4, 10, 18]],
    ),
    # channels swapped
    "token": (n.TokenSynapses(np.array([[[0.0, 1], [1, 0]]])), [[4, 5, 6], [1, 2, 3]]),
    # each token becomes the sum of its channel, 6 or 15, times 1 or 2
    "channel": (
        n.ChannelSynapses(np.stack([full(1, 3, 3), full(2, 3, 3)])),
        [[6, 6, 6], [30, 30, 30]],
    ),
    # 2 x[0] into 0;  3 x[5] + 4 x[1] into 4
    "sparse": (
        n.SparseSynapses(
            np.array([2.0, 4, 3]), np.array([0, 4, 4]), np.array([0, 1, 5]), (6, 6)
        ),
        [[2, 0, 0], [0, 26, 0]],
    ),
    # both channels of one group each, one row of three: x[l - 1] + 10 x[l + 1]
    "conv": (
        n.ConvSynapses(
            np.array([[[[1.0, 10]]], [[[1, 10]]]]),
            (2, 1, 3),
            padding=((0, 0), (1, 1)),
            dilation=(1, 2),
            groups=2,
        ),
        [[20, 31, 2], [50, 64, 5]],
    ),
}


@pytest.mark.parametrize(("node", "wanted"), SYNAPSES.values(), ids=SYNAPSES)
def test_synapses_by_hand(node: n.Synapses, wanted: list[list[float]]) -> None:
    g = graph(
        {"x": replace(node, exponent=1)},
        ("in", "x"),
        ("x", "out"),
        inputs=(2, 3),
        outputs=(2, 3),
    )
    trace = run_reference(g, np.arange(1.0, 7).reshape(1, 1, 2, 3))
    assert trace.output[0, 0].tolist() == (2 * np.array(wanted)).tolist()


def test_a_sample_does_not_see_its_neighbors() -> None:
    g = graph({"x": neurons(0.9, 1.0)}, ("in", "x"), ("x", "out"))
    inputs = np.random.default_rng(0).random((5, 20, 1))
    together = run_reference(g, inputs).spikes["x"]
    alone = [run_reference(g, inputs[i : i + 1]).spikes["x"][0] for i in range(5)]
    np.testing.assert_array_equal(together, np.stack(alone))


def test_input_spikes_are_traced_only_if_they_are_spikes() -> None:
    g = graph({"x": neurons(0.9, 1.0)}, ("in", "x"), ("x", "out"))
    assert run_reference(g, column(0, 1, 1)).spikes["in"][0, :, 0].tolist() == [0, 1, 1]
    assert "in" not in run_reference(g, column(0, 0.5, 1)).spikes


def test_the_trace_says_how_it_was_made() -> None:
    g = graph({"x": neurons(0.9, 1.0)}, ("in", "x"), ("x", "out"))
    trace = run_reference(g, column(0, 1, 1), steps=2)
    assert trace.steps == 2
    meta = trace.meta
    assert (meta["backend"], meta["arithmetic"]) == ("reference", "float")
    assert (meta["dt_s"], meta["steps"], meta["arrival"]) == (DT_S, 2, {})
    assert meta["graph_sha256"] == g.fingerprint()


# --- TIMED ----------------------------------------------------------------------------


def timed_skip(*, delay: int) -> Graph:
    """Two ways into y: through x (two synapses), and straight (one) with a delay."""
    nodes = {
        "w1": n.DiagonalSynapses(full(1.0)),
        "x": neurons(0, 0.5),
        "w2": n.DiagonalSynapses(full(1.0)),
        "skip": n.DiagonalSynapses(full(1.0)),
        "y": neurons(0, 1.5),
    }
    return graph(
        nodes,
        ("in", "w1"),
        ("w1", "x"),
        ("x", "w2"),
        ("w2", "y"),
        ("in", "skip", delay),
        ("skip", "y"),
        ("y", "out", 3),
        stage=Stage.TIMED,
        arrival={"in": 0, "x": 1, "y": 2, "out": 5},
    )


def test_timed_windows_are_aligned_to_the_sample() -> None:
    # AND of the spike with itself: only in step if the skip waits one step more
    trace = run_reference(timed_skip(delay=1), column(1, 0, 1, 1))
    assert trace.spikes["x"][0, :, 0].tolist() == [1, 0, 1, 1]
    assert trace.spikes["y"][0, :, 0].tolist() == [1, 0, 1, 1]
    assert trace.output[0, :, 0].tolist() == [1, 0, 1, 1]
    assert trace.meta["arrival"] == {"in": 0, "x": 1, "y": 2, "out": 5}


def test_an_unbalanced_skip_is_out_of_step() -> None:
    # y sees x[t-1] + in[t]: both 1 only where two spikes follow each other
    trace = run_reference(timed_skip(delay=0), column(1, 0, 1, 1))
    assert trace.spikes["y"][0, :, 0].tolist() == [0, 0, 1, 0]


def test_the_bias_line_is_high_for_exactly_the_steps_of_the_sample() -> None:
    # x adds all it gets: 2 from the line for 3 steps, read as the sum so far
    nodes = {
        "line": n.BiasLine(),
        "b": n.DenseSynapses(full(2.0, 1, 1)),
        "w": n.DiagonalSynapses(full(0.0)),
        "x": n.Integrators(full(1.0), full(0.0), full(1.0)),
    }
    edges = [("in", "w"), ("w", "x"), ("line", "b"), ("b", "x"), ("x", "out")]
    late = {"in": 0, "line": 0, "x": 1, "out": 3}  # read two steps too late
    g = graph(nodes, *edges, stage=Stage.TIMED, arrival=late)
    trace = run_reference(g, column(0, 0, 0))
    assert trace.output[0, :, 0].tolist() == [6, 6, 6]
    on_time = graph(nodes, *edges, stage=Stage.TIMED, arrival=late | {"out": 1})
    assert run_reference(on_time, column(0, 0, 0)).output[0, :, 0].tolist() == [2, 4, 6]


def test_a_bias_line_starts_at_its_arrival() -> None:
    # one line from step 0 with 2 steps of delay, one from step 2 with none: the same
    nodes = {
        "line": n.BiasLine(),
        "b": n.DenseSynapses(full(2.0, 1, 1)),
        "x": n.Integrators(full(1.0), full(0.0), full(1.0)),
    }
    for start, delay in ((0, 2), (2, 0)):
        edges = [("line", "b", delay), ("b", "x"), ("x", "out")]
        arrival = {"in": 0, "line": start, "x": 3, "out": 3}
        g = graph(nodes, *edges, stage=Stage.TIMED, arrival=arrival)
        trace = run_reference(g, column(0, 0, 0, 0))
        assert trace.output[0, :, 0].tolist() == [2, 4, 6, 8]


def test_outputs_are_read_at_their_own_arrival() -> None:
    nodes = {"w": n.DiagonalSynapses(full(1.0)), "late": n.Output((1,))}
    edges = [("in", "w"), ("w", "late"), ("in", "out")]
    arrival = {"in": 0, "out": 0, "late": 1}
    trace = run_reference(
        graph(nodes, *edges, stage=Stage.TIMED, arrival=arrival), column(5, 6, 7)
    )
    for values in trace.outputs.values():
        assert values[0, :, 0].tolist() == [5, 6, 7]


def test_an_output_takes_any_shape_of_its_size() -> None:
    g = graph({}, ("in", "out"), inputs=(2, 2), outputs=(4,))
    trace = run_reference(g, np.arange(4.0).reshape(1, 1, 2, 2))
    assert trace.output[0, 0].tolist() == [0, 1, 2, 3]


def test_a_timed_loop_through_one_synapse_is_its_own_delay() -> None:
    nodes = {
        "w": n.DiagonalSynapses(full(1.0)),
        "x": neurons(0, 0.5),
        "back": n.DiagonalSynapses(full(-1.0)),
    }
    g = graph(
        nodes,
        ("in", "w"),
        ("w", "x"),
        ("x", "back"),
        ("back", "x"),
        ("x", "out"),
        stage=Stage.TIMED,
        arrival={"in": 0, "x": 1, "out": 1},
    )
    trace = run_reference(g, column(1, 1, 1, 1))
    assert trace.spikes["x"][0, :, 0].tolist() == [1, 0, 1, 0]


def test_refuses_a_timed_graph_without_arrival_times() -> None:
    nodes = {"w": n.DiagonalSynapses(full(1.0)), "x": neurons(0, 0.5)}
    edges = [("in", "w"), ("w", "x"), ("x", "out")]
    g = graph(nodes, *edges, stage=Stage.TIMED)
    with pytest.raises(GraphError, match="node 'x': has no arrival time"):
        run_reference(g, column(1))


# --- QUANTIZED ------------------------------------------------------------------------


def quantized(
    weight: int, node: n.Node, *, exponent: int = 0, scale: float = 1.0
) -> Graph:
    nodes = {
        "w": n.DiagonalSynapses(np.array([weight]), exponent),
        "x": node,
        "out": n.Output((1,), scale=scale),
    }
    edges = [("in", "w"), ("w", "x"), ("x", "out")]
    arrival = {"in": 0, "x": 1, "out": 1}
    return graph(nodes, *edges, stage=Stage.QUANTIZED, arrival=arrival)


def test_quantized_neurons_round_towards_zero() -> None:
    # dv = 4095 keeps 1/4096. a = -1: v = -64; then rsz(-64 / 4096) = 0, not -1
    node = n.QuantizedIntegrators((1,), dv=4095, scale=1.0)
    trace = run_reference(quantized(-1, node), column(1, 0, 0))
    assert trace.output[0, :, 0].tolist() == [-64, 0, 0]


def test_quantized_decay_by_hand() -> None:
    # dv = 1024: v = 3 << 6 = 192; rsz(192 * 3072, 12) = 144; 108; 81; 60 (60.75)
    node = n.QuantizedIntegrators((1,), dv=1024, scale=1.0)
    trace = run_reference(quantized(3, node, scale=0.5), column(1, 0, 0, 0, 0))
    assert trace.output[0, :, 0].tolist() == [96, 72, 54, 40.5, 30]


def test_quantized_neurons_fire_strictly_above_vth() -> None:
    # vth 4, a = 2 each step, no decay: v / 64 = 2, 4 (equal: no spike), 6 -> spike
    node = n.QuantizedNeurons((1,), dv=0, vth=4, scale=1.0)
    trace = run_reference(quantized(2, node), column(1, 1, 1, 1))
    assert trace.spikes["x"][0, :, 0].tolist() == [0, 0, 1, 0]
    assert trace.meta["arithmetic"] == "fixed"


def test_a_quantized_current_leaks_before_the_potential_does() -> None:
    # du = 1024: u = 3 << 6 = 192, 144, 108;  dv = 2048: v = 192, 96 + 144, 120 + 108
    node = n.QuantizedIntegrators((1,), dv=2048, scale=1.0, du=1024)
    trace = run_reference(quantized(3, node), column(1, 0, 0))
    assert trace.output[0, :, 0].tolist() == [192, 240, 228]


def test_a_quantized_soft_reset_takes_off_a_step_later() -> None:
    # vth 2, drop 3, no decay, a = 2 each step, in units of 64:
    # 2 (a tie), 4 -> spike, 6 - 3 = 3 -> spike, 5 - 3 = 2, 4 -> spike
    node = n.QuantizedNeurons((1,), dv=0, vth=2, scale=1.0, drop=3)
    trace = run_reference(quantized(2, node), column(1, 1, 1, 1, 1))
    assert trace.spikes["x"][0, :, 0].tolist() == [0, 1, 1, 0, 1]


def test_quantized_neurons_have_their_own_decays_and_drops() -> None:
    # three neurons under one impulse of 4 << 6 = 256, then silence. Decays: v keeps all
    # or 1/2; u keeps 1/2 or nothing. v: 256, 384, 448;  256, 128, 64;  256, 256, 192
    two = np.array([0, 2048, 2048])
    node = n.QuantizedIntegrators((3,), two, 1.0, np.array([2048, 4096, 2048]))
    arrival = {"in": 0, "x": 1, "out": 1}
    nodes = {"w": n.DenseSynapses(np.full((3, 1), 4)), "x": node}
    edges = [("in", "w"), ("w", "x"), ("x", "out")]
    options: Any = {"stage": Stage.QUANTIZED, "arrival": arrival, "outputs": (3,)}
    trace = run_reference(graph(nodes, *edges, **options), column(1, 0, 0))
    assert trace.output[0].T.tolist() == [
        [256, 384, 448],
        [256, 128, 64],
        [256, 256, 192],
    ]
    # the same with neurons above 3: drops of 0, 1 and 4
    drop = np.array([0, 1, 4])
    spiking = n.QuantizedNeurons((3,), 0, 3, 1.0, drop=drop)
    trace = run_reference(
        graph({**nodes, "x": spiking}, *edges, **options), column(1, 0, 0)
    )
    # 4, 4, 4 fire; 4 fires, 4 - 1 = 3 does not; 4 - 4 = 0
    assert trace.spikes["x"][0].T.tolist() == [[1, 1, 1], [1, 0, 0], [1, 0, 0]]


def test_exponents_shift_integer_sums() -> None:
    node = n.QuantizedIntegrators((1,), dv=4096, scale=1.0)
    up = run_reference(quantized(3, node, exponent=2), column(1))
    down = run_reference(quantized(-3, node, exponent=-1), column(1))
    assert up.output[0, 0, 0] == 12 * 64
    assert down.output[0, 0, 0] == -2 * 64  # floor(-1.5), as Lava shifts


def test_an_input_that_leaves_its_register_is_an_error() -> None:
    node = n.QuantizedNeurons((1,), dv=4096, vth=1, scale=1.0)
    # 255 << 9 = 130560 fits below 2**17 = 131072; 256 << 9 does not
    run_reference(quantized(255, node, exponent=9), column(0, 1))
    with pytest.raises(
        OverflowDetectedError,
        match=r"node 'x', neuron \[0\], step 2: .* a is 131072; allowed: \|a\| below",
    ):
        run_reference(quantized(256, node, exponent=9), column(0, 1))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_potential_that_would_be_clipped_is_an_error(sign: int) -> None:
    # 2**16 << 6 = 2**22 a step, no decay: 2**22, then 2**23 leaves 24 bits
    node = n.QuantizedIntegrators((1,), dv=0, scale=1.0)
    with pytest.raises(
        OverflowDetectedError, match=rf"step 2: membrane potential v is {sign * 2**23};"
    ):
        run_reference(quantized(sign * 2**9, node, exponent=7), column(1, 1))


def test_refuses_quantized_weights_that_are_no_integers() -> None:
    g = quantized(1, n.QuantizedNeurons((1,), dv=0, vth=1, scale=1.0))
    wrong = Graph(
        {**g.nodes, "w": n.DiagonalSynapses(full(1.0))},
        g.edges,
        g.stage,
        g.dt_s,
        g.arrival,
    )
    with pytest.raises(GraphError, match="node 'w': weights of type float64"):
        run_reference(wrong, column(1))


def test_refuses_weights_that_could_wrap_64_bits() -> None:
    node = n.QuantizedNeurons((1,), dv=0, vth=1, scale=1.0)
    with pytest.raises(GraphError, match=r"node 'w': .* overflow 64 bits"):
        run_reference(quantized(2**60, node), column(0))


# --- refusals -------------------------------------------------------------------------


PLAIN = graph({"x": neurons(0.9, 1.0)}, ("in", "x"), ("x", "out"))


def test_refuses_a_continuous_graph() -> None:
    g = Graph(
        {"in": n.Input((1,)), "out": n.Output((1,))},
        (Edge("in", "out"),),
        Stage.CONTINUOUS,
    )
    with pytest.raises(GraphError, match=r"is CONTINUOUS.*call discretize"):
        run_reference(g, column(1))


@pytest.mark.parametrize("shape", [(1,), (1, 3), (1, 3, 2), (1, 3, 1, 1), (0, 3, 1)])
def test_refuses_inputs_of_another_shape(shape: n.Shape) -> None:
    with pytest.raises(InputError, match=r"\(samples, steps, 1\)"):
        run_reference(PLAIN, np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refuses_inputs_that_are_not_finite(value: float) -> None:
    with pytest.raises(InputError, match="not all finite"):
        run_reference(PLAIN, column(0, value))


def test_refuses_inputs_that_are_no_numbers() -> None:
    with pytest.raises(InputError, match="inputs 'in' of type <U1"):
        run_reference(PLAIN, np.array([[["a"]]]))


def test_refuses_graded_inputs_to_a_quantized_graph() -> None:
    g = quantized(1, n.QuantizedNeurons((1,), dv=0, vth=1, scale=1.0))
    with pytest.raises(InputError, match=r"inputs 'in' hold 0\.5; .*QUANTIZED"):
        run_reference(g, column(0, 0.5))


TWO = graph({"b": n.Input((1,))}, ("in", "out"), ("b", "out"))


def test_refuses_an_array_without_a_name_for_two_inputs() -> None:
    with pytest.raises(InputError, match=r"2 Inputs \(in, b\), got one array without"):
        run_reference(TWO, column(1))


@pytest.mark.parametrize("names", ["in", "in b c"])
def test_refuses_inputs_that_are_missing_or_unknown(names: str) -> None:
    with pytest.raises(InputError, match=r"the graph has the Inputs in, b; give"):
        run_reference(TWO, {name: column(1) for name in names.split()})


def test_refuses_inputs_of_different_lengths() -> None:
    with pytest.raises(
        InputError, match=r"the inputs in, b have \[\(1, 1\), \(1, 2\)\]"
    ):
        run_reference(TWO, {"in": column(1), "b": column(1, 2)})


@pytest.mark.parametrize("steps", [0, -1, 4])
def test_refuses_more_steps_than_there_are(steps: int) -> None:
    with pytest.raises(InputError, match=f"steps is {steps}; allowed: 1 to 3"):
        run_reference(PLAIN, column(0, 1, 1), steps=steps)


def test_refuses_shapes_that_do_not_fit_along_an_edge() -> None:
    g = graph({"x": n.Scale(full(1.0, 2))}, ("in", "x"), ("x", "out"), outputs=(2,))
    with pytest.raises(GraphError, match=r"edge in -> x: sends shape \(1,\).*\(2,\)"):
        run_reference(g, column(1))


def test_refuses_a_loop_without_delay() -> None:
    g = graph({"x": neurons(0, 1)}, ("in", "x"), ("x", "x"), ("x", "out"))
    with pytest.raises(GraphError, match="nodes x: a loop without any delay"):
        run_reference(g, column(1))


def test_refuses_an_edge_into_the_input() -> None:
    g = graph({"x": neurons(0, 1)}, ("in", "x"), ("x", "in", 1), ("x", "out"))
    with pytest.raises(GraphError, match="edge x -> in: nothing may enter an Input"):
        run_reference(g, column(1))


def test_refuses_token_synapses_that_cannot_take_their_source() -> None:
    node = n.TokenSynapses(np.ones((1, 2, 3)))
    g = graph({"x": node}, ("in", "x"), ("x", "out"), inputs=(2, 2), outputs=(2, 2))
    with pytest.raises(GraphError, match=r"node 'x': TokenSynapses .* 3 channels"):
        run_reference(g, np.zeros((1, 1, 2, 2)))
