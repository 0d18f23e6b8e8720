"""What a report can hold and in which form: names, options, whole sets, a teacher."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from spikewright.hardware_profiles.prices.break_even import DAMPFHOFFER
from spikewright.hardware_profiles.reports.schema import report_schema, schema_text

ROOT = Path(__file__).parents[3]
TEACHER = ("--teacher", "bert-base", "--tokens", "20")
SENTENCES = ("a good film", "a bad film that bores", "good", "bad bad bad", "fine")


@pytest.fixture
def network(golden) -> Path:
    """A network that has a trace."""
    return golden("residual_bias")


@pytest.fixture
def report(run, here, network: Path, inputs):
    """Return what a report of the network's trace prints, with some options."""
    run("simulate", network, "--inputs", inputs("residual_bias"), "-o", "t.npz")
    trace = here / "t.npz"
    return lambda *options: run("report", network, trace, *TEACHER, *options)


@pytest.fixture
def sentences(here) -> Path:
    """A file of sentences, one a line."""
    path = here / "sentences.txt"
    path.write_text("\n".join(SENTENCES) + "\n")
    return path


def figures(done) -> dict[str, dict]:
    return {each["name"]: each for each in json.loads(done.out)["figures"]}


# --- the table -----------------------------------------------------------------------


def test_the_verdict_comes_first_then_parts_terms_and_what_is_left_out(report) -> None:
    out = report().out
    titles = re.findall(r"^(\w.*):$", out, flags=re.MULTILINE)
    assert titles[:4] == [
        "Verdict",
        "Fit",
        "By layer",
        "Column B, full accounting, by term",
    ]
    assert titles[-1] == "Left out"
    assert max(map(len, out.splitlines())) <= 100


def test_the_accounting_that_was_used_is_printed(report) -> None:
    words = " ".join(report().out.split())
    assert "cmos45-sram32k: weights_in = sram32k" in words
    assert "loihi1: embeddings_in = host; student_signals = packets; weight" in words
    assert "none: weights_in, state_in, activations_in" in words


def test_what_fits_says_on_how_many_cores(report) -> None:
    assert "loihi1: fits, 1 core, 1 chip" in report().out


def test_what_does_not_fit_says_why_and_loses_its_static_energy(
    run, here, exported: Path
) -> None:
    run("simulate", exported, "--text", "a good film", "-o", "t.npz")
    done = run("report", exported, "t.npz", "--profile", "loihi1", "--json")
    document = json.loads(done.out)
    assert not document["capacity"]["loihi1"]["fits"]
    assert "split the readout" in document["capacity"]["loihi1"]["says"]
    assert figures(done)["full/loihi1/loihi1/student/static"]["value"] is None
    table = " ".join(run("report", exported, "t.npz").out.split())
    assert "it does not fit loihi1, this is the price of its events alone" in table


@pytest.mark.parametrize("by", ["layer", "population", "step", "sample"])
def test_parts_add_up_to_the_total(report, by: str) -> None:
    found = figures(report("--by", by, "--profile", "loihi1", "--json"))
    start = f"student/loihi1/fixed/{by}/"
    parts = [each["value"] for name, each in found.items() if name.startswith(start)]
    total = found["student/loihi1/fixed/total"]["value"]
    samples = 2 if by == "sample" else 1  # a sample stands for itself, not for a mean
    assert math.fsum(parts) == pytest.approx(total * samples, rel=1e-12)
    counts = json.loads(report("--by", by, "--profile", "loihi1", "--json").out)
    synops = sum(
        each.get("synops", 0)
        for each in counts["breakdown"]["loihi1"]["parts"].values()
    )
    nodes = counts["student"]["counts"].values()
    assert synops == sum(each.get("synops", 0) for each in nodes) > 0


def test_tokens_and_padding_are_told_apart(run, here, exported: Path) -> None:
    run("simulate", exported, "--text", "a good film", "-o", "t.npz")
    options = ("--by", "token", "--json", "--profile", "cmos45")
    document = json.loads(run("report", exported, "t.npz", *options).out)
    down = document["breakdown"]["cmos45"]
    # 3 of 8 tokens; the network pads its input by one on each side.
    assert list(down["parts"]) == [*map(str, range(10)), "without a token"]
    assert [down["parts"][each].get("spikes", 0) > 0 for each in ("0", "1", "2")] == [
        True,
        True,
        True,
    ]
    padding = down["within"]["padding"]
    beyond = sum(down["parts"][str(t)].get("synops", 0) for t in range(3, 10))
    assert padding["synops"] == beyond > 0


def test_a_network_without_tokens_has_no_parts_by_token(report) -> None:
    line = report("--by", "token").refusal()
    assert "no work of this network can be told by token" in line


# --- bounds, what is outside ---------------------------------------------------------


def test_a_value_at_the_upper_end_of_its_range_is_no_lower_bound(report) -> None:
    words = " ".join(report("--profile", "spinnaker2").out.split())
    verdict = words[words.index("spinnaker2 (events): ") :]
    assert re.match(r"spinnaker2 \(events\): [\d.]+ \wJ \(median", verdict)
    assert "without its unpriced parts against" in verdict
    assert "its constants stand at the upper ends of their ranges" in verdict
    (compared,) = json.loads(report("--profile", "spinnaker2", "--json").out)[
        "comparisons"
    ]
    assert not compared["student"]["is_lower_bound"]
    assert compared["student"]["is_partial"]


def test_a_value_at_the_lower_end_with_parts_left_out_is_a_lower_bound(report) -> None:
    words = " ".join(report("--profile", "truenorth").out.split())
    assert "truenorth (truenorth): at least" in words
    assert "its constants stand at the lower ends of their ranges" in words


def test_embeddings_of_the_host_are_outside_and_weights_within_events(
    run, here, exported: Path
) -> None:
    run("simulate", exported, "--text", "a good film", "-o", "t.npz")
    options = ("--profile", "loihi1", "--json")
    document = json.loads(run("report", exported, "t.npz", *options).out)
    (compared,) = document["comparisons"]
    # 3 tokens x (384 + 32) bits
    assert document["student"]["counts"]["input"]["embedding_bits_read"] == 1248
    assert compared["student"]["outside"] == [
        {
            "term": "weight memory",
            "operation": "embedding_bits_read",
            "why": "the host reads embeddings",
        }
    ]
    assert "weight memory" not in compared["student"]["disabled"]
    assert not any("embedding" in each for each in document["gaps"])
    assert any(
        "outside the figure by choice: 1.25 k embedding bits read" in each
        for each in document["left_out"]
    )


# --- columns, rates ------------------------------------------------------------------


def test_presets_are_priced_as_papers_print_them(report) -> None:
    done = report("--preset", "syops", "--preset", "neurobench-effective", "--json")
    found = figures(done)
    assert {"preset/syops/student", "preset/syops/teacher"} <= set(found)
    assert found["preset/neurobench-effective/student"]["unit"] == "operation"
    assert "preset/bert-mac/student" not in found


def test_every_preset_and_accounting_can_be_asked_for(report) -> None:
    found = figures(report("--preset", "all", "--accounting", "all", "--json"))
    assert "preset/sj-simple/student" in found
    for name in ("cmos45-sram32k", "cmos45-sram32k-reuse64", "events"):
        assert f"full/cmos45/{name}/student/total" in found


def test_weight_reuse_divides_the_reads_of_weights(report) -> None:
    name = "full/cmos45/cmos45-sram32k/student/weight_memory"
    teacher = "full/cmos45/cmos45-sram32k/teacher/int8/weight_memory"
    once = figures(report("--teacher-weight-reuse", "1", "--json"))
    often = figures(
        report("--weight-reuse", "4", "--teacher-weight-reuse", "64", "--json")
    )
    assert often[name]["value"] == once[name]["value"] / 4  # a power of two: exact
    (weights, _) = once[teacher]["lines"]
    assert often[teacher]["lines"][0]["energy_j"] == weights["energy_j"] / 64


def test_break_even_has_a_figure_for_each_baseline(run, here, exported: Path) -> None:
    run("simulate", exported, "--text", "a good film", "-o", "t.npz")
    options = ("--profile", "cmos45", "--gamma", "0.9")
    done = run("report", exported, "t.npz", *options, "--json")
    found = figures(done)
    start = "break_even/cmos45/cmos45-sram32k/"
    baselines = {n.removeprefix(start) for n in found if n.startswith(start)}
    assert baselines == {"fp32", "int8", "gamma", "twin"}
    a, b, cost = (
        found[f"full/cmos45/cmos45-sram32k/{side}/total"]["value"]
        for side in ("student", "teacher/int8", "teacher/gamma")
    )
    assert cost < b
    assert found[start + "gamma"]["value"] < found[start + "int8"]["value"]
    # At its own rate the student costs a < b, so it wins below a higher rate.
    assert (found["student/rate"]["value"] < found[start + "int8"]["value"]) == (a < b)
    words = " ".join(run("report", exported, "t.npz", *options).out.split())
    assert "int8, 90% of its activations zero" in words
    assert "measured rate" in words
    assert f"{DAMPFHOFFER[0]:g} to {DAMPFHOFFER[1]:g} is where" in words


def test_no_rate_wins_is_said(run, here, exported: Path) -> None:
    run("simulate", exported, "--text", "a good film", "-o", "t.npz")
    done = run("report", exported, "t.npz", "--profile", "spinnaker1")
    assert "int8: no rate wins" in " ".join(done.out.split())


def test_the_teacher_format_is_what_ratios_are_against(report) -> None:
    found = figures(report("--teacher-format", "fp16", "--json"))
    full = "full/cmos45/cmos45-sram32k"
    assert found[f"{full}/ratio"]["of"] == [
        f"{full}/student/total",
        f"{full}/teacher/fp16/total",
    ]


def test_a_profile_that_prices_nothing_says_why(report) -> None:
    out = " ".join(report("--profile", "xylo", "--profile", "loihi2").out.split())
    assert "xylo: no joules, energy per synaptic operation" in out
    assert "loihi2: no joules, energy per synaptic operation" in out
    assert "loihi2: fits, 1 core, 1 chip" in out


# --- explain, strict -----------------------------------------------------------------


def test_a_figure_is_traced_to_integers_and_sources(report) -> None:
    out = report("--explain", "student/loihi1/fixed/synapses").out
    count, cost = re.search(r"(\d+) synops / 2 samples x (\S+) J =", out).groups()
    value = float(re.search(r"= (\S+) J \(", out).group(1))
    assert int(count) / 2 * float(cost) == value
    assert "Davies et al., IEEE Micro 38(1), 2018, Table 2" in out
    assert "evidence quoted, no upper end published" in out


def test_names_can_be_listed_and_shortened(report) -> None:
    listed = report("--explain", "list", "--profile", "loihi1").out
    assert "break_even/loihi1/loihi1/int8" in listed
    short = report("--explain", "break_even/int8", "--profile", "loihi1")
    assert short.out.startswith("break_even/loihi1/loihi1/int8 = ")


def test_an_unknown_figure_names_those_that_are_near(report) -> None:
    line = report("--explain", "student/loihi1/fixed/totl").refusal()
    assert "did you mean student/loihi1/fixed/total or" in line
    line = report("--explain", "break_even/int8").refusal()
    assert (
        "fits 2 figures, break_even/cmos45/cmos45-sram32k/int8, break_even/lo" in line
    )


def test_strict_names_what_has_no_price(report) -> None:
    line = report("--strict", "--profile", "loihi1").refusal()
    assert "barriers unpriced: loihi1 fixed has no price" in line
    assert "teacher, norms: norm_elements unpriced" in line


def test_strict_names_a_profile_without_joules(report) -> None:
    assert (
        "xylo prices no operation" in report("--strict", "--profile", "xylo").refusal()
    )


# --- formats -------------------------------------------------------------------------


def test_all_formats_hold_the_same_figures_to_the_digit(report) -> None:
    known = figures(report("--json"))
    rows = list(csv.DictReader(io.StringIO(report("--format", "csv").out)))
    assert {row["figure"] for row in rows} == set(known)
    for row in rows:
        value = known[row["figure"]]["value"]
        assert row["value"] == ("" if value is None else repr(value))
    lines = [
        (r["figure"], r["operation"], r["energy_j"]) for r in rows if r["energy_j"]
    ]
    assert lines == [
        (name, line["operation"], repr(line["energy_j"]))
        for name, each in known.items()
        for line in each["lines"]
    ]
    page = report("--format", "html").out
    for name, each in known.items():
        assert f"<code>{name}</code>" in page
        for line in each["lines"]:
            assert f"= {line['energy_j']!r} J" in page


def test_a_line_of_csv_has_its_layer(report) -> None:
    rows = csv.DictReader(io.StringIO(report("--format", "csv").out))
    nodes = {row["node"] for row in rows if row["operation"] == "synops"}
    assert nodes == {"", "lif1", "lif2", "lif3"}


def test_a_file_is_written_whole_or_not_at_all(report, here) -> None:
    done = report("--format", "html", "-o", "page.html")
    assert (done.status, done.out, done.err) == (0, "", "")
    assert (here / "page.html").read_text().startswith("<!doctype html>")
    line = report("-o", "nowhere/page.html").refusal()
    assert "there is no folder nowhere" in line
    assert "the command reads or writes it already" in report("-o", "t.npz").refusal()
    assert {path.name for path in here.iterdir()} == {"t.npz", "page.html"}


def test_the_schema_is_printed(run) -> None:
    assert run("report", "--schema").out == schema_text()
    assert json.loads(schema_text()) == report_schema()


# --- whole sets ----------------------------------------------------------------------


def test_sentences_cost_what_their_trace_does(
    run, here, body, exported: Path, sentences: Path
) -> None:
    texts = [word for each in SENTENCES for word in ("--text", each)]
    run("simulate", exported, *texts, "-o", "t.npz")
    kept = run("report", exported, "t.npz", "--json").out
    made = run("report", exported, "--text", sentences, "--json").out
    assert body(made) == body(kept)


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_the_batch_changes_no_count(
    run, here, body, exported: Path, sentences: Path, batch: int, monkeypatch
) -> None:
    usual = run("report", exported, "--text", sentences, "--json").out
    monkeypatch.setattr(
        "spikewright.cli.report.runs.chunk_size", lambda graph, steps: 2
    )
    options = ("--text", sentences, "--batch", batch, "--json")
    assert body(run("report", exported, *options).out) == body(usual)


def test_sentences_as_json_lines(
    run, here, body, exported: Path, sentences: Path
) -> None:
    rows = (json.dumps({"text": each}) for each in SENTENCES)
    (here / "s.jsonl").write_text("\n".join(rows))
    found = run("report", exported, "--text", "s.jsonl", "--json").out
    usual = run("report", exported, "--text", sentences, "--json").out
    assert body(found) == body(usual)


def test_a_set_is_priced_on_every_profile(
    run, here, exported: Path, sentences: Path
) -> None:
    options = ("--text", sentences, "--profile", "all", "--json")
    document = json.loads(run("report", exported, *options).out)
    priced = {each["profile"] for each in document["comparisons"]}
    without = {each["name"] for each in document["profiles"] if each["why_no_joules"]}
    assert without == {"loihi2", "xylo"}
    assert len(priced) + len(without) == len(document["profiles"]) == 15
    assert document["samples"] == len(SENTENCES)


def test_a_byte_order_mark_is_no_word(run, here, body, exported: Path) -> None:
    (here / "plain.txt").write_text("good\n", encoding="utf-8")
    (here / "marked.txt").write_text("good\n", encoding="utf-8-sig")
    plain, marked = (
        run("report", exported, "--text", each, "--json").out
        for each in ("plain.txt", "marked.txt")
    )
    assert body(marked) == body(plain)


def test_a_student_alone_reads_the_sentences_of_the_demo(
    run, here, body, exported: Path
) -> None:
    done = run("report", exported, "--json")
    assert done.err.startswith("no trace and no --text: 3 sentences of the demo\n")
    (here / "s.txt").write_text(
        "the acting is superb and the story moves you\n"
        "a tedious film that never finds its way\n"
        "not a bad film , but hardly a good one\n"
    )
    given = run("report", exported, "--text", "s.txt", "--json")
    assert body(done.out) == body(given.out)


def test_a_lowered_student_knows_its_words_by_its_folder(
    run, here, body, exported: Path, sentences: Path
) -> None:
    run("lower", exported, "-o", "low.npz")
    usual = body(run("report", exported, "--text", sentences, "--json").out)
    beside = ("--student", exported)
    found = run("report", "low.npz", *beside, "--text", sentences, "--json")
    assert body(found.out) == usual
    texts = [word for each in SENTENCES for word in ("--text", each)]
    run("simulate", "low.npz", *beside, *texts, "-o", "t.npz")
    assert body(run("report", "low.npz", "t.npz", *beside, "--json").out) == usual
    line = run("report", exported, "t.npz", *beside).refusal()
    assert "only with a lowered .npz" in line


def test_a_checkpoint_is_no_deployment(
    run, here, checkpoint: Path, sentences: Path
) -> None:
    for argv in (
        ("report", checkpoint, "--text", sentences),
        ("simulate", checkpoint, "--text", "good", "-o", "t.npz"),
    ):
        line = run(*argv).refusal()
        assert "is a checkpoint of train, not a deployment" in line
        assert f"run `spikewright export {checkpoint} -o NEW_FOLDER`" in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ":1: holds no word"),
        ("good\n\nbad\n", ":2: holds no word; remove the line"),
    ],
)
def test_texts_that_cannot_be_read(
    run, here, exported: Path, content: str, message: str
) -> None:
    (here / "s.txt").write_text(content)
    assert message in run("report", exported, "--text", "s.txt").refusal()


def test_json_lines_that_cannot_be_read(run, here, exported: Path) -> None:
    (here / "s.jsonl").write_text('{"text": "good"}\n{"txt": "bad"}\n')
    line = run("report", exported, "--text", "s.jsonl").refusal()
    assert 's.jsonl:2: expected {"text"' in line
    (here / "s.jsonl").write_text("{\n")
    assert (
        "s.jsonl:1: not JSON" in run("report", exported, "--text", "s.jsonl").refusal()
    )
    assert "no such file" in run("report", exported, "--text", "no.txt").refusal()


# --- a teacher alone -----------------------------------------------------------------


def test_a_teacher_alone_on_both_bases(run) -> None:
    options = ("--teacher", "bert-base-uncased", "--tokens", 128, "--profile", "cmos45")
    done = run("report", *options)
    assert "11.1742 GMAC (layers, pooler and head) x 4.6 pJ = 51.40 mJ" in done.out
    assert "22.4636 GFLOP" in done.out
    assert "= 103.33 mJ" in done.out
    assert "each is charged the 4.6 pJ of a whole MAC" in done.out
    found = figures(run("report", *options, "--json"))
    assert found["flops/macs/energy"]["value"] == pytest.approx(51.40e-3, abs=5e-6)
    assert found["flops/electra/energy"]["value"] == pytest.approx(103.33e-3, abs=5e-6)
    # 109 483 778 parameters of 4 bytes
    assert found["teacher/parameter_bytes"]["value"] == 109_483_778 * 4
    assert found["teacher/cmos45/fp32"]["value"] == found["flops/macs/energy"]["value"]


def test_a_teacher_alone_says_which_profiles_price_no_mac(run) -> None:
    options = ("--teacher", "minilm-l6", "--tokens", 8)
    assert "loihi1 prices no MAC: graded synops and MACs" in run("report", *options).out
    line = run("report", *options, "--strict").refusal()
    assert "loihi1 prices no MAC" in line


def test_a_teacher_alone_skips_no_zeros_where_they_are_charged(run) -> None:
    options = ("--teacher", "minilm-l6", "--tokens", 8, "--profile", "a100", "--json")
    names = set(figures(run("report", *options)))
    assert "full/a100/events/teacher/int8/total" in names
    assert not any("/gamma/" in each for each in names)


@pytest.fixture
def onnx_file(here) -> Path:
    """8 x 3 weights on 50 embeddings of 8."""
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    ids = helper.make_tensor_value_info("ids", kinds.INT64, ["b", "t"])
    out = helper.make_tensor_value_info("y", kinds.FLOAT, None)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["x"]),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    weights = [
        onnx.numpy_helper.from_array(np.zeros(size, np.float32), name)
        for name, size in (("table", (50, 8)), ("w", (8, 3)))
    ]
    model = helper.make_model(helper.make_graph(nodes, "g", [ids], [out], weights))
    onnx.save_model(model, here / "x.onnx")
    return here / "x.onnx"


def test_a_file_is_a_teacher_too(run, report, onnx_file: Path) -> None:
    options = ("--profile", "cmos45", "--json")
    found = figures(run("report", "--teacher", onnx_file, "--tokens", 5, *options))
    # 5 tokens x 8 x 3 MACs of 4.6 pJ; there are no sizes, so no conventions
    assert found["teacher/cmos45/fp32"]["value"] == 120 * 4.6e-12
    assert not any(name.startswith("flops/") for name in found)
    found = figures(report("--teacher", onnx_file, *options))
    start = "full/cmos45/cmos45-sram32k/teacher/"
    formats = {n.removeprefix(start).split("/")[0] for n in found if start in n}
    assert formats == {"fp32", "gamma"}
    line = report("--teacher", onnx_file, "--teacher-format", "int8").refusal()
    assert "form is given, but the file says it itself" in line


# --- refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ((), "nothing to report; give FILE and trace.npz, FILE and --inputs, FOLDER"),
        (("x.nir", "t.npz", "--text", "x"), "give one of trace.npz, --text and"),
        (("x.nir", "--inputs", "x", "--text", "x"), "give one of trace.npz, --text"),
        (("--teacher", "b", "--text", "x"), "--text and --inputs need a network"),
    ],
)
def test_arguments_that_do_not_go_together_are_bad_usage(
    run, here, argv: tuple[str, ...], message: str
) -> None:
    done = run("report", *argv)
    assert (done.status, done.out) == (2, "")
    assert message in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--teacher", "bert-base", "--tokens", 0), "--tokens 0: must be 1 or more"),
        (("--teacher", "nope", "--tokens", 3), "built in: bert-base-uncased"),
    ],
)
def test_a_teacher_alone_that_cannot_be_counted(
    run, here, options, message: str
) -> None:
    assert message in run("report", *options).refusal()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--batch", 2), "--batch: nothing is simulated; leave it out"),
        (("--workers", 2), "--workers: nothing is simulated; leave it out"),
        (("--dt", 1), "--dt: the trace says its time step; leave it out"),
        (("--weight-reuse", "x"), "--weight-reuse x: must be a number"),
        (("--weight-reuse", "1/2"), "--weight-reuse 1/2: must be 1 or more"),
        (("--teacher-weight-reuse", 0), "--teacher-weight-reuse 0: must be 1 or more"),
        (("--gamma", 2), "gamma, the share of zero activations, is 2"),
        (("--weight-reuse", "1e400"), "--weight-reuse 1e400: must be a number"),
        (("--weight-reuse", "1e999999999"), "1 or more and below 1,000,000,000"),
        (("--draws", 10**9), "1000000000 draws; allowed: a seed from 0 on, at least"),
        (("--draws", 10), "10 draws; allowed: a seed from 0 on, at least 1000"),
        (("--seed", -1), "seed -1, 10000 draws; allowed: a seed from 0"),
        (("--preset", "nope"), "no preset 'nope'; shipped: bert-mac"),
        (("--accounting", "nope"), "no accounting 'nope'; shipped: cmos45-sram32k"),
        (("--accounting", "odin"), "is for profile 'odin', which is not asked for"),
        (("--profile", "a100", "--profile", "a100"), "a100: given twice"),
    ],
)
def test_options_that_it_refuses(report, options, message: str) -> None:
    assert message in report(*options).refusal()
