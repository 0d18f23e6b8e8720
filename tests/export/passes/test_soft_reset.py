"""The loop that NIR needs for snnTorch's default neuron becomes one population."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.export.passes.discretize import discretize
from spikewright.export.passes.soft_reset import merge_soft_resets
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    LI,
    CubaLI,
    Delay,
    FloatArray,
    Input,
    Integrators,
    Linear,
    Node,
    Output,
    Scale,
    SpikingNeurons,
    Threshold,
)
from spikewright.simulate.reference import run_reference

DT_S = 1e-3
LOOP = ("in v", "v s", "s r", "r v", "s out")


def _li(decay: float = 0.5, gain: float = 1.0, size: int = 1) -> LI:
    tau_steps = 1 / (1 - decay)
    ones = np.ones(size)
    return LI(tau_steps * DT_S * ones, gain * tau_steps * ones, 0 * ones)


def _graph(nodes: dict[str, Node], *pairs: str) -> Graph:
    """Add an Input, an LI `v`, a Threshold `s` at 1, a Scale `r` of -1, an Output."""
    every: dict[str, Node] = {
        "in": Input((1,)),
        "v": _li(),
        "s": Threshold(np.ones(1)),
        "r": Scale(-np.ones(1)),
        "out": Output((1,)),
        **nodes,
    }
    used = {name: node for name, node in every.items() if name in " ".join(pairs)}
    edges = tuple(Edge(*pair.split()) for pair in pairs)
    return discretize(Graph(used, edges, Stage.CONTINUOUS), dt_s=DT_S)


def _neurons(graph: Graph, name: str = "s") -> SpikingNeurons:
    node = graph.nodes[name]
    assert isinstance(node, SpikingNeurons)
    return node


def _edges(graph: Graph) -> list[tuple[str, str, int]]:
    return [(edge.source, edge.target, edge.delay) for edge in graph.edges]


def _drop(graph: Graph) -> FloatArray:
    drop = _neurons(graph).drop
    assert drop is not None
    return drop


def _same_spikes(before: Graph, seed: int = 0) -> Graph:
    """Merge, and compare spikes and outputs on multiples of 1/4, where ties abound."""
    after = merge_soft_resets(before)
    inputs = np.random.default_rng(seed).integers(0, 7, (3, 40, 1)) / 4
    wanted, got = run_reference(before, inputs), run_reference(after, inputs)
    np.testing.assert_array_equal(got.spikes["s"], wanted.spikes["s"])
    assert 0 < wanted.rate("s") < 1
    for name, values in wanted.outputs.items():
        np.testing.assert_array_equal(got.outputs[name], values)
    return after


# --- the loop ------------------------------------------------------------------------


def test_the_loop_becomes_one_population_by_hand() -> None:
    # decay 1/2, gain 2: v sends 2 v, so the threshold is 1 / 2; r takes 0.75 off
    loop = {"v": _li(0.5, 2.0), "r": Scale(np.array([-0.75]))}
    graph = merge_soft_resets(_graph(loop, *LOOP))
    assert list(graph.nodes) == ["in", "s", "out"]
    assert _edges(graph) == [("in", "s", 0), ("s", "out", 0)]
    node = _neurons(graph)
    assert (node.decay[0], node.threshold[0], _drop(graph)[0]) == (0.5, 0.5, 0.75)
    assert (node.bias[0], node.current_decay, node.start) == (0, 0, 0)


def test_spikes_stay_with_ties() -> None:
    # a = 1, decay 1/2, drop 1: v = 1 (a tie: silent), 1.5 (fires), 0.75, 1.375 (fires)
    before = _graph({}, *LOOP)
    after = _same_spikes(before)
    trace = run_reference(after, np.ones((1, 4, 1)))
    assert trace.spikes["s"].ravel().tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("beta", [float(np.float32(0.9)), 0.5, float(np.float32(0.3))])
@pytest.mark.parametrize("threshold", [1.0, 0.7])
def test_the_merged_neuron_is_snntorchs_to_the_bit(
    beta: float, threshold: float
) -> None:
    # snntorch.Leaky(beta, threshold, reset_mechanism="subtract"), in float64:
    # reset = mem > threshold;  mem = beta * mem + input - reset * threshold
    x = 1.5 * np.random.default_rng(0).random(500)
    mem = [0.0]
    for each in x:
        reset = float(mem[-1] > threshold)
        mem.append(beta * mem[-1] + each - reset * threshold)
    given = {"s": Threshold(np.array([threshold])), "r": Scale(-np.array([threshold]))}
    graph = merge_soft_resets(_graph({"v": _li(beta), **given}, *LOOP))
    reached: list[float] = []
    trace = run_reference(
        graph,
        x.reshape(1, -1, 1),
        probe=lambda name, step, a, state: reached.append(float(state.reached[0])),
    )
    assert reached == mem[1:]
    assert trace.spikes["s"].ravel().tolist() == [int(v > threshold) for v in mem[1:]]
    assert 0.2 < trace.rate("s") < 0.95


def test_each_neuron_has_its_own_decay_threshold_and_drop() -> None:
    tau = np.array([2.0, 4.0]) * DT_S
    pairs = [Edge(*pair.split()) for pair in LOOP]
    nodes: dict[str, Node] = {
        "in": Input((2,)),
        "v": LI(tau, tau / DT_S, np.zeros(2)),
        "s": Threshold(np.array([1.0, 2.0])),
        "r": Scale(np.array([-1.0, -0.5])),
        "out": Output((2,)),
    }
    graph = discretize(Graph(nodes, tuple(pairs), Stage.CONTINUOUS), dt_s=DT_S)
    merged = merge_soft_resets(graph)
    node = _neurons(merged)
    assert node.decay.tolist() == [0.5, 0.75]
    assert node.threshold.tolist() == [1.0, 2.0]
    assert _drop(merged).tolist() == [1.0, 0.5]
    inputs = np.random.default_rng(0).integers(0, 5, (2, 30, 2)) / 4
    before, after = run_reference(graph, inputs), run_reference(merged, inputs)
    np.testing.assert_array_equal(after.spikes["s"], before.spikes["s"])


def test_a_leak_becomes_the_bias() -> None:
    leaky = LI(np.array([2 * DT_S]), np.array([2.0]), np.array([0.5]))
    after = _same_spikes(_graph({"v": leaky}, *LOOP))
    assert _neurons(after).bias[0] == 0.25


# --- what is no loop of one step -----------------------------------------------------


def test_without_a_loop_nothing_is_reset() -> None:
    after = _same_spikes(_graph({}, "in v", "v s", "s out"))
    assert list(after.nodes) == ["in", "s", "out"]
    assert _drop(after).tolist() == [0]


def test_a_loop_through_weights_stays_a_connection() -> None:
    # the Linear takes the place of the Scale: nothing says that it is diagonal
    after = _same_spikes(_graph({"r": Linear(-np.ones((1, 1)))}, *LOOP))
    assert _drop(after).tolist() == [0]
    assert ("r", "s", 1) in _edges(after)


def test_a_loop_that_adds_stays_a_connection() -> None:
    # a = 0.75, decay 1/2, +1 after a spike: v = 0.75, 1.125 (fires), and then
    # 0.5625 + 0.75 + 1 = 2.3125 fires for ever; a drop of -1 would be no Loihi neuron
    after = merge_soft_resets(_graph({"r": Scale(np.ones(1))}, *LOOP))
    assert _edges(after) == [
        ("in", "s", 0), ("s", "r", 0), ("r", "s", 1), ("s", "out", 0),
    ]  # fmt: skip
    assert _drop(after)[0] == 0
    trace = run_reference(after, np.full((1, 4, 1), 0.75))
    assert trace.spikes["s"].ravel().tolist() == [0, 1, 1, 1]


def test_a_loop_of_two_steps_stays_a_connection() -> None:
    late = {"d": Delay(np.array([DT_S]))}
    pairs = ("in v", "v s", "s r", "r d", "d v", "s out")
    after = _same_spikes(_graph(late, *pairs))
    assert _drop(after).tolist() == [0]
    assert ("d", "s", 1) in _edges(after)


def test_a_scale_that_others_read_stays_a_connection() -> None:
    after = _same_spikes(_graph({}, *LOOP, "r out"))
    assert _drop(after).tolist() == [0]
    assert ("r", "s", 1) in _edges(after)


def test_a_loop_through_the_filter_of_the_current_stays_a_connection() -> None:
    two, one = np.array([2.0]), np.ones(1)
    cuba = CubaLI(two * DT_S, two * DT_S, two, 0 * one, two)
    after = _same_spikes(_graph({"v": cuba}, *LOOP))
    assert _drop(after).tolist() == [0]
    assert _neurons(after).current_decay[0] == 0.5
    assert ("r", "s", 1) in _edges(after)


def test_a_second_loop_stays_a_connection() -> None:
    # the Scale of -1 becomes the drop, and the one of -0.25 a synapse to itself
    more = {"r2": Scale(np.array([-0.25]))}
    after = _same_spikes(_graph(more, *LOOP, "s r2", "r2 v"))
    assert _drop(after).tolist() == [1]
    assert ("r2", "s", 1) in _edges(after)


def test_a_threshold_with_another_input_is_left_alone() -> None:
    before = _graph({}, *LOOP, "in s")
    assert merge_soft_resets(before).fingerprint() == before.fingerprint()


def test_hard_resets_are_left_alone() -> None:
    node = SpikingNeurons(np.full(1, 0.5), np.ones(1), np.zeros(1))
    integrators = Integrators(np.full(1, 0.5), np.zeros(1), np.ones(1))
    nodes: dict[str, Node] = {
        "in": Input((1,)),
        "v": integrators,
        "s": node,
        "out": Output((1,)),
    }
    edges = (Edge("in", "v"), Edge("v", "s"), Edge("s", "out"))
    graph = Graph(nodes, edges, Stage.DISCRETE, DT_S)
    assert merge_soft_resets(graph).fingerprint() == graph.fingerprint()
    again = merge_soft_resets(_graph({}, *LOOP))
    assert merge_soft_resets(again).fingerprint() == again.fingerprint()


# --- what others read ----------------------------------------------------------------


def test_a_potential_that_an_output_reads_stays_beside() -> None:
    potential = {"v_out": Output((1,))}
    after = _same_spikes(_graph(potential, *LOOP, "v v_out"))
    assert isinstance(after.nodes["v"], Integrators)
    assert _drop(after).tolist() == [1]
    assert sorted(_edges(after)) == [
        ("in", "s", 0), ("in", "v", 0), ("r", "v", 1), ("s", "out", 0), ("s", "r", 0),
        ("v", "v_out", 0),
    ]  # fmt: skip


def test_two_thresholds_on_one_potential_share_its_inputs() -> None:
    # s resets v, and t only looks: it gets what s takes off as a connection
    more: dict[str, Node] = {"t": Threshold(np.array([0.5])), "t_out": Output((1,))}
    after = _same_spikes(_graph(more, *LOOP, "v t", "t t_out"))
    assert "v" not in after.nodes
    assert _drop(after).tolist() == [1]
    assert [edge.source for edge in after.into("t")] == ["in", "r"]
    assert _neurons(after, "t").drop is not None
