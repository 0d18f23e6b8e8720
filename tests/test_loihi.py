"""Loihi's registers: what a weight may be, and how far filters let a state grow."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from spikewright.loihi import (
    largest_growth,
    largest_sum,
    needed_bits,
    shift_to_zero,
    stored_bits,
    upper_shift,
    weight_limit,
)
from spikewright.nodes import DenseSynapses


@pytest.mark.parametrize(
    ("weight", "limit"),
    [([3, 0, 1], 255), ([-3, 0, -1], 255), ([3, -1], 127), ([0, 0], 255), ([], 255)],
)
def test_both_signs_cost_a_bit(weight: list[int], limit: int) -> None:
    assert weight_limit(np.array(weight)) == limit


@pytest.mark.parametrize(("bits", "both", "one"), [(1, 0, 1), (2, 1, 3), (7, 63, 127)])
def test_fewer_bits_hold_less(bits: int, both: int, one: int) -> None:
    assert weight_limit(np.array([3, -1]), bits) == both
    assert weight_limit(np.array([3, 0]), bits) == one


def _holds(weights: tuple[int, ...], bits: int) -> bool:
    """Try every exponent, with all integers that so many bits may be."""
    both = min(weights) < 0 < max(weights)
    sign = -1 if min(weights) < 0 else 1
    codes = range(2**bits)
    integers = [each - 2 ** (bits - 1) if both else sign * each for each in codes]
    return any({w / 2**e for w in weights} <= set(integers) for e in range(10))


def test_weights_need_the_fewest_bits_that_hold_them() -> None:
    # every pair from -33 to 33, and triples of what lies around powers of two
    edges = (-256, -255, -130, -128, -127, -64, -3, -1, 0, 1, 3, 64, 127, 128, 254, 255)
    pairs = product(range(-33, 34), repeat=2)
    for weights in (*pairs, *combinations(edges, 3)):
        fewest = next(bits for bits in range(1, 11) if _holds(weights, bits))
        assert needed_bits(np.array(weights, dtype=np.int16)) == fewest, weights
    assert needed_bits(np.zeros(0, dtype=np.int64)) == 1


@pytest.mark.parametrize(
    ("weight", "exponent", "shift", "bits"),
    [
        ([1, 0], 0, 7, 1),  # 128 << -7
        ([1, 0], -1, 6, 2),  # -8 is no exponent, so 64 << -7
        ([1, 0], -7, 0, 8),
        ([128, 0], -7, 0, 1),  # it lies at the upper end already
        ([1, -1], 0, 7, 2),  # 128 and -128 of -256 to 255, << -7
        ([1, -1], -6, 1, 8),
        ([127, -1], 3, 1, 8),
        ([255, 0], 3, 0, 8),
    ],
)
def test_low_exponents_cost_bits(
    weight: list[int], exponent: int, shift: int, bits: int
) -> None:
    assert upper_shift(np.array(weight), exponent) == shift
    assert stored_bits(np.array(weight), exponent) == bits


def test_a_shift_rounds_towards_zero() -> None:
    # 7 / 4 = 1.75 and -7 / 4 = -1.75 both lose their fraction.
    np.testing.assert_array_equal(shift_to_zero(np.array([7, -7, -8]), 2), [1, -1, -2])


@pytest.mark.parametrize(
    ("dv", "du", "steps", "growth"),
    [
        (4096, 4096, 9, 1.0),  # no memory at all
        (0, 4096, 4, 4.0),  # v = 1 + 1 + 1 + 1
        (2048, 4096, 3, 1.75),  # v = 1 + 1/2 + 1/4
        (2048, 4096, 10**9, 2.0),  # and it stops growing
        (0, 0, 3, 6.0),  # u = 1, 2, 3; v = 1, 3, 6
        (2048, 0, 3, 4.25),  # u = 1, 2, 3; v = 1, 2 + 1/2, 3 + 5/4
        (2048, 2048, 2, 2.0),  # u = 1, 3/2; v = 1, 3/2 + 1/2
    ],
)
def test_growth_is_the_step_response_of_both_filters(
    dv: int, du: int, steps: int, growth: float
) -> None:
    # a bound may be too large by what floats round, never too small
    assert growth <= largest_growth(dv, du, steps) <= growth * (1 + 1e-8)


def test_the_largest_sum_adds_the_worst_rows() -> None:
    # rows: |1| + |-2| = 3 and |4| = 4 -> 4 * 2**3; the other projection adds 5.
    first = DenseSynapses(np.array([[1, -2], [4, 0]]), exponent=3)
    second = DenseSynapses(np.array([[-5], [1]]))
    assert largest_sum([first, second]) == 4 * 8 + 5
