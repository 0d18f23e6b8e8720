"""`spikewright simulate`: inputs become a trace, or one line says why not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nir
import numpy as np
import pytest

from spikewright.files import read_graph, read_trace

MODES = [
    ("reference", "float"),
    ("reference", "fixed"),
    ("integer", "fixed"),
    pytest.param("lava", "float", marks=pytest.mark.lava),
    pytest.param("lava", "fixed", marks=pytest.mark.lava),
]
NETWORKS = ["residual_bias", "recurrent", "chip_attention", "li_readout", "ties"]
Files = Callable[[str], Path]


# --- what it does --------------------------------------------------------------------


@pytest.mark.parametrize(("backend", "arithmetic"), MODES)
def test_every_backend_writes_a_trace(
    run, here, golden: Files, inputs: Files, backend: str, arithmetic: str
) -> None:
    given = inputs("residual_bias")
    done = run(
        *("simulate", golden("residual_bias"), "--inputs", given, "--json"),
        *("--backend", backend, "--arithmetic", arithmetic, "-o", "trace.npz"),
    )
    summary = json.loads(done.out)
    trace = read_trace(here / "trace.npz")
    assert (done.status, done.err) == (0, "")
    assert summary["samples"] == trace.samples == 2
    assert summary["steps"] == trace.steps == 5
    assert summary["spikes"] == sum(int(s.sum()) for s in trace.spikes.values()) > 0
    assert summary["output"] == "trace.npz"
    assert summary["meta"] == trace.meta
    assert (trace.meta["backend"], trace.meta["arithmetic"]) == (backend, arithmetic)
    np.testing.assert_array_equal(trace.spikes["input"], np.load(given))


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_are_what_the_reference_says(
    run, here, golden: Files, inputs: Files, name: str
) -> None:
    for backend in ("integer", "reference"):
        run(
            *("simulate", golden(name), "--inputs", inputs(name), "-o", backend),
            *("--backend", backend, "--arithmetic", "fixed"),
        )
    one, other = read_trace(here / "integer"), read_trace(here / "reference")
    np.testing.assert_array_equal(one.output, other.output)
    for population, spikes in one.spikes.items():
        np.testing.assert_array_equal(spikes, other.spikes[population])


def test_defaults_are_the_fast_simulator_and_words(
    run, here, golden: Files, inputs: Files
) -> None:
    done = run("simulate", golden("ties"), "--inputs", inputs("ties"), "-o", "t.npz")
    assert done.status == 0
    assert "2 samples, 5 steps" in done.out
    assert done.out.rstrip().endswith("-> t.npz")
    assert read_trace(here / "t.npz").meta["backend"] == "integer"
    assert [path.name for path in here.iterdir()] == ["t.npz"]


def test_only_the_first_steps_are_used(run, here, golden: Files, inputs: Files) -> None:
    common = ("simulate", golden("ties"), "--inputs", inputs("ties"))
    run(*common, "-o", "all.npz")
    run(*common, "-o", "three.npz", "--steps", 3)
    whole, cut = read_trace(here / "all.npz"), read_trace(here / "three.npz")
    assert cut.steps == 3
    np.testing.assert_array_equal(cut.output, whole.output[:, :3])


@pytest.mark.parametrize("name", ["input", "inputs"])
def test_an_npz_names_the_only_input(
    run, here, golden: Files, inputs: Files, name: str
) -> None:
    np.savez("in.npz", **{name: np.load(inputs("ties"))})
    done = run("simulate", golden("ties"), "--inputs", "in.npz", "-o", "t.npz")
    assert done.status == 0
    np.testing.assert_array_equal(
        read_trace(here / "t.npz").spikes["input"], np.load(inputs("ties"))
    )


@pytest.fixture
def two_ends(tmp_path: Path) -> Path:
    """Two Inputs, each through a Threshold of 0.5 to an Output of its own."""
    half = np.full(2, 0.5)
    nodes = {}
    for side in ("left", "right"):
        nodes[side] = nir.Input({"input": np.array([2])})
        nodes[f"{side}_cell"] = nir.Threshold(half)
        nodes[f"{side}_out"] = nir.Output({"output": np.array([2])})
    edges = [
        edge
        for side in ("left", "right")
        for edge in ((side, f"{side}_cell"), (f"{side}_cell", f"{side}_out"))
    ]
    nir.write(tmp_path / "two.nir", nir.NIRGraph(nodes, edges))
    return tmp_path / "two.nir"


@pytest.mark.parametrize("backend", ["integer", "reference"])
def test_several_inputs_and_outputs_go_by_name(
    run, here, two_ends: Path, backend: str
) -> None:
    given = {
        "right": np.array([[[0, 1], [1, 1], [0, 0]]]),
        "left": np.array([[[1, 0], [0, 0], [1, 0]]]),
    }
    np.savez("in.npz", **given)
    options = ("--dt", "1e-4", "--backend", backend, "--steps", "2", "-o", "t.npz")
    assert run("simulate", two_ends, "--inputs", "in.npz", *options).status == 0
    trace = read_trace(here / "t.npz")
    assert list(trace.outputs) == ["left_out", "right_out"]
    for side, array in given.items():
        np.testing.assert_array_equal(trace.spikes[side], array[:, :2])
        np.testing.assert_array_equal(trace.outputs[f"{side}_out"], array[:, :2])


# --- what it keeps -------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["integer", "reference"])
def test_a_trace_may_keep_counts_and_some_spikes(
    run, here, golden: Files, inputs: Files, backend: str
) -> None:
    common = ("simulate", golden("residual_bias"), "--backend", backend)
    common = (*common, "--arithmetic", "fixed", "--inputs", inputs("residual_bias"))
    run(*common, "-o", "full.npz")
    whole = read_trace(here / "full.npz")
    kept = next(name for name in whole.spikes if name != "input")
    options = ("--trace", "counts", "--keep", kept, "--json", "-o", "t.npz")
    summary = json.loads(run(*common, *options).out)
    trace = read_trace(here / "t.npz")
    assert set(trace.spikes) == {kept}
    assert set(trace.counts) == set(whole.spikes) - {kept}
    for name, counts in trace.counts.items():
        spikes = whole.spikes[name]
        np.testing.assert_array_equal(counts, spikes.reshape(2, 5, -1).sum(axis=2))
        assert summary["rate"][name] == round(spikes.mean(), 5)
    assert summary["spikes"] == sum(int(s.sum()) for s in whole.spikes.values())
    np.testing.assert_array_equal(trace.output, whole.output)


def test_a_trace_without_spikes_says_so(
    run, here, golden: Files, inputs: Files
) -> None:
    common = ("simulate", golden("ties"), "--inputs", inputs("ties"), "-o", "t.npz")
    done = run(*common, "--trace", "none")
    trace = read_trace(here / "t.npz")
    assert "2 samples, 5 steps, no spikes kept -> t.npz" in done.out
    assert (trace.spikes, trace.counts) == ({}, {})
    teacher = ("--teacher", "bert-base", "--tokens", "5")
    line = run("report", golden("ties"), "t.npz", *teacher).refusal()
    assert "the trace has no spikes of it" in line
    assert "--trace full" in line


def test_workers_and_batches_change_nothing(
    run, here, golden: Files, inputs: Files
) -> None:
    common = ("simulate", golden("recurrent"), "--inputs", inputs("recurrent"))
    run(*common, "-o", "one.npz")
    run(*common, "-o", "two.npz", "--workers", "2", "--batch", "1")
    assert (here / "one.npz").read_bytes() == (here / "two.npz").read_bytes()


def test_float_takes_real_inputs(run, here, golden: Files) -> None:
    np.save("x.npy", np.random.default_rng(0).normal(size=(1, 4, 12)))
    common = ("simulate", golden("residual_bias"), "--inputs", "x.npy", "-o", "t.npz")
    assert run(*common, "--backend", "reference").status == 0
    assert "input" not in read_trace(here / "t.npz").spikes


def test_a_file_without_a_time_step_needs_one(run, here, timeless: Path) -> None:
    np.save("x.npy", np.ones((1, 4, 3)))
    common = ("simulate", timeless, "--inputs", "x.npy", "-o", "t.npz")
    assert "does not say its time step; give --dt SECONDS" in run(*common).refusal()
    assert list(here.iterdir()) == [here / "x.npy"]
    assert run(*common, "--dt", "1e-4").status == 0
    assert read_trace(here / "t.npz").meta["dt_s"] == 1e-4


def test_sentences_go_into_a_deployment(run, here, exported: Path) -> None:
    texts = ("a good film", "bad")
    options = [each for text in texts for each in ("--text", text)]
    done = run("simulate", exported, *options, "-o", "t.npz", "--json")
    meta = json.loads(done.out)["meta"]
    assert (done.status, done.err) == (0, "")
    assert (meta["texts"], meta["lengths"]) == (list(texts), [3, 1])
    assert read_trace(here / "t.npz").samples == 2


def test_a_long_sentence_is_cut_and_says_so(run, here, exported: Path) -> None:
    done = run("simulate", exported, "--text", "good " * 500, "-o", "t.npz", "--json")
    assert done.status == 0
    assert done.err.startswith("cut: the last 492 tokens of 'good good")
    assert json.loads(done.out)["meta"]["lengths"] == [8]


def test_an_older_trace_is_replaced(run, here, golden: Files, inputs: Files) -> None:
    (here / "t.npz").write_text("old")
    run("simulate", golden("ties"), "--inputs", inputs("ties"), "-o", "t.npz")
    assert read_trace(here / "t.npz").samples == 2


# --- networks that it refuses --------------------------------------------------------


@pytest.fixture
def refused(run, here, inputs: Files) -> Callable[..., str]:
    """Simulate what must be refused; return the line. Nothing may be left behind."""

    def call(network: object, *options: object, given: object = None) -> str:
        if not {"--inputs", "--text"} & set(options):
            options = (*options, "--inputs", given or inputs("residual_bias"))
        before = sorted(here.rglob("*"))
        done = run("simulate", network, "-o", "trace.npz", *options)
        assert sorted(here.rglob("*")) == before
        return str(done.refusal())

    return call


def test_a_missing_network(refused) -> None:
    assert "nope.nir: no such file" in refused("nope.nir")


def test_a_text_called_nir(refused, here) -> None:
    (here / "text.nir").write_text("hello")
    assert "text.nir: not a readable HDF5 file" in refused("text.nir")


def test_a_truncated_network(refused, here, golden: Files) -> None:
    whole = golden("residual_bias").read_bytes()
    (here / "short.nir").write_bytes(whole[: len(whole) // 2])
    assert "short.nir: " in refused("short.nir")


def test_a_decay_that_a_chip_cannot_have(refused, here) -> None:
    ones = np.ones(12)
    cell = nir.CubaLIF(ones, ones, ones, ones, ones, ones)
    nodes = {"input": nir.Input({"input": np.array([12])}), "cell": cell}
    nodes["output"] = nir.Output({"output": np.array([12])})
    graph = nir.NIRGraph(nodes, [("input", "cell"), ("cell", "output")])
    nir.write(here / "cuba.nir", graph)
    line = refused("cuba.nir", "--dt", "1e-4")
    assert "node 'cell': decay 0.9999 would round to 1" in line


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.nir", "model.nir: no such file"),
        ("encoder.npz", "encoder.npz: no such file"),
        ("tokenizer.json", "tokenizer.json: No such file or directory"),
        ("card.json", "card.json: No such file or directory"),
    ],
)
def test_a_folder_that_lacks_a_file(
    refused, here, exported: Path, name: str, message: str
) -> None:
    shutil.copytree(exported, here / "student")
    (here / "student" / name).unlink()
    assert message in refused("student", "--text", "a good film")


@pytest.mark.parametrize(
    "name", ["model.nir", "encoder.npz", "tokenizer.json", "card.json"]
)
@pytest.mark.parametrize("junk", [b"", b"{}", b"junk\n", b"\xff\xfe\x00"])
def test_a_folder_with_a_damaged_file(
    refused, here, exported: Path, name: str, junk: bytes
) -> None:
    shutil.copytree(exported, here / "student")
    (here / "student" / name).write_bytes(junk)
    assert f"student/{name}: " in refused("student", "--text", "a good film")


# --- inputs that it refuses ----------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((2, 5, 8)), r"inputs have shape (2, 5, 8); 'input' needs (samples, s"),
        (np.ones((5, 12)), "inputs have shape (5, 12)"),
        (np.ones((0, 5, 12)), "with one sample and one step at least"),
        (np.ones((2, 0, 12)), "with one sample and one step at least"),
        (np.array(3), "inputs have shape (); 'input' needs (samples, steps, 12)"),
        (np.full((2, 5, 12), np.nan), "not all finite numbers; look for NaN"),
        (np.full((2, 5, 12), np.inf), "not all finite numbers; look for NaN"),
        (
            np.full((2, 5, 12), "a"),
            "of type <U1 are not all finite numbers",
        ),
        (
            np.full((2, 5, 12), 0.5),
            "hold 0.5; a QUANTIZED graph takes spikes",
        ),
    ],
)
def test_wrong_inputs(
    refused, here, golden: Files, array: np.ndarray, message: str
) -> None:
    np.save("x.npy", array)
    assert message in refused(golden("residual_bias"), given="x.npy")


def test_nan_for_float_arithmetic(refused, here, golden: Files) -> None:
    np.save("x.npy", np.full((2, 5, 12), np.nan))
    options = ("--backend", "reference")
    assert "look for NaN" in refused(golden("residual_bias"), *options, given="x.npy")


def test_missing_inputs(refused, golden: Files) -> None:
    line = refused(golden("residual_bias"), given="nope.npy")
    assert "nope.npy: no such file" in line


def test_pickled_inputs(refused, here, golden: Files) -> None:
    np.save("x.npy", np.array([{}]), allow_pickle=True)
    line = refused(golden("residual_bias"), given="x.npy")
    assert "x.npy holds Python objects" in line


def test_inputs_that_are_no_array(refused, here, golden: Files) -> None:
    (here / "x.npy").write_text("0 1 0 1")
    assert "neither .npy nor .npz" in refused(golden("residual_bias"), given="x.npy")


def test_an_npz_without_an_array_for_each_input(refused, here, golden: Files) -> None:
    np.savez("x.npz", spikes=np.ones((2, 5, 12)))
    line = refused(golden("residual_bias"), given="x.npz")
    assert "x.npz: holds spikes; need an array (samples, steps, *input shape)" in line
    assert line.rstrip().endswith("for each of input")


@pytest.mark.parametrize("text", ["", "  ", "\t\n"])
def test_a_sentence_without_a_word(refused, exported: Path, text: str) -> None:
    line = refused(exported, "--text", "fine", "--text", text)
    assert "holds no token; give at least one word" in line


def test_a_sentence_that_is_no_unicode(refused, exported: Path) -> None:
    assert "cannot be split into tokens" in refused(exported, "--text", "good \udcff")


def test_a_sentence_for_a_bare_network(refused, golden: Files) -> None:
    line = refused(golden("ties"), "--text", "a good film")
    assert "--text needs a deployment folder, not a file" in line


# --- options that it refuses ---------------------------------------------------------


@pytest.mark.parametrize("steps", [0, -1, 6])
def test_steps_out_of_range(refused, golden: Files, steps: int) -> None:
    line = refused(golden("residual_bias"), "--steps", steps)
    assert f"--steps {steps}: must be 1 to 5" in line


@pytest.mark.parametrize("dt", ["0", "-1", "nan", "inf", "2e-4"])
def test_a_time_step_other_than_the_file_s(refused, golden: Files, dt: str) -> None:
    line = refused(golden("residual_bias"), "--dt", dt)
    assert "was made for a time step of 0.0001 s" in line


def test_a_time_step_other_than_the_folder_s(refused, exported: Path) -> None:
    line = refused(exported, "--text", "fine", "--dt", "1")
    assert "was made for a time step of 0.0001 s, got 1.0 s" in line


@pytest.mark.parametrize("dt", ["0", "-1", "nan", "inf"])
def test_a_time_step_that_is_none(refused, here, timeless: Path, dt: str) -> None:
    np.save("x.npy", np.ones((1, 4, 3)))
    assert "time step" in refused(timeless, "--dt", dt, given="x.npy")


def test_an_arithmetic_that_the_backend_lacks(refused, golden: Files) -> None:
    options = ("--backend", "integer", "--arithmetic", "float")
    line = refused(golden("residual_bias"), *options)
    assert "--backend integer has no float arithmetic" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--batch", 0), "batch is 0; allowed: 1 or more"),
        (("--workers", 0), "workers is 0; allowed: 1 or more"),
        (("--keep", "nope"), "no population 'nope' to keep; the graph has input, lif1"),
        (("--runtime", "lava"), "--runtime: only --backend lava takes it, not integer"),
        (("--models", "stock"), "--models: only --backend lava takes it, not integer"),
        (("--deadline", 5), "--deadline: only --backend lava takes it, not integer"),
        (
            ("--processes", "stock"),
            "--processes: only --backend lava takes it, not integer",
        ),
        (
            ("--workers", 2, "--backend", "reference"),
            "--workers: only --backend integer takes it, not reference; leave it out",
        ),
        (
            ("--batch", 2, "--backend", "lava"),
            "--batch: only --backend integer takes it, not lava; leave it out",
        ),
    ],
)
def test_options_that_do_not_fit(
    refused, golden: Files, options: tuple[object, ...], message: str
) -> None:
    assert message in refused(golden("residual_bias"), *options)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nope/t.npz", "nope/t.npz: there is no folder nope; make it first"),
        (".", ".: cannot be written over; give a name in it"),
        ("taken", "taken: exists and is no file; choose another name"),
        ("/dev/null", "/dev/null: exists and is no file; choose another name"),
        ("/proc/t.npz", "/proc/t.npz: cannot be written: "),
        ("x" * 300, "cannot be written: File name too long"),
    ],
)
def test_a_place_that_cannot_be_written(
    refused, here, golden: Files, path: str, message: str
) -> None:
    (here / "taken").mkdir()
    assert message in refused(golden("residual_bias"), "-o", path)


@pytest.mark.lava
def test_a_run_that_takes_too_long(refused, golden: Files) -> None:
    options = ("--backend", "lava", "--deadline", "0.01")
    line = refused(golden("residual_bias"), *options)
    assert "not done within the deadline of 0.01 s; raise the deadline" in line


def test_nothing_replaces_the_inputs(run, here, golden: Files, inputs: Files) -> None:
    (here / "x.npy").write_bytes(inputs("ties").read_bytes())
    line = run("simulate", golden("ties"), "--inputs", "x.npy", "-o", "x.npy").refusal()
    assert "x.npy: the command reads or writes it already" in line
    assert (here / "x.npy").read_bytes() == inputs("ties").read_bytes()


@pytest.mark.parametrize(
    "verb", [("simulate", "--inputs", "x.npy", "-o", "t.npz"), ("check",)]
)
def test_a_lowered_graph_keeps_its_time_step(
    run, here, golden: Files, inputs: Files, verb: tuple[str, ...]
) -> None:
    (here / "x.npy").write_bytes(inputs("ties").read_bytes())
    run("lower", golden("ties"), "-o", "l.npz")
    stored = read_graph(here / "l.npz").dt_s
    assert run(verb[0], "l.npz", *verb[1:], "--dt", stored).status == 0
    line = run(verb[0], "l.npz", *verb[1:], "--dt", 1).refusal()
    assert f"l.npz: was lowered for a time step of {stored} s, got 1.0 s" in line
