"""Composition equals applying the maps in turn; integers make the sums exact."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from spikewright.errors import GraphError
from spikewright.export.compose import (
    bias_of,
    compose,
    compose_all,
    target_size,
    to_dense,
    to_synapses,
)
from spikewright.nodes import (
    Affine,
    ChannelSynapses,
    Conv1d,
    DenseSynapses,
    DiagonalSynapses,
    Linear,
    Scale,
    Synapses,
    TokenSynapses,
)

CHANNELS, TOKENS = 3, 5
SIZE = CHANNELS * TOKENS


def _integers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(float)


def _from_input() -> dict[str, Synapses]:
    """One map of each kind that takes a (3, 5) signal."""
    return {
        "dense": DenseSynapses(_integers(1, SIZE, SIZE)),
        "token": TokenSynapses(_integers(2, 1, CHANNELS, CHANNELS)),
        "channel": ChannelSynapses(_integers(4, CHANNELS, TOKENS, TOKENS)),
        "diagonal": DiagonalSynapses(_integers(5, CHANNELS, TOKENS)),
        "shared diagonal": DiagonalSynapses(
            np.repeat(_integers(6, CHANNELS, 1), TOKENS, axis=1)
        ),
    }


@pytest.mark.parametrize(
    ("first", "then"), list(itertools.product(_from_input(), repeat=2))
)
def test_compose_equals_one_after_the_other(first: str, then: str) -> None:
    maps = _from_input()
    x = _integers(7, SIZE)
    combined = compose(maps[first], maps[then], SIZE, "here")
    step = to_dense(maps[first], SIZE) @ x
    np.testing.assert_array_equal(
        to_dense(combined, SIZE) @ x, to_dense(maps[then], SIZE) @ step
    )


def test_windows_in_a_row_stay_a_window() -> None:
    # 3 taps after 2 taps are 4 taps: 5 tokens -> 4 -> 2.
    first = TokenSynapses(_integers(1, 2, 4, CHANNELS))
    then = TokenSynapses(_integers(2, 3, 2, 4))
    combined = compose(first, then, SIZE, "here")
    assert isinstance(combined, TokenSynapses)
    assert combined.weight.shape == (4, 2, CHANNELS)
    assert target_size(combined, SIZE) == 2 * 2
    expected = to_dense(then, 16) @ to_dense(first, SIZE)
    np.testing.assert_array_equal(to_dense(combined, SIZE), expected)


def test_a_scale_shared_by_tokens_keeps_the_weights_shared() -> None:
    maps = _from_input()
    kept = compose(maps["token"], maps["shared diagonal"], SIZE, "here")
    lost = compose(maps["token"], maps["diagonal"], SIZE, "here")
    assert isinstance(kept, TokenSynapses)
    assert isinstance(lost, DenseSynapses)


def test_a_window_written_out_by_hand() -> None:
    # One channel, weights 2 and 3: y[l] = 2 x[l] + 3 x[l + 1].
    window = TokenSynapses(np.array([[[2.0]], [[3.0]]]))
    np.testing.assert_array_equal(to_dense(window, 3), [[2, 3, 0], [0, 2, 3]])


def test_no_map_at_all_is_weight_one() -> None:
    identity = compose_all([], (2, 2), "here")
    np.testing.assert_array_equal(to_dense(identity, 4), np.eye(4))


def test_a_chain_too_large_to_write_out_is_refused() -> None:
    wide = DiagonalSynapses(np.arange(6000.0).reshape(2, 3000))
    token = TokenSynapses(np.ones((1, 2, 2)))
    with pytest.raises(GraphError, match="dense matrix of 6000 x 6000 weights"):
        compose(token, wide, 6000, "here")


def test_linear_nodes_become_synapses_of_the_same_weights() -> None:
    weight = _integers(1, 2, 3)
    conv = Conv1d(_integers(2, 4, 3, 2), np.ones(4), 5)
    np.testing.assert_array_equal(to_synapses(Linear(weight)).weight, weight)
    # NIR's (targets, sources, taps) becomes (taps, targets, sources).
    assert to_synapses(conv).weight[1, 3, 2] == conv.weight[3, 2, 1]
    assert isinstance(to_synapses(Scale(np.ones((2, 2)))), DiagonalSynapses)
    assert isinstance(to_synapses(Linear(np.ones((4, 2, 3)))), ChannelSynapses)


def test_bias_has_the_shape_of_the_output() -> None:
    conv = Conv1d(np.ones((2, 3, 2)), np.array([1.0, 2.0]), 5)
    np.testing.assert_array_equal(bias_of(conv), [[1] * 4, [2] * 4])  # 5 - 2 + 1 tokens
    assert bias_of(Affine(np.ones((2, 2)), np.zeros(2))) is None
