from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from spikewright.errors import GraphError
from spikewright.export.passes.quantize import quantize
from spikewright.graph import Edge, Graph, Stage
from spikewright.loihi import MAX_CURRENT, MAX_THRESHOLD
from spikewright.nodes import (
    SYNAPSES,
    BiasLine,
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
    TokenSynapses,
)


def _neurons(
    size: int, *, decay: float = 0.5, threshold: float = 1.0
) -> SpikingNeurons:
    return SpikingNeurons(
        np.full(size, decay), np.full(size, threshold), np.zeros(size)
    )


def _graph(synapses: Synapses, target: Node, source: Node | None = None) -> Graph:
    """Input -> synapses -> target -> Output, TIMED."""
    source = source or Input((synapses.weight.shape[-1],))
    is_output = isinstance(target, Output)
    nodes: dict[str, Node] = {"input": source, "w": synapses}
    edges = [Edge("input", "w")]
    if is_output:
        nodes["output"] = target
        edges.append(Edge("w", "output"))
    else:
        nodes |= {"n": target, "output": Output(target.shape)}  # type: ignore[union-attr]
        edges += [Edge("w", "n"), Edge("n", "output")]
    arrival = {"input": 0, "n": 1, "output": 1}
    return Graph(nodes, tuple(edges), Stage.TIMED, 1e-3, arrival)


def _quantized(weight: list[list[float]], **neuron: float) -> tuple[Synapses, Node]:
    synapses = DenseSynapses(np.array(weight))
    graph = quantize(_graph(synapses, _neurons(len(weight), **neuron)))
    found = graph.nodes["w"]
    assert isinstance(found, SYNAPSES)
    return found, graph.nodes["n"]


def test_the_scale_is_the_largest_that_fits_by_hand() -> None:
    # Worst |a| = 1.5 + 0.5 = 2 per unit of scale, on half of what is left below the
    # threshold of 1: v <= 2.5, so 2.5 * scale < 2**17 -> scale < 52429 -> 2**15.
    # Largest weight 1.5 * 2**14 = 24576 = 192 * 2**7, and 2**15 would need 384; one
    # sign, so 255 is the limit, and with the largest exponent, 7, the scale is 2**14.
    synapses, neurons = _quantized([[1.5, 0.5]])
    assert isinstance(neurons, QuantizedNeurons)
    assert (neurons.scale, neurons.vth, neurons.dv) == (2**14, 2**14, 2048)
    np.testing.assert_array_equal(synapses.weight, [[192, 64]])
    assert synapses.exponent == 7


def test_mixed_signs_leave_seven_bits() -> None:
    # 1.5 * 2**s / 2**7 <= 127 -> 2**s <= 10837 -> 2**13; |a| alone would allow 2**15.
    synapses, neurons = _quantized([[1.5, -0.5]])
    assert isinstance(neurons, QuantizedNeurons)
    assert neurons.scale == 2**13
    np.testing.assert_array_equal(synapses.weight, [[96, -32]])
    assert synapses.exponent == 7


def test_a_population_that_never_forgets_gets_headroom() -> None:
    # Decay 1: 64 steps of the worst input must fit: 2 * scale * 64 < 2**17 -> 2**9.
    _, neurons = _quantized([[-1.5, -0.5]], decay=1.0)
    assert isinstance(neurons, QuantizedNeurons)
    assert neurons.scale == 2**9
    assert neurons.dv == 0


def test_a_reset_needs_no_headroom() -> None:
    # Upwards v ends at the threshold and one input: 1 + 2, so only the exponent limits.
    _, neurons = _quantized([[1.5, 0.5]], decay=1.0)
    assert isinstance(neurons, QuantizedNeurons)
    assert neurons.scale == 2**14


def test_the_signs_of_an_input_never_meet() -> None:
    # 48 up or 48 down, but never 96: with a decay of 0, 48 * scale < 2**17 -> 2**11.
    # The sum of all magnitudes, 96, would leave 2**10 only. 1 * 2**11 = 64 << 5.
    weight = [[1.0] * 48 + [-1.0] * 48]
    synapses, neurons = _quantized(weight, decay=0.0, threshold=0.5)
    assert isinstance(neurons, QuantizedNeurons)
    assert neurons.scale == 2**11
    np.testing.assert_array_equal(np.abs(synapses.weight), 64)
    assert synapses.exponent == 5


def test_the_threshold_register_limits_the_scale() -> None:
    # 5000 * 2**4 = 80000 fits 17 bits, 5000 * 2**5 does not.
    _, neurons = _quantized([[1.0, 0.5]], threshold=5000.0)
    assert isinstance(neurons, QuantizedNeurons)
    assert neurons.vth == 80000 <= MAX_THRESHOLD


def test_thresholds_that_differ_fold_into_the_weights() -> None:
    # Thresholds 1 and 2: the population keeps 2, and neuron 0 gets its weights doubled.
    node = SpikingNeurons(np.full(2, 0.5), np.array([1.0, 2.0]), np.zeros(2))
    graph = quantize(_graph(DenseSynapses(np.array([[0.5], [1.0]])), node))
    weight = graph.nodes["w"].weight  # type: ignore[union-attr]
    assert weight[0, 0] == weight[1, 0]


@pytest.mark.parametrize("seed", range(5))
def test_rounding_errs_by_half_a_unit_at_most(seed: int) -> None:
    weight = np.random.default_rng(seed).normal(size=(6, 9))
    synapses, neurons = _quantized(weight.tolist())
    assert isinstance(neurons, QuantizedNeurons)
    unit = 2.0**synapses.exponent / neurons.scale
    error = np.abs(synapses.weight * unit - weight)
    assert error.max() <= unit / 2
    assert np.abs(synapses.weight).max() > 63  # all seven bits are used
    assert (
        np.abs(synapses.weight).sum(axis=1).max() * 2**synapses.exponent < MAX_CURRENT
    )


def test_an_output_of_synapses_says_what_its_unit_is_worth() -> None:
    # Exponent 7 is the limit: 0.75 * 2**15 = 192 * 2**7, and 2**16 would need 384.
    graph = quantize(_graph(DenseSynapses(np.array([[0.75, 0.25]])), Output((1,))))
    output, synapses = graph.nodes["output"], graph.nodes["w"]
    assert isinstance(output, Output)
    assert isinstance(synapses, DenseSynapses)
    value = synapses.weight * 2.0**synapses.exponent * output.scale
    np.testing.assert_array_equal(value, [[0.75, 0.25]])


def test_an_integrator_hands_its_scale_to_the_output() -> None:
    node = Integrators(np.full(1, 0.5), np.zeros(1), np.full(1, 0.25))
    graph = quantize(_graph(DenseSynapses(np.array([[1.0]])), node))
    output, integrators = graph.nodes["output"], graph.nodes["n"]
    assert isinstance(output, Output)
    assert isinstance(integrators, QuantizedIntegrators)
    # v has 6 bits more than a; the gain 1/4 is in the weight already.
    assert output.scale == 1 / (integrators.scale * 64)
    weight = graph.nodes["w"]
    assert isinstance(weight, DenseSynapses)
    assert weight.weight[0, 0] * 2**weight.exponent == 0.25 * integrators.scale


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1.0, 1e6])
def test_a_neuron_is_scale_free(unit: float) -> None:
    # mV or V: the integers are the same up to the power of two that absorbs the unit.
    weight = np.array([[0.5, -0.25, 0.75]]) * 2.0 ** round(np.log2(unit))
    synapses, neurons = _quantized(
        weight.tolist(), threshold=2.0 ** round(np.log2(unit))
    )
    assert isinstance(neurons, QuantizedNeurons)
    np.testing.assert_array_equal(synapses.weight, [[64, -32, 96]])
    assert neurons.vth == 2**14


def test_weights_that_would_round_to_nothing_are_refused() -> None:
    nodes: dict[str, Node] = {
        "input": Input((1,)),
        "w": DenseSynapses(np.array([[1.0]])),
        "tiny": DenseSynapses(np.array([[1e-9]])),
        "n": _neurons(1),
        "output": Output((1,)),
    }
    edges = (
        *(Edge("input", "w"), Edge("w", "n"), Edge("input", "tiny")),
        *(Edge("tiny", "n"), Edge("n", "output")),
    )
    arrival = {"input": 0, "n": 1, "output": 1}
    with pytest.raises(GraphError, match="every weight of 'tiny' would round to 0"):
        quantize(Graph(nodes, edges, Stage.TIMED, 1e-3, arrival))


def test_a_threshold_that_would_round_to_nothing_is_refused() -> None:
    with pytest.raises(GraphError, match="threshold 1e-09 would round to 0"):
        _quantized([[1.0]], threshold=1e-9)


@pytest.mark.parametrize("tiny", [2.0**-1000, 5e-324])
def test_weights_below_all_scales_are_refused(tiny: float) -> None:
    # 2**1000, the finest scale, makes 1 of 2**-1000, and nothing of a quarter of it
    with pytest.raises(GraphError, match=r"would round to 0 at the scale 2\*\*1000"):
        _quantized([[tiny]], threshold=tiny / 4)


def test_a_decay_near_one_is_told_with_all_its_digits() -> None:
    with pytest.raises(GraphError, match=r"decay 0\.99999999 would"):
        _quantized([[1.0]], decay=0.99999999)


@pytest.mark.parametrize(("decay", "becomes"), [(0.9999, "1"), (0.0001, "0")])
def test_a_decay_that_would_round_to_none_or_all_is_refused(
    decay: float, becomes: str
) -> None:
    with pytest.raises(GraphError, match=f"decay {decay:g} would round to {becomes}"):
        _quantized([[1.0]], decay=decay)


def test_thresholds_of_zero_stay_zero() -> None:
    _, neurons = _quantized([[1.0]], threshold=0.0)
    assert isinstance(neurons, QuantizedNeurons)
    assert neurons.vth == 0


REFUSALS = {
    "a bias": (
        SpikingNeurons(np.full(2, 0.5), np.ones(2), np.array([0.0, 0.5])),
        "node 'n': has a bias or a start of its own",
    ),
    "a start": (
        SpikingNeurons(np.full(2, 0.5), np.ones(2), np.zeros(2), start=np.ones(2)),
        "node 'n': has a bias or a start of its own",
    ),
    "a bias of an LI": (
        Integrators(np.full(2, 0.5), np.ones(2), np.ones(2)),
        "node 'n': has a bias or a start of its own",
    ),
    "a threshold below 0": (
        SpikingNeurons(np.full(2, 0.5), np.array([-1.0, 1.0]), np.zeros(2)),
        "a threshold of -1 fires at rest",
    ),
    "a drop below 0": (
        SpikingNeurons(np.full(2, 0.5), np.ones(2), np.zeros(2), drop=-np.ones(2)),
        "a drop of -1 would raise the potential",
    ),
    "a drop that vanishes": (
        SpikingNeurons(
            np.full(2, 0.5), np.ones(2), np.zeros(2), drop=np.array([1.0, 1e-9])
        ),
        "node 'n': drop 1e-09 would round to 0",
    ),
    "a decay above 1": (
        SpikingNeurons(np.array([0.5, 1.5]), np.ones(2), np.zeros(2)),
        "decay 0.5 to 1.5; allowed: 0 to 1",
    ),
    "a current that would be forgotten": (
        SpikingNeurons(
            np.full(2, 0.5), np.ones(2), np.zeros(2), np.array([0.5, 0.0001])
        ),
        "node 'n': current_decay 0.0001 would round to 0",
    ),
    "thresholds too far apart": (
        SpikingNeurons(np.full(2, 0.5), np.array([5e-324, 1.0]), np.zeros(2)),
        "thresholds from 4.94066e-324 to 1; allowed: a quotient that float64 holds",
    ),
    "some thresholds 0": (
        SpikingNeurons(np.full(2, 0.5), np.array([0.0, 1.0]), np.zeros(2)),
        "some thresholds are 0 and some are not",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_one_loihi_population_cannot_have_is_refused(case: str) -> None:
    node, message = REFUSALS[case]
    with pytest.raises(GraphError, match=message):
        quantize(_graph(DenseSynapses(np.ones((2, 1))), node))


def test_thresholds_that_differ_between_tokens_write_shared_weights_out() -> None:
    # One weight of 1 for two tokens, thresholds 1 and 2: token 0 gets a gain of 2.
    node = SpikingNeurons(
        np.full((1, 2), 0.5), np.array([[1.0, 2.0]]), np.zeros((1, 2))
    )
    graph = quantize(_graph(TokenSynapses(np.ones((1, 1, 1))), node, Input((1, 2))))
    synapses, neurons = graph.nodes["w"], graph.nodes["n"]
    assert isinstance(synapses, SparseSynapses)
    assert isinstance(neurons, QuantizedNeurons)
    np.testing.assert_array_equal(synapses.targets, [0, 1])
    np.testing.assert_array_equal(synapses.sources, [0, 1])
    value = synapses.weight * 2.0**synapses.exponent / neurons.scale
    np.testing.assert_array_equal(value, [2, 1])
    assert neurons.vth == 2 * neurons.scale


def test_numbers_into_integer_synapses_are_refused() -> None:
    source = Integrators(np.ones(1), np.zeros(1), np.ones(1))
    nodes: dict[str, Node] = {
        "input": Input((1,)),
        "up": DenseSynapses(np.ones((1, 1))),
        "li": source,
        "w": DenseSynapses(np.ones((1, 1))),
        "n": _neurons(1),
        "output": Output((1,)),
    }
    names = list(nodes)
    edges = tuple(Edge(a, b) for a, b in pairwise(names))
    arrival = {"input": 0, "li": 1, "n": 2, "output": 2}
    with pytest.raises(GraphError, match="'li' sends numbers"):
        quantize(Graph(nodes, edges, Stage.TIMED, 1e-3, arrival))


def test_a_delay_beyond_loihis_register_is_refused() -> None:
    nodes: dict[str, Node] = {
        "bias_line": BiasLine(),
        "input": Input((1,)),
        "w": DenseSynapses(np.ones((1, 1))),
        "n": _neurons(1),
        "output": Output((1,)),
    }
    edges = (Edge("input", "w", 63), Edge("w", "n"), Edge("n", "output"))
    arrival = {"input": 0, "bias_line": 0, "n": 64, "output": 64}
    with pytest.raises(GraphError, match="delay of 63 steps, at most 62"):
        quantize(Graph(nodes, edges, Stage.TIMED, 1e-3, arrival))
