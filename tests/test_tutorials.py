"""The tutorials are true: cells as notebooks have them, which print what they quote."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
GOLDEN = Path(__file__).parent / "golden"
TUTORIALS = sorted(path.stem for path in FOLDER.glob("*.py"))
every_tutorial = pytest.mark.parametrize("name", TUTORIALS)

RUNNER = """
import json, socket, sys

def refuse(*args, **kwargs):
    print("NETWORK", args, file=sys.stderr)
    raise OSError("a tutorial needs no network")

socket.socket.connect = socket.socket.connect_ex = refuse
socket.create_connection = socket.getaddrinfo = refuse
names = {"__name__": "__main__"}
for number, source in enumerate(json.load(sys.stdin), start=1):
    exec(compile(source, f"cell {number}", "exec"), names)
"""
"""runs cells one after the other in one namespace, as a notebook does"""


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook: its type as .ipynb files have it, and its source."""

    cell_type: str
    source: str


def _text(name: str) -> str:
    return (FOLDER / f"{name}.py").read_text(encoding="utf-8")


def _cells(text: str) -> list[Cell]:
    """Read the percent format: a marker line begins each cell."""
    parts = re.split(r"^# %%(.*)\n", text, flags=re.MULTILINE)
    assert parts[0] == "", "something stands before the first cell"
    cells = []
    for mark, source in zip(parts[1::2], parts[2::2], strict=True):
        match mark:
            case "":
                cells.append(Cell("code", source.strip("\n")))
            case " [markdown]":
                cells.append(Cell("markdown", _uncommented(source.strip("\n"))))
            case _:
                pytest.fail(f"unknown kind of cell: {mark!r}")
    return cells


def _uncommented(source: str) -> str:
    lines = source.split("\n")
    for line in lines:
        assert line == "#" or line.startswith("# "), f"not a comment: {line!r}"
    return "\n".join(line[2:] for line in lines)


def _code(name: str) -> list[str]:
    return [each.source for each in _cells(_text(name)) if each.cell_type == "code"]


def _quoted(name: str) -> list[str]:
    return re.findall(r"^# -> (.*)$", "\n".join(_code(name)), flags=re.MULTILINE)


def test_the_five_roads_are_there_and_listed() -> None:
    assert TUTORIALS == [
        "add_a_chip",
        "distill_your_bert",
        "leave_lava_dl",
        "nir_from_spikingjelly",
        "snntorch_to_loihi",
    ]
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\((\w+)\.py\)", index)) == TUTORIALS


@every_tutorial
def test_cells_are_those_of_a_notebook(name: str) -> None:
    cells = _cells(_text(name))
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")  # the title
    assert all(each.source.strip() for each in cells)
    for each in cells:
        if each.cell_type == "code":
            ast.parse(each.source)
    document = {"cells": [vars(each) for each in cells], "nbformat": 4}
    assert json.loads(json.dumps(document)) == document


@every_tutorial
def test_every_link_leads_somewhere(name: str) -> None:
    cells = _cells(_text(name))
    words = "\n".join(each.source for each in cells if each.cell_type == "markdown")
    links = re.findall(r"\]\((?!http)([^)#]+)", words)
    assert links
    for link in links:
        assert (FOLDER / link).exists(), link


@pytest.mark.slow
@every_tutorial
def test_what_it_prints_is_what_it_quotes(name: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDER / "files", tmp_path / "files")
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(_code(name)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == _quoted(name)
    assert "NETWORK" not in done.stderr
    assert len(_quoted(name)) >= 4


@every_tutorial
def test_it_stands_on_its_own(name: str) -> None:
    """What others wrote is read, not imported."""
    roots = set()
    for node in ast.walk(ast.parse(_text(name))):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add((node.module or "").partition(".")[0])
    assert not roots & {"norse", "spikingjelly", "lava", "h5py", "nir"}


def test_the_netx_file_is_the_golden_one() -> None:
    ours = (FOLDER / "files" / "lava_dl_net.net").read_bytes()
    assert ours == (GOLDEN / "netx_dense.net").read_bytes()
