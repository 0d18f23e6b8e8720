"""Seconds become factors per step, exactly."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.passes.discretize import discretize
from spikewright.export.passes.forward_euler import spiking
from spikewright.graph import Edge, Graph, Stage
from spikewright.simulate.reference import run_reference

ONE = np.ones(1)
ZERO = np.zeros(1)


def chain(**nodes: n.Node) -> Graph:
    """Input -> nodes in order -> Output, all of shape (1,)."""
    every = {"in": n.Input((1,)), **nodes, "out": n.Output((1,))}
    names = list(every)
    edges = tuple(Edge(a, b) for a, b in pairwise(names))
    return Graph(every, edges, Stage.CONTINUOUS)


def lif(**changes: float) -> n.LIF:
    given = {"tau_s": 0.01, "r": 10.0, "v_leak": 0.0, "v_threshold": 1.0} | changes
    return n.LIF(**{"v_reset": ZERO, **{k: np.array([v]) for k, v in given.items()}})


def one(given: dict[str, float]) -> dict[str, np.ndarray]:
    return {name: np.array([value]) for name, value in given.items()}


CUBA = {"tau_syn_s": 2e-3, "tau_mem_s": 4e-3, "r": 8.0, "v_leak": 0.5, "w_in": 1.0}


def cuba_lif(**changes: float) -> n.CubaLIF:
    return n.CubaLIF(**one(CUBA | {"v_threshold": 3.0, "v_reset": 0.0} | changes))


def cuba_li(**changes: float) -> n.CubaLI:
    return n.CubaLI(**one(CUBA | changes))


def only(node: n.Node, dt_s: float) -> n.Node:
    return discretize(chain(x=node), dt_s=dt_s).nodes["x"]


# --- values ------------------------------------------------------------------------


def test_lif_by_hand() -> None:
    # decay = 1 - 0.0025 / 0.01 = 0.75; g = r dt / tau = 8 / 4 = 2
    # threshold = 3 / 2 = 1.5; bias = v_leak / r = 0.5 / 8 = 0.0625
    node = only(lif(r=8.0, v_leak=0.5, v_threshold=3.0), 0.0025)
    assert isinstance(node, n.SpikingNeurons)
    assert (node.decay[0], node.threshold[0], node.bias[0]) == (0.75, 1.5, 0.0625)


def test_if_by_hand() -> None:
    # g = r dt = 500 * 0.001 = 0.5; threshold = 1 / 0.5 = 2
    node = only(n.IF(np.array([500.0]), ONE, ZERO), 1e-3)
    assert isinstance(node, n.SpikingNeurons)
    assert (node.decay[0], node.threshold[0], node.bias[0]) == (1.0, 2.0, 0.0)


def test_li_by_hand() -> None:
    # decay = 1 - 1/4; gain = 2/4; bias = 0.25 / 2
    node = only(n.LI(np.array([4e-3]), np.array([2.0]), np.array([0.25])), 1e-3)
    assert isinstance(node, n.Integrators)
    assert (node.decay[0], node.gain[0], node.bias[0]) == (0.75, 0.5, 0.125)


def test_i_by_hand() -> None:
    node = only(n.I(np.array([250.0])), 1e-3)
    assert isinstance(node, n.Integrators)
    assert (node.decay[0], node.gain[0], node.bias[0]) == (1.0, 0.25, 0.0)


def test_cuba_lif_by_hand() -> None:
    # dt 1 ms: alpha = 1 - 1/2, g_in = 1 * 1/2; beta = 1 - 1/4, g = 8 * 1/4 = 2
    # g_in g = 1: threshold 3; bias = v_leak / (r g_in) = 0.5 / 4 = 0.125
    node = only(cuba_lif(), 1e-3)
    assert isinstance(node, n.SpikingNeurons)
    assert (node.current_decay[0], node.decay[0]) == (0.5, 0.75)
    assert (node.threshold[0], node.bias[0], node.drop) == (3.0, 0.125, None)
    # w_in = 4: g_in = 2, g_in g = 4: threshold 3/4; bias = 0.5 / 16
    node = only(cuba_lif(w_in=4.0), 1e-3)
    assert isinstance(node, n.SpikingNeurons)
    assert (node.threshold[0], node.bias[0]) == (0.75, 0.03125)


def test_cuba_li_by_hand() -> None:
    # the same, and g_in g = 0.5 * 2 on what is sent; with w_in = 4: 2 * 2
    node = only(cuba_li(), 1e-3)
    assert isinstance(node, n.Integrators)
    assert (node.current_decay[0], node.decay[0]) == (0.5, 0.75)
    assert (node.gain[0], node.bias[0]) == (1.0, 0.125)
    node = only(cuba_li(w_in=4.0), 1e-3)
    assert isinstance(node, n.Integrators)
    assert (node.gain[0], node.bias[0]) == (4.0, 0.03125)


def test_a_reset_other_than_zero_shifts_the_voltages() -> None:
    # r_ = -1: threshold 3 + 1, leak 0.5 + 1, start 0 + 1, all in units of g = 2:
    # threshold 2, start 0.5; bias = (0.5 + 1) / r = 1.5 / 8
    given = {"tau_s": 4e-3, "r": 8.0, "v_leak": 0.5, "v_threshold": 3.0}
    node = only(lif(**given, v_reset=-1.0), 1e-3)
    assert isinstance(node, n.SpikingNeurons)
    assert (node.decay[0], node.threshold[0]) == (0.75, 2.0)
    assert (node.bias[0], node.start[0]) == (0.1875, 0.5)


def test_an_if_with_a_reset_has_no_bias() -> None:
    # g = 500 / 1000: threshold (3 - 1) / 0.5 = 4; start = -1 / 0.5 = -2
    node = only(n.IF(np.array([500.0]), 3 * ONE, ONE), 1e-3)
    assert isinstance(node, n.SpikingNeurons)
    assert (node.threshold[0], node.bias[0], node.start[0]) == (4.0, 0.0, -2.0)


def test_each_neuron_has_its_own_reset() -> None:
    node = n.IF(np.full(2, 1e3), np.full(2, 2.0), np.array([0.0, 0.5]))
    got = spiking("x", node, 1e-3)
    assert got.threshold.tolist() == [2.0, 1.5]
    assert got.start.tolist() == [0.0, -0.5]


# Neurons in volts, as NIR has them: forward Euler written out, with dyadic numbers.
def test_the_spikes_are_those_of_the_voltages() -> None:
    # alpha 1/2, beta 3/4, g_in 1/2, g 2, v_leak -0.5, threshold 1.5, reset -0.25
    x = np.random.default_rng(0).integers(0, 9, 60) / 4
    u, v, wanted = 0.0, 0.0, []
    for a in x:
        u += 0.5 * (a - u)
        v += 0.25 * (-0.5 - v + 8.0 * u)
        wanted.append(int(v > 1.5))
        v = -0.25 if wanted[-1] else v
    node = cuba_lif(v_leak=-0.5, v_threshold=1.5, v_reset=-0.25)
    trace = run_reference(discretize(chain(x=node), dt_s=1e-3), x.reshape(1, -1, 1))
    assert trace.spikes["x"].ravel().tolist() == wanted
    assert 10 < sum(wanted) < 50


def test_threshold_forgets_at_once() -> None:
    node = only(n.Threshold(np.array([1.5])), 1e-3)
    assert isinstance(node, n.SpikingNeurons)
    assert (node.decay[0], node.threshold[0], node.bias[0]) == (0.0, 1.5, 0.0)


def test_one_value_a_neuron_is_kept() -> None:
    node = n.LIF(
        np.array([0.002, 0.004]),
        np.array([2.0, 4.0]),
        np.zeros(2),
        np.array([1.0, 0.0]),
        np.zeros(2),
    )
    graph = Graph(
        {"in": n.Input((2,)), "x": node, "out": n.Output((2,))},
        (Edge("in", "x"), Edge("x", "out")),
        Stage.CONTINUOUS,
    )
    got = discretize(graph, dt_s=1e-3).nodes["x"]
    assert isinstance(got, n.SpikingNeurons)
    assert got.decay.tolist() == [0.5, 0.75]
    assert got.threshold.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("dt_s", [1e-4, 1e-3, 3.7e-5])
def test_a_thousand_float32_betas_come_back_bit_for_bit(dt_s: float) -> None:
    betas = np.random.default_rng(0).random(1000, dtype=np.float32).astype(float)
    tau_s = dt_s / (1 - betas)
    zeros = np.zeros(1000)
    node = n.LIF(tau_s, tau_s / dt_s, zeros, np.ones(1000), zeros)
    graph = Graph(
        {"in": n.Input((1000,)), "x": node, "out": n.Output((1000,))},
        (Edge("in", "x"), Edge("x", "out")),
        Stage.CONTINUOUS,
    )
    got = discretize(graph, dt_s=dt_s).nodes["x"]
    assert isinstance(got, n.SpikingNeurons)
    np.testing.assert_array_equal(got.decay, betas)
    # g = 1 exactly, so the threshold is untouched
    np.testing.assert_array_equal(got.threshold, np.ones(1000))


def test_a_decay_that_was_no_float32_is_left_alone() -> None:
    node = only(lif(tau_s=0.003), 1e-3)
    assert isinstance(node, n.SpikingNeurons)
    assert node.decay[0] == 1 - 1e-3 / 0.003


def test_float32_parameters_are_computed_in_float64() -> None:
    r: Any = np.array([0.1], np.float32)
    node = only(n.IF(r, ONE, ZERO), 1e-3)
    assert isinstance(node, n.SpikingNeurons)
    assert node.threshold[0] == 1 / (float(r[0]) * 1e-3)


def test_a_time_constant_of_one_step_is_no_memory() -> None:
    node = only(lif(tau_s=1e-4, r=1.0), 1e-4)
    assert isinstance(node, n.SpikingNeurons)
    assert node.decay[0] == 0


def test_a_delay_becomes_steps() -> None:
    node = only(n.Delay(np.array([3e-4])), 1e-4)  # 3e-4 / 1e-4 = 2.9999999999999996
    assert isinstance(node, n.DelaySteps)
    assert (node.shape, node.steps) == ((1,), 3)


def test_delays_that_differ_are_kept_for_each_element() -> None:
    node = discrete_delay(np.array([[0.0, 2e-4], [1e-4, 3e-4]]))
    assert isinstance(node.steps, np.ndarray)
    assert node.steps.tolist() == [[0, 2], [1, 3]]
    assert discrete_delay(np.full((2, 2), 2e-4)).steps == 2


def discrete_delay(delay_s: np.ndarray) -> n.DelaySteps:
    nodes = {
        "in": n.Input(delay_s.shape),
        "x": n.Delay(delay_s),
        "out": n.Output(delay_s.shape),
    }
    edges = (Edge("in", "x"), Edge("x", "out"))
    node = discretize(Graph(nodes, edges, Stage.CONTINUOUS), dt_s=1e-4).nodes["x"]
    assert isinstance(node, n.DelaySteps)
    return node


def test_linear_maps_order_and_stage() -> None:
    maps = {
        "conv": n.Conv2d(np.ones((1, 1, 1, 1)), ONE, (1, 1)),
        "pool": n.AvgPool2d((1, 1, 1), (1, 1), (1, 1)),
        "fc": n.Affine(np.ones((1, 1)), ONE),
        "scale": n.Scale(ONE),
        "flat": n.Flatten((1,), (1,)),
    }
    graph = chain(**maps, lif=lif())
    got = discretize(graph, dt_s=1e-3)
    assert (got.stage, got.dt_s) == (Stage.DISCRETE, 1e-3)
    assert list(got.nodes) == list(graph.nodes)
    assert all(got.nodes[name] is node for name, node in maps.items())
    assert got.edges == graph.edges


# --- loops -------------------------------------------------------------------------


def looped(*edges: tuple[str, str], **nodes: n.Node) -> Graph:
    every = {"in": n.Input((1,)), **nodes, "out": n.Output((1,))}
    return Graph(every, tuple(Edge(*each) for each in edges), Stage.CONTINUOUS)


def test_a_self_loop_sees_the_step_before() -> None:
    graph = looped(("in", "x"), ("x", "x"), ("x", "out"), x=lif())
    assert discretize(graph, dt_s=1e-3).edges == (
        Edge("in", "x"),
        Edge("x", "x", delay=1),
        Edge("x", "out"),
    )


def test_the_edge_that_closes_the_loop_is_delayed_and_no_other() -> None:
    # soft reset: LI -> Threshold, and back through a Scale of minus the threshold
    edges = [("in", "li"), ("li", "t"), ("t", "s"), ("s", "li"), ("t", "out")]
    li = n.LI(np.array([0.01]), np.array([10.0]), ZERO)
    graph = looped(*edges, li=li, t=n.Threshold(ONE), s=n.Scale(-ONE))
    delays = {(e.source, e.target): e.delay for e in discretize(graph, dt_s=1e-3).edges}
    assert delays == {edge: int(edge == ("s", "li")) for edge in edges}


def test_a_branch_that_meets_again_is_no_loop() -> None:
    edges = [("in", "a"), ("a", "b"), ("a", "c"), ("b", "c"), ("c", "out")]
    graph = looped(*edges, a=lif(), b=lif(), c=lif())
    assert not any(edge.delay for edge in discretize(graph, dt_s=1e-3).edges)


def test_refuses_a_loop_without_memory() -> None:
    edges = [("in", "a"), ("a", "b"), ("b", "a"), ("b", "out")]
    graph = looped(*edges, a=n.Scale(ONE), b=n.Scale(ONE))
    with pytest.raises(GraphError, match="edge b -> a: closes a loop of linear maps"):
        discretize(graph, dt_s=1e-3)


def test_a_delay_is_memory_enough_for_a_loop() -> None:
    edges = [("in", "a"), ("a", "d"), ("d", "a"), ("a", "out")]
    graph = looped(*edges, a=n.Scale(ONE), d=n.Delay(np.array([2e-3])))
    assert Edge("d", "a", delay=1) in discretize(graph, dt_s=1e-3).edges


def test_a_loop_is_found_from_every_input() -> None:
    # both loops have one entry, each from its own Input
    edges = [("in", "x"), ("x", "x"), ("x", "out"), ("b", "y"), ("y", "y"), ("y", "o")]
    more = {"b": n.Input((1,)), "y": lif(), "o": n.Output((1,))}
    delays = discretize(looped(*edges, x=lif(), **more), dt_s=1e-3).edges
    late = [(edge.source, edge.target) for edge in delays if edge.delay]
    assert late == [("x", "x"), ("y", "y")]


def test_a_delay_of_which_one_element_does_not_wait_is_no_memory() -> None:
    nodes = {
        "in": n.Input((2,)),
        "a": n.Scale(np.ones(2)),
        "d": n.Delay(np.array([0.0, 1e-3])),
        "out": n.Output((2,)),
    }
    edges = (Edge("in", "a"), Edge("a", "d"), Edge("d", "a"), Edge("a", "out"))
    with pytest.raises(GraphError, match="closes a loop of linear maps"):
        discretize(Graph(nodes, edges, Stage.CONTINUOUS), dt_s=1e-3)


def test_a_delay_of_no_step_is_no_memory() -> None:
    edges = [("in", "a"), ("a", "d"), ("d", "a"), ("a", "out")]
    graph = looped(*edges, a=n.Scale(ONE), d=n.Delay(ZERO))
    with pytest.raises(GraphError, match="closes a loop of linear maps"):
        discretize(graph, dt_s=1e-3)


# --- refusals ----------------------------------------------------------------------


def assert_refused(node: n.Node, match: str, dt_s: float = 1e-3) -> None:
    with pytest.raises(GraphError, match=match):
        only(node, dt_s)


@pytest.mark.parametrize("dt_s", [0.0, -1e-3, np.nan, np.inf])
def test_refuses_a_time_step_that_is_none(dt_s: float) -> None:
    assert_refused(lif(), f"time step {dt_s} s; allowed: finite and above 0", dt_s)


def test_refuses_a_time_step_longer_than_tau() -> None:
    assert_refused(
        lif(tau_s=5e-4),
        "node 'x': time constant 0.0005 s is shorter than the time step 0.001 s; "
        "choose a smaller --dt",
    )


def test_refuses_a_reset_above_the_threshold() -> None:
    # w = v - 1.5 would have the threshold -0.5, and fire at rest
    assert_refused(
        lif(v_reset=1.5),
        "node 'x': v_threshold 1 is below v_reset 1.5, so a neuron that has fired "
        "fires at every step that follows; allowed: v_reset up to v_threshold",
    )
    only(lif(v_reset=1.0), 1e-3)


@pytest.mark.parametrize("r", [0.0, -10.0])
def test_refuses_an_r_that_is_not_positive(r: float) -> None:
    assert_refused(lif(r=r), "node 'x': the gain .* r must be positive")
    assert_refused(n.I(np.array([r])), "node 'x': the gain .* r must be positive")
    assert_refused(cuba_lif(r=r), "node 'x': the gain .* r must be positive")


@pytest.mark.parametrize("w_in", [0.0, -1.0])
def test_refuses_a_w_in_that_is_not_positive(w_in: float) -> None:
    match = "node 'x': the gain .* w_in must be positive: move its sign into"
    assert_refused(cuba_lif(w_in=w_in), match)
    assert_refused(cuba_li(w_in=w_in), match)


@pytest.mark.parametrize("tau", ["tau_syn_s", "tau_mem_s"])
def test_refuses_a_time_step_longer_than_either_tau(tau: str) -> None:
    match = "node 'x': time constant 0.0005 s is shorter than the time step 0.001 s"
    assert_refused(cuba_lif(**{tau: 5e-4}), match)
    assert_refused(cuba_li(**{tau: 5e-4}), match)


def test_refuses_an_r_so_small_that_the_threshold_is_infinite() -> None:
    assert_refused(lif(r=1e-310), "node 'x': r or w_in is so small")


def test_refuses_a_delay_that_is_no_whole_number_of_steps() -> None:
    assert_refused(n.Delay(np.array([1.5e-3])), r"node 'x': a delay of 0.0015 s is 1.5")


def test_refuses_a_delay_below_zero() -> None:
    assert_refused(n.Delay(np.array([-1e-3])), "node 'x': a delay of -0.001 s is -1")


def test_refuses_parameters_of_different_shapes() -> None:
    node = n.LIF(np.full(2, 0.01), ONE, ZERO, ONE, ZERO)
    assert_refused(node, "node 'x': the parameters of a")


def test_refuses_an_edge_that_counts_steps_already() -> None:
    nodes = {"in": n.Input((1,)), "out": n.Output((1,))}
    graph = Graph(nodes, (Edge("in", "out", 1),), Stage.CONTINUOUS)
    with pytest.raises(GraphError, match="edge in -> out: has a delay of 1 steps"):
        discretize(graph, dt_s=1e-3)


def test_refuses_another_stage() -> None:
    graph = discretize(chain(x=lif()), dt_s=1e-3)
    with pytest.raises(GraphError, match="needs a CONTINUOUS graph, got DISCRETE"):
        discretize(graph, dt_s=1e-3)
