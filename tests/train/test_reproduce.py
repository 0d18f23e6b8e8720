"""The plumbing of `make reproduce`: parts, slices, tables and pictures."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path

import pytest

from spikewright.train.settings.config import TrainConfig
from spikewright.train.settings.spikebert import SpikeBertRun

reproduce = import_module("reproduce")  # of the benchmarks
grid = import_module("spikebert")
TINY = {"T 1": ("student.steps=1",), "T 2": ("student.steps=2",)}


@pytest.fixture
def given(
    place: Path,
    config: TrainConfig,
    spike_config: SpikeBertRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    """The options of the tiny task, and where its tables go."""
    monkeypatch.setattr(reproduce, "describe_machine", lambda: "a machine")
    monkeypatch.setitem(grid.GRIDS, "steps", TINY)
    text = (place / "run.toml").read_text()
    (tmp_path / "chip.toml").write_text(text)
    options = {
        "--data": place / "data",
        "--run": tmp_path / "all",
        "--config": place / "spikebert.toml",
        "--chip": tmp_path / "chip.toml",
        "--seeds": 0,
    }
    return [str(each) for pair in options.items() for each in pair]


def test_a_grid_goes_on_in_slices_to_its_table_and_picture(
    given: list[str], finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = tmp_path / "all" / "tables"
    base = tmp_path / "all" / "grids" / "spikebert+seed=0"  # of T 2, which is the usual
    shutil.copytree(finished, base)
    only = ["--only", "steps"]
    assert reproduce.main([*given, *only, "--minutes", "0.0001"]) == 3
    assert "| T 2 | 1 |" in (tables / "steps.md").read_text()
    assert reproduce.main([*given, *only]) == 0
    text = (tables / "steps.md").read_text()
    assert "reproduce.py --data DATA --run RUN --only steps" in text
    assert "a machine" in text
    measured = json.loads((base / "card.json").read_text())["student"]
    assert f"| T 2 | 1 | {measured['validation_accuracy']:.4f} |" in text
    assert "| T 1 | 1 |" in text
    picture = (tables / "steps.svg").read_text()
    assert "Accuracy against time steps T" in picture
    assert f"2: {100 * measured['validation_accuracy']:.1f} %" in picture
    assert f"-> {tables}" in capsys.readouterr().out


def test_the_chip_student_is_trained_once_and_measured(
    given: list[str], done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(done, tmp_path / "all" / "chip")
    assert reproduce.main([*given, "--only", "chip"]) == 0
    text = (tmp_path / "all" / "tables" / "chip.md").read_text()
    assert "40 sentences" in text
    assert "integer" in text
    monkeypatch.setattr(reproduce, "spikewright_main", None)  # not called again
    assert reproduce.main([*given, "--only", "chip", "--minutes", "1"]) == 0


def test_what_cannot_be_is_refused_with_a_line(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert reproduce.main([*given, "--only", "steps", "--set", "student.beta=2"]) == 1
    assert "error: beta: must be 0 or more and below 1" in capsys.readouterr().err
