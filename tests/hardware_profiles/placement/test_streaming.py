"""Streaming: who has one copy for all tokens, and what that costs."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.graph import Graph
from spikewright.hardware_profiles.placement.limits import load_limits
from spikewright.hardware_profiles.placement.place import (
    PlacementCheck,
    check_placement,
)
from spikewright.hardware_profiles.placement.streaming import Streaming, stream_tokens
from spikewright.nodes import (
    BiasLine,
    ChannelSynapses,
    ConvSynapses,
    DenseSynapses,
    DiagonalSynapses,
    Input,
    Output,
    SparseSynapses,
    TokenSynapses,
)

LOIHI1 = load_limits("loihi1")


def _stream(graph: Graph) -> Streaming:
    found = stream_tokens(graph, LOIHI1)
    assert found is not None
    return found


def _both(graph: Graph) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return neurons and synapses, replicated and streamed."""
    check: PlacementCheck = check_placement(graph, LOIHI1)
    assert check.streamed is not None
    plain, copy = check.replicated.demand, check.streamed.demand
    return (plain.neurons, plain.synapses), (copy.neurons, copy.synapses)


@pytest.fixture
def one_layer(build, lif, ones):
    """Input (2 channels, 5 tokens) into `n` (3 channels) through given synapses."""

    def make(synapses=None, tokens: int = 5, **changes) -> Graph:
        nodes = {
            "input": Input((2, 5)),
            "w": synapses or TokenSynapses(ones(1, 3, 2)),
            "n": lif(3, tokens, **changes),
            "output": Output((3, tokens)),
        }
        return build(nodes, "input w", "w n", "n output")

    return make


def test_shared_weights_are_counted_once_and_for_every_token(one_layer) -> None:
    # 3 x 5 neurons with 2 synapses each, or one token's 3 neurons
    assert _both(one_layer()) == ((15, 30), (3, 6))
    found = _stream(one_layer())
    assert (found.streamed, found.places, found.passes) == (("n",), 5, 1)
    assert (found.held_bits, found.window_bits) == (0, 0)
    assert found.state_bits == 15 * 24  # v of all tokens; du = 4096: u is not kept


def test_a_current_with_memory_is_a_state_too(one_layer) -> None:
    assert _stream(one_layer(du=2048)).state_bits == 15 * 48
    assert _stream(one_layer(dv=4096)).state_bits == 0


def test_a_window_holds_the_tokens_before(one_layer, ones) -> None:
    # 3 taps: 5 - 3 + 1 = 3 tokens; 3 x 3 neurons with 2 x 3 synapses
    graph = one_layer(TokenSynapses(ones(3, 3, 2)), tokens=3)
    assert _both(graph) == ((9, 54), (3, 18))
    found = _stream(graph)
    assert found.places == 5  # the host sends all 5
    assert found.window_bits == 2 * 2  # 2 tokens of 2 channels


def test_a_kernel_is_a_window_over_pixels(build, lif, ones) -> None:
    # 3 x 3 over (2, 4, 4) in 2 groups, padded: 4 channels x 16 places
    nodes = {
        "input": Input((2, 4, 4)),
        "w": ConvSynapses(
            ones(4, 1, 3, 3), (2, 4, 4), padding=((1, 1), (1, 1)), groups=2
        ),
        "n": lif(4, 4, 4),
        "output": Output((4, 4, 4)),
    }
    graph = build(nodes, "input w", "w n", "n output")
    # Inside, a place sees 9 of its group; on an edge 6, in a corner 4:
    # 4 places x 9 + 8 x 6 + 4 x 4 = 100, for 4 channels
    assert _both(graph) == ((64, 400), (4, 36))
    found = _stream(graph)
    assert found.places == 16
    assert found.window_bits == (2 * 4 + 2) * 2  # 2 rows and 2 pixels of 2 channels


@pytest.mark.parametrize(
    "weight", [np.full((3, 5), 7), np.repeat([[1], [2], [3]], 5, axis=1)]
)
def test_a_diagonal_that_is_equal_over_tokens_is_streamed(
    build, lif, ones, weight
) -> None:
    nodes = {
        "input": Input((3, 5)),
        "w": DiagonalSynapses(weight),
        "n": lif(3, 5),
        "output": Output((3, 5)),
    }
    graph = build(nodes, "input w", "w n", "n output")
    assert _both(graph) == ((15, 15), (3, 3))
    uneven = weight.copy()
    uneven[1, 4] += 1
    nodes["w"] = DiagonalSynapses(uneven)
    assert stream_tokens(build(nodes, "input w", "w n", "n output"), LOIHI1) is None


def test_a_bias_that_is_equal_over_tokens_is_streamed(build, lif, ones) -> None:
    def graph(bias: np.ndarray) -> Graph:
        nodes = {
            "input": Input((2, 5)),
            "line": BiasLine(),
            "w": TokenSynapses(ones(1, 3, 2)),
            "b": DenseSynapses(bias),
            "n": lif(3, 5),
            "output": Output((3, 5)),
        }
        return build(nodes, "input w", "line b", "w n", "b n", "n output")

    even = np.repeat([[1], [2], [3]], 5, axis=1).reshape(15, 1)
    # 15 neurons and the line; 30 + 15 synapses, or 6 + 3
    assert _both(graph(even)) == ((16, 45), (4, 9))
    assert _stream(graph(even)).held_bits == 0  # the host drives the line
    even[7] += 1
    assert stream_tokens(graph(even), LOIHI1) is None


@pytest.mark.parametrize("what", ["dv", "du", "drop"])
def test_tokens_with_decays_of_their_own_are_not_streamed(one_layer, what) -> None:
    values = np.repeat([[7], [8], [9]], 5, axis=1)
    assert stream_tokens(one_layer(**{what: values}), LOIHI1) is not None
    values[0, 2] += 1
    assert stream_tokens(one_layer(**{what: values}), LOIHI1) is None


def test_what_mixes_tokens_is_not_streamed(one_layer, ones) -> None:
    one = np.zeros(1, dtype=np.int64)
    for mixing in (
        DenseSynapses(ones(15, 10)),
        SparseSynapses(ones(1), one, one, (15, 10)),
    ):
        assert stream_tokens(one_layer(mixing), LOIHI1) is None


@pytest.fixture
def attention(build, lif, ones):
    """tokens -> stem -> gate over all tokens -> every token, AND the stem."""

    def make(*more: str, **nodes) -> Graph:
        wide = np.full((3, 5), 10)
        usual = {
            "input": Input((2, 5)),
            "in": TokenSynapses(ones(1, 3, 2)),
            "stem": lif(3, 5),
            "count": ChannelSynapses(ones(3, 1, 5)),
            "gate": lif(3, 1),
            "spread": ChannelSynapses(ones(3, 5, 1)),
            "keep": DiagonalSynapses(wide),
            "and": lif(3, 5, dv=4096),
            "head": DenseSynapses(ones(2, 15)),
            "output": Output((2,)),
        }
        edges = ["input in", "in stem", "stem count", "count gate", "gate spread"]
        edges += ["spread and", "stem keep 2", "keep and", "and head", "head output"]
        return build({**usual, **nodes}, *edges, *more)

    return make


def test_a_gate_over_all_tokens_is_a_barrier(attention) -> None:
    # replicated: 15 + 3 + 15 neurons and 2 of the readout;
    #   30 + 15 + 15 + 15 + 30 synapses
    # streamed: 3 + 3 + 3 + 2 neurons; 6 + 15 + 3 + 3 + 30 synapses: what lies
    #   behind all tokens, the gate and the readout, keeps all its weights
    assert _both(attention()) == ((35, 105), (11, 57))
    found = _stream(attention())
    assert found.streamed == ("stem", "and")
    assert found.passes == 2
    # the stem waits for the gate, the gate for the second pass, the AND for the
    # readout: 15 + 3 + 15
    assert found.held_bits == 33


def test_what_the_host_sends_is_not_held(attention, ones) -> None:
    # A bias and the input itself into the second pass: the host sends them again.
    more = {
        "line": BiasLine(),
        "bias": DenseSynapses(ones(15, 1)),
        "skip": TokenSynapses(ones(1, 3, 2)),
    }
    edges = ("line bias 4", "bias and", "input skip 4", "skip and")
    found = _stream(attention(*edges, **more))
    assert found.streamed == ("stem", "and")
    assert found.held_bits == 33


def test_held_spikes_enter_the_copy_through_the_host(attention) -> None:
    graph = _stream(attention()).graph
    assert graph.inputs.keys() >= {
        "input, by place",
        "stem, held",
        "stem, held whole",
        "gate, held whole",
        "and, held whole",
    }
    assert [each.source for each in graph.into("keep")] == ["stem, held"]
    assert graph.into("keep")[0].delay == 2
    assert [each.source for each in graph.into("count")] == ["stem, held whole"]


def test_a_loop_through_a_barrier_is_not_streamed(attention, ones) -> None:
    back = {"back": TokenSynapses(ones(1, 3, 3))}
    assert stream_tokens(attention("and back", "back stem", **back), LOIHI1) is None


def test_a_loop_within_a_token_is_streamed(attention, ones) -> None:
    back = {"back": TokenSynapses(ones(1, 3, 3))}
    found = _stream(attention("stem back", "back stem", **back))
    assert found.streamed == ("stem", "and")
    # tokens of 9 synapses more
    assert _both(attention("stem back", "back stem", **back))[1] == (11, 57 + 9)


@pytest.mark.parametrize(
    "alike",
    [
        TokenSynapses(np.ones((1, 2, 2), dtype=np.int64)),
        DiagonalSynapses(np.ones((2, 5), dtype=np.int64)),
    ],
)
def test_what_follows_an_unstreamed_population_is_not_streamed(
    build, lif, ones, alike
) -> None:
    nodes = {
        "input": Input((2, 5)),
        "mix": DenseSynapses(ones(10, 10)),
        "m": lif(2, 5),
        "w": alike,
        "n": lif(2, 5),
        "output": Output((2, 5)),
    }
    edges = ("input mix", "mix m", "m w", "w n", "n output")
    assert stream_tokens(build(nodes, *edges), LOIHI1) is None
