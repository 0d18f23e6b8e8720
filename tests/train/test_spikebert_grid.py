"""Grids of trainings: the plan, what runs share, and the table."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from spikewright.errors import ConfigError, InputError
from spikewright.train.settings.spikebert import SpikeBertRun
from spikewright.train.settings.spikebert_read import load_run
from spikewright.train.stages.run import train_spikebert

grid = import_module("spikebert")  # of the benchmarks
tables = import_module("spikebert_table")


def _args(place: Path, run: Path, name: str, **given: Any) -> Namespace:
    usual = {"config": place / "spikebert.toml", "set": [], "only": None}
    return Namespace(**{**usual, "grid": name, "run": run, "seeds": [0], **given})


# --- the plan ------------------------------------------------------------------------


def test_every_grid_is_of_runs_that_can_be(
    place: Path, spike_config: SpikeBertRun, tmp_path: Path
) -> None:
    for name in (*grid.GRIDS, "tasks"):
        runs = grid.plan(_args(place, tmp_path, name, seeds=[0, 1]))
        labels = [run.label for run in runs]
        # Seed by seed, so that a slice that ends early has whole tables.
        half = len(runs) // 2
        assert labels[:half] == labels[half:]
        assert [run.config.seed for run in runs] == [0] * half + [1] * half
        assert len({run.folder for run in runs}) == len(runs)


def test_a_variant_sets_what_it_says(
    place: Path, spike_config: SpikeBertRun, tmp_path: Path
) -> None:
    runs = grid.plan(_args(place, tmp_path, "losses"))
    found = {run.label: run.config for run in runs}
    assert found["all"].as_dict() == spike_config.as_dict()
    assert found["no features in stage 2"].stage2.feature_weight == 0
    assert found["no logits"].stage2.logit_weight == 0
    assert found["no labels"].stage2.label_weight == 0
    assert found["no stage 1"].stage1.epochs == 0
    assert found["no new texts"].augment.rounds == 0
    words = found["no words"]
    assert (words.stage1.embedding_weight, words.stage2.embedding_weight) == (0, 0)


def test_what_changes_nothing_is_one_run_in_all_grids(
    place: Path, spike_config: SpikeBertRun, tmp_path: Path
) -> None:
    # The file says steps = 2, blocks = 2 and, by default, beta = 0.5.
    same = {
        ("losses", "all"): "spikebert+seed=0",
        ("steps", "T 2"): "spikebert+seed=0",
        ("depth", "N 2"): "spikebert+seed=0",
        ("beta", "beta 0.5"): "spikebert+seed=0",
        ("steps", "T 4"): "spikebert+student.steps=4+seed=0",
    }
    for (name, label), folder in same.items():
        (run,) = grid.plan(_args(place, tmp_path, name, only=[label]))
        assert run.folder == tmp_path / folder


def test_refuses_a_variant_that_is_not_there_and_a_setting_that_cannot_be(
    place: Path, spike_config: SpikeBertRun, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="--only T 3: the grid has T 1, T 2, T 4, T 8"):
        grid.plan(_args(place, tmp_path, "steps", only=["T 3"]))
    with pytest.raises(ConfigError, match=r"student\.steps is set twice"):
        grid.plan(_args(place, tmp_path, "steps", set=["student.steps=2"]))


# --- training ------------------------------------------------------------------------


@pytest.fixture
def shelf(finished: Path, tmp_path: Path) -> Path:
    """A folder of runs with one that is finished."""
    shutil.copytree(finished, tmp_path / "runs" / "spikebert+seed=0")
    return tmp_path / "runs"


def test_a_grid_trains_what_is_missing_and_shares_what_is_equal(
    shelf: Path, place: Path, tmp_path: Path
) -> None:
    args = _args(place, shelf, "losses", only=["all", "no logits"])
    runs = grid.plan(args)
    assert [run.card() is not None for run in runs] == [True, False]
    assert grid.train(runs, place / "data", None)
    apart = tmp_path / "apart"
    settings = ["seed=0", "stage2.logit_weight=0"]
    config = load_run(place / "spikebert.toml", settings)
    train_spikebert(config, place / "data", apart)
    # Teacher, stage 1 and texts were copied; the student is the one of a whole run.
    for part in ("teacher", "stage1", "student"):
        file = f"{part}/model.safetensors"
        assert (runs[1].folder / file).read_bytes() == (apart / file).read_bytes()
    assert not (runs[1].folder / "teacher" / "checkpoints").exists()
    assert (apart / "teacher" / "checkpoints").exists()
    labels = [row.label for row in grid.rows(runs)]
    assert labels == ["all", "no logits"]


def test_what_differs_is_not_shared(shelf: Path, place: Path) -> None:
    wanted = {
        "no stage 1": {"teacher", "augmented.jsonl"},
        "no words": {"teacher", "augmented.jsonl"},
        "no new texts": {"teacher", "stage1"},
        "no labels": {"teacher", "stage1", "augmented.jsonl"},
    }
    for run in grid.plan(_args(place, shelf, "losses", only=list(wanted))):
        grid.take_shared(run, place / "data")
        found = {path.name for path in run.folder.iterdir()}
        assert found == wanted[run.label], run.label
    (other,) = grid.plan(_args(place, shelf, "losses", only=["all"], seeds=[1]))
    grid.take_shared(other, place / "data")
    assert not other.folder.exists()


def test_nothing_is_shared_with_a_run_of_other_data(
    shelf: Path, place: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(place / "data", data)
    with (data / "tiny" / "validation.jsonl").open("a") as file:
        file.write('{"text": "the road was grim", "label": 0}\n')
    (run,) = grid.plan(_args(place, shelf, "losses", only=["no labels"]))
    grid.take_shared(run, data)
    assert not run.folder.exists()


def test_a_slice_that_ends_says_so_and_the_table_has_what_is_done(
    shelf: Path,
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grid, "describe_machine", lambda: "a machine")
    given = ["--data", str(place / "data"), "--grid", "losses", "--run", str(shelf)]
    given += ["--config", str(place / "spikebert.toml"), "--seeds", "0"]
    given += ["--only", "all", "--only", "no logits"]
    assert grid.main([*given, "--minutes", "0.0001"]) == 3
    captured = capsys.readouterr()
    assert "| all | 1 |" in captured.out
    assert "no logits" not in captured.out
    found = json.loads((shelf / "losses.json").read_text())
    assert (found["runs_planned"], found["runs_finished"]) == (2, 1)


def test_a_folder_of_another_configuration_is_refused(
    shelf: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = _args(place, shelf, "losses", only=["all"], set=["stage2.epochs=2"])
    with pytest.raises(InputError, match="holds a run of another configuration"):
        grid.train(grid.plan(args), place / "data", None)


# --- the table -----------------------------------------------------------------------

ROW = tables.Row("T 2", (0, 1, 2), (0.8, 0.9, 0.7), (1.0, 0.9, 1.0), (0.1, 0.2, 0.3))


def test_a_row_has_mean_spread_and_ratio() -> None:
    # 0.8 / 1.0, 0.9 / 0.9, 0.7 / 1.0
    assert ROW.ratio == pytest.approx((0.8, 1.0, 0.7))
    # Mean 0.8, deviations 0, 0.1, -0.1: sqrt(0.02 / 2) = 0.1.
    assert tables.told(ROW.student) == "0.8000 ± 0.1000"
    # Mean 0.8333; deviations -0.0333, 0.1667, -0.1333: sqrt(0.04667 / 2) = 0.1528.
    assert tables.told(ROW.ratio) == "0.8333 ± 0.1528"
    assert tables.told((0.75,)) == "0.7500"
    assert tables.table([ROW]).splitlines()[-1] == (
        "| T 2 | 3 | 0.8000 ± 0.1000 | 0.9667 ± 0.0577 | 0.8333 ± 0.1528 | "
        "0.2000 ± 0.1000 |"
    )


def test_the_tasks_of_the_paper_have_a_mean_of_their_ratios() -> None:
    ratios = {"mr": 0.9, "sst2": 0.95, "subj": 1.0, "sst5": 0.75, "waimai": 0.1}
    rows = [
        tables.Row(task, (0,), (0.8 * ratio,), (0.8,), (0.1,))
        for task, ratio in ratios.items()
    ]
    # (0.9 + 0.95 + 1.0 + 0.75) / 4 = 0.9; Waimai is not of them.
    assert "mr, sst2, subj, sst5: 0.9000 of the teacher" in tables.table(rows)
    assert "Mean of" not in tables.table(rows[1:])


def test_the_document_says_the_same() -> None:
    found = tables.document("steps", [ROW], planned=12)
    assert (found["runs_planned"], found["runs_finished"]) == (12, 3)
    (row,) = found["rows"]
    assert row["seeds"] == [0, 1, 2]
    assert row["student"]["values"] == [0.8, 0.9, 0.7]
    assert row["ratio"]["mean"] == pytest.approx(0.8333, abs=1e-4)
    assert row["student"]["spread"] == pytest.approx(0.1)
    single = tables.document(
        "steps", [tables.Row("a", (0,), (1,), (1,), (1,))], planned=1
    )
    assert single["rows"][0]["student"]["spread"] is None
