from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from spikewright.errors import GraphError, InputError, OverflowDetectedError
from spikewright.export.lower import lower
from spikewright.graph import Edge, Graph, Stage
from spikewright.loihi import shift_to_zero, weight_limit
from spikewright.nodes import (
    DenseSynapses,
    Input,
    Node,
    Output,
    QuantizedIntegrators,
    QuantizedNeurons,
)
from spikewright.simulate.integer import CHUNK, iterate_integer, run_integer


def _graph(neurons: Node, weight: int, exponent: int = 0) -> Graph:
    """One input, one synapse, one neuron."""
    nodes: dict[str, Node] = {
        "input": Input((1,)),
        "w": DenseSynapses(np.array([[weight]]), exponent),
        "n": neurons,
        "output": Output((1,), 0.5),
    }
    edges = (Edge("input", "w"), Edge("w", "n"), Edge("n", "output"))
    arrival = {"input": 0, "n": 1, "output": 1}
    return Graph(nodes, edges, Stage.QUANTIZED, 1e-3, arrival)


def _inputs(*spikes: int) -> np.ndarray:
    return np.array(spikes, dtype=np.uint8).reshape(1, -1, 1)


def test_a_neuron_worked_out_by_hand() -> None:
    # dv 2048 halves v towards zero; a = 3 << 1 = 6 units = 384; vth 10 units = 640.
    # v: 384 | 192 + 384 = 576 | 288 + 384 = 672 > 640 spike, 0 | 0 | 384
    graph = _graph(QuantizedNeurons((1,), 2048, 10, 1.0), weight=3, exponent=1)
    trace = run_integer(graph, _inputs(1, 1, 1, 0, 1))
    np.testing.assert_array_equal(trace.spikes["n"].ravel(), [0, 0, 1, 0, 0])
    np.testing.assert_array_equal(trace.output.ravel(), [0, 0, 0.5, 0, 0])


def test_v_equal_to_the_threshold_does_not_fire() -> None:
    graph = _graph(QuantizedNeurons((1,), 0, 6, 1.0), weight=3)
    # v: 3, 6 = vth silent, 9 > 6 spike, 3
    trace = run_integer(graph, _inputs(1, 1, 1, 1))
    np.testing.assert_array_equal(trace.spikes["n"].ravel(), [0, 0, 1, 0])


def test_an_integrator_sends_its_state_with_six_bits_more() -> None:
    # -3 units = -192; halved towards zero: -96, -48, -24.
    graph = _graph(QuantizedIntegrators((1,), 2048, 1.0), weight=-3)
    trace = run_integer(graph, _inputs(1, 0, 0, 0))
    np.testing.assert_array_equal(trace.output.ravel(), [-96, -48, -24, -12])


def test_shifts_go_towards_zero() -> None:
    np.testing.assert_array_equal(shift_to_zero(np.array([-5, 5, -4]), 1), [-2, 2, -2])


def test_eight_bits_lose_one_to_mixed_signs() -> None:
    assert weight_limit(np.array([1, -1])) == 127
    assert weight_limit(np.array([0, -1])) == 255


def test_an_input_that_leaves_24_bits_is_refused() -> None:
    # 255 << 10 = 261120 >= 2**17: u = a << 6 would wrap on the chip.
    graph = _graph(QuantizedNeurons((1,), 2048, 10, 1.0), weight=255, exponent=10)
    with pytest.raises(OverflowDetectedError, match="input of node 'n' reaches 261120"):
        run_integer(graph, _inputs(1))


def test_a_state_that_leaves_24_bits_is_refused() -> None:
    # -100 << 10 = -102400 fits, but twice that times 64 is -13107200 < -2**23.
    graph = _graph(QuantizedNeurons((1,), 0, 10, 1.0), weight=-100, exponent=10)
    run_integer(graph, _inputs(1))
    with pytest.raises(OverflowDetectedError, match="potential of node 'n' reaches"):
        run_integer(graph, _inputs(1, 1))


def test_more_samples_than_a_chunk_and_one_by_one_agree(
    make_graph: Callable[[int], Graph], dt_s: float
) -> None:
    graph = lower(make_graph(3), dt_s=dt_s).graph
    rng = np.random.default_rng(0)
    inputs = (rng.random((2 * CHUNK + 3, 7, 6)) < 0.5).astype(np.uint8)
    whole = run_integer(graph, inputs)
    done: list[int] = []
    list(iterate_integer(graph, inputs, on_samples=done.append))
    assert done == [CHUNK, 2 * CHUNK, 2 * CHUNK + 3]
    for index in (0, CHUNK, 2 * CHUNK + 2):
        alone = run_integer(graph, inputs[index : index + 1])
        np.testing.assert_array_equal(alone.output[0], whole.output[index])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            np.zeros((1, 2, 2)),
            r"shape \(1, 2, 2\); 'input' needs \(samples, steps, 1\)",
        ),
        (np.zeros((0, 2, 1)), "one sample and one step at least"),
        (np.full((1, 2, 1), 2), "inputs hold 2; a QUANTIZED graph takes spikes"),
        (np.full((1, 2, 1), np.nan), "not all finite numbers"),
        (np.full((1, 2, 1), "x"), "not all finite numbers"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs: np.ndarray, message: str) -> None:
    graph = _graph(QuantizedNeurons((1,), 0, 6, 1.0), weight=3)
    with pytest.raises(InputError, match=message):
        run_integer(graph, inputs)


def test_a_float_graph_is_refused(
    make_graph: Callable[[int], Graph], dt_s: float
) -> None:
    graph = lower(make_graph(0), dt_s=dt_s, to=Stage.TIMED).graph
    with pytest.raises(GraphError, match="needs a QUANTIZED graph, got TIMED"):
        run_integer(graph, np.zeros((1, 2, 6)))
