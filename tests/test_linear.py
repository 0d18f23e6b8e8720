"""Every kind of synapses against its docstring's equation, written as plain loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod

import numpy as np
import pytest

from spikewright.errors import GraphError
from spikewright.linear import (
    apply_synapses,
    ends,
    fan_in,
    fan_out,
    pattern,
    to_matrix,
    to_sparse,
)
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
    """Integers, a third of them 0, so that products are exact and fan-outs differ."""
    rng = np.random.default_rng(prod(shape))
    return (rng.integers(-4, 5, shape) * (rng.random(shape) < 0.67)).astype(float)


def _conv(
    weight: tuple[int, ...], shape: tuple[int, ...], **options: object
) -> ConvSynapses:
    return replace(ConvSynapses(_weights(*weight), shape), **options)  # type: ignore[arg-type]


# name -> synapses, shape of the source, shape of the target worked out by hand
KINDS: dict[str, tuple[Synapses, tuple[int, ...], tuple[int, ...]]] = {
    "dense": (DenseSynapses(_weights(4, 6)), (6,), (4,)),
    "diagonal": (DiagonalSynapses(_weights(2, 3)), (2, 3), (2, 3)),
    "channel": (ChannelSynapses(_weights(3, 2, 4)), (3, 4), (3, 2)),
    "one token": (TokenSynapses(_weights(1, 2, 3)), (3, 4), (2, 4)),
    "window of tokens": (TokenSynapses(_weights(3, 2, 4)), (4, 5), (2, 3)),
    "sparse": (
        SparseSynapses(
            np.array([2.0, -3, 5, 7]),
            np.array([0, 0, 2, 3]),
            np.array([1, 4, 0, 1]),
            (4, 5),
        ),
        (5,),
        (4,),
    ),
    "sparse of nothing": (
        SparseSynapses(
            np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), (2, 3)
        ),
        (3,),
        (2,),
    ),
    "conv": (_conv((3, 2, 2, 3), (2, 4, 5)), (2, 4, 5), (3, 3, 3)),
    # rows: (5 + 1 + 0 - 1 * (2 - 1) - 1) // 2 + 1 = 3
    # columns: (6 + 0 + 2 - 2 * (3 - 1) - 1) // 3 + 1 = 2
    "conv with all options": (
        _conv(
            (4, 1, 2, 3),
            (2, 5, 6),
            stride=(2, 3),
            padding=((1, 0), (0, 2)),
            dilation=(1, 2),
            groups=2,
        ),
        (2, 5, 6),
        (4, 3, 2),
    ),
    "depthwise": (_conv((3, 1, 2, 2), (3, 2, 4), groups=3), (3, 2, 4), (3, 1, 3)),
    # one row; columns: (7 + 2 + 2 - 2 - 1) // 2 + 1 = 5
    "conv over tokens": (
        _conv((2, 3, 1, 3), (3, 1, 7), stride=(1, 2), padding=((0, 0), (2, 2))),
        (3, 1, 7),
        (2, 1, 5),
    ),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


# --- the equations, written as loops -------------------------------------------------

Term = tuple[tuple[int, ...], tuple[int, ...], float]


def _terms(synapses: Synapses, source: tuple[int, ...]) -> Iterator[Term]:
    """Yield (index in a, index in x, weight) of every term of the equation."""
    match synapses:
        case DenseSynapses():
            yield from _each(synapses, lambda o, i: ((o,), (i,)))
        case DiagonalSynapses():
            yield from _each(synapses, lambda *place: (place, place))
        case ChannelSynapses():
            yield from _each(synapses, lambda c, o, i: ((c, o), (c, i)))
        case TokenSynapses():
            for token in range(source[1] - len(synapses.weight) + 1):
                yield from _each(synapses, lambda k, o, i: ((o, token), (i, token + k)))  # noqa: B023 - used at once
        case SparseSynapses(_, targets, sources):
            yield from _each(synapses, lambda k: ((targets[k],), (sources[k],)))
        case ConvSynapses():
            yield from _terms_of_conv(synapses)


def _each(
    synapses: Synapses, ends_of: Callable[..., tuple[tuple[int, ...], tuple[int, ...]]]
) -> Iterator[Term]:
    for place, weight in np.ndenumerate(synapses.weight):
        yield *ends_of(*place), weight


def _terms_of_conv(synapses: ConvSynapses) -> Iterator[Term]:
    channels, rows, columns = synapses.shape
    targets, own = synapses.weight.shape[:2]
    (top, _), (left, _) = synapses.padding
    for (o, c, p, q), each in np.ndenumerate(synapses.weight):
        channel = o // (targets // synapses.groups) * own + c
        for i, j in np.ndindex(*synapses.target_shape[1:]):
            row = synapses.stride[0] * i + synapses.dilation[0] * p - top
            column = synapses.stride[1] * j + synapses.dilation[1] * q - left
            if 0 <= row < rows and 0 <= column < columns:
                assert channel < channels
                yield (o, i, j), (channel, row, column), each


def _matrix(kind: str) -> np.ndarray:
    """Return the matrix (targets, sources) over flattened signals."""
    synapses, source, target = KINDS[kind]
    matrix = np.zeros((*target, *source))
    for into, out_of, weight in _terms(synapses, source):
        matrix[(*into, *out_of)] += weight
    return matrix.reshape(prod(target), prod(source))


# --- tests ---------------------------------------------------------------------------


@every_kind
def test_ends_are_the_shapes_of_both_sides(kind: str) -> None:
    synapses, source, target = KINDS[kind]
    assert ends(synapses, prod(source)) == (source, target)


@every_kind
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_the_product_is_the_equation(kind: str, dtype: type) -> None:
    synapses, source, target = KINDS[kind]
    x = np.random.default_rng(0).integers(-3, 4, (3, *source)).astype(dtype)
    a = apply_synapses(synapses, x, target)
    assert (a.shape, a.dtype) == ((3, *target), dtype)
    np.testing.assert_array_equal(
        a.reshape(3, -1), x.reshape(3, -1) @ _matrix(kind).T.astype(dtype)
    )


@every_kind
def test_signals_may_come_in_any_shape_of_the_right_size(kind: str) -> None:
    synapses, source, target = KINDS[kind]
    x = np.arange(2.0 * prod(source)).reshape(2, *source)
    flat = apply_synapses(synapses, x.reshape(2, -1), target)
    np.testing.assert_array_equal(flat, apply_synapses(synapses, x, target))


@every_kind
def test_the_exponent_is_left_to_the_caller(kind: str) -> None:
    synapses, source, target = KINDS[kind]
    x = np.ones((1, *source))
    np.testing.assert_array_equal(
        apply_synapses(replace(synapses, exponent=3), x, target),
        apply_synapses(synapses, x, target),
    )


@every_kind
def test_fan_in_is_the_sum_of_magnitudes_where_all_meet(kind: str) -> None:
    synapses, _, target = KINDS[kind]
    by_target = np.abs(_matrix(kind)).sum(axis=1).reshape(target)
    found = fan_in(synapses)
    match synapses:
        case TokenSynapses():  # every token sees the whole window
            np.testing.assert_array_equal(by_target, found[:, None] + 0 * by_target)
        case ConvSynapses():  # zeros outside, so less may meet, but never more
            assert np.all(by_target <= found[:, None, None])
            whole = np.abs(synapses.weight).sum(axis=(1, 2, 3))
            np.testing.assert_array_equal(found, whole)
        case _:
            np.testing.assert_array_equal(found.reshape(target), by_target)


@every_kind
def test_fan_out_counts_the_connections_that_are_not_zero(kind: str) -> None:
    synapses, source, _ = KINDS[kind]
    np.testing.assert_array_equal(
        fan_out(synapses, prod(source)), np.count_nonzero(_matrix(kind), axis=0)
    )


@every_kind
def test_sparse_lists_each_connection_once_in_order(kind: str) -> None:
    synapses, source, target = KINDS[kind]
    found = to_sparse(replace(synapses, exponent=2), prod(source))
    assert (found.shape, found.exponent) == ((prod(target), prod(source)), 2)
    np.testing.assert_array_equal(
        to_matrix(found, found.weight).toarray(), _matrix(kind)
    )
    pairs = list(zip(found.targets.tolist(), found.sources.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert np.all(found.weight != 0)


@every_kind
def test_a_pattern_has_ones_where_there_are_weights(kind: str) -> None:
    synapses, source, _ = KINDS[kind]
    ones = to_sparse(pattern(synapses), prod(source))
    there = to_matrix(ones, ones.weight).toarray()
    np.testing.assert_array_equal(there, _matrix(kind) != 0)


@pytest.mark.parametrize(
    ("synapses", "size"),
    [
        (DenseSynapses(np.ones((2, 3))), 4),
        (ChannelSynapses(np.ones((2, 3, 4))), 6),
        (DiagonalSynapses(np.ones(3)), 4),
        (TokenSynapses(np.ones((1, 2, 3))), 4),  # 4 is no multiple of 3 channels
        (TokenSynapses(np.ones((3, 2, 2))), 4),  # 3 taps over 2 tokens
        (ConvSynapses(np.ones((1, 2, 2, 2)), (2, 3, 3)), 9),
        (ConvSynapses(np.ones((1, 2, 4, 1)), (2, 3, 3)), 18),  # 4 taps over 3 rows
        (ConvSynapses(np.ones((1, 1, 1, 1)), (2, 3, 3)), 18),  # 1 channel of 2
        (ConvSynapses(np.ones((3, 1, 1, 1)), (2, 3, 3), groups=2), 18),  # 3 in 2 groups
        (
            SparseSynapses(
                np.ones(1), np.zeros(1, np.int64), np.zeros(1, np.int64), (2, 3)
            ),
            4,
        ),
    ],
)
def test_refuses_a_source_that_does_not_fit(synapses: Synapses, size: int) -> None:
    with pytest.raises(GraphError, match=rf"cannot take {size} signals; correct the"):
        ends(synapses, size)
