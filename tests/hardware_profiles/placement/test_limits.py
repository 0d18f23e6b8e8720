"""Limits: the shipped numbers, what stays unknown, and refusals of other files."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikewright.errors import ProfileError
from spikewright.hardware_profiles.placement.limits import (
    GRADES,
    LIMITS,
    list_limits,
    load_limits,
)
from spikewright.hardware_profiles.profiles.profile import list_profiles, load_profile

VALID = """
title = "a chip"
unknown = ["how hot it gets"]

[limits.cores]
value = 2
unit = "cores"
source = "invented for tests"
evidence = "C"

[limits.neurons]
value = 4
unit = "neurons"
source = "invented for tests"
evidence = "C"

[limits.weight_bits]
value = 8
unit = "bits"
source = "invented for tests"
evidence = "C"
"""


@pytest.fixture
def write(tmp_path: Path):
    def make(text: str) -> Path:
        path = tmp_path / "chip.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_two_chips_are_shipped_apart_from_the_energy_profiles() -> None:
    assert list_limits() == ("loihi1", "loihi2")
    assert set(list_limits()) <= set(list_profiles())
    assert not load_profile("loihi2").arithmetics  # nobody publishes its energies


@pytest.mark.parametrize("name", list_limits())
def test_every_shipped_number_has_a_unit_a_source_and_a_grade(name: str) -> None:
    for limit in load_limits(name).values.values():
        assert limit.unit.strip()
        assert limit.source.strip()
        assert limit.evidence in GRADES


def test_loihi_1_is_known_in_full() -> None:
    loihi = load_limits("loihi1")
    assert set(loihi.values) == set(LIMITS)
    assert loihi.most("cores") == 128
    assert loihi.most("neurons") == 1024
    assert loihi.most("neurons_of_chip") == 128 * 1024
    assert loihi.most("synapse_bits") == 128 * 1024 * 8  # 128 KB
    assert loihi.most("input_axons") == loihi.most("output_axons") == 4096
    assert loihi.synapse_format is not None


def test_what_is_not_public_of_loihi_2_is_said_to_be_unchecked() -> None:
    loihi = load_limits("loihi2")
    assert loihi.most("synapse_bits") == 192 * 1024 * 8  # 192 KB
    assert loihi.synapse_format is None
    for key in ("input_axons", "output_axons", "profiles", "thresholds", "formats"):
        assert loihi.most(key) is None
        assert f"{LIMITS[key]}: no public number" in loihi.unchecked()


def test_a_file_of_ones_own_is_read(write) -> None:
    limits = load_limits(write(VALID))
    assert (limits.name, limits.title) == ("chip", "a chip")
    assert limits.most("neurons") == 4
    assert limits.most("delay") is None
    assert limits.unchecked()[-1] == "how hot it gets"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("limits.neurons", "limits.neurones", "limit 'neurones': unknown; allowed: co"),
        ("[limits.weight_bits]", "[limits.delay]", "'weight_bits' is missing"),
        ("value = 4", "value = 0", "'neurons' is missing or 0"),
        ("value = 4", "value = -4", "limit 'neurons': -4"),
        ("value = 4", "value = 4.5", r"neurons.value = 4.5; must be a whole number"),
        ("value = 4", "value = true", "must be a whole number"),
        ('"neurons"', '""', "neurons.unit = ''; must be a text"),
        ('evidence = "C"', 'evidence = "D"', "evidence 'D'; needs"),
        ('unit = "bits"\n', "", "limits.weight_bits: has value, source, evidence; nee"),
        ("unknown = [", "unknowns = [", "unknown key 'unknowns'"),
        ('["how hot it gets"]', "3", "unknown = 3; must be a list"),
        ("title =", "titel =", "unknown key 'titel'"),
        ("[limits.cores]", "limits = 3\n[cores]", "not a readable TOML|unknown key"),
        ("[limits.cores]", "[limits.cores", "not a readable TOML file"),
    ],
)
def test_a_wrong_file_is_refused_and_says_where(
    write, old: str, new: str, message: str
) -> None:
    assert old in VALID
    with pytest.raises(ProfileError, match=message):
        load_limits(write(VALID.replace(old, new)))


def test_an_unknown_chip_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ProfileError, match=r"no limits of 'loihi3'; .* loihi1, loihi2"):
        load_limits("loihi3")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="no such file"):
        load_limits(tmp_path / "none.toml")
