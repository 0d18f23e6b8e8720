"""What is generated from the dataclasses and the files: JSON Schema, page of docs."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields
from importlib.resources import files
from pathlib import Path

import pytest

from spikewright.hardware_profiles.profiles.absent import ABSENT
from spikewright.hardware_profiles.profiles.constant import UNITS, Constant
from spikewright.hardware_profiles.profiles.docs import EXAMPLE, profiles_markdown
from spikewright.hardware_profiles.profiles.profile import list_profiles, load_profile
from spikewright.hardware_profiles.profiles.reading import HEAD
from spikewright.hardware_profiles.profiles.schema import (
    FIELDS,
    TOP,
    profile_schema,
    schema_text,
)
from spikewright.hardware_profiles.profiles.sections import SECTIONS

ROOT = Path(__file__).parents[3]
SCHEMA = profile_schema()


def complaints(schema, value, where="profile") -> list[str]:
    """Check a value against the words of JSON Schema that ours uses."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/definitions/")
        return complaints(SCHEMA["definitions"][name], value, where)
    found = [
        c for part in schema.get("allOf", ()) for c in complaints(part, value, where)
    ]
    types = {"object": dict, "array": list, "string": str, "number": (int, float)}
    wanted = types.get(schema.get("type"), object)
    if not isinstance(value, wanted) or (isinstance(value, bool) and "type" in schema):
        return [*found, f"{where}: not {schema['type']}"]
    if value not in schema.get("enum", [value]):
        found.append(f"{where}: not in enum")
    if value != schema.get("const", value):
        found.append(f"{where}: not const")
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append(f"{where}: no match")
    if isinstance(value, dict):
        return found + _inside(schema, value, where)
    if isinstance(value, list):
        if schema.get("uniqueItems") and len(set(value)) < len(value):
            found.append(f"{where}: repeated")
        return found + [
            c
            for each in value
            for c in complaints(schema.get("items", {}), each, where)
        ]
    if isinstance(value, int | float) and value < schema.get("minimum", value):
        found.append(f"{where}: too small")
    return found


def _inside(schema, value, where) -> list[str]:
    known, other = schema.get("properties", {}), schema.get("additionalProperties", {})
    found = [
        f"{where}: no {key}" for key in schema.get("required", ()) if key not in value
    ]
    if len(value) < schema.get("minProperties", 0):
        found.append(f"{where}: empty")
    for key, each in value.items():
        if key in known or other is not False:
            found += complaints(known.get(key, other), each, f"{where}.{key}")
        else:
            found.append(f"{where}: unknown {key}")
    return found


def shipped(name: str) -> dict:
    place = files("spikewright.hardware_profiles") / f"{name}.toml"
    return tomllib.loads(place.read_text(encoding="utf-8"))


# --- schema --------------------------------------------------------------------------


def test_the_committed_schema_is_what_the_code_makes() -> None:
    committed = ROOT / "hardware_profiles" / "profile.schema.json"
    assert committed.read_text(encoding="utf-8") == schema_text(), (
        "spikewright profile --schema > hardware_profiles/profile.schema.json"
    )


def test_the_schema_explains_every_key() -> None:
    assert set(FIELDS) == {each.name for each in fields(Constant)}
    assert set(TOP) == {*HEAD, *SECTIONS}
    constant = SCHEMA["definitions"]["constant"]
    assert set(constant["properties"]) == set(FIELDS)
    assert constant["required"] == [
        *("value", "unit", "kind", "statistic", "evidence", "source")
    ]
    assert constant["properties"]["unit"]["enum"] == list(UNITS)


@pytest.mark.parametrize("name", list_profiles())
def test_shipped_profiles_fit_the_schema_and_name_it(name: str) -> None:
    assert complaints(SCHEMA, shipped(name)) == []
    place = files("spikewright.hardware_profiles") / f"{name}.toml"
    first = place.read_text(encoding="utf-8").partition("\n")[0]
    assert first == "#:schema ./profile.schema.json"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda p: p.pop("unknown"), "profile: no unknown"),
        (lambda p: p.update(titel="x"), "profile: unknown titel"),
        (lambda p: p["arithmetics"].update(fp16={}), "profile.arithmetics.fp16: empty"),
        (lambda p: p["memories"]["dram"].update(reed={}), "dram: unknown reed"),
        (lambda p: _macs(p).update(value=-1), "macs.value: too small"),
        (lambda p: _macs(p).update(value="1"), "macs.value: not number"),
        (lambda p: _macs(p).update(value=True), "macs.value: not number"),
        (lambda p: _macs(p).update(unit="J/bit"), "macs.unit: not const"),
        (lambda p: _macs(p).update(kind="felt"), "macs.kind: not in enum"),
        (lambda p: _macs(p).update(includes=["x"]), "macs.includes: not in enum"),
        (lambda p: _macs(p).update(includes=["idle"] * 2), "macs.includes: repeated"),
        (lambda p: _macs(p).pop("source"), "macs: no source"),
        (lambda p: _macs(p).update(source=" "), "macs.source: no match"),
        (lambda p: _macs(p).update(energy_j=1), "macs: unknown energy_j"),
        (lambda p: p.update(power={"idle": _macs(p)}), "power.idle.unit: not const"),
        (lambda p: p.update(tasks={"x": 3}), "profile.tasks.x: not object"),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(change, complaint: str) -> None:
    profile = shipped("cmos45")
    change(profile)
    assert any(each.endswith(complaint) for each in complaints(SCHEMA, profile))


def _macs(profile: dict) -> dict:
    return profile["arithmetics"]["fp32"]["macs"]


def test_the_schema_is_json() -> None:
    assert json.loads(schema_text()) == SCHEMA


# --- docs ----------------------------------------------------------------------------


def test_the_page_of_profiles_is_current() -> None:
    page = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")
    made = profiles_markdown([load_profile(name) for name in list_profiles()])
    assert page == made, "spikewright profile --markdown > docs/profiles.md"


@pytest.mark.parametrize("name", list_profiles())
def test_the_page_has_every_source_and_every_unknown(name: str) -> None:
    profile = load_profile(name)
    page = profiles_markdown([profile])
    assert f"\n## {name}\n" in page
    for _, each in profile.constants():
        assert each.source in page
    for text in (*profile.unknown, *profile.notes, *ABSENT.values()):
        assert f"- {text}\n" in page or f": {text}\n" in page


def test_the_rows_of_a_table_have_as_many_cells_as_its_heading() -> None:
    page = profiles_markdown([load_profile("cmos45")])
    constants = page.partition("## No profile")[0]
    rows = [line for line in constants.splitlines() if line.startswith("|")]
    assert {row.count(" | ") for row in rows} == {5}


def test_the_example_of_the_page_can_be_loaded(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(EXAMPLE, encoding="utf-8")
    profile = load_profile(path)
    assert profile.costs("fixed")["synops"].high == 3.6e-12
    profile.check_total("fixed", power=["leakage_per_chip"])
    assert complaints(SCHEMA, tomllib.loads(EXAMPLE)) == []
