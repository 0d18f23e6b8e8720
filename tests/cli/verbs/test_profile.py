"""`spikewright profile`: lists, sources, schema, page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spikewright.hardware_profiles.profiles.profile import list_profiles

ROOT = Path(__file__).parents[3]


def test_a_list_has_a_line_for_each_profile_and_names_what_has_none(run) -> None:
    *lines, last = run("profile").out.splitlines()
    assert [line.split()[0] for line in lines] == list(list_profiles())
    assert "Intel Loihi 1, energy per event (Davies 2018)" in run("profile").out
    assert last.startswith("no profile, `profile NAME` says why: akida, brainscales2")


def test_several_profiles_are_shown_in_order(run) -> None:
    out = run("profile", "odin", "loihi1").out
    assert 0 <= out.index("odin: ODIN") < out.index("\n\nloihi1: Intel Loihi 1")
    assert "8.43 pJ" in out
    assert "104.375 mW" in out


def test_json_has_profiles_whole_or_only_their_titles(run) -> None:
    (one,) = json.loads(run("profile", "odin", "--json").out)["profiles"]
    assert one["power"]["per_hertz"]["unit"] == "W/Hz"
    two = json.loads(run("profile", "odin", "xylo", "--json").out)["profiles"]
    assert [each["name"] for each in two] == ["odin", "xylo"]
    assert two[0] == one
    every = json.loads(run("profile", "--json").out)["profiles"]
    assert [each["name"] for each in every] == list(list_profiles())
    assert set(every[0]) == {"name", "title"}


def test_the_schema_and_the_page_are_those_of_the_checkout(run) -> None:
    schema = ROOT / "hardware_profiles" / "profile.schema.json"
    assert run("profile", "--schema").out == schema.read_text(encoding="utf-8")
    page = ROOT / "docs" / "profiles.md"
    assert run("profile", "--markdown").out == page.read_text(encoding="utf-8")
    some = run("profile", "odin", "--markdown").out
    assert "\n## odin\n" in some
    assert "\n## xylo\n" not in some


def test_a_chip_without_a_profile_says_why(run) -> None:
    line = run("profile", "Akida").refusal()
    assert "no profile 'Akida': no energy per event can be verified" in line
    assert "no profile 'cmos28': no table" in run("profile", "cmos28").refusal()


def test_nothing_is_shown_if_one_of_several_is_wrong(run) -> None:
    assert "no profile 'lohi1'; shipped" in run("profile", "odin", "lohi1").refusal()
    assert "did you mean 'loihi1'?" in run("profile", "odin", "lohi1").refusal()


def test_a_mistake_is_one_line_with_file_line_and_key(run, here) -> None:
    text = (ROOT / "hardware_profiles" / "odin.toml").read_text(encoding="utf-8")
    line = 1 + text.splitlines().index('unit = "W/Hz"')
    changed = text.replace('unit = "W/Hz"', 'unit = "W"')
    (here / "mine.toml").write_text(changed, encoding="utf-8")
    assert run("profile", "mine.toml").refusal() == (
        f"spikewright profile: mine.toml: line {line}: "
        "power.per_hertz.unit = 'W'; must be 'W/Hz'\n"
    )


def test_the_schema_is_of_no_profile(run) -> None:
    assert "--schema odin: every pro" in run("profile", "odin", "--schema").refusal()


def test_one_form_at_a_time(run) -> None:
    assert run("profile", "--schema", "--markdown").status == 2


@pytest.mark.parametrize("name", list_profiles())
def test_every_shipped_profile_is_shown(run, name: str) -> None:
    assert run("profile", name).out.startswith(f"{name}: ")
