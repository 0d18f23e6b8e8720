"""docs/architecture.md and its picture are what test_architecture enforces."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FOLDERS = {
    "core": ROOT / "src" / "spikewright",
    "plots": ROOT / "src" / "spikewright" / "plots",
    "cli": ROOT / "src" / "spikewright" / "cli",
    **{
        name: ROOT / name
        for name in ("hardware_profiles", "simulate", "export", "train")
    },
}


def _rules() -> ModuleType:
    path = Path(__file__).with_name("test_architecture.py")
    spec = spec_from_file_location("rules_of_the_house", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RULES = _rules()
LADDER: dict[str, set[str]] = {
    room: others - {room} for room, others in RULES.MAY_IMPORT.items()
}


def _table(title: str) -> list[list[str]]:
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.*) \|$", section, flags=re.MULTILINE)
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in rows]
    return cells[1:]  # the heading


def test_the_table_of_rooms_is_the_ladder() -> None:
    table = {
        room: set(filter(None, others.split(", ")))
        for room, _, others, _ in _table("Rooms")
    }
    assert table == LADDER


def test_the_folders_of_rooms_are_there() -> None:
    for room, folder, _, _ in _table("Rooms"):
        assert (ROOT / folder.strip("`")).resolve() == FOLDERS[room]


def test_the_picture_draws_the_ladder() -> None:
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "from house_picture import IMPORTS, ROOMS\n"
        "print(json.dumps([sorted(ROOMS), sorted(IMPORTS)]))"
    )
    command = [sys.executable, "-c", code, str(ROOT / "docs" / "pictures")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rooms, arrows = json.loads(done.stdout)
    assert rooms == sorted(LADDER)
    drawn = {room: {b for a, b in arrows if a == room} for room in LADDER}
    drawn["cli"] = LADDER["cli"]  # a roof over all rooms, without arrows
    assert drawn == LADDER
    assert LADDER["cli"] == set(LADDER) - {"cli"}


def test_files_that_are_named_are_there() -> None:
    room = ""
    for where, names, _ in _table("Inside the rooms"):
        room = where or room
        for name in re.findall(r"`([^`]+)`", names):
            pattern = name if name.endswith((".toml", "/")) else f"{name}*"
            found = list(FOLDERS[room].glob(pattern.rstrip("/")))
            assert found, f"{room}: nothing begins with {name}"


def test_every_room_is_walked_through() -> None:
    assert {where for where, *_ in _table("Inside the rooms")} - {""} == set(LADDER)


@pytest.mark.parametrize("folder", RULES.WITH_ROOMS)
def test_every_room_inside_a_room_is_told(folder: str) -> None:
    told: set[str] = set()
    room = Path(folder).name
    here = ""
    for where, names, _ in _table("Inside the rooms"):
        here = where or here
        if here == room:
            told |= set(re.findall(r"`([^`]+)/`", names))
    inside = {
        str(path.parent.relative_to(ROOT / folder))
        for path in (ROOT / folder).rglob("*/__init__.py")
    }
    assert set() < inside <= told
