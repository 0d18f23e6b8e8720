"""Every kind of neuron in integers: step by step by hand, and beside float64."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from spikewright.errors import GraphError
from spikewright.export.passes.quantize import quantize
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    BiasLine,
    ConvSynapses,
    DenseSynapses,
    Input,
    Integrators,
    Node,
    Output,
    QuantizedIntegrators,
    QuantizedNeurons,
    SparseSynapses,
    SpikingNeurons,
    Synapses,
)
from spikewright.simulate.reference import run_reference
from spikewright.simulate.registers import may_overflow
from spikewright.simulate.run import run

ONE, ZERO = np.ones(1), np.zeros(1)


def _chain(synapses: Synapses, target: Node, size: tuple[int, ...] = (1,)) -> Graph:
    """Input -> synapses -> target, and -> Output unless it is one."""
    nodes: dict[str, Node] = {"input": Input(size), "w": synapses}
    if isinstance(target, Output):
        nodes["output"] = target
    else:
        nodes |= {"n": target, "output": Output(target.shape)}  # type: ignore[union-attr]
    edges = tuple(Edge(a, b) for a, b in pairwise(nodes))
    arrival = {"input": 0, "n": 1, "output": 1}
    return Graph(nodes, edges, Stage.TIMED, 1e-3, arrival)


def _potentials(graph: Graph, train: list[int]) -> tuple[list[int], list[int]]:
    """Return u and v (before the reset) of the only neuron at each step it takes."""
    u: list[int] = []
    v: list[int] = []

    def keep(name: str, t: int, a: np.ndarray, state: object) -> None:
        if t >= 1:  # the first input arrives a step late
            u.append(int(state.u[0]))  # type: ignore[attr-defined]
            v.append(int(state.reached[0]))  # type: ignore[attr-defined]

    run_reference(graph, np.array(train).reshape(1, -1, 1), probe=keep)
    return u, v


# --- CubaLIF -------------------------------------------------------------------------


def test_a_cuba_lif_in_integers_step_by_step() -> None:
    # w = 1.3, decay of u 0.7, of v 0.9, threshold 2.
    # du = 4096 - round(2867.2) = 1229, dv = round(409.6) = 410.
    # 64 steps of 1.3: u <= 1.3 / 0.3 = 4.33, v <= 0.9 * 2 + 4.33 = 6.13 < 2**17 / 2**14
    # = 8, so 2**14 fits, and exponent 7 allows no more: 1.3 * 2**14 = 166.4 * 2**7.
    weight = DenseSynapses(np.array([[1.3]]))
    node = SpikingNeurons(np.array([0.9]), 2 * ONE, ZERO, np.array([0.7]))
    graph = quantize(_chain(weight, node))
    made, synapses = graph.nodes["n"], graph.nodes["w"]
    assert isinstance(made, QuantizedNeurons)
    assert isinstance(synapses, DenseSynapses)
    assert (made.du, made.dv, made.vth, made.drop) == (1229, 410, 32768, None)
    assert (made.scale, int(synapses.weight[0, 0]), synapses.exponent) == (
        2**14,
        166,
        7,
    )
    # lava.md: u = rsz(u (4096 - du), 12) + (a << 6), v = rsz(v (4096 - dv), 12) + u
    # a << 6 = 166 << 13 = 1359872; vth << 6 = 2097152
    # t0: u = 1359872;                            v = 1359872
    # t1: u = 1359872 * 2867 >> 12 = 951844;      v = 1359872 * 3686 >> 12 = 1223752
    #     and v = 1223752 + 951844 = 2175596 > vth << 6: fires, v = 0
    # t2: u = 951844 * 2867 >> 12 = 666244 + 1359872 = 2026116; v = 2026116
    # t3: u = 2026116 * 2867 >> 12 = 1418182
    #     v = (2026116 * 3686 >> 12) + u = 1823306 + 1418182 = 3241488: fires
    u, v = _potentials(graph, [1, 0, 1, 0])
    assert u == [1359872, 951844, 2026116, 1418182]
    assert v == [1359872, 2175596, 2026116, 3241488]
    trace = run(graph, np.array([1, 0, 1, 0]).reshape(1, 4, 1))
    assert trace.spikes["n"].reshape(-1).tolist() == [0, 1, 0, 1]


def test_a_current_without_decay_is_du_0() -> None:
    weight = DenseSynapses(np.array([[0.25]]))
    node = SpikingNeurons(0.5 * ONE, ONE, ZERO, ONE)
    made = quantize(_chain(weight, node)).nodes["n"]
    assert isinstance(made, QuantizedNeurons)
    # u <= 64 * 0.25 = 16, v <= 0.5 + 16, and 16.5 * 2**12 < 2**17
    assert (made.du, made.scale) == (0, 2**12)


def test_a_cuba_li_provides_for_both_filters() -> None:
    # u <= 2, and v <= 2 * 2 = 4 (decays 1/2): just below 4, so 4 * 2**14 fits 2**16.
    # A bound on u alone would let 2**15 pass; exponent 7 allows it: 0.75 * 2**15 = 192.
    weight = DenseSynapses(np.array([[0.75]]))
    node = Integrators(0.5 * ONE, ZERO, ONE, 0.5 * ONE)
    made = quantize(_chain(weight, node)).nodes["n"]
    assert isinstance(made, QuantizedIntegrators)
    # 3 * 2**15 = 98304 < 2**17; with decays of 3/4 it would be 12 * 2**15 > 2**17
    assert (made.du, made.dv, made.scale) == (2048, 2048, 2**15)
    slow = Integrators(0.75 * ONE, ZERO, ONE, 0.75 * ONE)
    made = quantize(_chain(weight, slow)).nodes["n"]
    assert isinstance(made, QuantizedIntegrators)
    assert (made.du, made.dv, made.scale) == (1024, 1024, 2**13)


# --- soft reset ----------------------------------------------------------------------


def test_a_soft_reset_loses_its_drop_one_step_later() -> None:
    # w = 0.75, threshold = drop = 1, no leak:
    # v = 0.75, 1.5*, 1.5 + 0.75 - 1 = 1.25*, 1 (not above 1), 1.75*, 1.5*, 1.25*, 1
    weight = DenseSynapses(np.array([[0.75]]))
    node = SpikingNeurons(ONE, ONE, ZERO, drop=ONE)
    timed = _chain(weight, node)
    graph = quantize(timed)
    made = graph.nodes["n"]
    assert isinstance(made, QuantizedNeurons)
    assert made.vth == made.drop == made.scale
    train = np.ones((1, 8, 1))
    spikes = [0, 1, 1, 0, 1, 1, 1, 0]
    for each in (timed, graph):
        assert run(each, train).spikes["n"].reshape(-1).tolist() == spikes
    # nothing resets upwards: 64 * 0.75 = 48 must fit, 48 * 2**11 < 2**17
    assert made.scale == 2**11


def test_a_drop_far_above_the_threshold_needs_room_below() -> None:
    # v just above 1 falls to 1 - 33 = -32; no weight is negative. -32 * 2**12 would
    # reach 2**17, so 2**11 is the scale: upwards 1/4 * 64 = 16 would let 2**12 pass.
    weight = DenseSynapses(np.array([[0.25]]))
    node = SpikingNeurons(ONE, ONE, ZERO, drop=33 * ONE)
    made = quantize(_chain(weight, node)).nodes["n"]
    assert isinstance(made, QuantizedNeurons)
    assert (made.scale, made.drop) == (2**11, 33 * 2**11)


def test_drops_follow_their_thresholds() -> None:
    # Thresholds 1 and 4, drops 1 and 2: in units of the largest, drops of 4 and 2.
    weight = DenseSynapses(np.array([[0.5], [0.5]]))
    threshold, drop = np.array([1.0, 4.0]), np.array([1.0, 2.0])
    node = SpikingNeurons(np.full(2, 0.5), threshold, np.zeros(2), drop=drop)
    made = quantize(_chain(weight, node)).nodes["n"]
    assert isinstance(made, QuantizedNeurons)
    np.testing.assert_array_equal(made.drop, [4 * made.scale, 2 * made.scale])


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7, 1.1])
def test_drops_of_one_threshold_stay_one_number(threshold: float) -> None:
    # 0.1 * (0.3 / 0.1) is not 0.3 in float64; the drop is the threshold all the same.
    thresholds = np.array([0.1, 0.3, threshold])
    node = SpikingNeurons(np.full(3, 0.5), thresholds, np.zeros(3), drop=thresholds)
    made = quantize(_chain(DenseSynapses(np.full((3, 1), 0.5)), node)).nodes["n"]
    assert isinstance(made, QuantizedNeurons)
    assert made.drop == made.vth


# --- neurons of their own ------------------------------------------------------------


def test_decays_of_their_own_stay_where_they_differ() -> None:
    weight = DenseSynapses(np.full((2, 1), 0.5))
    # 0.50001 * 4096 = 2048.04 rounds to the decay of its neighbor
    node = SpikingNeurons(
        np.array([0.5, 0.50001]), np.ones(2), np.zeros(2), np.array([0.5, 0.25])
    )
    made = quantize(_chain(weight, node)).nodes["n"]
    assert isinstance(made, QuantizedNeurons)
    assert made.dv == 2048
    np.testing.assert_array_equal(made.du, [2048, 3072])
    slow = Integrators(np.array([0.5, 0.25]), np.zeros(2), np.ones(2))
    integrators = quantize(_chain(weight, slow)).nodes["n"]
    assert isinstance(integrators, QuantizedIntegrators)
    np.testing.assert_array_equal(integrators.dv, [2048, 3072])
    assert integrators.du == 4096


def test_the_slowest_neuron_of_a_population_sets_its_headroom() -> None:
    # Downwards, without leak: 64 * 0.5 * scale < 2**17 -> 2**11; the other needs less.
    weight = DenseSynapses(np.full((2, 1), -0.5))
    node = SpikingNeurons(np.array([1.0, 0.5]), np.ones(2), np.zeros(2))
    made = quantize(_chain(weight, node)).nodes["n"]
    assert isinstance(made, QuantizedNeurons)
    assert made.scale == 2**11
    swift = quantize(_chain(weight, SpikingNeurons(ONE / 2, np.ones(2), np.zeros(2))))
    assert swift.nodes["n"].scale > 2**11  # type: ignore[union-attr]


# --- random dyadic graphs ------------------------------------------------------------


def _dyadic(seed: int) -> Graph:
    """Two populations with current, soft resets, loops and a bias line; dyadic."""
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        return rng.integers(-8, 9, shape) / 8

    def neurons(size: int) -> SpikingNeurons:
        threshold = 2.0 ** rng.integers(-2, 1, size)
        soft = threshold * rng.integers(1, 3, size)
        return SpikingNeurons(
            rng.choice([0.0, 0.5, 1.0], size),
            threshold,
            np.zeros(size),
            rng.choice([0.0, 0.5], size),
            soft if rng.random() < 0.5 else None,
        )

    nodes: dict[str, Node] = {
        "input": Input((4,)),
        "line": BiasLine(),
        "up": DenseSynapses(weights(6, 4)),
        "bias": DenseSynapses(weights(6, 1)),
        "first": neurons(6),
        "across": DenseSynapses(weights(5, 6)),
        "skip": DenseSynapses(weights(5, 4)),
        "loop": DenseSynapses(weights(5, 5)),
        "second": neurons(5),
        "output": Output((5,)),
    }
    edges = (
        *(Edge("input", "up"), Edge("up", "first")),
        *(Edge("line", "bias"), Edge("bias", "first")),
        *(Edge("first", "across"), Edge("across", "second")),
        *(Edge("input", "skip", 1), Edge("skip", "second")),
        *(Edge("second", "loop"), Edge("loop", "second"), Edge("second", "output")),
    )
    arrival = {"input": 0, "line": 0, "first": 1, "second": 2, "output": 2}
    return Graph(nodes, edges, Stage.TIMED, 1e-3, arrival)


@pytest.mark.parametrize("seed", range(12))
def test_dyadic_graphs_fire_the_same_in_integers(seed: int) -> None:
    # Weights are multiples of 2**-3 and halve 7 times in a run of 6 + 2 steps, so all
    # states are multiples of 2**-10; a scale of 2**5 has room for 2**-(5 + 6).
    graph = _dyadic(seed)
    made = quantize(graph)
    assert min(made.nodes[name].scale for name in ("first", "second")) >= 2**5  # type: ignore[union-attr]
    inputs = np.random.default_rng(seed).integers(0, 2, (4, 6, 4))
    before, after = run(graph, inputs), run(made, inputs)
    assert sum(int(each.sum()) for each in before.spikes.values()) > 50
    for name, spikes in before.spikes.items():
        np.testing.assert_array_equal(spikes, after.spikes[name], err_msg=name)


@pytest.mark.parametrize("seed", range(12))
def test_the_worst_input_fits_as_long_as_promised(seed: int) -> None:
    # A run of 62 steps and two to arrive is 64; scaled weights use what there is.
    assert not may_overflow(quantize(_dyadic(seed)), 62)


# --- other ends ----------------------------------------------------------------------


def test_a_kernel_and_single_synapses_are_rounded_like_a_matrix() -> None:
    kernel = ConvSynapses(np.array([[[[0.5, -0.25]]]]), (1, 1, 3))
    sparse = SparseSynapses(
        np.array([0.5, -0.25]), np.array([0, 1]), np.array([0, 2]), (2, 3)
    )
    node = SpikingNeurons(np.full((1, 1, 2), 0.5), np.ones((1, 1, 2)), np.zeros(2))
    for synapses in (kernel, sparse):
        made = quantize(_chain(synapses, node, (1, 1, 3))).nodes["w"]
        assert isinstance(made, type(synapses))
        # one unit for both: 0.5 = 64 and 0.25 = 32 of 127
        np.testing.assert_array_equal(made.weight.reshape(-1), [64, -32])
        assert made.weight.dtype == np.int16


def test_every_output_has_a_scale_of_its_own() -> None:
    nodes: dict[str, Node] = {
        "input": Input((1,)),
        "coarse": DenseSynapses(np.array([[96.0]])),
        "fine": DenseSynapses(np.array([[0.375]])),
        "left": Output((1,)),
        "right": Output((1,)),
    }
    edges = (
        *(Edge("input", "coarse"), Edge("coarse", "left")),
        *(Edge("input", "fine"), Edge("fine", "right")),
    )
    arrival = {"input": 0, "left": 1, "right": 1}
    graph = quantize(Graph(nodes, edges, Stage.TIMED, 1e-3, arrival))
    # 96 = 192 / 2 and 0.375 = 192 / 512; both in 192 << 7
    assert graph.outputs["left"].scale == 2.0**-8
    assert graph.outputs["right"].scale == 2.0**-16
    trace = run(graph, np.ones((1, 1, 1)))
    assert (trace.outputs["left"], trace.outputs["right"]) == (96, 0.375)


def test_two_edges_into_one_map_count_twice() -> None:
    # The same weight at two delays: 2 * 0.75 without leak for 64 steps, downwards.
    nodes: dict[str, Node] = {
        "input": Input((1,)),
        "w": DenseSynapses(np.array([[-0.75]])),
        "n": SpikingNeurons(ONE, ONE, ZERO),
        "output": Output((1,)),
    }
    edges = (
        *(Edge("input", "w"), Edge("input", "w", 1)),
        *(Edge("w", "n"), Edge("n", "output")),
    )
    arrival = {"input": 0, "n": 1, "output": 1}
    graph = quantize(Graph(nodes, edges, Stage.TIMED, 1e-3, arrival))
    # 96 * 2**10 < 2**17; counted once, 48 * 2**11 would have passed
    assert graph.nodes["n"].scale == 2**10  # type: ignore[union-attr]


@pytest.mark.parametrize("graded", [True, False])
def test_an_output_cannot_sum_what_has_no_common_scale(graded: bool) -> None:
    direct: Node = SpikingNeurons(ONE, ONE, ZERO)
    if graded:
        direct = Integrators(ONE, ZERO, ONE)
    nodes: dict[str, Node] = {
        "input": Input((1,)),
        "w": DenseSynapses(np.array([[0.3]])),
        "n": direct,
        "around": DenseSynapses(np.array([[0.7]])),
        "output": Output((1,)),
    }
    edges = (
        *(Edge("input", "w"), Edge("w", "n"), Edge("n", "output")),
        *(Edge("input", "around"), Edge("around", "output")),
    )
    arrival = {"input": 0, "n": 1, "output": 1}
    with pytest.raises(GraphError, match="cannot be summed as integers"):
        quantize(Graph(nodes, edges, Stage.TIMED, 1e-3, arrival))


# --- weights as Lava takes them ------------------------------------------------------


def _lava_weights(weight: np.ndarray) -> np.ndarray:
    """Return what a fixed-point Dense keeps of 8-bit weights (lava.md, section 2)."""
    if weight.min() < 0 < weight.max():
        return (np.clip(weight, -256, 255) >> 1) << 1
    return np.sign(weight) * np.clip(np.abs(weight), 0, 255)


def test_mixed_signs_lose_their_lowest_bit_unless_doubled() -> None:
    weight = np.array([[-127, -3, -1, 0, 1, 3, 127]])
    np.testing.assert_array_equal(_lava_weights(weight), [[-128, -4, -2, 0, 0, 2, 126]])
    # Twice the weight is even and below 256; half the sum of such is exact.
    np.testing.assert_array_equal(_lava_weights(2 * weight) // 2, weight)


@pytest.mark.lava
@pytest.mark.parametrize("signs", [(1, 1), (-1, -1), (1, -1)])
def test_lava_keeps_every_bit_of_what_quantize_made(signs: tuple[int, int]) -> None:
    # Weights that need all their bits: 255 and 1, or 127 and 1 with both signs.
    largest = 127.0 if signs == (1, -1) else 255.0
    weight = np.array([[largest * signs[0], signs[1]], [signs[0], signs[1]]])
    graph = quantize(_chain(DenseSynapses(weight), Output((2,)), (2,)))
    inputs = np.array([[[1, 0], [0, 1], [1, 1]]], dtype=np.uint8)
    expected = [[[*weight[:, 0]], [*weight[:, 1]], [*weight.sum(axis=1)]]]
    np.testing.assert_array_equal(run(graph, inputs, backend="lava").output, expected)
