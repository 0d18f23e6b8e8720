"""Loihi's registers: what a weight may be, and how far filters let a state grow."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.loihi import (
    largest_growth,
    largest_sum,
    shift_to_zero,
    weight_limit,
)
from spikewright.nodes import DenseSynapses


@pytest.mark.parametrize(
    ("weight", "limit"),
    [([3, 0, 1], 255), ([-3, 0, -1], 255), ([3, -1], 127), ([0, 0], 255), ([], 255)],
)
def test_both_signs_cost_a_bit(weight: list[int], limit: int) -> None:
    assert weight_limit(np.array(weight)) == limit


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
