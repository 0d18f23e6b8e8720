"""Counting who reaches whom agrees with every connection written out."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.graph import Edge
from spikewright.hardware_profiles.placement.reach import in_degree, projection, reach
from spikewright.hops import Hop
from spikewright.linear import to_sparse
from spikewright.nodes import (
    ChannelSynapses,
    ConvSynapses,
    DenseSynapses,
    DiagonalSynapses,
    SparseSynapses,
    Synapses,
    TokenSynapses,
)


def _weights(*shape: int) -> np.ndarray:
    """Integers of both signs, two in five of them 0."""
    rng = np.random.default_rng(sum(shape))
    return rng.integers(-3, 4, shape) * (rng.random(shape) < 0.7)


CASES: dict[str, tuple[Synapses, int]] = {
    "dense": (DenseSynapses(_weights(7, 5)), 5),
    "diagonal": (DiagonalSynapses(_weights(3, 4)), 12),
    "channel": (ChannelSynapses(_weights(3, 4, 5)), 15),
    "token": (TokenSynapses(_weights(1, 4, 3)), 18),
    "window": (TokenSynapses(_weights(3, 4, 3)), 18),
    "conv": (ConvSynapses(_weights(4, 3, 3, 2), (3, 6, 5)), 90),
    "strided": (
        ConvSynapses(
            *(_weights(6, 1, 3, 3), (3, 7, 8)),
            stride=(2, 3),
            padding=((1, 0), (2, 1)),
            dilation=(1, 2),
            groups=3,
        ),
        168,
    ),
    "sparse": (to_sparse(DenseSynapses(_weights(9, 6)), 6), 6),
    "sparse with zeros": (
        SparseSynapses(*map(np.array, ([0, 2, 3], [0, 0, 2], [1, 3, 3])), shape=(3, 4)),
        4,
    ),
}


def _projection(name: str):
    synapses, size = CASES[name]
    hop = Hop(Edge("source", "synapses"), "source", "target", synapses)
    return projection(hop, synapses, size)


@pytest.mark.parametrize("name", CASES)
def test_the_synapses_of_each_target_are_counted(name: str) -> None:
    synapses, size = CASES[name]
    written = to_sparse(synapses, size)
    expected = np.zeros(written.shape[0], dtype=np.int64)
    np.add.at(expected, written.targets, written.weight != 0)
    np.testing.assert_array_equal(in_degree(_projection(name)), expected)


@pytest.mark.parametrize("by_place", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_sources_of_any_targets_are_found(name: str, by_place: bool) -> None:
    synapses, size = CASES[name]
    written = to_sparse(synapses, size)
    rng = np.random.default_rng(0)
    last = written.shape[0] - 1
    some = np.flatnonzero(rng.random(last) < 0.5)
    for rows in (np.arange(last), some, np.array([last]), np.array([last - 1, last])):
        chosen = np.isin(written.targets, rows) & (written.weight != 0)
        expected = np.bincount(written.sources[chosen], minlength=size)
        found = reach(_projection(name), rows, by_place=by_place)
        np.testing.assert_array_equal(found.sources, np.flatnonzero(expected))
        np.testing.assert_array_equal(found.used, expected[expected > 0])
        assert np.all((found.used <= found.run) & (found.run <= len(rows)))


def test_a_run_goes_from_the_first_target_of_a_source_to_its_last() -> None:
    # 2 channels into 3, for each of 4 tokens alike; source channel 1 skips target 0.
    synapses = TokenSynapses(np.array([[[1, 0], [1, 1], [1, 1]]]))
    hop = Hop(Edge("source", "synapses"), "source", "target", synapses)
    each, rows = projection(hop, synapses, 8), np.arange(12)
    # Token by token, a source reaches the 3 neurons of its own token.
    assert reach(each, rows, by_place=True).used.tolist() == [3] * 4 + [2] * 4
    assert reach(each, rows, by_place=True).run.tolist() == [3] * 8
    # Channel by channel, the 9 neurons of other tokens lie in between.
    assert reach(each, rows, by_place=False).run.tolist() == [12] * 8


def test_a_run_of_a_channel_is_its_tokens() -> None:
    synapses = ChannelSynapses(np.ones((2, 3, 4), dtype=np.int64))
    hop = Hop(Edge("source", "synapses"), "source", "target", synapses)
    each, rows = projection(hop, synapses, 8), np.arange(6)
    assert reach(each, rows, by_place=False).run.tolist() == [3] * 8
    assert reach(each, rows, by_place=True).run.tolist() == [6] * 8


def test_a_run_through_a_window_holds_the_tap_that_is_0() -> None:
    # Taps 0 and 2 of 3, one channel, 5 tokens into 3: token 2 reaches 0 and 2, past 1.
    synapses = TokenSynapses(np.array([1, 0, 1]).reshape(3, 1, 1))
    hop = Hop(Edge("source", "synapses"), "source", "target", synapses)
    found = reach(projection(hop, synapses, 5), np.arange(3), by_place=True)
    assert found.used.tolist() == [1, 1, 2, 1, 1]
    assert found.run.tolist() == [1, 2, 3, 2, 1]
