"""A whole SpikeBERT run, tiny and offline; slices, resuming, two processes."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertModel,
)

from spikewright.cli import main
from spikewright.errors import ConfigError, InputError
from spikewright.holds import folder_for_one
from spikewright.train.auto import register_auto_classes
from spikewright.train.neurons.compiled import has_compiler
from spikewright.train.settings.spikebert import SpikeBertRun
from spikewright.train.settings.spikebert_read import load_run
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.stages.run import train_spikebert

CONFIG = (Path(__file__).parents[1] / "spikebert.toml").read_text()


def _base(place: Path) -> str:
    return str(place / "masked")


def _card(run: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((run / "card.json").read_text())
    return card


def _timeless(card: dict[str, Any]) -> dict[str, Any]:
    """Return a card without what a clock decides."""
    kept = {k: v for k, v in card.items() if k != "seconds_of_slices"}
    for stage in ("teacher", "stage1", "student"):
        curve = [
            {k: v for k, v in point.items() if not k.endswith(("_second", "_runtime"))}
            for point in card[stage]["curve"]
        ]
        kept[stage] = {**card[stage], "curve": curve}
    return kept


def _weights(run: Path) -> list[bytes]:
    return [
        (run / name / "model.safetensors").read_bytes()
        for name in ("teacher", "stage1", "student")
    ]


def test_a_run_ends_with_a_student_that_learned(finished: Path, place: Path) -> None:
    card = _card(finished)
    folder = finished / "student"
    register_auto_classes()
    student = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    lines = (place / "data" / "tiny" / "validation.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    encoded = tokenizer([r["text"] for r in rows], padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = student(encoded["input_ids"], encoded["attention_mask"]).logits
    accuracy = float(np.mean(logits.argmax(1).numpy() == [r["label"] for r in rows]))
    # 40 sentences: chance is 0.5, four standard deviations above it are 0.82.
    assert accuracy > 0.82
    assert card["student"]["validation_accuracy"] == pytest.approx(accuracy)
    assert student.config.id2label == {0: "bad", 1: "good"}


def test_the_student_s_folder_is_ready_for_pipelines(finished: Path) -> None:
    folder = finished / "student"
    assert AutoTokenizer.from_pretrained(folder).model_max_length == 10
    assert AutoTokenizer.from_pretrained(finished / "teacher").model_max_length > 10
    measured = _card(finished)["student"]["validation_accuracy"]
    assert f"| student | {measured:.4f} |" in (folder / "README.md").read_text()


def test_the_card_tells_the_run(finished: Path, spike_config: SpikeBertRun) -> None:
    card = _card(finished)
    assert card["config"] == json.loads(json.dumps(spike_config.as_dict()))
    assert set(card["data_sha256"]) == {"tiny/train", "tiny/validation"}
    assert {"torch", "transformers", "accelerate", "snntorch"} < set(card["versions"])
    assert card["processes"] == 1
    # Of 2 blocks: query, key, value, counts, output, expand, contract.
    assert len(card["student"]["rates_at_start"]) == len(card["student"]["rates"]) == 14
    first, last = (card["stage1"]["curve"][i] for i in (0, -2))
    assert last["feature_loss"] < first["feature_loss"]
    curve = card["student"]["curve"]
    told = {"loss", "feature_loss", "embedding_loss", "logit_loss", "label_loss"}
    assert told < set(curve[0])
    # The logged loss is the sum of the weighted parts.
    weights = spike_config.stage2
    total = sum(
        getattr(weights, f"{key}_weight") * curve[0][f"{key}_loss"]
        for key in ("feature", "embedding", "logit", "label")
    )
    assert curve[0]["loss"] == pytest.approx(total, rel=1e-4)
    accuracies = [each["eval_accuracy"] for each in curve if "eval_accuracy" in each]
    assert max(accuracies) == card["student"]["validation_accuracy"]


def test_running_again_does_nothing_again(
    finished: Path, place: Path, spike_config: SpikeBertRun
) -> None:
    before, lines = _weights(finished), list[str]()
    again = train_spikebert(spike_config, place / "data", finished, say=lines.append)
    assert again is not None
    assert _timeless(json.loads(json.dumps(again))) == _timeless(_card(finished))
    assert _weights(finished) == before
    assert not any("step" in line for line in lines)


class KilledError(Exception):
    """What a test raises where a run would be killed."""


def _kill_at(text: str, count: int) -> Callable[[str], None]:
    seen: list[str] = []

    def say(line: str) -> None:
        seen.extend([line] * (text in line))
        if len(seen) == count:
            raise KilledError(line)

    return say


def test_a_killed_run_goes_on_to_the_same_end(
    finished: Path, place: Path, spike_config: SpikeBertRun, tmp_path: Path
) -> None:
    # Dropout is on: order of rows, random numbers and optimizer must all go on.
    for text, count in (("teacher: 0", 4), ("stage1: step", 7), ("stage2: 0", 5)):
        with pytest.raises(KilledError):
            train_spikebert(
                spike_config, place / "data", tmp_path, say=_kill_at(text, count)
            )
    train_spikebert(spike_config, place / "data", tmp_path)
    assert _weights(tmp_path) == _weights(finished)
    assert _timeless(_card(tmp_path)) == _timeless(_card(finished))


def test_a_second_run_in_the_folder_is_refused(
    place: Path, spike_config: SpikeBertRun, tmp_path: Path
) -> None:
    message = rf"another run is at work here \(process {os.getpid()} on .*\); wait"
    with folder_for_one(tmp_path, ""), pytest.raises(InputError, match=message):
        train_spikebert(spike_config, place / "data", tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [".lock"]


def test_a_run_in_slices_comes_to_the_same_end(
    finished: Path, place: Path, spike_config: SpikeBertRun, tmp_path: Path
) -> None:
    short = [
        train_spikebert(spike_config, place / "data", tmp_path, minutes=0.02)
        for _ in range(4)
    ]
    assert short[0] is None
    card = train_spikebert(spike_config, place / "data", tmp_path)
    assert card is not None
    assert len(card["seconds_of_slices"]) == 5
    assert _weights(tmp_path) == _weights(finished)
    assert _timeless(_card(tmp_path)) == _timeless(_card(finished))


@pytest.mark.long  # a minute, most of it compiles
@pytest.mark.skipif(not has_compiler(), reason="no C++ compiler: install g++")
def test_a_killed_run_of_compiled_loops_goes_on_to_the_same_end(
    finished: Path, place: Path, tmp_path: Path
) -> None:
    text = (place / "spikebert.toml").read_text().replace('"never"', '"always"')
    (tmp_path / "compiled.toml").write_text(text)
    config, whole = load_run(tmp_path / "compiled.toml"), tmp_path / "whole"
    for run in (whole, tmp_path / "killed"):  # the teacher has no spiking layers
        shutil.copytree(finished / "teacher", run / "teacher")
    said = list[str]()
    card = train_spikebert(config, place / "data", whole, say=said.append)
    assert card is not None
    assert card["student"]["validation_accuracy"] > 0.82
    assert "stage2: neurons and norms are compiled at the first step" in said
    with pytest.raises(KilledError):
        train_spikebert(
            config, place / "data", tmp_path / "killed", say=_kill_at("stage2: 0", 5)
        )
    torch._dynamo.reset()  # what a new process would compile anew
    train_spikebert(config, place / "data", tmp_path / "killed")
    assert _weights(tmp_path / "killed") == _weights(whole)


def test_the_command_line_says_unfinished_with_status_3(
    finished: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "student")
    given = [str(place / "spikebert.toml"), "--data", str(place / "data")]
    given += ["-o", str(tmp_path / "run")]
    assert main(["train", *given, "--minutes", "0.0001"]) == 3
    captured = capsys.readouterr()
    assert "the slice of time is over at stage2: step 1 of" in captured.err
    assert captured.out == ""
    assert main(["train", *given]) == 0
    accuracy = _card(tmp_path / "run")["student"]["validation_accuracy"]
    assert f"student {accuracy:.4f} on validation" in capsys.readouterr().out


_FRESH = """
family = "spikebert"
[data]
train = ["tiny"]
validation = "tiny"
labels = ["bad", "good"]
max_tokens = 16
[teacher]
base = "fresh"
epochs = 12
learning_rate = 5e-3
fresh_width = 16
fresh_layers = 2
fresh_heads = 2
evaluations = 3
[student]
width = 16
blocks = 1
heads = 2
attention = "sdsa"
norm = "channel"
checkpointing = true
[stage1]
epochs = 0
[stage2]
epochs = 12
learning_rate = 1e-2
compile = "never"
feature_weight = 0
embedding_weight = 0
temperature = 2
precision = "bf16"
accumulate = 2
evaluations = 12
patience = 2
"""


def test_a_run_from_nothing_without_stage_1(place: Path, tmp_path: Path) -> None:
    (tmp_path / "fresh.toml").write_text(_FRESH)
    config = load_run(tmp_path / "fresh.toml")
    card = train_spikebert(config, place / "data", tmp_path / "run")
    assert card is not None
    assert card["teacher"]["base"] == str(tmp_path / "run" / "fresh")
    assert card["teacher"]["validation_accuracy"] > 0.82
    assert card["student"]["validation_accuracy"] > 0.82
    assert "stage1" not in card
    # 192 rows in batches of 32, two to an update: 3 updates an epoch, 36 in all. The
    # third evaluation in a row without a better one would come after patience ends it.
    found = [e["eval_accuracy"] for e in card["student"]["curve"] if "eval_loss" in e]
    best = found.index(max(found))
    assert len(found) == min(12, best + 3)
    assert [e["step"] for e in card["student"]["curve"] if "eval_loss" in e] == [
        3 * (i + 1) for i in range(len(found))
    ]


def test_the_published_form_trains(place: Path, tmp_path: Path) -> None:
    text = _FRESH.replace('attention = "sdsa"', 'positions = "none"\nties = "fire"')
    text = text.replace('norm = "channel"', "pad_mask = false").replace("= 12", "= 1")
    text = text.replace("feature_weight = 0", 'feature_mean = "published"')
    (tmp_path / "published.toml").write_text(text)
    config = load_run(tmp_path / "published.toml")
    card = train_spikebert(config, place / "data", tmp_path / "run")
    assert card is not None
    assert card["student"]["curve"][0]["feature_loss"] > 0


def test_half_precision_without_a_gpu_is_refused(
    finished: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    text = (place / "spikebert.toml").read_text()
    (tmp_path / "half.toml").write_text(
        text.replace("[teacher]", '[teacher]\nprecision = "fp16"')
    )
    with pytest.raises(ConfigError, match='"fp16" needs a GPU; take "bf16"'):
        train_spikebert(
            load_run(tmp_path / "half.toml"), place / "data", tmp_path / "run"
        )


def test_words_start_from_a_teacher_of_their_width(place: Path, tmp_path: Path) -> None:
    # The encoder is 16 wide; the learning rate is too small to move a word.
    text = CONFIG.replace("BASE", _base(place))
    text = text.replace("[student]", '[student]\nstart = "teacher"')
    text = text.replace("epochs = 8", "epochs = 1").replace("epochs = 6", "epochs = 1")
    (tmp_path / "wide.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"the teacher's width 16; width is 24"):
        train_spikebert(
            load_run(tmp_path / "wide.toml"), place / "data", tmp_path / "wide"
        )
    text = text.replace("width = 24", "width = 16").replace("e = 1e-2", "e = 1e-9")
    (tmp_path / "equal.toml").write_text(text)
    card = train_spikebert(
        load_run(tmp_path / "equal.toml"), place / "data", tmp_path / "equal"
    )
    assert card is not None
    student = SpikeBertForSequenceClassification.from_pretrained(
        tmp_path / "equal" / "student"
    )
    teacher = BertModel.from_pretrained(place / "encoder")
    words = teacher.embeddings.word_embeddings.weight
    found = student.spikebert.words.weight
    torch.testing.assert_close(found, words / words.std(), atol=1e-5, rtol=0)
    # Equal tables at deviation 1: nothing is left of the embedding loss.
    assert card["stage1"]["curve"][0]["embedding_loss"] < 1e-9


# --- processes -----------------------------------------------------------------------

_TRAIN = """
import sys, torch
torch.set_num_threads(1)
from pathlib import Path
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.stages.run import train_spikebert
from spikewright.train.settings.spikebert_read import load_run
train_spikebert(load_run(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]))
"""


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_double_batch(
    place: Path, spike_config: SpikeBertRun, tmp_path: Path
) -> None:
    """The same rows in the same order, so the same loss but for the order of sums."""
    text = CONFIG.replace("BASE", _base(place)).replace("out = 0.1", "out = 0.0")
    text = text.replace("rounds = 1", "rounds = 0").replace("epochs = 6", "epochs = 2")
    text = text.replace("epochs = 8", "epochs = 1")
    (tmp_path / "one.toml").write_text(text)
    (tmp_path / "two.toml").write_text(text.replace("size = 16", "size = 8"))
    (tmp_path / "train.py").write_text(_TRAIN)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for name, launch in (("one", []), ("two", torchrun)):
        given = [str(tmp_path / f"{name}.toml"), str(place / "data")]
        command = [sys.executable, *launch, str(tmp_path / "train.py"), *given]
        done = subprocess.run(
            [*command, str(tmp_path / name)],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr[-3000:]
    one, two = _card(tmp_path / "one"), _card(tmp_path / "two")
    assert (one["processes"], two["processes"]) == (1, 2)
    for stage in ("teacher", "stage1", "student"):
        for left, right in zip(one[stage]["curve"], two[stage]["curve"], strict=True):
            assert left["step"] == right["step"]
            assert left.keys() == right.keys()
            for key in left.keys() & {"loss", "feature_loss", "label_loss"}:
                assert left[key] == pytest.approx(right[key], rel=1e-4), (stage, left)
            # A mean over batches, each by its own tokens, and these are cut elsewhere.
            if "eval_loss" in left:
                assert left["eval_loss"] == pytest.approx(right["eval_loss"], rel=3e-3)


# --- refusals ------------------------------------------------------------------------


def test_refuses_another_configuration_in_the_same_folder(
    finished: Path, place: Path, spike_config: SpikeBertRun
) -> None:
    table = dataclasses.replace(spike_config.stage2, epochs=7.0)
    other = dataclasses.replace(spike_config, stage2=table)
    with pytest.raises(InputError, match=r"other values in config.stage2.epochs;"):
        train_spikebert(other, place / "data", finished)


def test_refuses_an_encoder_as_a_finished_teacher(
    place: Path, spike_config: SpikeBertRun, tmp_path: Path
) -> None:
    table = dataclasses.replace(spike_config.teacher, epochs=0.0)
    taken = dataclasses.replace(spike_config, teacher=table)
    with pytest.raises(InputError, match=r"no trained classifier.*; give it epochs"):
        train_spikebert(taken, place / "data", tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "[data]",
            '[data]\nunlabeled = ["tiny"]',
            r"name such texts in \[stage1\] text",
        ),
        ("width = 24", "width = 25", "hidden_size: 25 is no multiple"),
        ("[stage1]", "[stage1]\nlayers = [1]", "names 1 layers .* has 2 blocks"),
        ("[stage2]", "[stage2]\nfeature_mean = 'published'", "pad_mask = false"),
        ("[stage2]", "[stage2]\nfeature_mean = 'all'", "one of tokens, published"),
        ("[stage1]", "[stage1]\nlogit_weight = 1", r"belong to \[stage2\]"),
        ('text = ["tiny"]', "", r"\[stage1\]: lacks text; name folders, or set epochs"),
        ("[stage2]", "[stage2]\nspeed = 1", "unknown key speed; known: epochs"),
        ("epochs = 6", "epochs = 0", r"\[stage2\] epochs: must be above 0"),
        ("label_weight = 1.0", "label_weight = 0\nlogit_weight = 0", "both 0"),
    ],
)
def test_refuses_a_configuration_that_cannot_be(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in CONFIG
    (tmp_path / "c.toml").write_text(CONFIG.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        load_run(tmp_path / "c.toml")
