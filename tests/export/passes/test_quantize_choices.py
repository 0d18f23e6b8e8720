"""Rounding, scales and calibration, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from spikewright.bounds import CHUNK, StateRange
from spikewright.errors import GraphError, InputError, OverflowDetectedError
from spikewright.export.lower import lower
from spikewright.export.passes.quantize import quantize
from spikewright.export.passes.rounding import Quantization
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    IF,
    Affine,
    DenseSynapses,
    Input,
    Integrators,
    Node,
    Output,
    SpikingNeurons,
)
from spikewright.simulate.ranges import measure_ranges
from spikewright.simulate.run import run


def _graph(weight: np.ndarray, target: Node | None = None) -> Graph:
    """Input -> w -> n -> output, or just -> w -> output if `target` is one."""
    size = len(weight)
    node = target or SpikingNeurons(np.zeros(size), np.ones(size), np.zeros(size))
    last: dict[str, Node] = {"n": node, "output": Output((size,))}
    if isinstance(node, Output):
        last = {"output": node}
    nodes = {"input": Input((weight.shape[1],)), "w": DenseSynapses(weight), **last}
    edges = tuple(Edge(a, b) for a, b in pairwise(nodes))
    arrival = {"input": 0, "n": 1, "output": 1}
    return Graph(nodes, edges, Stage.TIMED, 1e-3, arrival)


def _weights(weight: list[float], **choices: Any) -> tuple[list[int], float]:
    """Return the integers of one neuron's weights, and what one of them is worth."""
    graph = quantize(_graph(np.array([weight])), Quantization(**choices))
    made, neurons = graph.nodes["w"], graph.nodes["n"]
    assert isinstance(made, DenseSynapses)
    unit = 2.0**made.exponent / neurons.scale  # type: ignore[union-attr]
    return made.weight[0].tolist(), unit


# --- rounding ------------------------------------------------------------------------


def test_to_the_nearest_and_ties_to_even() -> None:
    # 2 = 128 * 2**-6; in that unit 1.5, 2.5, -1.5 and 1.2 beside it
    weight = [2.0, 1.5 / 64, 2.5 / 64, 1.2 / 64]
    assert _weights(weight) == ([128, 2, 2, 1], 2**-6)


def test_towards_zero() -> None:
    weight = [1.0, 1.9 / 64, -1.9 / 64, -1.0]  # both signs: 1 = 64 * 2**-6
    assert _weights(weight, rounding="zero") == ([64, 1, -1, -64], 2**-6)


def test_stochastic_rounding_is_right_on_average() -> None:
    # 4000 weights of 10.25 units: 1000 go up, give or take sqrt(4000 * 3 / 16) = 27.
    weight = [128.0] + [10.25] * 4000
    integers, unit = _weights(weight, rounding="stochastic")
    assert (integers[0], unit) == (128, 1.0)
    assert set(integers[1:]) == {10, 11}
    assert abs(integers.count(11) - 1000) < 4 * 27


def test_stochastic_rounding_leaves_integers_alone() -> None:
    weight = [255.0, 254.0, 1.0, 0.0]
    for seed in range(20):
        assert _weights(weight, rounding="stochastic", seed=seed)[0] == weight


def test_stochastic_rounding_depends_on_the_seed() -> None:
    weight = [128.0] + [10.5] * 100
    first = _weights(weight, rounding="stochastic", seed=1)
    assert first == _weights(weight, rounding="stochastic", seed=1)
    assert first != _weights(weight, rounding="stochastic", seed=2)


def _two_maps(names: list[str]) -> Graph:
    weight = np.random.default_rng(0).normal(size=(3, 50))
    nodes: dict[str, Node] = {"input": Input((50,))}
    edges = []
    for name in names:
        nodes[name] = DenseSynapses(weight)
        edges += [Edge("input", name), Edge(name, "n")]
    nodes["n"] = SpikingNeurons(np.zeros(3), np.ones(3), np.zeros(3))
    nodes["output"] = Output((3,))
    edges.append(Edge("n", "output"))
    arrival = {"input": 0, "n": 1, "output": 1}
    return Graph(nodes, tuple(edges), Stage.TIMED, 1e-3, arrival)


def test_stochastic_rounding_depends_on_the_name_and_on_no_order() -> None:
    choices = Quantization(rounding="stochastic", seed=3)
    forth = quantize(_two_maps(["a", "b"]), choices).nodes
    back = quantize(_two_maps(["b", "a"]), choices).nodes
    for name in ("a", "b"):
        np.testing.assert_array_equal(
            forth[name].weight,  # type: ignore[union-attr]
            back[name].weight,  # type: ignore[union-attr]
        )
    # the same weights under two names
    assert np.any(forth["a"].weight != forth["b"].weight)  # type: ignore[union-attr]


def test_large_weights_are_rounded_as_small_ones_are() -> None:
    # more than a chunk: nothing is left out, nothing is rounded twice
    weight = np.random.default_rng(0).integers(-127, 128, (3, CHUNK)) / 128
    weight[0, 0] = 127 / 128
    made = quantize(_graph(weight, Output((3,)))).nodes["w"]
    assert isinstance(made, DenseSynapses)
    np.testing.assert_array_equal(made.weight / 128, weight)
    assert made.weight.dtype == np.int16


# --- scales --------------------------------------------------------------------------


def test_by_default_nothing_saturates() -> None:
    # 100 = 200 / 2, so 1 is 2 of 255
    assert _weights([1.0, 1.0, 1.0, 100.0]) == ([2, 2, 2, 200], 0.5)


def test_a_percentile_saturates_exactly_the_others() -> None:
    # 75 % of 4 weights are 3: they fill 8 bits, 1 = 128 * 2**-7, and 100 = 12800 ends
    # at 255.
    weight = [1.0, 1.0, 1.0, 100.0]
    found = _weights(weight, scale="percentile", percentile=75)
    assert found == ([128, 128, 128, 255], 2**-7)
    # 75.1 % of them are more than 3: all must fit.
    found = _weights(weight, scale="percentile", percentile=75.1)
    assert found == ([2, 2, 2, 200], 0.5)


def test_a_percentile_near_zero_fits_one_weight_at_least() -> None:
    # 1e-7 % of three weights round to none; the smallest, 1 = 128 * 2**-7, still fits
    found = _weights([1.0, 2.0, 4.0], scale="percentile", percentile=1e-7)
    assert found == _weights([1.0, 2.0, 4.0], scale="percentile", percentile=30)
    assert found[0] == [128, 255, 255]


def test_a_percentile_counts_no_zeros() -> None:
    # A matrix and a list of its connections have the same weights.
    weight = [0.0] * 96 + [1.0, 1.0, 1.0, 100.0]
    found = _weights(weight, scale="percentile", percentile=75)
    assert found == ([0] * 96 + [128, 128, 128, 255], 2**-7)


def test_saturation_has_two_sides() -> None:
    # Both signs: 1 = 64 * 2**-6, and 127 is the limit. 2/3 of 3 weights are 2.
    found = _weights([1.0, -1.0, -9.0], scale="percentile", percentile=66)
    assert found == ([64, -64, -127], 2**-6)


@pytest.mark.parametrize(
    ("ones", "integers", "unit"),
    [
        # With 257 = 128 * 2 + 1 and 1 = 0 * 2 + 1 all errors are 1: 1 + ones.
        # With 257 at 255 the error is 2, squared 4, and none for the ones.
        (2, [128, 0, 0], 2.0),  # 1 + 2 < 4
        (4, [255, 1, 1, 1, 1], 1.0),  # 1 + 4 > 4
        (3, [128, 0, 0, 0], 2.0),  # 1 + 3 = 4: then rather none saturated
    ],
)
def test_mse_takes_the_better_of_two_exponents(
    ones: int, integers: list[int], unit: float
) -> None:
    assert _weights([257.0] + [1.0] * ones, scale="mse") == (integers, unit)


@pytest.mark.parametrize("seed", range(4))
def test_mse_errs_no_more_than_any_percentile(seed: int) -> None:
    weight = np.random.default_rng(seed).standard_t(2, size=200).tolist()

    def error(**choices: Any) -> float:
        integers, unit = _weights(weight, **choices)
        return float(np.square(np.array(integers) * unit - weight).sum())

    least = error(scale="mse")
    assert least <= error()
    for percentile in (99.5, 99, 98, 95, 90):
        assert least <= error(scale="percentile", percentile=percentile)


def test_a_population_still_decides_what_its_smallest_projection_gets() -> None:
    # Beside 1 << 14 a weight of 3 * 2**-15 has no unit of its own: 1.5 becomes 2.
    nodes: dict[str, Node] = {
        "input": Input((1,)),
        "large": DenseSynapses(np.array([[1.0]])),
        "small": DenseSynapses(np.array([[3 * 2.0**-15]])),
        "n": SpikingNeurons(np.zeros(1), np.ones(1), np.zeros(1)),
        "output": Output((1,)),
    }
    edges = (
        *(Edge("input", "large"), Edge("large", "n")),
        *(Edge("input", "small"), Edge("small", "n"), Edge("n", "output")),
    )
    arrival = {"input": 0, "n": 1, "output": 1}
    graph = quantize(Graph(nodes, edges, Stage.TIMED, 1e-3, arrival))
    large, small = graph.nodes["large"], graph.nodes["small"]
    assert isinstance(large, DenseSynapses)
    assert isinstance(small, DenseSynapses)
    assert (large.weight, large.exponent) == (128, 7)
    assert (small.weight, small.exponent) == (2, 0)


@pytest.mark.parametrize("seed", range(6))
def test_the_scale_is_the_largest_that_has_room(seed: int) -> None:
    # A search by brute force: round at every scale, take the first that fits.
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(4, 700)) * 10.0 ** rng.integers(-2, 3)
    node = Integrators(np.ones(4), np.zeros(4), np.ones(4))
    made = quantize(_graph(weight, node))

    def worst(bits: int) -> float:
        limit = 127 * 2.0**7
        exponent = max(0, int(np.ceil(np.log2(np.abs(weight).max() * 2.0**bits / 127))))
        if np.abs(weight).max() * 2.0**bits > limit:
            return np.inf
        integers = np.rint(weight * 2.0 ** (bits - exponent)) * 2.0**exponent
        up = np.maximum(integers, 0).sum(axis=1).max()
        return float(64 * max(up, -np.minimum(integers, 0).sum(axis=1).min()))

    bits = next(bits for bits in range(20, -20, -1) if worst(bits) < 2**17)
    assert made.nodes["n"].scale == 2.0**bits  # type: ignore[union-attr]
    assert np.abs(made.nodes["w"].weight).max() < 127  # type: ignore[union-attr]


# --- calibration ---------------------------------------------------------------------


def _counter() -> Graph:
    """One synapse of weight 1 into an I, which never forgets."""
    node = Integrators(np.ones(1), np.zeros(1), np.ones(1))
    return _graph(np.array([[1.0]]), node)


def _train(spikes: int, steps: int) -> np.ndarray:
    return (np.arange(steps) < spikes).astype(np.uint8).reshape(1, -1, 1)


def test_a_calibrated_scale_is_larger_than_that_of_the_worst_case() -> None:
    # Worst case: 64 * 2**10 < 2**17. In 9 steps with 2 spikes v = 2; with one bit of
    # margin 4 * 2**14 < 2**17, where exponent 7 ends: 1 = 128 << 7 of 2**14.
    graph = _counter()
    assert quantize(graph).nodes["n"].scale == 2**10  # type: ignore[union-attr]
    ranges = measure_ranges(graph, _train(2, 9))
    made = quantize(graph, Quantization(calibration=ranges))
    assert made.nodes["n"].scale == 2**14  # type: ignore[union-attr]
    # The margin holds 7 spikes, 7 * 2**14 < 2**17; the eighth is detected.
    assert run(made, _train(7, 9)).output[0, -1, 0] == 7
    with pytest.raises(OverflowDetectedError, match="'n'"):
        run(made, _train(8, 9))


def test_the_margin_is_one_bit() -> None:
    # v = 4 was measured: 8 * 2**14 would be 2**17, so 2**13.
    graph = _counter()
    ranges = measure_ranges(graph, _train(4, 9))
    made = quantize(graph, Quantization(calibration=ranges))
    assert made.nodes["n"].scale == 2**13  # type: ignore[union-attr]


def test_weights_keep_the_bits_that_the_worst_case_would_cost() -> None:
    # 600 weights of about 1: 64 steps of them leave 127 / 2**k few values.
    weight = np.random.default_rng(0).uniform(0.5, 1, (1, 600))
    graph = _graph(weight, Integrators(np.ones(1), np.zeros(1), np.ones(1)))
    inputs = (np.random.default_rng(1).random((2, 20, 600)) < 0.01).astype(np.uint8)
    worst = quantize(graph).nodes["w"]
    ranges = measure_ranges(graph, inputs)
    made = quantize(graph, Quantization(calibration=ranges)).nodes["w"]
    assert isinstance(worst, DenseSynapses)
    assert isinstance(made, DenseSynapses)
    # 600 * 0.75 * 64 * 2**bits < 2**17: bits = 2, so 1 is 4
    assert worst.weight.max() == 4
    assert made.weight.max() > 127


def test_a_calibration_never_asks_for_more_room_than_the_worst_case() -> None:
    # A measured 10**6 is not this graph's, but no reason to go below the worst case.
    much = np.full(1, 1e6)
    calibration = {"n": StateRange(much, much, much)}
    made = quantize(_counter(), Quantization(calibration=calibration))
    assert made.nodes["n"].scale == 2**10  # type: ignore[union-attr]


def test_gains_are_part_of_what_was_measured() -> None:
    # The I sends 8 v, so its weight is 8 and so is its v in integers: 3 bits less.
    node = Integrators(np.ones(1), np.zeros(1), np.full(1, 8.0))
    graph = _graph(np.array([[1.0]]), node)
    made = quantize(
        graph, Quantization(calibration=measure_ranges(graph, _train(4, 9)))
    )
    assert made.nodes["n"].scale == 2**10  # type: ignore[union-attr]


def test_an_output_is_calibrated_too() -> None:
    # 9000 weights of 255/256 in 24 bits: 9000 * 2**9 < 2**23. One spike a step:
    # exponent 7 ends at 255 << 7, 2**15 = 2**7 * 256.
    graph = _graph(np.full((1, 9000), 255 / 256), Output((1,)))
    assert quantize(graph).outputs["output"].scale == 2.0**-9
    one = np.eye(1, 9000)[np.newaxis]
    made = quantize(graph, Quantization(calibration=measure_ranges(graph, one)))
    assert made.outputs["output"].scale == 2.0**-15


@pytest.mark.parametrize("calibration", [{}, {"n": np.zeros(2)}])
def test_a_calibration_of_another_graph_is_refused(
    calibration: dict[str, np.ndarray],
) -> None:
    ranges = {name: StateRange(each, each, each) for name, each in calibration.items()}
    with pytest.raises(GraphError, match="node 'n': the calibration has nothing of"):
        quantize(_counter(), Quantization(calibration=ranges))


# --- the choices themselves ----------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"rounding": "up"}, "rounding 'up': must be one of nearest, zero, stochastic"),
        ({"scale": "mean"}, "scale 'mean': must be one of max, percentile, mse"),
        ({"percentile": 0.0}, "percentile 0: must be above 0 and at most 100"),
        ({"percentile": 101.0}, "percentile 101: must be above 0"),
        ({"percentile": float("nan")}, "percentile nan: must be above 0"),
        ({"seed": -1}, "seed -1: must be 0 or more"),
    ],
)
def test_strange_choices_are_refused(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Quantization(**choice)


def _network(dt_s: float) -> Graph:
    ones, zeros = np.ones(1), np.zeros(1)
    nodes: dict[str, Node] = {
        "input": Input((2,)),
        "fc": Affine(np.array([[1.0, 1.9 / 128]]), zeros),
        "if": IF(ones / dt_s, ones, zeros),
        "output": Output((1,)),
    }
    edges = tuple(Edge(a, b) for a, b in pairwise(nodes))
    return Graph(nodes, edges, Stage.CONTINUOUS)


def test_lower_takes_choices_or_what_makes_them(dt_s: float) -> None:
    choices = Quantization(rounding="zero")
    seen: list[Stage] = []

    def choose(timed: Graph) -> Quantization:
        seen.append(timed.stage)
        return replace(choices, calibration=measure_ranges(timed, np.ones((1, 3, 2))))

    for given in (choices, choose):
        graph = lower(_network(dt_s), dt_s=dt_s, quantization=given).graph
        fc = graph.nodes["fc"]
        assert isinstance(fc, DenseSynapses)
        assert fc.weight.tolist() == [[128, 1]]
    assert seen == [Stage.TIMED]
    fc = lower(_network(dt_s), dt_s=dt_s).graph.nodes["fc"]
    assert isinstance(fc, DenseSynapses)
    assert fc.weight.tolist() == [[128, 2]]
