"""Seconds become factors per step, exactly."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.discretize import discretize
from spikewright.graph import Edge, Graph, Stage

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


def test_linear_maps_order_and_stage() -> None:
    maps = {
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


def test_refuses_a_reset_to_another_value_than_zero() -> None:
    assert_refused(lif(v_reset=-0.5), r"node 'x': v_reset is -0.5; allowed: 0.*shift")


@pytest.mark.parametrize("r", [0.0, -10.0])
def test_refuses_an_r_that_is_not_positive(r: float) -> None:
    assert_refused(lif(r=r), "node 'x': the gain .* r must be positive")
    assert_refused(n.I(np.array([r])), "node 'x': the gain .* r must be positive")


def test_refuses_an_r_so_small_that_the_threshold_is_infinite() -> None:
    assert_refused(lif(r=1e-310), "node 'x': r is so small")


def test_refuses_a_delay_that_is_no_whole_number_of_steps() -> None:
    assert_refused(n.Delay(np.array([1.5e-3])), r"node 'x': a delay of 0.0015 s is 1.5")


def test_refuses_delays_that_differ() -> None:
    assert_refused(n.Delay(np.array([1e-3, 2e-3])), "node 'x': delays from 0.001 s to")


def test_refuses_parameters_of_different_shapes() -> None:
    node = n.LIF(np.full(2, 0.01), ONE, ZERO, ONE, ZERO)
    assert_refused(node, "node 'x': parameters have the shapes")


def test_refuses_an_edge_that_counts_steps_already() -> None:
    nodes = {"in": n.Input((1,)), "out": n.Output((1,))}
    graph = Graph(nodes, (Edge("in", "out", 1),), Stage.CONTINUOUS)
    with pytest.raises(GraphError, match="edge in -> out: has a delay of 1 steps"):
        discretize(graph, dt_s=1e-3)


def test_refuses_another_stage() -> None:
    graph = discretize(chain(x=lif()), dt_s=1e-3)
    with pytest.raises(GraphError, match="needs a CONTINUOUS graph, got DISCRETE"):
        discretize(graph, dt_s=1e-3)
