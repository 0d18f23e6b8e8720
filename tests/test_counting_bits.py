"""Bits of weights, states and messages, by hand."""

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.counting import count_run
from spikewright.counting_widths import state_bits, weight_bits
from spikewright.counts import OperationCount
from spikewright.graph import Edge, Graph, Stage
from spikewright.trace import SpikeTrace


def quantized(node, *, weight=None, exponent=0):
    nodes = {
        "in": n.Input((2,)),
        "syn": n.DenseSynapses(
            np.array([[1, 0], [2, 3]]) if weight is None else weight, exponent
        ),
        "n": node,
        "read": n.DenseSynapses(np.array([[1, 1]])),
        "out": n.Output((1,)),
    }
    edges = [("in", "syn"), ("syn", "n"), ("n", "read"), ("read", "out")]
    arrival = {"in": 0, "n": 1, "out": 2}
    pairs = tuple(Edge(*pair) for pair in edges)
    return Graph(nodes, pairs, Stage.QUANTIZED, 1e-3, arrival)


def counted(graph, **spikes):
    found = {name: np.array(each, dtype=np.uint8) for name, each in spikes.items()}
    samples, steps = found["in"].shape[:2]
    trace = SpikeTrace(found, {"out": np.zeros((samples, steps, 1))})
    return count_run(graph, trace).totals()


LIF = n.QuantizedNeurons((2,), dv=2048, vth=1, scale=1.0)


def test_a_run_on_the_chip_moves_these_bits():
    counts = counted(quantized(LIF), **{"in": [[[1, 0], [1, 1]]], "n": [[[0, 1]] * 2]})
    # 2 spikes of neuron 0 meet weights 1 and 2, one of neuron 1 the 3 and a zero:
    # 2 x 2 + 1 = 5 synops of 2-bit weights. 2 steps x 2 neurons, a bit each.
    assert counts["syn"] == OperationCount(
        synops=5, synops_zero=1, weight_bits_read=10, activation_bits_read=4
    )
    assert counts["in"] == OperationCount(spikes=3, activation_bits_written=4)
    # v has 24 bits; du = 4096 forgets u. 4 updates.
    assert counts["n"] == OperationCount(
        updates_active=4,
        spikes=2,
        state_bits_read=96,
        state_bits_written=96,
        activation_bits_written=4,
    )


def test_integrators_send_24_bits():
    node = n.QuantizedIntegrators((2,), dv=0, scale=1.0)
    counts = counted(quantized(node), **{"in": [[[1, 0]] * 3]})
    # 3 steps x 2 neurons x 24 bits
    assert counts["n"].activation_bits_written == 144
    assert counts["read"].activation_bits_read == 144
    assert counts["read"].weight_bits_read == 3 * 2 * 1  # weights of 1
    assert counts["read"].graded_synops == 6


@pytest.mark.parametrize(
    ("changes", "bits"),
    [
        ({"dv": 2048}, 24),  # v
        ({"dv": 2048, "du": 100}, 48),  # u and v
        ({"dv": 4096, "du": 100}, 24),  # u
        ({"dv": 4096}, 0),  # nothing is kept
        ({"dv": 4096, "drop": 5}, 24),  # a soft reset leaves v
    ],
)
def test_neurons_keep_what_their_decays_leave(changes, bits):
    node = n.QuantizedNeurons((3,), vth=1, scale=1.0, **changes)
    assert state_bits(node).tolist() == [bits] * 3


def test_each_neuron_keeps_its_own_states():
    du, dv = np.array([4096, 0, 4096]), np.array([4096, 0, 1])
    node = n.QuantizedNeurons((3,), dv=dv, vth=1, scale=1.0, du=du)
    assert state_bits(node).tolist() == [0, 48, 24]


def test_floats_have_32_bits():
    zero = np.zeros(2)
    node = n.SpikingNeurons(np.array([0.0, 0.5]), np.ones(2), zero)
    assert state_bits(node).tolist() == [0, 32]
    slow = n.Integrators(np.ones(2), zero, np.ones(2), np.array([0.0, 0.5]))
    assert state_bits(slow).tolist() == [32, 64]
    assert weight_bits(n.DenseSynapses(np.array([[0.5]]))) == 32


@pytest.mark.parametrize(
    ("weights", "bits"),
    [
        ([127, -127], 8),  # a sign and 7 bits
        ([255, 3], 8),  # one sign for all: 8 bits of magnitude
        ([-255, -3], 8),
        ([128, 64], 2),  # 2 and 1, times 64
        ([1, -1], 2),  # a bit and a sign
        ([1, 0], 1),
        ([255, -3], 9),  # a sign and 8 bits
        ([256, 1], 9),
        ([-256, -1], 9),
        ([-256, 1], 9),  # of 9 bits the lowest is -256
    ],
)
def test_weights_have_as_many_bits_as_they_need(weights, bits):
    assert weight_bits(n.DenseSynapses(np.array([weights]))) == bits
