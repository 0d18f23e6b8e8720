"""Weights of fewer than eight bits: which integers, at which scale, how far off."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

from spikewright.errors import GraphError, InputError
from spikewright.export.lower import lower
from spikewright.export.passes.quantize import quantize
from spikewright.export.passes.quantize_report import quantization_report
from spikewright.export.passes.rounding import Quantization
from spikewright.export.passes.stretch import best_factor
from spikewright.export.passes.units import Arriving
from spikewright.files import read_graph, write_graph
from spikewright.graph import Edge, Graph, Stage
from spikewright.loihi import needed_bits
from spikewright.nodes import BiasLine, DenseSynapses, Input, Node, Output
from spikewright.nodes import SpikingNeurons as Neurons
from spikewright.simulate.run import run

ALL_BITS = range(1, 9)


def _graph(weight: np.ndarray, bias: np.ndarray | None = None) -> Graph:
    """Input -> w -> n -> output, and a bias; n integrates to 1 and forgets nothing."""
    size = len(weight)
    nodes: dict[str, Node] = {
        "input": Input((weight.shape[1],)),
        "w": DenseSynapses(weight),
        "n": Neurons(np.ones(size), np.ones(size), np.zeros(size)),
        "output": Output((size,)),
    }
    edges = [Edge(a, b) for a, b in pairwise(nodes)]
    arrival = {"input": 0, "n": 1, "output": 1}
    if bias is not None:
        nodes |= {"line": BiasLine(), "bias": DenseSynapses(bias.reshape(-1, 1))}
        edges += [Edge("line", "bias"), Edge("bias", "n")]
        arrival["line"] = 0
    return Graph(nodes, tuple(edges), Stage.TIMED, 1e-3, arrival)


def _worth(graph: Graph, name: str = "w") -> np.ndarray:
    """Return what integer weights are worth in the float graph."""
    made, scale = graph.nodes[name], graph.nodes["n"].scale  # type: ignore[union-attr]
    return np.ldexp(made.weight.astype(float), made.exponent) / scale  # type: ignore[union-attr]


def _made(weight: np.ndarray, **choices: Any) -> Graph:
    return quantize(_graph(weight), Quantization(**choices))


def _squared_error(weight: np.ndarray, **choices: Any) -> float:
    return float(np.square(_worth(_made(weight, **choices)) - weight).sum())


# --- which integers ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "sign"), [each for each in product(ALL_BITS, (-1, 0, 1)) if each != (1, 0)]
)
def test_no_weight_needs_more_bits_and_none_saturates(bits: int, sign: int) -> None:
    weight = np.random.default_rng(bits).normal(size=(6, 9))
    if sign:
        weight = sign * np.abs(weight)
    made = _made(weight, weight_bits=bits)
    assert needed_bits(made.nodes["w"].weight) == bits  # type: ignore[union-attr]
    # The step is the least, but for factors of 2, with largest <= limit * step; so
    # half a step, the most that rounding moves a weight, is below largest / limit.
    limit = 2**bits - 1 if sign else 2 ** (bits - 1) - 1
    error = np.abs(_worth(made) - weight).max()
    assert 0 < error < np.abs(weight).max() / limit


def test_weights_that_fit_stay_exact_at_a_power_of_two() -> None:
    weight = np.array([[0.5, -0.5, 0.0], [0.0, 0.5, -0.5]])
    made = _made(weight, weight_bits=2)
    np.testing.assert_array_equal(_worth(made), weight)
    # the scale that eight bits have: in 64 steps of -0.5 v reaches -32, and 32 x 2**12
    # is not below 2**17
    assert made.nodes["n"].scale == _made(weight).nodes["n"].scale == 2.0**11  # type: ignore[union-attr]


def test_ternary_weights_of_any_size_fire_as_in_float() -> None:
    # 0.3 k > 1 from k = 4 on. With a scale of a power of two 0.3 became 0.25 or 0.5,
    # and 5 or 3 would do.
    rng = np.random.default_rng(0)
    weight = 0.3 * rng.integers(-1, 2, (20, 12))
    made = _made(weight, weight_bits=2)
    np.testing.assert_allclose(_worth(made), weight, rtol=1e-11, atol=0)
    spikes = (rng.random((4, 30, 12)) < 0.5).astype(np.uint8)
    timed, integer = run(_graph(weight), spikes), run(made, spikes, backend="integer")
    np.testing.assert_array_equal(timed.spikes["n"], integer.spikes["n"])
    assert 0 < timed.rate("n") < 1


def test_biases_keep_eight_bits() -> None:
    weight, bias = np.array([[0.5], [-0.5]]), np.array([101.0, -77.0]) / 128
    made = quantize(_graph(weight, bias), Quantization(weight_bits=2))
    assert needed_bits(made.nodes["w"].weight) == 2  # type: ignore[union-attr]
    np.testing.assert_array_equal(_worth(made, "bias").reshape(-1), bias)


def test_one_bit_holds_no_signs() -> None:
    one_sign = np.array([[0.25, 0.0, 0.25]])
    np.testing.assert_array_equal(_worth(_made(one_sign, weight_bits=1)), one_sign)
    np.testing.assert_array_equal(_worth(_made(-one_sign, weight_bits=1)), -one_sign)
    message = "synapses 'w': have weights of both signs, which 1 bit cannot hold"
    with pytest.raises(GraphError, match=message):
        _made(np.array([[0.25, -0.25]]), weight_bits=1)


# --- at which scale ------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(2, 8))
def test_least_squares_are_no_worse_than_the_largest_weight(bits: int) -> None:
    weight = np.random.default_rng(bits).normal(size=(30, 40))
    mse = _squared_error(weight, weight_bits=bits, scale="mse")
    most = _squared_error(weight, weight_bits=bits, scale="max")
    assert mse < most if bits < 6 else mse <= most
    # a bit more costs less, whatever the scale
    assert _squared_error(weight, weight_bits=bits + 1, scale="mse") < mse
    assert _squared_error(weight, weight_bits=bits + 1) < most


def _factor(weight: list[float], bits: int, scale: str = "max") -> float:
    arriving = Arriving("w", DenseSynapses(np.array([weight])), 1, bits)
    choices = Quantization(weight_bits=bits, scale=scale)  # type: ignore[arg-type]
    return best_factor([arriving], choices)


def test_the_factor_is_one_where_nothing_is_better() -> None:
    assert _factor([0.5, -0.25, 0.75], bits=3) == 1  # 2, -1 and 3 quarters
    assert _factor([0.3, 0.7, -0.9], bits=8) == 1  # eight bits keep powers of two
    assert _factor([0.0, 0.0], bits=2) == 1


@pytest.mark.parametrize("scale", ["max", "mse"])
def test_the_factor_brings_the_largest_weight_to_the_largest_integer(scale) -> None:
    # 0.3 x 5/3 = 0.5; 0.9, 0.6 and 0.3 are 3, 2 and 1 of 0.3, again times 5/3
    assert _factor([0.3, -0.3], 2, scale) == pytest.approx(5 / 3, rel=1e-11)
    assert _factor([0.9, -0.6, 0.3], 3, scale) == pytest.approx(5 / 3, rel=1e-11)


# --- options and report --------------------------------------------------------------


@pytest.mark.parametrize("bits", [0, 9, -1])
def test_bits_are_1_to_8(bits: int, make_graph, dt_s: float) -> None:
    message = f"weight bits {bits}: must be 1 to 8"
    with pytest.raises(InputError, match=message):
        Quantization(weight_bits=bits)
    with pytest.raises(InputError, match=message):
        lower(make_graph(0), dt_s=dt_s, to=Stage.TIMED, weight_bits=bits)


def test_lower_takes_the_bits_alone_or_with_other_choices(
    make_graph, dt_s: float, tmp_path
) -> None:
    choices = Quantization(scale="mse", weight_bits=3)
    wanted = lower(make_graph(0), dt_s=dt_s, quantization=choices).graph
    other = Quantization(scale="mse", weight_bits=5)
    for quantization in (other, lambda timed: other):
        got = lower(make_graph(0), dt_s=dt_s, quantization=quantization, weight_bits=3)
        assert got.graph.fingerprint() == wanted.fingerprint()
    # a file keeps the integers, and so their bits
    write_graph(wanted, tmp_path / "lowered.npz")
    assert read_graph(tmp_path / "lowered.npz").fingerprint() == wanted.fingerprint()


def test_the_report_measures_fewer_bits_as_it_does_eight() -> None:
    # 3/4 of the weights fit 1 and -1; 4 saturates, 1/8 becomes 0
    timed = _graph(np.array([[1.0, -1.0, 1.0, -1.0, 1.0, 0.125, -1.0, 4.0]]))
    choices = Quantization(scale="percentile", percentile=75, weight_bits=2)
    made = quantize(timed, choices)
    found = quantization_report(timed, made, weight_bits=2).projections["w"]
    assert (found.weights, found.bits) == (8, 2)
    assert (found.saturated, found.lost) == (1, 1)
    error = _worth(made) - timed.nodes["w"].weight  # type: ignore[union-attr]
    assert found.largest_error == pytest.approx(np.abs(error).max() / 4, rel=1e-12)
    square = np.square(error).sum() / np.square(timed.nodes["w"].weight).sum()  # type: ignore[union-attr]
    assert found.rms_error == pytest.approx(np.sqrt(square), rel=1e-12)
