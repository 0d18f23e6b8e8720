"""A whole training run, tiny and offline: a two-word language with two classes."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import ConfigError, InputError
from spikewright.holds import folder_for_one
from spikewright.train.answers.logits import float_logits
from spikewright.train.distill.pipeline import train_run
from spikewright.train.settings.config import TrainConfig
from spikewright.train.student import load_student
from spikewright.train.teachers.teacher import (
    load_tokenizer,
)


class InterruptedTestError(Exception):
    """What a test raises to interrupt a run."""


def _stop_at(text: str, count: int = 1) -> Callable[[str], None]:
    """Return a `say` that raises at the `count`th line that has `text`."""
    seen: list[str] = []

    def say(line: str) -> None:
        seen.extend([line] * (text in line))
        if len(seen) == count:
            raise InterruptedTestError(line)

    return say


def _steps(label: str, lines: Sequence[str]) -> list[int]:
    """Return the steps at which evaluations of a training were told."""
    told = [
        line for line in lines if line.startswith(f"{label}: ") and " at step " in line
    ]
    return [int(line.split(" step ")[1].split()[0]) for line in told]


def _card(run: Path) -> dict[str, object]:
    card: dict[str, object] = json.loads((run / "student" / "card.json").read_text())
    return card


def _bytes(run: Path) -> dict[str, bytes]:
    """Return the files that a student is shipped with, but the card."""
    names = ("config.json", "model.safetensors", "tokenizer.json")
    return {name: (run / "student" / name).read_bytes() for name in names}


def test_a_run_ends_with_a_student_that_learned(done: Path, place: Path) -> None:
    card, student = _card(done), load_student(done / "student")
    tokenizer = load_tokenizer(str(done / "student"))
    lines = (place / "data" / "tiny" / "validation.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    texts = [row["text"] for row in rows]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    answers = float_logits(student, ids).argmax(axis=1)
    accuracy = float(np.mean(answers == [row["label"] for row in rows]))
    # 40 sentences: chance is 0.5, four standard deviations above it are 0.82.
    assert accuracy > 0.82
    assert card["student"] == {"validation_accuracy": accuracy}
    assert student.config.id2label == {0: "bad", 1: "good"}


def test_the_card_says_where_the_student_came_from(
    done: Path, config: TrainConfig
) -> None:
    card = _card(done)
    assert card["config"] == json.loads(json.dumps(config.as_dict()))
    assert set(card["data_sha256"]) == {"tiny/train", "tiny/validation"}  # type: ignore[call-overload]
    assert card["teacher_config"] == {
        "_name_or_path": config.teacher.base,
        "model_type": "bert",
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "vocab_size": 21,
        "id2label": {"0": "bad", "1": "good"},
    }


def test_running_again_does_nothing_again(
    done: Path, place: Path, config: TrainConfig
) -> None:
    weights = sorted(done.rglob("*.safetensors"))
    before = [path.stat().st_mtime_ns for path in weights]
    card, lines = _card(done), list[str]()
    again = train_run(config, place / "data", done, say=lines.append)
    assert json.loads(json.dumps(again)) == card == _card(done)
    assert [path.stat().st_mtime_ns for path in weights] == before
    assert not any("step" in line or "fine-tuning" in line for line in lines)


def test_the_seed_decides_every_byte_and_progress_leaves_stdout_clean(
    done: Path,
    place: Path,
    config: TrainConfig,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    lines: list[str] = []
    train_run(config, place / "data", tmp_path, say=lines.append)
    assert capfd.readouterr().out == ""
    # 8 epochs of 12 batches: the teacher is evaluated every 10 steps and at the end.
    assert _steps("teacher", lines) == [*range(10, 91, 10), 96]
    assert _bytes(tmp_path) == _bytes(done)
    assert _card(tmp_path) == _card(done)


@pytest.fixture
def half(done: Path, tmp_path: Path) -> Path:
    """A copy of the run with its teacher only."""
    shutil.copytree(done, tmp_path / "half")
    shutil.rmtree(tmp_path / "half" / "student")
    (tmp_path / "half" / "teacher_logits.npz").unlink()
    return tmp_path / "half"


def test_a_teacher_that_was_interrupted_goes_on(
    done: Path, place: Path, config: TrainConfig, tmp_path: Path
) -> None:
    with pytest.raises(InterruptedTestError):
        train_run(config, place / "data", tmp_path, say=_stop_at(" at step ", 4))
    lines: list[str] = []
    train_run(config, place / "data", tmp_path, say=lines.append)
    # The fifth line is the fourth evaluation, at step 40; step 30 was saved.
    assert _steps("teacher", lines) == [*range(40, 91, 10), 96]
    assert _bytes(tmp_path) == _bytes(done)
    assert _card(tmp_path) == _card(done)


def test_a_student_that_was_interrupted_goes_on(
    done: Path, place: Path, config: TrainConfig, half: Path
) -> None:
    with pytest.raises(InterruptedTestError):
        train_run(config, place / "data", half, say=_stop_at(" at step ", 5))
    lines: list[str] = []
    train_run(config, place / "data", half, say=lines.append)
    assert "teacher: fine-tuning" not in "".join(lines)
    first, second, *_ = _steps("distill", lines)
    assert first == 5 * (second - first)  # 4 evaluations were saved
    assert _bytes(half) == _bytes(done)
    assert _card(half) == _card(done)


@pytest.mark.parametrize("text", ["labels: the teacher reads", "(float)"])
def test_a_run_interrupted_between_stages_ends_as_if_it_had_not_been(
    done: Path, place: Path, config: TrainConfig, half: Path, text: str
) -> None:
    with pytest.raises(InterruptedTestError):
        train_run(config, place / "data", half, say=_stop_at(text))
    assert not (half / "student" / "card.json").exists()
    train_run(config, place / "data", half)
    assert _bytes(half) == _bytes(done)
    assert _card(half) == _card(done)


def test_a_student_goes_on_from_checkpoints_without_a_result(
    done: Path, place: Path, config: TrainConfig, half: Path
) -> None:
    # Killed while it wrote: the training's end and a half-written checkpoint remain.
    with pytest.raises(InterruptedTestError):
        train_run(config, place / "data", half, say=_stop_at("(float)"))
    for name in ("result.json", "model.safetensors", "config.json"):
        (half / "student" / name).unlink()
    torn = half / "student" / "checkpoints" / "checkpoint-9999"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"")
    for folder in (torn, half / "student"):  # what safetensors is yet to rename
        (folder / ".tmpZ8i0vr").write_bytes(b"half")
    lines: list[str] = []
    train_run(config, place / "data", half, say=lines.append)
    assert not _steps("distill", lines)
    assert not list(half.rglob(".tmp*"))
    assert _bytes(half) == _bytes(done)


def test_a_second_run_in_the_folder_is_refused(
    place: Path, config: TrainConfig, tmp_path: Path
) -> None:
    message = rf"another run is at work here \(process {os.getpid()} on .*\); wait"
    with folder_for_one(tmp_path, ""), pytest.raises(InputError, match=message):
        train_run(config, place / "data", tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [".lock"]


def test_refuses_another_configuration_in_the_same_folder(
    done: Path, place: Path, config: TrainConfig
) -> None:
    other = dataclasses.replace(config, seed=1)
    with pytest.raises(InputError, match=r"config.json: .* other values in seed;"):
        train_run(other, place / "data", done)


def test_refuses_other_data_in_the_same_folder(
    done: Path, config: TrainConfig, tmp_path: Path
) -> None:
    (tmp_path / "tiny").mkdir()
    for split in ("train", "validation"):
        line = '{"text": "the soup was fine", "label": 1}\n'
        (tmp_path / "tiny" / f"{split}.jsonl").write_text(line)
    message = r"data.json: .* other values in tiny/train, tiny/validation; choose"
    with pytest.raises(InputError, match=message):
        train_run(config, tmp_path, done)


@pytest.mark.parametrize("label", [2, -1])
def test_refuses_a_label_without_a_name(
    config: TrainConfig, tmp_path: Path, label: int
) -> None:
    (tmp_path / "tiny").mkdir()
    lines = f'{{"text": "a", "label": 1}}\n{{"text": "b", "label": {label}}}\n'
    (tmp_path / "tiny" / "train.jsonl").write_text(lines)
    message = rf"tiny/train.jsonl:2: label {label}; \[data\] labels names 0 to 1"
    with pytest.raises(InputError, match=message):
        train_run(config, tmp_path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_unlabeled_texts_are_read_but_those_held_out(
    place: Path, config: TrainConfig, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(place / "data", data)
    held_out = json.loads((data / "tiny/validation.jsonl").read_text().splitlines()[0])
    texts = (held_out["text"].upper() + " .", "warm soup , cold soup", "the road")
    (data / "more").mkdir()
    (data / "more" / "train.jsonl").write_text(
        "".join(json.dumps({"text": text, "label": 7}) + "\n" for text in texts)
    )
    extended = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, unlabeled=("more",)),
        augment=dataclasses.replace(config.augment, rounds=0),
        teacher=dataclasses.replace(config.teacher, average=0.9),
        distill=dataclasses.replace(config.distill, average=0.9),
    )
    lines: list[str] = []
    card = train_run(extended, data, tmp_path / "run", say=lines.append)
    assert "1 unlabeled texts stand in the validation split, too: left out" in lines
    originals = {
        json.loads(line)["text"]
        for line in (data / "tiny/train.jsonl").read_text().splitlines()
    }
    labels = np.load(tmp_path / "run" / "teacher_logits.npz")["logits"]
    assert len(labels) == len(originals | set(texts[1:]))
    assert card["student"]["validation_accuracy"] > 0.8
    assert set(card["data_sha256"]) == {"tiny/train", "more/train", "tiny/validation"}


def test_refuses_sizes_before_the_teacher(
    place: Path, config: TrainConfig, tmp_path: Path
) -> None:
    table = dataclasses.replace(config.student, channels=12)
    wrong = dataclasses.replace(config, student=table)
    with pytest.raises(ConfigError, match="channels: must be a multiple of 8"):
        train_run(wrong, place / "data", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_refuses_a_loss_that_is_no_number(
    place: Path, config: TrainConfig, tmp_path: Path
) -> None:
    table = dataclasses.replace(config.distill, learning_rate=1e30)
    wild = dataclasses.replace(config, distill=table)
    message = (
        r"distill: \w*loss is (nan|inf) at step .*; lower \[distill\] learning_rate"
    )
    with pytest.raises(ConfigError, match=message):
        train_run(wild, place / "data", tmp_path)
    assert not (tmp_path / "student" / "result.json").exists()


def test_refuses_an_encoder_that_is_not_there(
    place: Path, config: TrainConfig, tmp_path: Path
) -> None:
    for base in (str(tmp_path / "none"), "./none"):
        table = dataclasses.replace(config.teacher, base=base)
        with pytest.raises(InputError, match=rf"teacher '{base}': no such folder"):
            train_run(
                dataclasses.replace(config, teacher=table),
                place / "data",
                tmp_path / base.replace("/", "_"),
            )


def test_refuses_a_run_where_no_folder_can_be(
    place: Path, config: TrainConfig, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/run: cannot be made: Not a directory"):
        train_run(config, place / "data", tmp_path / "file" / "run")


def test_the_student_s_folder_is_ready_for_pipelines(done: Path) -> None:
    folder = done / "student"
    tokenizer = load_tokenizer(str(folder))
    words = ["the", "soup"]
    assert tokenizer(" ".join(words))["input_ids"] == tokenizer.convert_tokens_to_ids(
        words  # no [CLS], no [SEP]
    )
    assert tokenizer.model_max_length == 10  # [data] max_tokens
    card = json.loads((folder / "card.json").read_text())
    measured = card["student"]["validation_accuracy"]
    readme = (folder / "README.md").read_text()
    assert readme.startswith("---\n")
    assert f"| student | {measured:.4f} |" in readme
