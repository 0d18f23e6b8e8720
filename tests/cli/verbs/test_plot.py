"""`spikewright plot`: pictures of what the other verbs have written."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from spikewright.files import read_trace
from spikewright.plots.picture import SCHEMA
from spikewright.train.answers.attention_map import attention_map
from spikewright.train.answers.trained import load_trained
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.spikingbert.convergence import convergence
from spikewright.train.spikingbert.model import SpikingBertForSequenceClassification
from spikewright.train.texts.data import pad_batch

TEACHER = ("--teacher", "bert-base", "--tokens", "20")
KINDS = (
    *("raster", "rates", "attention", "convergence", "sweep", "energy", "profiles"),
    *("break-even", "graph", "placement", "quantization", "curve"),
)


@pytest.fixture
def trace(run, here: Path, golden, inputs) -> Path:
    """The trace of a network's integers."""
    network, signals = golden("residual_bias"), inputs("residual_bias")
    run("simulate", network, "--inputs", signals, "-o", "t.npz")
    return here / "t.npz"


@pytest.fixture
def report(run, here: Path, golden, trace: Path) -> Path:
    """Its report, as JSON."""
    run("report", golden("residual_bias"), trace, *TEACHER, "-o", "r.json")
    return here / "r.json"


@pytest.fixture
def sentences(here: Path) -> Path:
    """Four labeled sentences, by name and by number."""
    rows = [("a great film", "positive"), ("a dull film", 0)]
    rows += [("wonderful and moving", 1), ("bad", "negative")]
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    (here / "dev.jsonl").write_text("\n".join(lines) + "\n")
    return here / "dev.jsonl"


def data(run, *argv: object) -> dict:
    done = run("plot", *argv, "--json")
    assert (done.status, done.err) == (0, ""), done.err
    document = json.loads(done.out)
    assert document["schema"] == SCHEMA
    assert document["kind"] == argv[0]
    assert document["title"]
    assert document["alt"]
    return document["data"]


# --- files ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "begins"), [("a.svg", b"<?xml"), ("a.png", b"\x89PNG")]
)
def test_a_picture_is_written_and_told_in_words(
    run, here: Path, trace: Path, name: str, begins: bytes
) -> None:
    done = run("plot", "rates", trace, "-o", name)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("Spikes per neuron and step, mean of 2.")
    assert done.out.endswith(f"-> {name}\n")
    assert (here / name).read_bytes().startswith(begins)


def test_data_and_picture_at_once(run, here: Path, trace: Path) -> None:
    done = run("plot", "--json", "rates", trace, "-o", "a.svg")
    assert json.loads(done.out)["config"]["output"] == "a.svg"
    assert (here / "a.svg").exists()


def test_neither_output_nor_json_is_a_usage_error(run, trace: Path) -> None:
    done = run("plot", "rates", trace)
    assert (done.status, done.out) == (2, "")
    assert "give -o FILE.svg or FILE.png, or --json" in done.err


def test_other_formats_are_refused_before_the_work(run, here: Path) -> None:
    line = run("plot", "rates", "missing.npz", "-o", "a.gif").refusal()
    assert "pictures are .svg or .png" in line


def test_the_input_is_never_written_over(run, trace: Path) -> None:
    svg = trace.rename(trace.with_suffix(".svg"))
    assert "reads or writes it" in run("plot", "rates", svg, "-o", svg).refusal()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_help_with_an_example(run, kind: str) -> None:
    done = run("plot", kind, "--help")
    assert done.status == 0
    assert f"example:\n  spikewright plot {kind} " in done.out


def test_an_unknown_kind_is_met_with_the_nearest(run) -> None:
    done = run("plot", "raaster")
    assert done.status == 2
    assert "did you mean 'raster'?" in done.err


# --- runs ----------------------------------------------------------------------------


def test_a_raster_holds_the_spikes_of_the_trace(run, trace: Path) -> None:
    spikes = read_trace(trace).spikes
    found = data(run, "raster", trace, "--sample", 1, "--population", "lif1")
    (population,) = found["populations"]
    wanted = [[int(t) + 1, int(i)] for t, i in np.argwhere(spikes["lif1"][1])]
    assert population["events"] == wanted
    assert len(wanted) == population["spikes"] > 0


def test_rates_are_those_that_simulate_prints(run, here, golden, inputs) -> None:
    network, signals = golden("residual_bias"), inputs("residual_bias")
    done = run("simulate", network, "--inputs", signals, "-o", "t.npz", "--json")
    printed = json.loads(done.out)["rate"]
    found = data(run, "rates", "t.npz")["populations"]
    assert {each["name"]: round(each["rate"], 5) for each in found} == printed


def test_attention_of_a_sentence_needs_no_trace(run, here: Path, exported) -> None:
    found = data(run, "attention", exported, "--text", "a great film")
    assert found["tokens"] == ["a", "great", "film"]
    names = [f"block{i}_{part}" for i in (0, 1) for part in ("kv", "passed")]
    assert found["populations"] == names
    assert np.shape(found["rates"]) == (4, 3)
    assert set(found["gates_open"]) == {"block0_gate", "block1_gate"}


def test_attention_of_a_trace_is_the_same(run, here: Path, exported) -> None:
    run("simulate", exported, "--text", "a great film", "-o", "t.npz")
    of_trace = data(run, "attention", exported, "t.npz")
    assert of_trace == data(run, "attention", exported, "--text", "a great film")
    kv = read_trace("t.npz").spikes["block0_kv"][0]
    wanted = kv[:, :, :3].mean(axis=(0, 1))
    assert of_trace["rates"][0] == wanted.tolist()


def test_attention_of_a_chip_student_s_checkpoint(run, here: Path, checkpoint) -> None:
    found = data(run, "attention", checkpoint, "--text", "a great film")
    assert found["tokens"] == ["a", "great", "film"]
    assert found["populations"][:2] == ["block0_kv", "block0_passed"]
    assert np.shape(found["rates"]) == (4, 3)
    assert 0 < found["gates_open"]["block0_gate"] < 1


def _spikebert(folder: Path, tokenizer_of: Path, kind: str) -> Path:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
    student = SpikeBertForSequenceClassification(
        SpikeBertConfig(**sizes, steps=2, attention=kind)
    )
    for name, each in student.named_parameters():
        if name.endswith("norm.weight"):
            torch.nn.init.constant_(each, 3.0)  # so that it fires
    student.save_pretrained(folder)
    shutil.copy(tokenizer_of / "tokenizer.json", folder)
    return folder


def test_attention_of_a_spikebert_s_checkpoint(run, here: Path, checkpoint) -> None:
    folder = _spikebert(here / "bert", checkpoint, "ssa")
    found = data(run, "attention", folder, "--text", "a great film")
    assert {"a", "great", "film"} <= set(found["tokens"])
    tokens = len(found["tokens"])
    assert np.shape(found["scores"]) == (3, tokens, tokens)
    # The mean over 2 steps and 2 heads of whole numbers: multiples of 1 / 4.
    first = 4 * np.array(found["scores"][0])
    assert (first == first.round()).all()
    (of_map, *_) = attention_map(load_trained(folder), "a great film").blocks
    assert first.sum() == of_map.scores.sum() > 0
    done = run("plot", "attention", folder, "--text", "a great film", "-o", "a.svg")
    assert done.status == 0
    assert "mean over steps and heads" in (here / "a.svg").read_text()


def test_attention_of_a_gated_spikebert(run, here: Path, checkpoint) -> None:
    folder = _spikebert(here / "bert", checkpoint, "sdsa")
    found = data(run, "attention", folder, "--text", "a great film")
    assert np.shape(found["rates"]) == (6, len(found["tokens"]))


def test_attention_of_a_checkpoint_asks_for_text(run, here: Path, checkpoint) -> None:
    line = run("plot", "attention", checkpoint, "-o", "a.svg").refusal()
    assert "give --text SENTENCE, and no trace" in line
    folder = _spikebert(here / "bert", checkpoint, "ssa")
    given = ("--text", "a", "--population", "block0_kv", "-o", "a.svg")
    line = run("plot", "attention", folder, *given).refusal()
    assert "drawn as scores between tokens" in line


def test_attention_asks_for_what_it_needs(run, trace: Path, golden, exported) -> None:
    line = run("plot", "attention", exported, "-o", "a.svg").refusal()
    assert "either a trace.npz or --text" in line
    line = run("plot", "attention", exported, trace, "-o", "a.svg").refusal()
    assert "the trace does not say its texts" in line
    network = golden("residual_bias")
    line = run("plot", "attention", network, "--text", "a", "-o", "a.svg").refusal()
    assert "needs a deployment folder" in line


@pytest.fixture
def settled(here: Path, checkpoint: Path) -> Path:
    """The run of a small SpikingBERT: the model lies in its folder student."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    student = SpikingBertForSequenceClassification(
        SpikingBertConfig(**sizes, intermediate_size=16)
    )
    student.save_pretrained(here / "run" / "student")
    shutil.copy(checkpoint / "tokenizer.json", here / "run" / "student")
    return here / "run"


def test_a_run_and_its_model_settle_as_convergence_says(
    run, here: Path, settled: Path
) -> None:
    texts = ("a great film", "dull")
    argv = ("--text", texts[0], "--text", texts[1], "--steps", 24)
    found = data(run, "convergence", settled, *argv, "--tolerance", 0.05)
    assert found == data(
        run, "convergence", settled / "student", *argv, "--tolerance", 0.05
    )
    trained = load_trained(settled / "student")
    assert isinstance(trained.student, SpikingBertForSequenceClassification)
    batch = pad_batch([{"input_ids": each} for each in trained.token_ids(texts)])
    wanted = convergence(trained.student, batch, steps=24)
    needed = wanted.steps_needed(0.05)
    assert (found["samples"], found["tolerance"]) == (2, 0.05)
    assert {each["name"]: each for each in found["populations"]} == {
        name: {
            "name": name,
            "distance": list(wanted.distance[name]),
            "largest": wanted.largest[name][-1],
            "steps_needed": needed[name],
        }
        for name in wanted.distance
    }
    assert any(needed.values())


def test_what_does_not_settle_is_told(run, here: Path, checkpoint, exported) -> None:
    given = ("--text", "a film", "-o", "a.svg")
    line = run("plot", "convergence", checkpoint, *given).refusal()
    assert "is a ChipStudent, whose rates have no equilibrium" in line
    folder = _spikebert(here / "bert", checkpoint, "ssa")
    line = run("plot", "convergence", folder, *given).refusal()
    assert "is a SpikeBertForSequenceClassification, whose" in line
    line = run("plot", "convergence", exported, *given).refusal()
    assert "holds no model.safetensors, nor does" in line
    line = run("plot", "convergence", folder, *given, "--tolerance", 1.5).refusal()
    assert "--tolerance 1.5: rates are 0 to 1" in line
    assert run("plot", "convergence", folder, "-o", "a.svg").status == 2  # no --text


def test_a_sweep_is_what_shorter_runs_would_have_said(
    run, here: Path, exported, sentences: Path
) -> None:
    found = data(run, "sweep", exported, "--text", sentences, "--profile", "loihi1")
    assert found["steps"] == [1, 2, 3, 4]
    texts = [json.loads(each)["text"] for each in sentences.read_text().splitlines()]
    labels = [1, 0, 1, 0]
    for steps in (1, 4):
        right = 0
        for text, label in zip(texts, labels, strict=True):
            argv = ("--text", text, "--steps", steps, "-o", "s.npz")
            run("simulate", exported, *argv)
            answer = read_trace("s.npz").output[0].sum(axis=0).argmax()
            right += int(answer == label)
        assert found["correct"][steps - 1] == right
    energies = found["energy_j"]["loihi1"]
    assert energies == sorted(energies)
    options = ("--text", sentences, "--profile", "loihi1", "--draws", 1000, "--json")
    report = json.loads(run("report", exported, *options).out)
    assert report["early_exit"]["right"] == found["correct"]
    assert report["early_exit"]["energy_j"] == {"loihi1/loihi1": energies}
    figures = {each["name"]: each["value"] for each in report["figures"]}
    assert energies[-1] == figures["full/loihi1/loihi1/student/total"] > 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"text": "a film"}', "needs a label for each text"),
        ('{"text": "a film", "label": "nice"}', "dev.jsonl:1: label 'nice'"),
        ('{"text": "a film", "label": 2}', "negative, positive, or 0 to 1"),
        ('{"text": "a film", "label": true}', "dev.jsonl:1: label True"),
    ],
)
def test_a_sweep_needs_a_label_for_each_text(
    run, here: Path, exported, line: str, says: str
) -> None:
    (here / "dev.jsonl").write_text(line + "\n")
    done = run("plot", "sweep", exported, "--text", "dev.jsonl", "-o", "a.svg")
    assert says in done.refusal()


# --- reports -------------------------------------------------------------------------


def test_energies_are_the_figures_of_the_report(run, report: Path) -> None:
    document = json.loads(report.read_text())
    known = {each["name"]: each["value"] for each in document["figures"]}
    found = data(run, "energy", report, "--profile", "loihi1")
    assert found["by"] == "layer"
    for name, energy_j in found["energy_j"].items():
        assert energy_j == known[f"full/loihi1/loihi1/student/layer/{name}"]
    assert "lif1" in found["energy_j"]
    terms = data(run, "energy", report, "--by", "component")
    base = "full/cmos45/cmos45-sram32k"
    assert terms["student_j"]["arithmetic"] == known[f"{base}/student/arithmetic"]
    assert terms["teacher_j"]["norms"] is None
    (first, second) = data(run, "profiles", report)["prices"]
    assert first["student_j"] == known[f"{base}/student/total"]
    assert second["teacher"] == "int8 on cmos45"


def test_a_break_even_curve_of_a_report(run, report: Path) -> None:
    found = data(run, "break-even", report)
    document = json.loads(report.read_text())
    known = {each["name"]: each["value"] for each in document["figures"]}
    assert found["measured_rate"] == known["student/rate"]
    at, total = found["break_even_rates"]["int8"], found["baselines_j"]["int8"]
    assert found["fixed_j"] + at * found["slope_j"] == pytest.approx(total)


def test_what_a_newer_report_adds_to_its_line_changes_nothing(
    run, report: Path, here: Path
) -> None:
    document = json.loads(report.read_text())
    for each in document["comparisons"]:
        if each["rate_line"]:
            each["rate_line"]["added"] = 1
    (here / "newer.json").write_text(json.dumps(document))
    old, new = data(run, "break-even", report), data(run, "break-even", "newer.json")
    assert new["break_even_rates"] == old["break_even_rates"]


def test_a_profile_that_the_report_lacks(run, report: Path) -> None:
    done = run("plot", "energy", report, "--profile", "odin", "-o", "a.svg")
    assert "the report has cmos45, loihi1" in done.refusal()


@pytest.mark.parametrize(
    ("content", "says"),
    [("{}", "not a report of a run"), ("[]", "no JSON object"), ("{", "as JSON")],
)
def test_what_is_no_report_is_told(run, here: Path, content: str, says: str) -> None:
    (here / "r.json").write_text(content)
    assert says in run("plot", "profiles", "r.json", "-o", "a.svg").refusal()


def test_a_report_from_before_the_curve_is_told(run, report: Path) -> None:
    document = json.loads(report.read_text())
    for each in document["comparisons"]:
        del each["rate_line"]
    report.write_text(json.dumps(document))
    line = run("plot", "break-even", report, "-o", "a.svg").refusal()
    assert "the report is an older one; write again" in line


# --- networks and trainings ----------------------------------------------------------


def test_a_graph_at_each_stage(run, golden) -> None:
    network = golden("residual_bias")
    stages = ("continuous", "discrete", "timed", "quantized")
    for stage in stages:
        found = data(run, "graph", network, "--stage", stage, "--layout", "built-in")
        assert found["stage"] == stage.upper()
    arrivals = {each["name"]: each["arrival"] for each in found["populations"]}
    assert arrivals["input"] == 0
    assert arrivals["output"] == max(arrivals.values())
    assert data(run, "graph", network)["stage"] == "TIMED"


def test_a_lowered_graph_has_the_stage_that_it_has(run, here, golden) -> None:
    run("lower", golden("residual_bias"), "-o", "l.npz")
    assert data(run, "graph", "l.npz")["stage"] == "QUANTIZED"
    line = run("plot", "graph", "l.npz", "--stage", "timed", "-o", "a.svg").refusal()
    assert "was lowered to QUANTIZED" in line


def test_a_placement_has_the_cores_that_check_counts(run, here, golden) -> None:
    found = data(run, "placement", golden("residual_bias"), "--chip", "loihi1")
    assert found["says"] == "fits, 1 core, 1 chip"
    (core,) = found["cores"]
    assert {"lif1", "lif2", "lif3"} <= set(core["holds"])
    run("lower", golden("residual_bias"), "-o", "l.npz")
    assert data(run, "placement", "l.npz", "--chip", "loihi1") == found


def test_quantization_is_what_lower_reports(run, here, golden) -> None:
    network = golden("residual_bias")
    run("lower", network, "-o", "l.npz", "--report", "q.json")
    report = json.loads((here / "q.json").read_text())["projections"]
    found = data(run, "quantization", network)["projections"]
    assert {each["name"]: each["rms_error"] for each in found} == {
        name: each["rms_error"] for name, each in report.items()
    }
    line = run("plot", "quantization", "l.npz", "-o", "a.svg").refusal()
    assert "holds integers alone" in line


def test_the_curve_of_a_run_or_of_its_card(run, here: Path) -> None:
    logged = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]
    (here / "card.json").write_text(json.dumps({"stage1": {"curve": logged}}))
    found = data(run, "curve", here)
    assert found == {"stage1": {"loss": [[1, 2.0], [2, 1.0]]}}
    assert data(run, "curve", "card.json") == found


def test_a_card_without_a_curve_is_told(run, exported) -> None:
    line = run("plot", "curve", exported, "-o", "a.svg").refusal()
    assert f"{exported / 'card.json'}: the card holds no curve" in line


# --- in a report's page --------------------------------------------------------------


def test_a_page_shows_the_run(run, here: Path, exported, sentences: Path) -> None:
    argv = ("--text", sentences, "--show", 1, "-o", "page.html")
    assert run("report", exported, *argv).status == 0
    page = (here / "page.html").read_text()
    for title in (
        *("Spikes of sample 1", "Attention by token"),
        *("How many time steps it needs", "Accuracy and energy against time steps"),
        *("Firing rate and saturation by population", "What quantization costs"),
        *("Placement on loihi1", "Network, QUANTIZED"),
    ):
        assert f">{title}" in page
    assert ">dull<" in page


def test_a_page_of_a_trace_shows_its_spikes(run, here, golden, trace: Path) -> None:
    run("report", golden("residual_bias"), trace, *TEACHER, "-o", "page.html")
    page = (here / "page.html").read_text()
    assert ">Spikes of sample 0" in page
    assert "Attention" not in page


def test_a_sample_to_show_needs_a_page_and_must_be_there(
    run, here, golden, trace: Path
) -> None:
    base = ("report", golden("residual_bias"), trace, *TEACHER)
    line = run(*base, "--show", 0).refusal()
    assert "only a page shows a sample" in line
    line = run(*base, "--show", 2, "-o", "page.html").refusal()
    assert "--show 2: the run has samples 0 to 1" in line


def test_missing_matplotlib_is_told_before_the_work(
    run, here, golden, trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    cure = "pip install 'spikewright[plots]'"
    assert cure in run("plot", "rates", "missing.npz", "-o", "a.svg").refusal()
    base = ("report", golden("residual_bias"), trace, *TEACHER)
    assert cure in run(*base, "--profile", "missing", "-o", "page.html").refusal()
    assert data(run, "rates", trace)["samples"] == 2
    assert run(*base, "--json").status == 0
