"""`spikewright lower`: each pass is told, dumped and checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from spikewright.cli.verbs.lower import ROUNDS
from spikewright.files import read_graph
from spikewright.graph import Stage
from spikewright.nodes import SYNAPSES

Files = Callable[[str], Path]
PASSES = [
    "discretize",
    "merge_soft_resets",
    "fold_connections",
    "align_weights",
    "balance_delays",
    "relay_long_delays",
    "quantize",
]


@pytest.mark.parametrize("name", ["residual_bias", "recurrent", "chip_attention"])
def test_verify_compares_spikes_before_and_after_each_pass(
    run, here, golden: Files, inputs: Files, name: str
) -> None:
    done = run(
        *("lower", golden(name), "--verify", inputs(name), "--json"),
        *("-o", "lowered.npz"),
    )
    summary = json.loads(done.out)
    assert done.status == 0
    assert list(summary["passes"]) == PASSES
    assert list(summary["verified"]) == PASSES[1:]  # the first has nothing before it
    for each in PASSES[1:]:
        assert summary["verified"][each]["compared"] > 0
        if each not in ROUNDS:
            assert summary["verified"][each]["mismatches"] == 0
    assert read_graph(here / "lowered.npz").stage is Stage.QUANTIZED


def test_dyadic_weights_survive_every_pass(
    run, here, golden: Files, inputs: Files
) -> None:
    done = run("lower", golden("ties"), "--verify", inputs("ties"), "-o", "l.npz")
    # discretize has nothing to compare with; the others changed no spike
    assert done.out.count("  0 of ") == len(PASSES) - 1


def test_dump_passes_writes_a_graph_a_pass(run, here, golden: Files) -> None:
    done = run(
        *("lower", golden("residual_bias"), "--dump-passes", "dump"),
        *("--to", "timed", "-o", "lowered.npz"),
    )
    assert done.status == 0
    stages = {path.stem: read_graph(path).stage for path in Path("dump").iterdir()}
    assert stages == {
        "discretize": Stage.DISCRETE,
        "merge_soft_resets": Stage.DISCRETE,
        "fold_connections": Stage.DISCRETE,
        "align_weights": Stage.DISCRETE,
        "balance_delays": Stage.TIMED,
    }
    assert read_graph(here / "lowered.npz").stage is Stage.TIMED


def _write_chain(path: Path, **nodes: nir.NIRNode) -> Path:
    """Write a chain of three channels, from Input to Output."""
    three = np.array([3])
    every = {"input": nir.Input({"input": three}), **nodes}
    every["output"] = nir.Output({"output": three})
    nir.write(path, nir.NIRGraph(every, list(pairwise(every))))
    return path


def _lif() -> nir.LIF:
    ones = np.ones(3)
    return nir.LIF(ones * 2e-3, ones * 2, ones * 0, ones * 0.75)


def test_what_cannot_be_lowered_is_one_line(run, here, tmp_path: Path) -> None:
    ones = np.ones(3)
    network = _write_chain(
        tmp_path / "graded.nir",
        li=nir.LI(ones * 2e-3, ones * 2, ones * 0),
        fc=nir.Linear(np.eye(3)),
        lif=_lif(),
    )
    done = run("lower", network, "--dt", "1e-3", "-o", "lowered.npz")
    assert "'li' sends numbers (LI or I)" in done.refusal()
    assert not list(here.iterdir())


def test_verify_compares_what_a_pass_left_in_place(run, here, tmp_path: Path) -> None:
    # 70 steps need a relay, which no earlier stage has.
    network = _write_chain(
        tmp_path / "late.nir",
        first=_lif(),
        late=nir.Delay(np.full(3, 70e-3)),
        fc=nir.Linear(np.eye(3)),
        second=_lif(),
    )
    np.save(tmp_path / "x.npy", np.ones((1, 75, 3), dtype=np.uint8))
    done = run(
        *("lower", network, "--dt", "1e-3", "--verify", tmp_path / "x.npy", "--json"),
        *("-o", "lowered.npz"),
    )
    verified = json.loads(done.out)["verified"]["relay_long_delays"]
    # the Input and two populations
    assert (verified["compared"], verified["mismatches"]) == (3 * 75 * 3, 0)
    assert done.status == 0


def test_verify_forgives_a_pass_that_rounds(run, here, tmp_path: Path) -> None:
    # v = 0.4 v + 1 - 0.7 s; fires above 0.7. At step 1 the loop brings 1 - 0.7, and
    # 0.4 + 0.30000000000000004 fires; the merged neuron loses 0.7 last, and 1.4 - 0.7
    # is a tie.
    tau, one = np.full(1, 1e-3 / 0.6), np.ones(1)
    nodes = {
        "input": nir.Input(np.array([1])),
        "li": nir.LI(tau=tau, r=tau / 1e-3, v_leak=0 * one),
        "threshold": nir.Threshold(0.7 * one),
        "reset": nir.Scale(-0.7 * one),
        "output": nir.Output(np.array([1])),
    }
    edges = [("input", "li"), ("li", "threshold"), ("threshold", "reset")]
    edges += [("reset", "li"), ("threshold", "output")]
    nir.write(tmp_path / "soft.nir", nir.NIRGraph(nodes, edges))
    np.save(tmp_path / "x.npy", np.ones((1, 2, 1), dtype=np.uint8))
    done = run(
        *("lower", tmp_path / "soft.nir", "--dt", "1e-3", "--to", "timed", "--json"),
        *("--verify", tmp_path / "x.npy", "-o", "lowered.npz"),
    )
    verified = json.loads(done.out)["verified"]["merge_soft_resets"]
    assert verified["first"] == "'threshold', sample 0, step 1"
    assert done.status == 0


# --- integers ------------------------------------------------------------------------


def _quantization(run, *argv: object) -> dict[str, Any]:
    done = run("lower", *argv, "-o", "lowered.npz", "--json")
    assert done.status == 0, done.err
    return json.loads(done.out)["quantization"]


def test_the_report_says_what_became_of_everything(
    run, here, body, golden: Files, inputs: Files
) -> None:
    given = ("--calibrate", inputs("residual_bias"), "--report", "report.json")
    found = _quantization(run, golden("residual_bias"), *given)
    graph = read_graph(here / "lowered.npz")
    synapses = [k for k, v in graph.nodes.items() if isinstance(v, SYNAPSES)]
    assert list(found["projections"]) == synapses
    assert list(found["populations"]) == ["lif1", "lif2", "lif3", "output"]
    assert found["choices"] == {
        "rounding": "nearest",
        "scale": "max",
        "percentile": None,
        "weight_bits": 8,
        "seed": None,
        "calibrated": True,
    }
    lif1 = found["populations"]["lif1"]
    assert lif1["scale"] == graph.nodes["lif1"].scale
    # 2 samples of 5 steps and 16 neurons
    same = lif1["agreement"]
    assert same["compared"] == 160
    assert same["equal"] == 1 - same["mismatches"] / 160
    # one bit of margin is left, but for what rounding added
    assert min(lif1["measured"].values()) > 0.9
    assert found["populations"]["output"]["agreement"] is None
    assert body((here / "report.json").read_text()) == found


def test_without_inputs_nothing_is_measured(run, here, golden: Files) -> None:
    found = _quantization(run, golden("residual_bias"))
    assert found["choices"]["calibrated"] is False
    for each in found["populations"].values():
        assert each["measured"] is None
        assert each["agreement"] is None


def test_choices_reach_the_weights(run, here, golden: Files) -> None:
    def weights(*argv: str) -> np.ndarray:
        _quantization(run, golden("residual_bias"), *argv)
        return read_graph(here / "lowered.npz").nodes["fc2"].weight  # type: ignore[union-attr]

    nearest, zero = weights(), weights("--rounding", "zero")
    assert np.all(np.abs(zero) <= np.abs(nearest))
    assert np.any(zero != nearest)
    first, second = (
        weights("--rounding", "stochastic", "--seed", seed) for seed in ("1", "2")
    )
    assert np.any(first != second)
    # 80 % of 256 weights fit, and the others are at the limit
    large = weights("--scale", "percentile", "--percentile", "80")
    assert 0 < (np.abs(large) == 127).sum() <= 51
    assert weights("--scale", "mse").shape == nearest.shape


def test_weights_have_no_more_bits_than_they_are_given(
    run, here, golden: Files
) -> None:
    found = _quantization(run, golden("residual_bias"), "--weight-bits", "3")
    assert found["choices"]["weight_bits"] == 3
    bits = {name: each["bits"] for name, each in found["projections"].items()}
    biases = {name for name in bits if name.endswith("_bias")}
    assert {each for name, each in bits.items() if name not in biases} == {3}
    assert {bits[name] for name in biases} == {8}


def test_calibrated_scales_are_no_smaller(
    run, here, golden: Files, inputs: Files
) -> None:
    network = golden("recurrent")
    worst = _quantization(run, network)["populations"]
    given = ("--calibrate", inputs("recurrent"))
    found = _quantization(run, network, *given)["populations"]
    larger = [name for name in worst if found[name]["scale"] > worst[name]["scale"]]
    assert larger
    for name, each in worst.items():
        assert found[name]["scale"] >= each["scale"], name


def test_the_table_has_a_line_for_each(run, here, golden: Files, inputs: Files) -> None:
    network, given = golden("residual_bias"), inputs("residual_bias")
    done = run("lower", network, "--calibrate", given, "-o", "lowered.npz")
    lines = done.out.splitlines()
    heads = [i for i, line in enumerate(lines) if line.startswith(("popula", "projec"))]
    assert lines[heads[0]].split()[:3] == ["population", "scale", "threshold"]
    lif1 = next(line for line in lines if line.startswith("lif1 "))
    graph = read_graph(here / "lowered.npz")
    assert lif1.split()[1:3] == [
        f"{graph.nodes['lif1'].scale:g}",  # type: ignore[union-attr]
        str(graph.nodes["lif1"].vth),  # type: ignore[union-attr]
    ]
    assert lif1.endswith(" of 160")
    assert max(map(len, lines)) <= 100


def test_several_inputs_are_given_by_name(run, here, golden: Files, tmp_path) -> None:
    network = golden("two_ends")
    rng = np.random.default_rng(0)
    lowered = run("lower", network, "-o", "lowered.npz")
    assert lowered.status == 0
    shapes = {k: v.shape for k, v in read_graph(here / "lowered.npz").inputs.items()}
    assert len(shapes) == 2
    arrays = {k: (rng.random((2, 5, *s)) < 0.5).astype(int) for k, s in shapes.items()}
    np.savez(tmp_path / "x.npz", **arrays)
    given = ("--calibrate", tmp_path / "x.npz", "--verify", tmp_path / "x.npz")
    found = _quantization(run, network, *given)
    assert set(found["populations"]["early"]["agreement"]) >= {"equal", "spikes"}
    np.savez(tmp_path / "half.npz", **dict([*arrays.items()][:1]))
    done = run("lower", network, "--verify", tmp_path / "half.npz", "-o", "l.npz")
    assert f"for each of {', '.join(shapes)}" in done.refusal()


REFUSED = {
    "a percentile of no percentile": (
        ("--percentile", "99"),
        "--percentile: has no effect without --scale percentile",
    ),
    "a seed of no randomness": (
        ("--seed", "1"),
        "--seed: has no effect without --rounding stochastic",
    ),
    "integers of floats": (
        ("--to", "timed", "--rounding", "zero"),
        "--rounding: has no effect with --to timed",
    ),
    "a report of floats": (
        ("--to", "timed", "--report", "r.json"),
        "--report: has no effect with --to timed",
    ),
    "no percentile": (
        ("--scale", "percentile", "--percentile", "0"),
        "percentile 0: must be above 0",
    ),
    "bits of floats": (
        ("--to", "timed", "--weight-bits", "4"),
        "--weight-bits: has no effect with --to timed",
    ),
    "nine bits": (("--weight-bits", "9"), "weight bits 9: must be 1 to 8"),
    "a report in no folder": (("--report", "none/r.json"), "there is no folder none"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_options_without_effect_are_refused(
    run, here, golden: Files, case: str
) -> None:
    options, message = REFUSED[case]
    done = run("lower", golden("residual_bias"), *options, "-o", "lowered.npz")
    assert message in done.refusal()
    assert not list(here.iterdir())


# --- what is done with the file ------------------------------------------------------


def test_a_lowered_file_simulates_and_reports_like_its_network(
    run, here, golden: Files, inputs: Files
) -> None:
    network, given = golden("residual_bias"), inputs("residual_bias")
    run("lower", network, "-o", "lowered.npz")
    run("simulate", "lowered.npz", "--inputs", given, "-o", "a.npz")
    run("simulate", network, "--inputs", given, "-o", "b.npz")
    teacher = ("--teacher", "bert-base", "--tokens", "8")
    first = run("report", "lowered.npz", "a.npz", *teacher)
    second = run("report", network, "b.npz", *teacher)
    assert first.status == 0
    assert first.out == second.out


def test_a_lowered_file_of_another_stage_is_refused(
    run, here, golden: Files, inputs: Files
) -> None:
    run("lower", golden("residual_bias"), "--to", "timed", "-o", "lowered.npz")
    given = inputs("residual_bias")
    done = run("simulate", "lowered.npz", "--inputs", given, "-o", "a.npz")
    assert "was lowered to TIMED" in done.refusal()
    assert "lower with --to quantized" in done.err


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (("-o", "net.nir"), "net.nir"),
        (("-o", "./net.nir"), "net.nir"),
        (("--verify", "x.npy", "-o", "x.npy"), "x.npy"),
        (("--calibrate", "x.npy", "-o", "l.npz", "--report", "x.npy"), "x.npy"),
        (("-o", "l.npz", "--report", "l.npz"), "l.npz"),
    ],
)
def test_nothing_replaces_what_the_command_reads_or_writes(
    run, here, golden: Files, inputs: Files, options: tuple[str, ...], name: str
) -> None:
    for source, copy in ((golden("ties"), "net.nir"), (inputs("ties"), "x.npy")):
        (here / copy).write_bytes(source.read_bytes())
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    line = run("lower", "net.nir", *options).refusal()
    assert f"{name}: the command reads or writes it already" in line
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before
