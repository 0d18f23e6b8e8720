"""Composition equals applying the maps in turn; integers make the sums exact."""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import prod

import numpy as np
import pytest

from spikewright.errors import GraphError
from spikewright.export.passes import compose as module
from spikewright.export.passes.compose import add, compose, scale_rows, target_size
from spikewright.linear import to_matrix, to_sparse
from spikewright.nodes import (
    ChannelSynapses,
    ConvSynapses,
    DenseSynapses,
    DiagonalSynapses,
    SparseSynapses,
    Synapses,
    TokenSynapses,
)

CHANNELS, TOKENS = 4, 6
SIZE = CHANNELS * TOKENS


def _integers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(float)


def _matrix(synapses: Synapses, size: int = SIZE) -> np.ndarray:
    """Return (targets, sources), one by one; test_linear proves that it is right."""
    listed = to_sparse(synapses, size)
    return to_matrix(listed, listed.weight).toarray()


def _shared(seed: int) -> np.ndarray:
    """Return one number a channel, for all its tokens."""
    return np.repeat(_integers(seed, CHANNELS, 1) + 10, TOKENS, axis=1)


# Maps from 24 signals to 24, seen as 4 channels of 6 tokens or of 2 rows and 3 columns
MAPS: dict[str, Synapses] = {
    "dense": DenseSynapses(_integers(1, SIZE, SIZE)),
    "token": TokenSynapses(_integers(2, 1, CHANNELS, CHANNELS)),
    "channel": ChannelSynapses(_integers(4, CHANNELS, TOKENS, TOKENS)),
    "pairs of tokens": ChannelSynapses(_integers(5, 12, 2, 2)),
    "diagonal": DiagonalSynapses(_integers(6, CHANNELS, TOKENS)),
    "flat diagonal": DiagonalSynapses(_integers(7, SIZE)),
    "shared diagonal": DiagonalSynapses(_shared(8)),
    "conv": ConvSynapses(
        _integers(9, CHANNELS, CHANNELS, 3, 3), (CHANNELS, 2, 3), (1, 1), ((1, 1),) * 2
    ),
    "grouped conv": ConvSynapses(
        _integers(10, CHANNELS, 2, 1, 1), (CHANNELS, 2, 3), groups=2
    ),
    "conv over tokens": ConvSynapses(
        _integers(11, CHANNELS, CHANNELS, 1, 3),
        (CHANNELS, 1, TOKENS),
        padding=((0, 0), (2, 0)),
    ),
    "sparse": to_sparse(
        DenseSynapses(_integers(12, SIZE, SIZE) * (_integers(13, SIZE, SIZE) > 2)), SIZE
    ),
    "nothing": to_sparse(DenseSynapses(np.zeros((SIZE, SIZE))), SIZE),
}
every_pair = pytest.mark.parametrize(
    ("first", "then"), list(itertools.product(MAPS, repeat=2))
)


# --- one after the other -------------------------------------------------------------


@every_pair
def test_compose_equals_one_after_the_other(first: str, then: str) -> None:
    combined = compose(MAPS[first], MAPS[then], SIZE, "here")
    np.testing.assert_array_equal(
        _matrix(combined), _matrix(MAPS[then]) @ _matrix(MAPS[first])
    )
    assert target_size(combined, SIZE) == SIZE


KEPT = {
    ("dense", "dense"): DenseSynapses,
    ("dense", "diagonal"): DenseSynapses,
    ("channel", "channel"): ChannelSynapses,
    ("channel", "diagonal"): ChannelSynapses,
    ("token", "token"): TokenSynapses,
    ("token", "shared diagonal"): TokenSynapses,
    ("shared diagonal", "token"): TokenSynapses,
    ("conv", "shared diagonal"): ConvSynapses,
    ("shared diagonal", "conv"): ConvSynapses,
    ("shared diagonal", "grouped conv"): ConvSynapses,
    ("conv", "grouped conv"): ConvSynapses,  # no zeros around the second
    ("conv over tokens", "token"): ConvSynapses,
    ("grouped conv", "grouped conv"): ConvSynapses,
    ("diagonal", "flat diagonal"): DiagonalSynapses,
    ("sparse", "diagonal"): SparseSynapses,
    # structure is lost: zeros that the first map would not leave 0, tokens that differ
    ("conv", "conv"): SparseSynapses,
    ("diagonal", "token"): SparseSynapses,
    ("token", "diagonal"): SparseSynapses,
    ("diagonal", "conv"): SparseSynapses,
    ("channel", "token"): SparseSynapses,
    ("channel", "pairs of tokens"): SparseSynapses,
    # a dense factor makes a dense result, if enough of it connects
    ("dense", "token"): DenseSynapses,
    ("conv", "dense"): DenseSynapses,
    ("sparse", "dense"): DenseSynapses,
    ("nothing", "dense"): SparseSynapses,
}


@pytest.mark.parametrize(("first", "then"), KEPT)
def test_structure_is_kept_where_it_survives(first: str, then: str) -> None:
    combined = compose(MAPS[first], MAPS[then], SIZE, "here")
    assert isinstance(combined, KEPT[first, then])


def test_a_scale_of_one_leaves_the_very_same_weights() -> None:
    ones = DiagonalSynapses(np.ones((CHANNELS, TOKENS)))
    for each in MAPS.values():
        assert compose(ones, each, SIZE, "here").weight is each.weight
    assert compose(MAPS["conv"], ones, SIZE, "here").weight is MAPS["conv"].weight


def test_windows_in_a_row_stay_a_window() -> None:
    # 3 taps after 2 taps are 4 taps: 6 tokens -> 5 -> 3.
    first = TokenSynapses(_integers(1, 2, 5, CHANNELS))
    then = TokenSynapses(_integers(2, 3, 2, 5))
    combined = compose(first, then, SIZE, "here")
    assert isinstance(combined, TokenSynapses)
    assert combined.weight.shape == (4, 2, CHANNELS)
    assert target_size(combined, SIZE) == 2 * 3
    expected = _matrix(then, 25) @ _matrix(first)
    np.testing.assert_array_equal(_matrix(combined), expected)


def test_a_window_written_out_by_hand() -> None:
    # One channel, weights 2 and 3: y[l] = 2 x[l] + 3 x[l + 1].
    window = TokenSynapses(np.array([[[2.0]], [[3.0]]]))
    np.testing.assert_array_equal(_matrix(window, 3), [[2, 3, 0], [0, 2, 3]])


def test_a_pool_and_a_convolution_are_one_kernel_by_hand() -> None:
    # pairs summed, then 1, 10 over neighbors, two zeros before the first:
    # x0 x1 | x2 x3 -> m0 = x0 + x1, m1 = x2 + x3 -> 0, 10 m0, m0 + 10 m1
    pool = ConvSynapses(np.ones((1, 1, 1, 2)), (1, 1, 4), (1, 2))
    conv = ConvSynapses(np.array([[[[1.0, 10]]]]), (1, 1, 2), padding=((0, 0), (2, 0)))
    combined = compose(pool, conv, 4, "here")
    assert isinstance(combined, ConvSynapses)
    assert combined.weight.tolist() == [[[[1, 1, 10, 10]]]]
    assert (combined.stride, combined.padding) == ((1, 2), ((0, 0), (4, 0)))
    expected = [[0, 0, 0, 0], [10, 10, 0, 0], [1, 1, 10, 10]]
    np.testing.assert_array_equal(_matrix(combined, 4), expected)


def _random_kernel(
    rng: np.random.Generator, shape: tuple[int, ...], groups: int
) -> ConvSynapses | None:
    channels = shape[0]
    taps, stride, dilation = (rng.integers(1, high, 2) for high in (4, 3, 3))
    pads = rng.integers(0, 3, (2, 2)) * rng.integers(0, 2, (2, 1))
    made = ConvSynapses(
        rng.integers(-4, 5, (4, channels // groups, *taps)).astype(float),
        shape,
        (int(stride[0]), int(stride[1])),
        tuple((int(a), int(b)) for a, b in pads),  # type: ignore[arg-type]
        (int(dilation[0]), int(dilation[1])),
        groups,
    )
    return made if min(made.target_shape) > 0 else None


def test_random_kernels_in_a_row_are_right_and_often_stay_a_kernel() -> None:
    rng, kinds = np.random.default_rng(0), []
    for _ in range(300):
        first = _random_kernel(rng, (4, 7, 6), int(rng.choice([1, 2, 4])))
        if first is None:
            continue
        then = _random_kernel(rng, first.target_shape, int(rng.choice([1, 2, 4])))
        if then is None:
            continue
        combined = compose(first, then, 168, "here")
        middle = prod(first.target_shape)
        expected = _matrix(then, middle) @ _matrix(first, 168)
        np.testing.assert_array_equal(_matrix(combined, 168), expected)
        kinds.append(type(combined))
    assert len(kinds) > 150
    assert min(kinds.count(ConvSynapses), kinds.count(SparseSynapses)) > 40


# 4 matrices of 6 x 6: 144 connections. 12 of 2 x 2: 48. In turn: each of the 24 values
# between was reached by 6 sources and reaches 2 targets, 24 * 12 = 288 connections.
SIXES = ChannelSynapses(np.ones((4, 6, 6)))
PAIRS = ChannelSynapses(np.ones((12, 2, 2)))
SQUARE = DenseSynapses(np.ones((SIZE, SIZE)))
WIDE = DenseSynapses(np.ones((15, SIZE)))  # 15 * 24 = 360


@pytest.mark.parametrize(
    ("first", "then", "limit", "count"),
    [(SIXES, PAIRS, 143, 144), (SIXES, PAIRS, 287, 288), (SQUARE, WIDE, 359, 360)],
)
def test_a_map_with_too_many_connections_is_refused(
    first: Synapses,
    then: Synapses,
    limit: int,
    count: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_SYNAPSES", limit)
    match = (
        f"here: its linear maps make up to {count} connections, at most {limit}; put"
    )
    with pytest.raises(GraphError, match=match):
        compose(first, then, SIZE, "here")


def test_a_sum_with_too_many_connections_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_SYNAPSES", 191)
    with pytest.raises(
        GraphError, match=r"here: .* up to 192 connections, at most 191"
    ):
        add(SIXES, PAIRS, SIZE, "here")  # 144 + 48
    monkeypatch.setattr(module, "MAX_SYNAPSES", 192)
    add(SIXES, PAIRS, SIZE, "here")


# --- side by side --------------------------------------------------------------------


@every_pair
def test_add_equals_the_sum_of_both(first: str, then: str) -> None:
    total = add(MAPS[first], MAPS[then], SIZE, "here")
    np.testing.assert_array_equal(
        _matrix(total), _matrix(MAPS[first]) + _matrix(MAPS[then])
    )
    if first == then or {first, then} <= {"diagonal", "flat diagonal"}:
        assert type(total) is type(MAPS[first])


# --- scaled --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("shared", [True, False])
def test_rows_are_scaled_whatever_the_structure(kind: str, shared: bool) -> None:
    scale = _shared(3) if shared else _integers(3, CHANNELS, TOKENS) + 10
    synapses = replace(MAPS[kind], exponent=2)
    scaled = scale_rows(synapses, scale, SIZE)
    np.testing.assert_array_equal(
        _matrix(scaled), _matrix(MAPS[kind]) * scale.reshape(-1, 1)
    )
    assert scaled.exponent == 2
    tokens_differ = not shared and isinstance(MAPS[kind], TokenSynapses | ConvSynapses)
    assert isinstance(scaled, SparseSynapses if tokens_differ else type(MAPS[kind]))


@pytest.mark.parametrize("kind", MAPS)
def test_rows_scaled_by_one_are_the_very_same(kind: str) -> None:
    ones = np.ones((CHANNELS, TOKENS))
    assert scale_rows(MAPS[kind], ones, SIZE) is MAPS[kind]
