"""Profiles: the shipped numbers, and the refusals of a user's own file."""

import json

import pytest

from spikewright.errors import ProfileError
from spikewright.hardware_profiles.cost import EVIDENCE, Cost, weakest
from spikewright.hardware_profiles.describe import describe_profile, profile_dict
from spikewright.hardware_profiles.profile import (
    HardwareProfile,
    list_profiles,
    load_profile,
)

PJ = 1e-12

VALID = """
title = "a chip"
node = "28 nm, 0.8 V"
notes = ["invented for tests"]

[arithmetics.fixed.synops]
energy_j = 2e-12
kind = "measured"
statistic = "marginal"
evidence = "assumed"
source = "invented for tests"
includes = ["arithmetic", "state access"]
"""

UPDATES = """
[arithmetics.fixed.updates_active]
energy_j = 1e-12
kind = "measured"
statistic = "marginal"
evidence = "assumed"
source = "invented for tests"
includes = ["state access"]
"""


def cost(energy_j=PJ, **changes):
    usual = {
        "kind": "measured",
        "statistic": "marginal",
        "evidence": "assumed",
        "source": "invented for tests",
        "includes": ("arithmetic",),
    }
    return Cost(energy_j=energy_j, **{**usual, **changes})


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return load_profile(path)

    return load_text


# --- shipped -------------------------------------------------------------------------


def test_two_profiles_are_shipped():
    assert list_profiles() == ("cmos45", "loihi1")


@pytest.mark.parametrize(
    ("arithmetic", "operation", "picojoules"),
    [
        # Horowitz 2014 as printed by third parties; MAC = multiplication + addition.
        ("fp32", "synops", 0.9),
        ("fp32", "macs", 3.7 + 0.9),
        ("fp32_updates", "updates_active", 3.7 + 0.9),
        ("int8", "synops", 0.1),
        ("int8", "macs", 0.2 + 0.1),
        ("int8", "graded_synops", 3.1 + 0.1),
        ("int8_acc8", "synops", 0.03),
        ("int8_acc8", "macs", 0.2 + 0.03),
    ],
)
def test_cmos45_has_the_published_numbers(arithmetic, operation, picojoules):
    costs = load_profile("cmos45").costs(arithmetic)
    assert costs[operation].energy_j == pytest.approx(picojoules * PJ)


@pytest.mark.parametrize(
    ("operation", "picojoules"),
    # Davies 2018, Table 2, p. 96.
    [
        ("synops", 23.6),
        ("updates_active", 81),
        ("updates_inactive", 52),
        ("spikes", 1.7),
    ],
)
def test_loihi1_has_the_numbers_of_davies(operation, picojoules):
    costs = load_profile("loihi1").costs("fixed")
    assert costs[operation].energy_j == pytest.approx(picojoules * PJ)
    assert costs[operation].evidence == "quoted"
    assert costs[operation].kind == "simulated"


def test_loihi1_synop_is_a_minimum_and_open_above():
    synops = load_profile("loihi1").costs("fixed")["synops"]
    assert synops.statistic == "minimum"
    assert (synops.low_j, synops.high_j) == (synops.energy_j, None)


def test_loihi1_does_not_price_what_was_never_published():
    profile = load_profile("loihi1")
    assert "macs" not in profile.costs("fixed")
    assert "graded_synops" not in profile.costs("fixed")
    assert any("barrier" in note for note in profile.notes)


@pytest.mark.parametrize("name", list_profiles())
def test_no_shipped_number_claims_a_primary_source(name):
    # Neither primary source has been read: reference/energy.md, sections 1.1 and 2.1.
    for costs in load_profile(name).arithmetics.values():
        assert all(each.evidence != "primary" for each in costs.values())


@pytest.mark.parametrize("name", list_profiles())
def test_a_description_names_every_source_and_every_unknown(name):
    profile = load_profile(name)
    words = " ".join(describe_profile(profile).split())
    for costs in profile.arithmetics.values():
        assert all(each.source in words for each in costs.values())
    assert all(note in words for note in profile.notes)
    assert "no price: " in words


def test_a_profile_survives_json():
    loaded = json.loads(json.dumps(profile_dict(load_profile("loihi1"))))
    assert loaded["arithmetics"]["fixed"]["synops"]["energy_j"] == 23.6e-12
    assert "macs" not in loaded["arithmetics"]["fixed"]


def test_weakest_evidence_is_the_last_of_the_scale():
    assert weakest(["reviewed", "secondary", "quoted"]) == "secondary"
    assert weakest(EVIDENCE) == "assumed"
    assert weakest([]) is None


# --- a user's own --------------------------------------------------------------------


def test_a_profile_can_be_loaded_by_path(load):
    profile = load(VALID)
    assert (profile.name, profile.node) == ("mine", "28 nm, 0.8 V")
    assert profile.costs("fixed")["synops"].energy_j == 2e-12


def test_a_cost_without_a_source_is_refused():
    with pytest.raises(ProfileError, match="source is empty; say where"):
        cost(source=" ")


def test_costs_cannot_be_changed(load):
    with pytest.raises(TypeError):
        load(VALID).costs("fixed")["synops"] = cost()


def test_refuses_an_unknown_name():
    with pytest.raises(ProfileError, match="no profile 'loihi9'; shipped: cmos45, loi"):
        load_profile("loihi9")


def test_refuses_an_arithmetic_without_prices(load):
    with pytest.raises(ProfileError, match=r"'mine': arithmetic 'fp16' .*: fixed"):
        load(VALID).costs("fp16")


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(ProfileError, match=r"none\.toml: no such file"):
        load_profile(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "a chip"', "", "key 'title' is missing"),
        ('title = "a chip"', "title = 3", "title = 3; must be a text"),
        (
            'title = "a chip"',
            'titel = "x"',
            "unknown key 'titel'; allowed: title, node",
        ),
        (
            'notes = ["invented for tests"]',
            'notes = "x"',
            "notes = 'x'; must be a list",
        ),
        (
            "fixed.synops",
            "fixed.synop",
            "operation 'synop' is unknown; allowed: synops",
        ),
        ("energy_j", "energy_pj", "fixed.synops: unknown key 'energy_pj'"),
        ("energy_j = 2e-12", "", "key 'energy_j' is missing"),
        ("energy_j = 2e-12", 'energy_j = "2"', "energy_j = '2'; must be a number"),
        ("energy_j = 2e-12", "energy_j = true", "energy_j = True; must be a number"),
        ("energy_j = 2e-12", "energy_j = -1.0", "synops: energy_j = -1.0; joules are"),
        ("energy_j = 2e-12", "energy_j = nan", "energy_j = nan; joules are finite"),
        ('kind = "measured"', 'kind = "felt"', "kind 'felt' is unknown; allowed: meas"),
        (
            '"assumed"',
            '"unverified"',
            "evidence 'unverified' is unknown; allowed: prim",
        ),
        ('"marginal"', '"mean"', "statistic 'mean' is unknown"),
        ('"state access"', '"state"', "includes 'state' is unknown"),
        ('source = "invented for tests"', 'source = " "', "source = ' '; must be"),
        ("[arithmetics.fixed.synops]", "[arithmetics]", "arithmetics.energy_j = 2e-12"),
        ("title =", "title", "not a readable TOML file"),
    ],
)
def test_refuses_a_file_and_names_it_and_the_key(load, old, new, message):
    with pytest.raises(ProfileError, match=r"mine\.toml: ") as error:
        load(VALID.replace(old, new, 1))
    assert message in str(error.value)


def test_refuses_a_profile_without_arithmetic(load):
    text = VALID.split("[arithmetics", maxsplit=1)[0] + "[arithmetics]\n"
    with pytest.raises(ProfileError, match="'mine': prices no arithmetic"):
        load(text)


def test_refuses_a_term_that_two_operations_charge(load):
    # The synop above includes the access to the state, and so does the update.
    with pytest.raises(
        ProfileError, match="synops and updates_active both include state"
    ):
        load(VALID + UPDATES)


def test_active_and_inactive_updates_may_include_the_same():
    each = cost(includes=("state access",))
    costs = {"updates_active": each, "updates_inactive": each}
    HardwareProfile("x", "x", "x", {"fixed": costs}, ())


def test_refuses_a_range_that_does_not_hold_the_energy():
    with pytest.raises(ProfileError, match="outside its range"):
        cost(2 * PJ, low_j=3 * PJ)
    with pytest.raises(ProfileError, match="outside its range"):
        cost(2 * PJ, high_j=PJ)
