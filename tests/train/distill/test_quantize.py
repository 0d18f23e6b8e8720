"""The third stage of a run: the tiny task's student learns on in integers."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikewright.cli import main
from spikewright.cli.verbs.export import run_export
from spikewright.errors import ConfigError, InputError
from spikewright.export.deployment.folder import read_deployment
from spikewright.export.deployment.texts import encode_texts, logits_of
from spikewright.export.lower import lower
from spikewright.graph import Graph
from spikewright.simulate.integer import run_integer
from spikewright.train.distill.pipeline import train_run
from spikewright.train.graphs.chip import student_graph
from spikewright.train.settings.config import TrainConfig, load_config
from spikewright.train.student import ChipStudent, load_student

DT_S = 1e-4
TABLE = """
[quantize]
epochs = 1
learning_rate = 5e-3
batch_size = 16
rate_weight = 5.0
rate_target = 0.12
compile = "never"
"""


class InterruptedTestError(Exception):
    """What a test raises to interrupt a run."""


def _lower(student: ChipStudent) -> Graph:
    graph = student_graph(student, tokens=student.config.max_tokens, dt_s=DT_S)
    return lower(graph, dt_s=DT_S).graph


def _card(folder: Path) -> dict[str, dict[str, float]]:
    card: dict[str, dict[str, float]] = json.loads((folder / "card.json").read_text())
    return card


@pytest.fixture(scope="module")
def toml(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("quantize") / "run.toml"
    path.write_text((place / "run.toml").read_text() + TABLE)
    return path


@pytest.fixture(scope="module")
def with_table(toml: Path) -> TrainConfig:
    return load_config(toml)


@pytest.fixture(scope="module")
def run(done: Path, place: Path, toml: Path) -> Path:
    """A finished run, to which the command line added the third stage."""
    run = toml.parent / "run"
    shutil.copytree(done, run)
    words = ["train", str(toml), "--data", str(place / "data"), "-o", str(run)]
    assert main(words) == 0
    return run


def test_the_stage_is_added_to_a_finished_run(
    run: Path, done: Path, with_table: TrainConfig
) -> None:
    for path in ("teacher/model.safetensors", "student/model.safetensors"):
        assert (run / path).read_bytes() == (done / path).read_bytes()
    card = _card(run / "quantized")
    assert card["config"] == json.loads(json.dumps(with_table.as_dict()))
    assert card["student"] == _card(done / "student")["student"]
    assert set(card["quantized"]) == {
        *("validation_accuracy", "rate", "float_accuracy"),
        *("accuracy_before", "rate_before"),
    }


def test_the_card_has_the_accuracy_of_the_deployed_integers(
    run: Path, place: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "deployment"
    run_export(
        Namespace(
            target=str(run / "quantized"),
            output=folder,
            dt=None,
            tokens=None,
            json=False,
        )
    )
    deployment = read_deployment(folder)
    lines = (place / "data" / "tiny" / "validation.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    encoded = encode_texts(deployment, [row["text"] for row in rows])
    trace = run_integer(lower(deployment.graph, dt_s=DT_S).graph, encoded.inputs)
    answers = logits_of(trace.output, encoded.lengths).argmax(axis=1)
    accuracy = float(np.mean(answers == [row["label"] for row in rows]))
    # 40 sentences: chance is 0.5, four standard deviations above it are 0.82.
    assert accuracy > 0.82
    assert _card(run / "quantized")["quantized"]["validation_accuracy"] == accuracy


def test_the_rate_falls_to_its_target(run: Path) -> None:
    found = _card(run / "quantized")["quantized"]
    assert 0 < found["rate"] <= 0.12 < found["rate_before"]


def test_the_words_learn_too(run: Path, done: Path) -> None:
    left, right = (load_student(each) for each in (run / "quantized", done / "student"))
    assert left.config.packed_encoder
    assert (left.encoder.words != right.encoder.words).any()


def test_running_again_does_nothing_again(
    run: Path, place: Path, with_table: TrainConfig
) -> None:
    card, lines = _card(run / "quantized"), list[str]()
    again = train_run(
        with_table, place / "data", run, quantizer=_lower, say=lines.append
    )
    assert json.loads(json.dumps(again)) == card == _card(run / "quantized")
    assert not any("learning on" in line for line in lines)


def test_a_stage_that_was_interrupted_goes_on(
    done: Path, place: Path, with_table: TrainConfig, tmp_path: Path
) -> None:
    shutil.copytree(done, tmp_path / "run")
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if sum(" at step " in each for each in lines) == 6:
            raise InterruptedTestError

    with pytest.raises(InterruptedTestError):
        train_run(
            with_table, place / "data", tmp_path / "run", quantizer=_lower, say=say
        )
    stopped = next(line for line in reversed(lines) if " at step " in line)
    again: list[str] = []
    train_run(
        with_table, place / "data", tmp_path / "run", quantizer=_lower, say=again.append
    )
    steps = [line for line in again if " at step " in line]
    assert steps[0].split(" at ")[1] == stopped.split(" at ")[1]  # five were saved
    result = _card(tmp_path / "run" / "quantized")["quantized"]
    assert result["validation_accuracy"] > 0.82


def test_another_table_is_refused_and_the_rest_of_the_run_stays(
    run: Path, place: Path, with_table: TrainConfig, config: TrainConfig
) -> None:
    table = replace(with_table.quantize, rate_weight=0.0)
    other = replace(with_table, quantize=table)
    message = r"quantized/quantize.json: .* other values in rate_weight; choose"
    with pytest.raises(InputError, match=message):
        train_run(other, place / "data", run, quantizer=_lower)
    assert "quantized" not in train_run(config, place / "data", run)


def test_refuses_the_stage_without_a_quantizer(
    place: Path, with_table: TrainConfig, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"\[quantize\]: needs a quantizer"):
        train_run(with_table, place / "data", tmp_path / "run")
    assert not (tmp_path / "run").exists()


Selected = Callable[..., tuple[float, list[str]]]


@pytest.fixture
def selected(
    done: Path, place: Path, with_table: TrainConfig, tmp_path: Path
) -> Selected:
    """Return what trains and returns the best evaluation's metric, and the lines."""

    def train(**changes: float) -> tuple[float, list[str]]:
        run, lines = tmp_path / "run", list[str]()
        shutil.copytree(done, run)
        shutil.rmtree(run / "student" / "trainable")
        train_run(
            replace(with_table, quantize=replace(with_table.quantize, **changes)),
            place / "data",
            run,
            quantizer=_lower,
            say=lines.append,
        )
        states = (run / "quantized" / "checkpoints").glob("*/trainer_state.json")
        *_, last = sorted(states)
        return float(json.loads(last.read_text())["best_metric"]), lines

    return train


def test_a_rate_above_its_target_is_chosen_last(selected: Selected) -> None:
    # No rate but 0 is below 1e-9, so every evaluation misses it, and loses 1.
    best, _ = selected(rate_weight=0.0, rate_target=1e-9)
    assert -1 < best < 0


def test_without_trainable_words_their_bits_stay(
    selected: Selected, done: Path, tmp_path: Path
) -> None:
    best, lines = selected(rate_target=0.0, average=0.5)
    assert 0.82 < best <= 1
    assert any("trainable is not there, so the bits" in line for line in lines)
    left = load_student(tmp_path / "run" / "quantized").encoder.words
    assert (left == load_student(done / "student").encoder.words).all()
