"""Bounds on states, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikewright.bounds import (
    CHUNK,
    StateRange,
    chunks,
    input_sums,
    signed_sums,
    spread,
    state_range,
)
from spikewright.graph import Edge, Graph, Stage
from spikewright.hops import hops_by_target
from spikewright.linear import to_sparse
from spikewright.nodes import (
    ChannelSynapses,
    ConvSynapses,
    DenseSynapses,
    DiagonalSynapses,
    Input,
    Output,
    QuantizedIntegrators,
    QuantizedNeurons,
    Synapses,
    TokenSynapses,
)

ROWS: dict[str, tuple[Synapses, list[float], list[float]]] = {
    # [1, -2, 3] adds up to 4 above 0 and 2 below
    "dense": (DenseSynapses(np.array([[1, -2, 3], [-4, 0, -5]])), [4, 0], [2, 9]),
    "diagonal": (DiagonalSynapses(np.array([[1, -2]])), [1, 0], [0, 2]),
    # channel 0 has 2 target tokens of 2 source tokens each
    "channels": (
        ChannelSynapses(np.array([[[1, 2], [-3, 4]], [[5, -6], [-7, -8]]])),
        [3, 4, 5, 0],
        [0, 3, 6, 15],
    ),
    # 2 taps, 1 target channel, 2 source channels: both taps reach the target
    "tokens": (TokenSynapses(np.array([[[1, -2]], [[3, -4]]])), [4], [6]),
    "kernel": (
        ConvSynapses(np.array([[[[1, -2]]], [[[3, 4]]]]), (1, 1, 3)),
        [1, 7],
        [2, 0],
    ),
    "one by one": (
        to_sparse(DenseSynapses(np.array([[1, -2, 3], [0, 0, 0], [-4, 0, -5]])), 3),
        [4, 0, 0],
        [2, 0, 9],
    ),
}


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("dtype", [np.float64, np.int16])
def test_sums_by_sign(kind: str, dtype: type) -> None:
    synapses, above, below = ROWS[kind]
    found = signed_sums(replace(synapses, weight=synapses.weight.astype(dtype)))
    np.testing.assert_array_equal(found[0], above)
    np.testing.assert_array_equal(found[1], below)


def test_sums_do_not_depend_on_the_chunks() -> None:
    weight = np.random.default_rng(0).integers(-127, 128, (300, 1000))
    assert weight.size > 2 * CHUNK
    assert len(list(chunks(weight))) == 3
    above, below = signed_sums(DenseSynapses(weight))
    np.testing.assert_array_equal(above - below, weight.sum(axis=1))
    np.testing.assert_array_equal(above + below, np.abs(weight).sum(axis=1))


def test_a_shared_row_counts_for_all_its_targets() -> None:
    # 2 channels of 3 tokens, in C order
    np.testing.assert_array_equal(spread(np.array([4, 5]), 6), [4, 4, 4, 5, 5, 5])


def _range(node: QuantizedNeurons | QuantizedIntegrators, steps: int) -> StateRange:
    return state_range(node, (np.array([3.0]), np.array([2.0])), steps)


def test_without_a_reset_both_sides_grow() -> None:
    # decay 1: 3 up or 2 down, 10 times
    found = _range(QuantizedIntegrators((1,), 0, 1.0), 10)
    assert (found.a, found.u, found.v) == (3, 3, 30)


def test_a_hard_reset_keeps_only_what_was_below_the_threshold() -> None:
    # upwards at most 4 + 3; downwards nothing resets: 10 * 2
    found = _range(QuantizedNeurons((1,), 0, 4, 1.0), 10)
    assert found.v == 20
    # 3 steps down are 6, less than 4 + 3
    assert _range(QuantizedNeurons((1,), 0, 4, 1.0), 3).v == 7
    # half of the threshold is kept: 2 + 3
    assert _range(QuantizedNeurons((1,), 2048, 4, 1.0), 3).v == 5


def test_a_soft_reset_pulls_down_by_what_exceeds_the_threshold() -> None:
    # up 10 * 3. A drop of 50 on a v just above 4 leaves -46, rounded off by 1/64; the
    # 20 of the input come on top.
    found = _range(QuantizedNeurons((1,), 0, 4, 1.0, drop=50), 10)
    assert found.v == 20 + 46 + 1 / 64
    # A drop of one threshold leaves what was above it.
    assert _range(QuantizedNeurons((1,), 0, 4, 1.0, drop=4), 10).v == 30


def test_a_current_that_remembers_grows_too() -> None:
    # u = 3, 6, 9 and v = 3, 9, 18 (no leak); the hard reset allows v up to 4 + 9
    found = _range(QuantizedIntegrators((1,), 0, 1.0, 0), 3)
    assert (found.a, found.u, found.v) == (3, 9, 18)
    assert _range(QuantizedNeurons((1,), 0, 4, 1.0, 0), 3).v == 13  # and 2 * 6 down


def test_decays_of_their_own_give_bounds_of_their_own() -> None:
    node = QuantizedIntegrators((2,), np.array([0, 4096]), 1.0)
    found = state_range(node, (np.array([3.0, 3.0]), np.zeros(2)), 5)
    np.testing.assert_array_equal(found.v, [15, 3])


def test_a_register_ends_below_two_to_the_17() -> None:
    ok, full = np.array([131071.0]), np.array([131072.0])
    assert StateRange(ok, ok, ok).fits
    assert not StateRange(full, ok, ok).fits
    assert not StateRange(ok, full, ok).fits
    assert not StateRange(ok, ok, full).fits


def test_all_that_arrives_adds_up() -> None:
    # Twice 3 << 2, through one map at two delays; a spike; and 24 bits of an LI.
    nodes = {
        "input": Input((1,)),
        "w": DenseSynapses(np.array([[3]]), 2),
        "li": QuantizedIntegrators((1,), 0, 1.0),
        "up": DenseSynapses(np.array([[1]])),
        "output": Output((1,)),
    }
    edges = (
        *(Edge("input", "up"), Edge("up", "li"), Edge("li", "output")),
        *(Edge("input", "w"), Edge("input", "w", 1), Edge("w", "output")),
        Edge("input", "output"),
    )
    arrival = {"input": 0, "li": 1, "output": 1}
    graph = Graph(nodes, edges, Stage.QUANTIZED, 1e-3, arrival)
    above, below = input_sums(graph, hops_by_target(graph)["output"], 1)
    assert above == 2 * 3 * 4 + 1 + 2**23 - 1
    assert below == 2**23 - 1


def test_a_shift_down_rounds_the_sum_up_in_size() -> None:
    # -5 >> 1 is -3
    nodes = {
        "input": Input((1,)),
        "w": DenseSynapses(np.array([[-5]]), -1),
        "output": Output((1,)),
    }
    edges = (Edge("input", "w"), Edge("w", "output"))
    arrival = {"input": 0, "output": 1}
    graph = Graph(nodes, edges, Stage.QUANTIZED, 1e-3, arrival)
    assert input_sums(graph, hops_by_target(graph)["output"], 1)[1] == 3
