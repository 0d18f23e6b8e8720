"""Ranges of constants: drawn by seed, shared by both sides, sorted by what matters."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest

from spikewright.counts import OperationCount
from spikewright.errors import InputError, ProfileError
from spikewright.hardware_profiles.prices.accounting import load_accounting
from spikewright.hardware_profiles.prices.full_energy import full_energy
from spikewright.hardware_profiles.prices.terms import Factor, Line
from spikewright.hardware_profiles.prices.uncertainty import (
    spread_of_ratio,
    spread_of_total,
    tornado_of_ratio,
    tornado_of_total,
)
from spikewright.hardware_profiles.prices.work import Work
from spikewright.hardware_profiles.profiles.profile import load_profile


@pytest.fixture
def line(joules):
    """Return a line of 10 operations, 2 J each, in a range of 1 to 4 J."""

    def make(place="p.a", amount=10, value=2.0, **changes):
        constant = joules(value, **{"low": 1.0, "high": 4.0, **changes})
        return Line("synops", Fraction(amount), (), constant, place)

    return make


def test_a_constant_is_log_uniform_in_its_range(line):
    found = spread_of_total([line()], seed=1, draws=20_000)
    # 10 x 1 to 10 x 4 J: quantile q at 10 x 4^q
    assert found.nominal == 20
    assert found.median == pytest.approx(10 * 4**0.5, rel=0.03)
    assert found.low == pytest.approx(10 * 4**0.05, rel=0.03)
    assert found.high == pytest.approx(10 * 4**0.95, rel=0.03)
    assert found.moved == ("p.a",)
    assert found.fixed == ()


def test_the_seed_decides(line):
    lines = [line(), line("p.b", value=3.0)]
    first, again, other = (
        spread_of_total(lines, seed=seed, draws=1000) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.median != other.median


def test_the_spread_lies_within_the_range(line):
    lines = [line(), line("p.b", value=3.0, amount=7)]
    for seed in range(5):
        found = spread_of_total(lines, seed=seed, draws=1000)
        assert 17 <= found.low <= found.median <= found.high <= 68


def test_a_published_minimum_moves_up_only(line):
    least = line(statistic="minimum", low=None)
    found = spread_of_total([least], seed=3, draws=1000)
    assert 20 <= found.low <= found.median <= found.high <= 40


def test_a_published_maximum_moves_down_only(line):
    most = line(statistic="maximum", high=None)
    found = spread_of_total([most], seed=3, draws=1000)
    assert 10 <= found.low <= found.median <= found.high <= 20


@pytest.mark.parametrize(
    ("statistic", "why"),
    [
        ("marginal", "no range is published"),
        ("minimum", "a published minimum without an upper end"),
        ("maximum", "a published maximum without a lower end"),
    ],
)
def test_without_a_range_a_constant_stays_and_is_named(line, statistic, why):
    fixed = line(statistic=statistic, low=None, high=None)
    found = spread_of_total([fixed], seed=1, draws=1000)
    assert (found.low, found.median, found.high) == (20, 20, 20)
    assert found.moved == ()
    assert found.fixed == (f"p.a: {why}",)


def test_a_shared_constant_cancels_in_a_ratio(line):
    # 10 c / 40 c = 1/4, whatever c
    found = spread_of_ratio([line()], [line(amount=40)], seed=1, draws=1000)
    assert found.low == pytest.approx(0.25)
    assert found.high == pytest.approx(0.25)
    (swing,) = tornado_of_ratio([line()], [line(amount=40)])
    assert swing.size == pytest.approx(0)


def test_equal_constants_at_two_places_are_one(line):
    found = spread_of_total([line("p.read"), line("p.write")], seed=1, draws=1000)
    assert found.moved == ("p.read, p.write",)
    alone = spread_of_total([line("p.read", amount=20)], seed=1, draws=1000)
    assert found.median == pytest.approx(alone.median)


def test_two_constants_move_apart(line):
    ratio = spread_of_ratio(
        [line()], [line("p.b", source="another")], seed=1, draws=1000
    )
    assert ratio.low < 0.5
    assert ratio.high > 2


def test_a_constant_is_drawn_alike_whatever_stands_beside_it(line):
    alone = spread_of_total([line()], seed=1, draws=1000)
    beside = spread_of_total(
        [line("p.b", source="another", amount=0), line()], seed=1, draws=1000
    )
    assert beside.median == pytest.approx(alone.median)


def test_the_tornado_is_sorted_by_swing(line):
    lines = [
        line("p.small", amount=1, source="s"),
        line("p.large", amount=10),
        line("p.fixed", amount=99, low=None, high=None, source="f"),
    ]
    swings = tornado_of_total(lines)
    # p.fixed has no range; 10 x (4 - 1) = 30 J and 1 x 3 = 3 J
    assert [each.places for each in swings] == [("p.large",), ("p.small",)]
    assert [each.size for each in swings] == pytest.approx([30, 3])
    # p.large at 1 J: 2 + 10 + 198 J
    assert (swings[0].at_low, swings[0].at_high) == pytest.approx((210, 240))


def test_the_tornado_of_a_ratio(line):
    swings = tornado_of_ratio(
        [line("p.a", amount=2)], [line("p.b", amount=1, source="b", high=8.0)]
    )
    # nominal 4/2; a: 2/2 to 8/2, swing 3; b: 4/1 to 4/8, swing 3.5
    assert [each.places for each in swings] == [("p.b",), ("p.a",)]
    assert [each.size for each in swings] == pytest.approx([3.5, 3.0])


def test_a_range_of_factor_45_shows_in_the_figure():
    # SpiNNaker 2: 10 to 450 pJ an event, two decimal orders; 1000 events
    profile = load_profile("spinnaker2")
    counted = Work(
        name="n",
        counts={"n": OperationCount(synops=1000)},
        samples=1,
        steps=1,
        is_teacher=False,
    )
    chosen = load_accounting("events").accounting
    figure = full_energy(counted, profile, "software", chosen)
    found = spread_of_total(figure.lines, seed=0, draws=4000)
    assert found.high / found.low == pytest.approx(45**0.9, rel=0.1)


def test_the_time_of_a_sample_stays_fixed_and_is_named():
    counted = Work(
        name="n",
        counts={"n": OperationCount(synops=1)},
        samples=1,
        steps=1,
        is_teacher=False,
        cores=1,
        chips=1,
        latency_s=1.0,
    )
    chosen = load_accounting("truenorth").accounting
    figure = full_energy(counted, load_profile("truenorth"), "marginal", chosen)
    found = spread_of_total(figure.lines, seed=0, draws=1000)
    assert "seconds a sample: as modeled or chosen" in found.fixed
    # 42 mW to 323 mW over 1 s
    assert 0.042 <= found.low <= found.high <= 0.3231


def test_factors_count(line):
    halved = replace(line(), factors=(Factor(Fraction(1, 2), "half"),))
    assert spread_of_total([halved], seed=1, draws=1000).nominal == 10


def test_a_credit_is_subtracted(line):
    skipped = replace(line(amount=4), factors=(Factor(Fraction(-1), "skipped"),))
    found = spread_of_total([line(), skipped], seed=1, draws=1000)
    assert found.nominal == 12
    assert 6 <= found.low <= found.high <= 24


# --- refusals ------------------------------------------------------------------------


def test_refuses_few_draws_and_no_lines(line):
    with pytest.raises(InputError, match="999 draws; at least 1000"):
        spread_of_total([line()], seed=1, draws=999)
    with pytest.raises(InputError, match="nothing was priced"):
        spread_of_total([], seed=1, draws=1000)


def test_refuses_a_teacher_that_costs_nothing(line):
    for refused in (
        lambda: spread_of_ratio([line()], [], seed=1, draws=1000),
        lambda: tornado_of_ratio([line()], [line(amount=0)]),
    ):
        with pytest.raises(InputError, match="teacher costs 0 J"):
            refused()


def test_refuses_a_range_that_starts_at_nothing(line):
    with pytest.raises(ProfileError, match="range starts at 0"):
        spread_of_total([line(low=0.0)], seed=1, draws=1000)
    assert math.isfinite(tornado_of_total([line(low=0.0)])[0].size)
