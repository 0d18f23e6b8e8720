"""`spikewright lower`: each pass is told, dumped and checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from spikewright.cli.lower import ROUNDS
from spikewright.files import read_graph
from spikewright.graph import Stage

Files = Callable[[str], Path]
PASSES = [
    "discretize",
    "fold_connections",
    "align_weights",
    "balance_delays",
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
    # discretize has nothing to compare with; the four others changed no spike
    assert done.out.count("  0 of ") == 4


def test_dump_passes_writes_a_graph_a_pass(run, here, golden: Files) -> None:
    done = run(
        *("lower", golden("residual_bias"), "--dump-passes", "dump"),
        *("--to", "timed", "-o", "lowered.npz"),
    )
    assert done.status == 0
    stages = {path.stem: read_graph(path).stage for path in Path("dump").iterdir()}
    assert stages == {
        "discretize": Stage.DISCRETE,
        "fold_connections": Stage.DISCRETE,
        "align_weights": Stage.DISCRETE,
        "balance_delays": Stage.TIMED,
    }
    assert read_graph(here / "lowered.npz").stage is Stage.TIMED


def test_what_cannot_be_lowered_is_one_line(run, here, golden: Files) -> None:
    done = run("lower", golden("heterogeneous"), "-o", "lowered.npz")
    assert "differs between neurons" in done.refusal()
    assert not list(here.iterdir())


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
