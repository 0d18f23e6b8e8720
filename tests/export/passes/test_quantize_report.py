"""What the report says of a quantized graph, worked out by hand."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest

from spikewright.errors import GraphError
from spikewright.export.passes.gains import bits_lost
from spikewright.export.passes.quantize import quantize
from spikewright.export.passes.quantize_report import (
    Headroom,
    QuantizationReport,
    quantization_report,
)
from spikewright.export.passes.rounding import Quantization
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    DenseSynapses,
    DiagonalSynapses,
    Input,
    Integrators,
    Node,
    Output,
    SparseSynapses,
    SpikingNeurons,
    Synapses,
    TokenSynapses,
)
from spikewright.simulate.ranges import measure_ranges


def _graph(synapses: Synapses, target: Node, size: tuple[int, ...]) -> Graph:
    nodes: dict[str, Node] = {
        "input": Input(size),
        "w": synapses,
        "n": target,
        "output": Output(target.shape),  # type: ignore[union-attr]
    }
    edges = tuple(Edge(a, b) for a, b in pairwise(nodes))
    arrival = {"input": 0, "n": 1, "output": 1}
    return Graph(nodes, edges, Stage.TIMED, 1e-3, arrival)


def _dense(
    weight: list[list[float]], choices: Quantization | None = None, **neuron: object
) -> QuantizationReport:
    size = len(weight)
    fields = {"decay": np.full(size, 0.5), "threshold": np.ones(size)} | neuron
    node = SpikingNeurons(bias=np.zeros(size), **fields)  # type: ignore[arg-type]
    graph = _graph(DenseSynapses(np.array(weight)), node, (len(weight[0]),))
    return quantization_report(graph, quantize(graph, choices or Quantization()))


# --- projections ---------------------------------------------------------------------


def test_dyadic_weights_lose_nothing() -> None:
    # 1.5 and 0.5 are 192 and 64 << 7 at 2**14, or 3 and 1 << 13: 2 bits hold those
    found = _dense([[1.5, 0.0, 0.5]]).projections["w"]
    assert (found.source, found.target) == ("input", "n")
    assert (found.weights, found.exponent, found.bits) == (2, 7, 2)
    assert (found.saturated, found.lost) == (0, 0)
    assert (found.largest_error, found.rms_error, found.gain_bits_lost) == (0, 0, 0)


def test_rounding_errors_by_hand() -> None:
    # 1 = 128 units, 0.3 = 38.4 becomes 38: an error of 0.4 / 128 beside 1 and 0.3
    found = _dense([[1.0, 0.3]]).projections["w"]
    assert found.largest_error == pytest.approx(0.4 / 128, rel=1e-12)
    assert found.rms_error == pytest.approx(0.4 / 128 / math.hypot(1, 0.3), rel=1e-12)


def test_bits_count_the_sign_where_there_are_two() -> None:
    # in units of 1/64, 85 and -32 need 7 bits and a sign; 171 and 64 of 1/128 need 8
    assert _dense([[4 / 3, -0.5]]).projections["w"].bits == 8
    assert _dense([[4 / 3, 0.5]]).projections["w"].bits == 8
    # 2 and -1 need 2 bits and a sign, but 1, -1 and 0 one less
    assert _dense([[1.0, -0.5]]).projections["w"].bits == 3
    assert _dense([[1.0, 0.0, -1.0]]).projections["w"].bits == 2
    # Beside a threshold of 60000 the scale is 2: a weight of 1 is 2 << 0.
    found = _dense([[1.0, 0.5]], threshold=np.array([60000.0])).projections["w"]
    assert (found.bits, found.exponent) == (2, 0)


def test_weights_that_vanish_or_saturate_are_counted() -> None:
    # 1 = 128 of 255: 1/512 = 0.25 and 1/256 = 0.5 become 0 (ties to even), 3/512 does
    # not
    found = _dense([[1.0, 1 / 512, 1 / 256, 3 / 512, 0.0]]).projections["w"]
    assert (found.weights, found.lost, found.saturated) == (4, 2, 0)
    # three quarters fit: 100 and, next to it, nothing else saturates
    choices = Quantization(scale="percentile", percentile=75)
    found = _dense([[1.0, 1.0, 1.0, 100.0]], choices).projections["w"]
    assert (found.saturated, found.lost) == (1, 0)
    # 100 became 255 / 128
    error = 1 - 255 / 128 / 100
    assert found.largest_error == pytest.approx(error, rel=1e-12)


def test_a_map_of_zeros_has_no_errors() -> None:
    found = _dense([[0.0, 0.0]]).projections["w"]
    assert (found.weights, found.bits, found.exponent) == (0, 1, 0)
    assert (found.largest_error, found.rms_error) == (0, 0)


# --- bits lost by gains --------------------------------------------------------------

# w, gains -> log2( max(g m) / max(m) / min(g) ), over rows that have weights
LOST = {
    "one gain for all costs nothing": ([[1.0], [0.5]], [3.0, 3.0], 0.0),
    # rows 2 and 1: the unit doubles, the second row does not: 1 bit
    "equal rows lose the ratio": ([[1.0], [1.0]], [2.0, 1.0], 1.0),
    # rows 1 and 1: the unit stays; the first row even wins a bit
    "rows may become equal": ([[0.5], [1.0]], [2.0, 1.0], 0.0),
    # rows 8 and 1/4: the unit grows by 8, and the second row shrinks by 4
    "all of it may hit one row": ([[1.0], [1.0]], [8.0, 0.25], 5.0),
    "rows without weights do not count": ([[1.0], [0.0]], [8.0, 0.25], 0.0),
    "nor do gains of 0": ([[1.0], [1.0]], [8.0, 0.0], 0.0),
    "a sign is no loss": ([[1.0], [1.0]], [2.0, -1.0], 1.0),
    "thirds": ([[1.0], [1.0]], [3.0, 1.0], math.log2(3)),
}


@pytest.mark.parametrize("case", LOST)
def test_bits_lost_by_hand(case: str) -> None:
    weight, gains, lost = LOST[case]
    found = bits_lost(DenseSynapses(np.array(weight)), np.array(gains))
    assert found == pytest.approx(lost, abs=1e-12)


def test_bits_lost_by_shared_and_by_single_weights() -> None:
    # 1 channel, 2 tokens; and the same connections one by one
    gains = np.array([[2.0, 1.0]])
    assert bits_lost(TokenSynapses(np.ones((1, 1, 1))), gains) == 1
    places = np.arange(2)
    assert bits_lost(SparseSynapses(np.ones(2), places, places, (2, 2)), gains) == 1
    assert bits_lost(DiagonalSynapses(np.ones((1, 2))), gains) == 1


def test_thresholds_of_powers_of_two_fold_exactly_and_the_bits_are_told() -> None:
    # Thresholds 1 and 2: gains 2 and 1.
    found = _dense([[1.0], [1.0]], threshold=np.array([1.0, 2.0]))
    assert found.projections["w"].largest_error == 0
    assert found.projections["w"].gain_bits_lost == 1
    assert found.populations["n"].threshold_error == 0
    # Thresholds 1 and 3: weights 3 = 192 and 1 = 64, thresholds 3.
    found = _dense([[1.0], [1.0]], threshold=np.array([1.0, 3.0]))
    assert found.projections["w"].largest_error == 0
    assert found.projections["w"].gain_bits_lost == math.log2(3)


# --- populations ---------------------------------------------------------------------


def test_headroom_by_hand() -> None:
    # scale 2**14: a = (192 + 64) << 7 = 2**15, two bits below 2**17; so is u. v reaches
    # half of the threshold of 2**14 and a: 2**13 + 2**15.
    found = _dense([[1.5, 0.5]]).populations["n"]
    assert (found.scale, found.threshold) == (2**14, 2**14)
    assert found.worst == Headroom(2.0, 2.0, math.log2(2**17 / (2**13 + 2**15)))
    assert found.measured is None


def test_measured_headroom_by_hand() -> None:
    # only the second line spikes: a = u = v = 64 << 7 = 2**13, once
    node = SpikingNeurons(np.full(1, 0.5), np.ones(1), np.zeros(1))
    graph = _graph(DenseSynapses(np.array([[1.5, 0.5]])), node, (2,))
    made = quantize(graph)
    measured = measure_ranges(made, np.array([[[0, 1], [0, 0]]]))
    found = quantization_report(graph, made, measured).populations
    assert found["n"].measured == Headroom(4.0, 4.0, 4.0)
    # the Output received no spike
    assert found["output"].measured == Headroom(None)


def test_an_output_of_its_own_synapses() -> None:
    nodes: dict[str, Node] = {
        "input": Input((2,)),
        "w": DenseSynapses(np.array([[0.75, 0.25]])),
        "output": Output((1,)),
    }
    edges = (Edge("input", "w"), Edge("w", "output"))
    graph = Graph(nodes, edges, Stage.TIMED, 1e-3, {"input": 0, "output": 1})
    found = quantization_report(graph, quantize(graph)).populations["output"]
    # (192 + 64) << 7 = 2**15 in 24 bits
    assert (found.scale, found.worst) == (2**15, Headroom(8.0))
    assert (found.threshold, found.decay_error) == (None, None)


def test_errors_of_decays_threshold_and_drop() -> None:
    # Without a leak, downwards, 64 * (1.5 + 0.5) * 2**9 < 2**17.
    found = _dense(
        [[-1.5, -0.5]],
        decay=np.array([1.0]),
        threshold=np.array([0.3]),
        current_decay=np.array([0.0]),
        drop=np.array([0.1]),
    ).populations["n"]
    assert found.scale == 2**9
    # 0.3 * 512 = 153.6 -> 154, 0.1 * 512 = 51.2 -> 51
    assert found.threshold == 154
    assert found.threshold_error == pytest.approx(0.4 / 153.6, rel=1e-9)
    assert found.drop_error == pytest.approx(0.2 / 51.2, rel=1e-9)
    assert (found.decay_error, found.current_decay_error) == (0, 0)


def test_decay_errors_are_the_largest_of_all_neurons() -> None:
    # 0.9 * 4096 = 3686.4 -> 3686; 0.5 is exact
    decay = np.array([0.5, 0.9])
    found = _dense([[1.0], [1.0]], decay=decay, current_decay=decay).populations["n"]
    assert found.decay_error == pytest.approx(0.4 / 4096, rel=1e-9)
    assert found.current_decay_error == pytest.approx(0.4 / 4096, rel=1e-9)


def test_an_integrator_has_no_threshold() -> None:
    node = Integrators(np.full(1, 0.5), np.zeros(1), np.full(1, 0.25))
    graph = _graph(DenseSynapses(np.array([[1.0]])), node, (1,))
    found = quantization_report(graph, quantize(graph))
    assert found.populations["n"].threshold is None
    assert found.populations["n"].drop_error is None
    # the gain is one for all
    assert found.projections["w"].gain_bits_lost == 0
    assert found.projections["w"].largest_error == 0


def test_a_report_is_plain_numbers() -> None:
    found = asdict(_dense([[1.0, 0.3]]))
    assert json.loads(json.dumps(found)) == found


# --- refusals ------------------------------------------------------------------------


def test_a_report_wants_the_graph_that_was_quantized() -> None:
    node = SpikingNeurons(np.full(1, 0.5), np.ones(1), np.zeros(1))
    graph = _graph(DenseSynapses(np.ones((1, 2))), node, (2,))
    other = _graph(DiagonalSynapses(np.ones(1)), node, (1,))
    with pytest.raises(GraphError, match="needs a QUANTIZED graph"):
        quantization_report(graph, graph)
    with pytest.raises(GraphError, match="node 'w': its integers are not those of"):
        quantization_report(graph, quantize(other))
    renamed = Graph(
        {("m" if name == "n" else name): each for name, each in graph.nodes.items()},
        (Edge("input", "w"), Edge("w", "m"), Edge("m", "output")),
        Stage.TIMED,
        1e-3,
        {"input": 0, "m": 1, "output": 1},
    )
    with pytest.raises(GraphError, match="other nodes or edges than the TIMED one"):
        quantization_report(graph, quantize(renamed))
