"""What a figure says of itself: a bound, in part, outside by choice, within events."""

from dataclasses import replace

import pytest

from spikewright.counts import OperationCount
from spikewright.errors import OverlapError, ProfileError
from spikewright.hardware_profiles.prices.accounting import load_accounting
from spikewright.hardware_profiles.prices.full_energy import full_energy
from spikewright.hardware_profiles.prices.work import Work
from spikewright.hardware_profiles.profiles.profile import HardwareProfile, load_profile

EVENTS = load_accounting("events").accounting
LOIHI = load_profile("loihi1")
ON_LOIHI = load_accounting("loihi1").accounting


def work(**counts):
    count = {"n": OperationCount(**counts)}
    return Work(name="net", counts=count, samples=1, steps=1, is_teacher=False)


def priced(constant, **counts):
    """Price synops by one constant that includes leakage: nothing else is missing."""
    profile = HardwareProfile("mine", "t", "n", arithmetics={"a": {"synops": constant}})
    return full_energy(work(**counts), profile, "a", EVENTS)


@pytest.fixture
def whole(joules):
    """Return a constant that leaves nothing out."""

    def make(**changes):
        return replace(joules(2e-12, includes=("arithmetic", "leakage")), **changes)

    return make


# --- bounds --------------------------------------------------------------------------


def test_a_whole_figure_of_plain_constants_is_no_bound(whole):
    figure = priced(whole(), synops=1)
    assert (figure.is_lower_bound, figure.is_partial) == (False, False)


def test_a_published_minimum_is_a_lower_bound_of_a_whole_figure(whole):
    figure = priced(whole(statistic="minimum"), synops=1)
    assert (figure.is_lower_bound, figure.is_partial) == (True, False)


def test_what_is_left_out_makes_a_lower_bound_if_no_constant_may_be_lower(whole):
    figure = priced(whole(), synops=1, barriers=1)
    assert (figure.is_lower_bound, figure.is_partial) == (True, True)
    high = priced(whole(high=5e-12), synops=1, barriers=1)
    assert (high.is_lower_bound, high.is_partial) == (True, True)


@pytest.mark.parametrize("changes", [{"low": 1e-12}, {"statistic": "maximum"}])
def test_no_bound_where_a_constant_may_be_lower(whole, changes):
    # The constant may be too large by more than what is left out is too little.
    figure = priced(whole(**changes), synops=1, barriers=1)
    assert (figure.is_lower_bound, figure.is_partial) == (False, True)


# --- outside by choice ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["embedding_bits_read", "lookups"])
def test_what_the_host_looks_up_is_outside_and_no_gap(name):
    counts = {"synops": 1, "weight_bits_read": 8, name: 64}
    figure = full_energy(work(**counts), LOIHI, "fixed", ON_LOIHI)
    assert figure.terms["weight memory"].missing == ()
    assert figure.terms["weight memory"].energy_j == 0
    ((term, outside),) = figure.outside
    assert (term, outside.operation, outside.amount) == ("weight memory", name, 64)
    assert outside.why == "the host reads embeddings"


def test_without_a_memory_and_without_a_host_it_is_a_gap():
    nowhere = replace(ON_LOIHI, embeddings_in=None)
    counted = work(synops=1, embedding_bits_read=64)
    figure = full_energy(counted, LOIHI, "fixed", nowhere)
    assert figure.outside == ()
    assert "embedding_bits_read" in {each.operation for _, each in figure.missing}


def test_no_other_memory_is_the_host():
    counted = work(synops=1, weight_bits_read=8)
    with pytest.raises(ProfileError, match="memory 'host' is unknown"):
        full_energy(counted, LOIHI, "fixed", replace(ON_LOIHI, weights_in="host"))


# --- within the price of an event ----------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "arithmetic"),
    [
        ("loihi1", "fixed"),
        *(("loihi1_silicon", each) for each in ("dense", "sparse", "conv")),
        ("odin", "marginal"),
        ("truenorth", "marginal"),
        ("spinnaker1", "software"),
        ("spinnaker2", "software"),
    ],
)
def test_events_that_add_into_a_register_include_the_sums(profile, arithmetic):
    accounting = load_accounting(profile if profile[0] in "lot" else "events")
    counted = work(synops=5, residual_additions=3)
    figure = full_energy(
        counted, load_profile(profile), arithmetic, accounting.accounting
    )
    assert "residual_additions" not in {each.operation for _, each in figure.missing}


def test_without_an_event_the_sums_are_still_missing():
    figure = full_energy(work(residual_additions=3), LOIHI, "fixed", ON_LOIHI)
    assert "residual_additions" in {each.operation for _, each in figure.missing}


def test_an_update_of_loihi_adds_its_bias():
    counted = work(updates_active=2, bias_additions=2)
    figure = full_energy(counted, LOIHI, "fixed", ON_LOIHI)
    assert figure.terms["arithmetic"].missing == ()
    assert figure.total_j == pytest.approx(162e-12)


def test_updates_of_truenorth_are_in_its_idle_power():
    chosen = load_accounting("truenorth").accounting
    counted = work(synops=1, updates_active=1, updates_inactive=1)
    timed = replace(counted, chips=1, latency_s=1.0)
    truenorth = load_profile("truenorth")
    figure = full_energy(timed, truenorth, "marginal", chosen)
    assert figure.terms["state"].missing == ()
    # Without a time there is no idle energy, and so no updates within it.
    figure = full_energy(counted, truenorth, "marginal", chosen)
    assert len(figure.terms["state"].missing) == 2


@pytest.mark.parametrize(
    ("operation", "term"),
    [
        ("residual_additions", "residual additions"),
        ("updates_active", "active updates"),
        ("hops_ew", "routing between tiles"),
    ],
)
def test_a_price_of_what_an_event_includes_is_refused(joules, operation, term):
    event = joules(1e-12, includes=("arithmetic", term))
    own = joules(1e-12, includes=("arithmetic",))
    with pytest.raises(ProfileError, match=f"both include {term}"):
        HardwareProfile(
            "mine", "t", "n", arithmetics={"a": {"synops": event, operation: own}}
        )


def test_a_memory_of_what_an_event_includes_is_refused_by_all_names(joules):
    event = joules(1e-12, includes=("arithmetic", "state access", "leakage"))
    profile = HardwareProfile(
        "mine",
        "t",
        "n",
        arithmetics={"a": {"synops": event}},
        power={"leakage_per_chip": joules(1.0, unit="W", includes=("leakage", "idle"))},
    )
    counted = replace(work(synops=1), chips=1, latency_s=1.0)
    charged = replace(EVENTS, power=("leakage_per_chip",))
    with pytest.raises(OverlapError, match="both charge leakage; choose"):
        full_energy(counted, profile, "a", charged)


def test_embeddings_from_a_memory_are_no_weights_of_events():
    with_memory = replace(LOIHI, memories=load_profile("cmos45").memories)
    chosen = replace(ON_LOIHI, embeddings_in="sram8k")
    counted = work(synops=1, weight_bits_read=8, embedding_bits_read=64)
    figure = full_energy(counted, with_memory, "fixed", chosen)
    # 64 bit x 10 pJ / 64 = 10 pJ
    assert figure.terms["weight memory"].energy_j == pytest.approx(10e-12)
