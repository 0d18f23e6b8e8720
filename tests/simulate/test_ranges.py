"""What states reach, and how far spikes agree, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import GraphError, InputError, OverflowDetectedError
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    DenseSynapses,
    Input,
    Integrators,
    Node,
    Output,
    QuantizedNeurons,
    SpikingNeurons,
)
from spikewright.simulate.compare import SpikeAgreement, spike_agreement
from spikewright.simulate.ranges import measure_ranges, observe
from spikewright.trace import SpikeTrace

ARRIVAL = {"input": 0, "n": 1, "output": 1}
# one sample, four steps, two lines
INPUTS = np.array([[[1, 0], [1, 1], [0, 1], [0, 0]]])


def _graph(neurons: Node, weight: np.ndarray, stage: Stage) -> Graph:
    nodes: dict[str, Node] = {
        "input": Input((2,)),
        "w": DenseSynapses(weight),
        "n": neurons,
        "output": Output((1,)),
    }
    edges = (Edge("input", "w"), Edge("w", "n"), Edge("n", "output"))
    return Graph(nodes, edges, stage, 1e-3, ARRIVAL)


def test_ranges_of_a_timed_graph_by_hand() -> None:
    # a = 2, -1, -3, 0; u = u / 2 + a = 2, 0, -3, -1.5; v = v + u = 2, 2, -1, -2.5
    ones, zeros = np.ones(1), np.zeros(1)
    node = Integrators(ones, zeros, ones * 5, current_decay=ones / 2)
    found = measure_ranges(_graph(node, np.array([[2.0, -3.0]]), Stage.TIMED), INPUTS)
    assert (found["n"].a, found["n"].u, found["n"].v) == (3, 3, 2.5)
    # the Output receives 5 v
    assert found["output"].a == 12.5


def test_v_is_measured_before_the_reset() -> None:
    # v = 2 fires; then 2 - 3 = -1 and 0 - 3 - 1 = -4
    ones, zeros = np.ones(1), np.zeros(1)
    node = SpikingNeurons(ones, ones, zeros)
    found = measure_ranges(_graph(node, np.array([[2.0, -3.0]]), Stage.TIMED), INPUTS)
    assert found["n"].v == 4
    up = measure_ranges(_graph(node, np.array([[7.0, -3.0]]), Stage.TIMED), INPUTS)
    assert up["n"].v == 7


def test_ranges_of_integers_are_in_units_of_a() -> None:
    # u = a << 6, but what is told is a: 20, -10, -30; v = 20 fires, then -10, -40
    node = QuantizedNeurons((1,), 0, 10, 1.0)
    graph = _graph(node, np.array([[20, -30]], dtype=np.int16), Stage.QUANTIZED)
    found = measure_ranges(graph, INPUTS)["n"]
    assert (found.a, found.u, found.v) == (30, 30, 40)


def test_the_largest_of_all_samples_counts() -> None:
    ones, zeros = np.ones(1), np.zeros(1)
    node = SpikingNeurons(ones, ones, zeros)
    graph = _graph(node, np.array([[2.0, -3.0]]), Stage.TIMED)
    found = measure_ranges(graph, np.concatenate([INPUTS * 0, INPUTS, INPUTS * 0]))
    assert found["n"].a == 3


def test_an_observation_keeps_the_trace() -> None:
    ones, zeros = np.ones(1), np.zeros(1)
    node = SpikingNeurons(ones, ones, zeros)
    seen = observe(_graph(node, np.array([[2.0, -3.0]]), Stage.TIMED), INPUTS)
    np.testing.assert_array_equal(seen.trace.spikes["n"][0, :, 0], [1, 0, 0, 0])


def test_an_overflow_is_not_measured_but_raised() -> None:
    node = QuantizedNeurons((1,), 0, 10, 1.0)
    graph = _graph(node, np.array([[2**17, 0]]), Stage.QUANTIZED)
    with pytest.raises(OverflowDetectedError, match="'n'"):
        measure_ranges(graph, INPUTS)


def test_a_graph_without_chip_time_is_refused() -> None:
    ones, zeros = np.ones(1), np.zeros(1)
    nodes: dict[str, Node] = {
        "input": Input((1,)),
        "n": SpikingNeurons(ones, ones, zeros),
        "output": Output((1,)),
    }
    edges = (Edge("input", "n"), Edge("n", "output"))
    with pytest.raises(GraphError, match="needs a TIMED or QUANTIZED graph"):
        measure_ranges(Graph(nodes, edges, Stage.DISCRETE, 1e-3), np.ones((1, 1, 1)))


def _trace(**spikes: list[int]) -> SpikeTrace:
    arrays = {
        name: np.array(each, dtype=np.uint8).reshape(1, -1, 1)
        for name, each in spikes.items()
    }
    return SpikeTrace(arrays, {"output": np.zeros((1, 4, 1))})


def test_agreement_by_hand() -> None:
    left = _trace(x=[1, 1, 1, 1], n=[1, 0, 1, 1], m=[0, 0, 0, 0])
    right = _trace(x=[1, 1, 1, 1], n=[1, 1, 0, 0], m=[0, 0, 0, 0])
    assert spike_agreement(left, right, given=["x"]) == {
        # steps 1, 2 and 3 differ; 3 spikes before and 2 after
        "n": SpikeAgreement(4, 3, 0.25, (3, 2)),
        "m": SpikeAgreement(4, 0, 1.0, (0, 0)),
    }


def test_traces_of_other_inputs_have_nothing_to_agree_on() -> None:
    with pytest.raises(InputError, match="population 'n'"):
        spike_agreement(_trace(n=[1, 0]), _trace(n=[1, 0, 1]))
