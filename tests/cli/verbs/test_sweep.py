"""`spikewright sweep`: a road for each choice of some options."""

from __future__ import annotations

import csv
import fcntl
import json
import re
import shutil
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

SWEEP = """\
folder = "out"

[network]
file = "net.nir"

[simulate]
inputs = "x.npy"

[report]
profile = ["loihi1"]

[sweep]
labels = [0, 1]

[sweep.simulate]
steps = [2, 4]

[sweep.lower]
rounding = ["nearest", "zero"]
"""


def _quick_report(args: Namespace) -> int:
    """Stand in for the verb, which takes a while: a spike costs a joule."""
    with np.load(args.trace, allow_pickle=False) as trace:
        spikes = sum(int(trace[k].sum()) for k in trace if k.startswith("counts/"))
    if args.teacher == "none":
        raise OSError("no teacher")
    comparison = {
        **{"profile": "loihi1", "accounting": "loihi1", "is_elsewhere": False},
        **{"ratio": "none", "student": {"is_lower_bound": False}},
        "teacher": {"format": "int8", "profile": "loihi1"},
    }
    base = "full/loihi1/loihi1"
    figures = [
        {"name": f"{base}/student/total", "value": float(spikes)},
        {"name": f"{base}/teacher/int8/total", "value": 100.0},
    ]
    for path in args.output:
        path.write_text(json.dumps({"comparisons": [comparison], "figures": figures}))
    return 0


@pytest.fixture
def files(here, golden, inputs, monkeypatch) -> Path:
    """A network, inputs and a sweep, whose reports are quick."""
    shutil.copy(golden("residual_bias"), here / "net.nir")
    shutil.copy(inputs("residual_bias"), here / "x.npy")
    (here / "sweep.toml").write_text(SWEEP)
    monkeypatch.setattr("spikewright.cli.verbs.report.run_report", _quick_report)
    return here


def _rows(folder: str = "out") -> list[dict[str, str]]:
    with Path(folder, "sweep.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _change(files: Path, before: str, after: str) -> None:
    text = (files / "sweep.toml").read_text()
    assert before in text
    (files / "sweep.toml").write_text(text.replace(before, after))


# --- what comes out ------------------------------------------------------------------


def test_each_choice_has_a_row_and_what_was_simulated_is_in_it(
    run, files: Path
) -> None:
    done = run("sweep", "sweep.toml")
    assert done.status == 0, done.err
    rows = _rows()
    chosen = [(each["simulate.steps"], each["lower.rounding"]) for each in rows]
    # 2 x 2, the last option changes first
    assert chosen == [("2", "nearest"), ("2", "zero"), ("4", "nearest"), ("4", "zero")]
    for row in rows:
        words = ("simulate", "net.nir", "--inputs", "x.npy", "--steps")
        if row["lower.rounding"] == "nearest":
            alone = json.loads(run(*words, row["simulate.steps"], "--json").out)
            assert float(row["spikes"]) == alone["spikes"] / 2  # two samples
            assert float(row["student J"]) == alone["spikes"]
            assert float(row["ratio"]) == alone["spikes"] / 100
        assert row["accuracy"] in ("0.0", "0.5", "1.0")
    written = json.loads((files / "out" / "sweep.json").read_text())
    assert [each["number"] for each in written["points"]] == [0, 1, 2, 3]
    assert written["axes"]["simulate.steps"] == [2, 4]
    assert {each.name for each in (files / "out").glob("sweep.*")} == {
        *("sweep.csv", "sweep.json", "sweep.md", "sweep.svg")
    }


def test_what_points_share_is_done_once_and_what_is_done_is_kept(
    run, files: Path
) -> None:
    assert run("sweep", "sweep.toml").status == 0
    made = {each.name for each in (files / "out" / ".results").glob("*-*")}
    count = {
        step: sum(name.startswith(f"{step}-") for name in made)
        for step in ("check", "lower", "simulate", "report")
    }
    # two roundings; two lengths of each
    assert count == {"check": 1, "lower": 2, "simulate": 4, "report": 4}
    before = {p: p.stat().st_mtime_ns for p in (files / "out").rglob("record.json")}
    _change(files, "[2, 4]", "[2, 3, 4]")  # points get other numbers
    assert run("sweep", "sweep.toml").status == 0
    assert len(_rows()) == 6
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_weights_may_have_ever_fewer_bits(run, files: Path) -> None:
    _change(files, 'rounding = ["nearest", "zero"]', "weight_bits = [8, 3, 1]")
    _change(files, "[2, 4]", "[4]")
    _change(files, "[sweep]\n", "[check]\nprofile = 'loihi2'\n\n[sweep]\n")
    done = run("sweep", "sweep.toml")
    assert done.status == 1
    rows = _rows()
    assert [each["lower.weight-bits"] for each in rows] == ["8", "3", "1"]
    assert "have weights of both signs, which 1 bit cannot hold" in rows[2]["why not"]
    words = ("lower", "net.nir", "--weight-bits", "3", "-o", "lowered.npz")
    assert run(*words).status == 0
    words = ("simulate", "lowered.npz", "--inputs", "x.npy", "--steps", 4, "--json")
    alone = json.loads(run(*words).out)["spikes"] / 2
    assert float(rows[0]["spikes"]) != alone == float(rows[1]["spikes"])
    # the check of a point is of its bits, and so is what the network takes of a chip
    for point, bits in (("0", 8), ("1", 3)):
        checked = files / "out" / "points" / point / "check" / "check.json"
        chip = json.loads(checked.read_text())["chips"][0]["replicated"]
        taken = {each["name"]: each["weight_bits"] for each in chip["projections"]}
        assert taken["fc2"] == bits


def test_a_point_that_fails_is_told_and_the_others_go_on(run, files: Path) -> None:
    _change(files, "[sweep.lower]", '[sweep.report]\nteacher = ["bert-base", "none"]\n')
    _change(files, 'rounding = ["nearest", "zero"]', "")
    done = run("sweep", "sweep.toml")
    assert done.status == 1
    assert [each["why not"] for each in _rows()] == ["", "report: no teacher"] * 2
    assert "point 1: report: no teacher" in done.err


def test_points_on_a_cluster_give_the_same_table(run, files: Path, scheduler) -> None:
    _change(files, "[2, 4]", "[2]")
    assert run("sweep", "sweep.toml").status == 0
    out = files / "out"
    table, picture = (out / "sweep.csv").read_bytes(), (out / "sweep.svg").read_bytes()
    made = {p: p.read_bytes() for p in out.glob(".results/simulate-*/trace.npz")}
    assert len(made) == 2
    for each in made:  # so that something is left to do; reports are kept
        shutil.rmtree(each.parent)
    (out / "sweep.csv").unlink()
    done = run("sweep", "sweep.toml", "--cluster", scheduler)
    assert done.status == 0, done.err
    assert {p: p.read_bytes() for p in made} == made
    assert (out / "sweep.csv").read_bytes() == table
    assert (out / "sweep.svg").read_bytes() == picture


def test_one_point_can_be_gone_alone(run, files: Path) -> None:
    done = run("sweep", "sweep.toml", "--point", "3", "--json")
    assert done.status == 0, done.err
    point = json.loads(done.out)["point"]
    assert point["values"] == {"simulate.steps": 4, "lower.rounding": "zero"}
    assert [each.name for each in (files / "out" / "points").iterdir()] == ["3"]


# --- refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("[sweep.lower]", "[sweep.lowr]", "unknown key 'lowr'.*did you mean 'lower'"),
        ("[sweep.lower]", "[sweep.folder]", "unknown key 'folder'"),
        ("[2, 4]", "2", "steps: must be a list of values"),
        ("[2, 4]", "[]", "steps: must be a list of values"),
        ("steps = [2, 4]", "stepz = [2, 4]", r"\[simulate\]: unknown key 'stepz'"),
        ('"zero"]', '"up"]', "'up' is none of"),
        ("labels = [0, 1]", "labels = [0.5]", "labels: must be a .npy file or a list"),
        ('folder = "out"', "", "says no `folder`"),
        ('inputs = "x.npy"', 'inputs = "y.npy"', "no such file"),
        ("[2, 4]", str(list(range(1, 50_002))), "points; at most 100000"),
    ],
)
def test_what_is_wrong_in_the_file_is_refused(
    run, files: Path, before: str, after: str, said: str
) -> None:
    _change(files, before, after)
    assert re.search(said, run("sweep", "sweep.toml").refusal())


def test_labels_that_do_not_fit_the_run_are_refused(run, files: Path) -> None:
    _change(files, "labels = [0, 1]", "labels = [0]")
    done = run("sweep", "sweep.toml")
    assert done.status == 1
    assert "point 0: 1 labels for 2 samples" in done.err


def test_options_that_contradict_are_refused(run, files: Path) -> None:
    words = ("sweep", "sweep.toml")
    assert "sweep has points 0 to 3" in run(*words, "--point", "4").refusal()
    assert "--workers: only --cluster" in run(*words, "--workers", "2").refusal()
    far = ("--cluster", "local", "--point", "1")
    assert "goes one point here" in run(*words, *far).refusal()


def test_a_road_without_a_sweep_is_for_run(run, files: Path) -> None:
    (files / "road.toml").write_text(SWEEP.partition("[sweep]")[0])
    assert "has no table [sweep]" in run("sweep", "road.toml").refusal()


def test_two_sweeps_in_one_folder_do_not_meet(run, files: Path) -> None:
    (files / "out").mkdir()
    with (files / "out" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another run is at work" in run("sweep", "sweep.toml").refusal()
