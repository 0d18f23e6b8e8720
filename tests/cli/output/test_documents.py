"""Every `--json` says what it is, which versions made it, and of which options."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from spikewright.cli.argument_parser import verbs_of
from spikewright.cli.parser import build_parser

COMMANDS = {
    "demo": "demo fine --runtime local",
    "run": "run road.toml --dry-run",
    "train": "train train.toml --data . -o run --seed 5",
    "export": "export STUDENT -o small.nir --tokens 2",
    "check": "check net.nir --profile loihi1",
    "lower": "lower net.nir --rounding stochastic --seed 3",
    "simulate": "simulate net.nir --inputs x.npy",
    "report": "report net.nir --inputs x.npy --seed 4 --draws 1000",
    "profile": "profile odin",
    "plot": "plot graph net.nir -o graph.svg",
    "convert": "convert chain.nir -o chain.npz",
    "card": "card STUDENT",
    "doctor": "doctor",
    "completion": "completion bash",
    "sweep": "sweep sweep.toml",
}
SEEDS = {"train": 5, "lower": 3}
SLOW = {"demo", "doctor"}
"""Lava runs"""


def _cases() -> list[object]:
    marks = [pytest.mark.lava, pytest.mark.slow]
    names = [name for name, _ in verbs_of(build_parser()) if " " not in name]
    return [pytest.param(v, marks=marks if v in SLOW else []) for v in names]


@pytest.fixture
def given(
    here,
    golden: Callable[[str], Path],
    inputs: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """What the commands read."""
    shutil.copy(golden("residual_bias"), here / "net.nir")
    shutil.copy(inputs("residual_bias"), here / "x.npy")
    shutil.copy(golden("li_readout"), here / "chain.nir")
    (here / "road.toml").write_text(
        'folder = "out"\n[network]\nfile = "net.nir"\n[simulate]\ninputs = "x.npy"\n'
    )
    road = (here / "road.toml").read_text()
    (here / "sweep.toml").write_text(
        road + "[report]\ndraws = 1000\n[sweep.lower]\nrounding = ['zero']\n"
    )
    return here


@pytest.mark.parametrize("verb", _cases())
def test_every_document_says_how_it_came_about(
    run, given: Path, checkpoint: Path, verb: str, monkeypatch
) -> None:
    if verb == "train":
        card = {"config": {"seed": 5}, "versions": {"torch": "2"}, "student": {}}
        monkeypatch.setattr(
            "spikewright.cli.verbs.train.load_config", lambda *rest: None
        )
        monkeypatch.setattr(
            "spikewright.cli.verbs.train.train_run", lambda *a, **b: card
        )
        (given / "train.toml").write_text("")
    words = COMMANDS[verb].replace("STUDENT", str(checkpoint)).split()
    done = run(*words, "--json")
    assert done.status in (0, 1), done.err
    document = json.loads(done.out)
    assert re.fullmatch(rf"spikewright\.{verb}(\.\w+)?/[1-9]\d*", document["schema"])
    ours = importlib.metadata.version("spikewright")
    assert document["versions"]["spikewright"] == ours
    assert {"python", "numpy", "nir"} <= set(document["versions"])
    assert isinstance(document["config"], dict)
    if verb in SEEDS:
        assert document["seed"] == document["config"]["seed"] == SEEDS[verb]
    if verb == "report":
        assert document["draw"]["seed"] == document["config"]["seed"] == 4


def test_options_are_recorded_as_they_were_given(run, given: Path) -> None:
    done = run("simulate", "net.nir", "--inputs", "x.npy", "--steps", 3, "--json")
    config = json.loads(done.out)["config"]
    assert config["file"] == "net.nir"
    assert config["inputs"] == "x.npy"
    assert config["steps"] == 3
    assert config["backend"] == "integer"  # a default
    assert config["text"] is config["batch"] is None
