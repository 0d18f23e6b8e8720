"""Chips at the points where they were measured: our constants give what was published.

A chip runs for one second; joules are watts. What an event costs at a point, all power
over all events, is no constant: it moves with the rate.

Rates, clocks and watts of the points: Frenkel et al., TBioCAS 2019, section IV; Merolla
et al., Science 2014; Akopyan et al., TCAD 2015, Fig. 17; Frady et al., NICE 2020,
Table 2; as github.com/dyigitpolat/mimarsinan quotes them
(docs/research/physics/silicon_correlation_research.md). The papers were not read.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikewright.counts import OperationCount
from spikewright.errors import OverlapError, ProfileError
from spikewright.hardware_profiles.prices.accounting import load_accounting
from spikewright.hardware_profiles.prices.full_energy import FullEnergy, full_energy
from spikewright.hardware_profiles.prices.work import Work
from spikewright.hardware_profiles.profiles.profile import load_profile

PJ, UW, MW, MHZ = 1e-12, 1e-6, 1e-3, 1e6
ODIN, TRUENORTH, LOIHI = (
    load_profile(name) for name in ("odin", "truenorth", "loihi1")
)
LAW = load_accounting("odin").accounting
FIT = load_accounting("truenorth").accounting
EVENTS = load_accounting("events").accounting


def second(synops: int, **changes: int) -> Work:
    """What one chip does in one second."""
    counts = {"all": OperationCount(synops=synops, **changes)}
    return Work(
        name="a second",
        counts=counts,
        samples=1,
        steps=1000,
        is_teacher=False,
        cores=1,
        chips=1,
        latency_s=1.0,
    )


def off_by(figure: float, published: float) -> str:
    """Say in percent how far a figure is from what was published."""
    return f"{figure / published - 1:+.1%}"


# --- ODIN ----------------------------------------------------------------------------
# P = 27.3 uW + 1.78 uW/MHz f + 8.43 pJ r. An operation takes two cycles of the clock; a
# spike of one of 256 neurons is 256 operations.


def odin(synops: int, clock_hz: float) -> FullEnergy:
    return full_energy(
        second(synops), ODIN, "marginal", replace(LAW, clock_hz=clock_hz)
    )


def test_odin_as_fast_as_it_runs() -> None:
    # 75 MHz / 2 cycles = 37.5 M operations a second
    figure = odin(37_500_000, 75 * MHZ)
    # 27.3 + 133.5 + 316.125 = 476.925 uW; published: 477 uW, 12.7 pJ an operation
    assert figure.total_j == pytest.approx(476.925 * UW, rel=1e-12)
    assert f"{figure.total_j / UW:.0f}" == "477"
    # 476.925 / 37.5 = 12.718 pJ
    assert f"{figure.total_j / 37_500_000 / PJ:.3f}" == "12.718"
    headline = ODIN.costs("headline")["synops"].value
    assert f"{figure.total_j / 37_500_000 / PJ:.1f}" == f"{headline / PJ:.1f}" == "12.7"


def test_odin_at_biological_rates() -> None:
    # 256 neurons x 10 Hz x 256 = 655 360 operations a second, for which 1.3 MHz suffice
    # at two cycles each: 650 000
    assert 256 * 10 * 256 == pytest.approx(1.3 * MHZ / 2, rel=0.01)
    figure = odin(650_000, 1.3 * MHZ)
    # 27.3 + 2.314 + 5.4795 = 35.0935 uW; published: 35 uW, 54 pJ an operation
    assert figure.total_j == pytest.approx(35.0935 * UW, rel=1e-12)
    assert f"{figure.total_j / UW:.0f}" == "35"
    # 35.0935 / 0.65 = 53.99 pJ
    biological = ODIN.costs("biological")["synops"].value
    assert f"{figure.total_j / 650_000 / PJ:.2f}" == "53.99"
    assert f"{figure.total_j / 650_000 / PJ:.0f}" == f"{biological / PJ:.0f}" == "54"
    # 27.3 / 35.0935: 78 % is leakage, as published
    lines = {line.operation: line.energy_j for line in figure.terms["static"].lines}
    assert f"{lines['leakage_per_chip'] / figure.total_j:.0%}" == "78%"


def test_the_headline_of_odin_is_wrong_at_its_other_point() -> None:
    def watts(synops: int) -> float:
        return full_energy(second(synops), ODIN, "headline", EVENTS).total_j

    # 37.5 M x 12.7 pJ = 476.25 uW; 0.65 M x 12.7 pJ = 8.255 uW of 35
    assert off_by(watts(37_500_000), 477 * UW) == "-0.2%"
    assert off_by(watts(650_000), 35 * UW) == "-76.4%"


def test_rates_that_the_published_figures_of_odin_imply() -> None:
    """Without what was quoted on rates: power beside the operations over their rest."""
    law = {name: each.value for name, each in ODIN.power.items()}
    marginal = ODIN.costs("marginal")["synops"].value

    def rate(headline: float, clock_hz: float) -> float:
        power = law["leakage_per_chip"] + law["per_hertz"] * clock_hz
        return power / (headline - marginal)

    # 160.8 uW / 4.27 pJ = 37.66 M a second: 1.99 cycles an operation
    assert f"{75 * MHZ / rate(12.7 * PJ, 75 * MHZ):.2f}" == "1.99"
    # 27.3 uW / 45.57 pJ = 599 k a second at least, whatever the clock
    assert f"{rate(54 * PJ, 0.0) / 1e3:.0f}" == "599"


@pytest.mark.parametrize("arithmetic", ["headline", "biological"])
def test_no_power_on_top_of_a_headline_of_odin(arithmetic: str) -> None:
    with pytest.raises(OverlapError, match=r"both charge (idle|leakage)"):
        full_energy(second(650_000), ODIN, arithmetic, LAW)
    with pytest.raises(ProfileError, match=r"both include (idle|leakage)"):
        ODIN.check_total(arithmetic, power=LAW.power)


def test_an_update_of_a_neuron_is_in_the_operation_of_odin() -> None:
    updated = second(650_000, updates_active=2560, updates_inactive=3)
    figure = full_energy(updated, ODIN, "marginal", replace(LAW, clock_hz=1.3 * MHZ))
    assert figure.total_j == pytest.approx(35.0935 * UW, rel=1e-12)
    # It has no price of its own and needs none, but one without an event is missing.
    missing = [each for _, each in figure.missing if each.amount]
    assert [each.operation for each in missing] == ["updates_inactive"]


# --- TrueNorth -----------------------------------------------------------------------
# 2^20 neurons x rate x 128 synapses

NEURONS, SYNAPSES = 2**20, 128
SWEEP_MW = {11.58: 68, 20.07: 71, 95.93: 94}
"""rate in Hz -> all power at 0.8 V"""


def truenorth_events(rate_hz: float) -> int:
    return round(NEURONS * rate_hz * SYNAPSES)


def truenorth_headline(rate_hz: float) -> float:
    work = second(truenorth_events(rate_hz))
    return full_energy(work, TRUENORTH, "headline", EVENTS).total_j


def test_headline_of_truenorth_is_all_power_over_all_events() -> None:
    # 2^20 x 20 Hz x 128 = 2 684 354 560 events a second
    events = truenorth_events(20)
    assert events == 2_684_354_560
    # 72 mW / 2.684 G = 26.8 pJ, printed as 26
    assert f"{72 * MW / events / PJ:.1f}" == "26.8"
    assert int(72 * MW / events / PJ) == 26
    # so 26 pJ give 69.8 mW
    assert truenorth_headline(20) == pytest.approx(69.793 * MW, rel=1e-4)
    assert off_by(truenorth_headline(20), 72 * MW) == "-3.1%"


def test_headline_of_truenorth_errs_at_other_rates() -> None:
    # 1.554 G x 26 pJ = 40.4 mW of 68; 12.87 G x 26 pJ = 334.7 mW of 94
    found = {hz: off_by(truenorth_headline(hz), mw * MW) for hz, mw in SWEEP_MW.items()}
    assert found == {11.58: "-40.6%", 20.07: "-1.4%", 95.93: "+256.1%"}


def test_marginal_event_of_truenorth_is_the_slope_of_its_sweep() -> None:
    # (94 - 68) mW / ((95.93 - 11.58) Hz x 2^20 x 128) = 26 mW / 11.321 G = 2.297 pJ
    events = truenorth_events(95.93) - truenorth_events(11.58)
    slope = TRUENORTH.costs("marginal")["synops"].value
    assert f"{(94 - 68) * MW / events / PJ:.3f}" == f"{slope / PJ:.3f}" == "2.297"


def truenorth_fit(rate_hz: float, static_w: float | None = None) -> float:
    """Events at the margin and static power, the shipped one unless told otherwise."""
    profile = TRUENORTH
    if static_w is not None:
        idle = replace(profile.power["idle"], value=static_w)
        profile = replace(profile, power={"idle": idle})
    work = second(truenorth_events(rate_hz))
    return full_energy(work, profile, "marginal", FIT).total_j


def test_events_and_the_static_power_of_the_same_sweep_give_its_middle_point() -> None:
    # 68 mW - 1.554 G x 2.297 pJ = 64.43 mW at 0.8 V
    static_w = 68 * MW - truenorth_events(11.58) * 2.297 * PJ
    assert f"{static_w / MW:.2f}" == "64.43"
    # + 2.694 G x 2.297 pJ = 70.62 mW, which the fit has not seen
    assert off_by(truenorth_fit(20.07, static_w), 71 * MW) == "-0.5%"
    # another paper, 0.775 V
    assert off_by(truenorth_fit(20, static_w), 72 * MW) == "-2.0%"


def test_shipped_static_power_of_truenorth_is_that_of_the_sweep() -> None:
    """Not the 42 mW of 0.70 V and no activity, which would leave out a third."""
    idle = TRUENORTH.power["idle"]
    assert (idle.low, idle.value, idle.high) == (0.042, 0.06443, 0.323)
    # 64.43 mW + 2.684 G x 2.297 pJ = 70.60 mW of 72
    assert truenorth_fit(20) == pytest.approx(70.596 * MW, rel=1e-4)
    assert off_by(truenorth_fit(20), 72 * MW) == "-2.0%"


def test_no_power_on_top_of_the_headline_of_truenorth() -> None:
    with pytest.raises(OverlapError, match="both charge"):
        full_energy(second(truenorth_events(20)), TRUENORTH, "headline", FIT)
    with pytest.raises(ProfileError, match="both include"):
        TRUENORTH.check_total("headline", power=["idle"])


def test_no_hops_on_top_of_the_headline_of_truenorth() -> None:
    hops = TRUENORTH.costs("marginal")["hops_ew"]
    costs = {**TRUENORTH.costs("headline"), "hops_ew": hops}
    with pytest.raises(ProfileError, match="both include routing between tiles"):
        replace(TRUENORTH, arithmetics={"headline": costs})


# --- Loihi 1 -------------------------------------------------------------------------


def test_loihi_1_in_a_query_of_pohoiki_springs() -> None:
    """Pre-silicon constants against a measured board, with nothing fitted.

    A query is 667 to 750 spikes, each to 76 800 neurons that are updated in 60 steps.
    1.33 mJ went into the neuromorphic cores, static power apart.
    """

    def joules(spikes: int) -> float:
        work = second(spikes * 76_800, updates_inactive=76_800 * 60)
        return full_energy(work, LOIHI, "fixed", EVENTS).total_j

    # 51.2 M x 23.6 pJ + 4.608 M x 52 pJ = 1.209 + 0.240 = 1.449 mJ; and 1.599 mJ
    assert [off_by(joules(each), 1.33e-3) for each in (667, 750)] == ["+8.9%", "+20.2%"]
