"""A whole training run: teacher, teacher's labels, student. Each stage resumes."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from spikewright.errors import InputError
from spikewright.files import read_arrays, whole_file, write_arrays
from spikewright.train.augment import augment
from spikewright.train.config import TrainConfig
from spikewright.train.data import LabeledText, Row, hash_split, read_split, tokenize
from spikewright.train.distill import NO_LABEL, distill_student, new_student
from spikewright.train.teacher import (
    FloatArray,
    fine_tune_teacher,
    label_texts,
    load_tokenizer,
)

Say = Callable[[str], None]


def train_run(
    config: TrainConfig, data: Path, run: Path, *, say: Say = lambda line: None
) -> dict[str, Any]:
    """Fine-tune the teacher, label the texts, distill the student into `run`.

    A finished stage is not done again; an interrupted one goes on from its last
    checkpoint. `run/student/card.json` records configuration, data, versions, results.

    Args:
        config: the run's configuration.
        data: folder with one folder a task, each with `train.jsonl` and so on.
        run: where everything goes.
        say: receives one line a stage.

    Returns:
        The card.

    Raises:
        InputError: data are missing, or `run` holds a run of another configuration.
    """
    run.mkdir(parents=True, exist_ok=True)
    _claim(run / "config.json", config)
    train = [t for name in config.data.train for t in read_split(data / name, "train")]
    validation = read_split(data / config.data.validation, "validation")
    say(f"{len(train)} training texts, {len(validation)} for validation")
    teacher = _teacher(config, train, validation, run / "teacher", say)
    rows = _labeled_rows(config, train, run, say)
    student = _student(config, rows, validation, run, say)
    card = _card(config, data) | {
        "teacher": teacher,
        "student": student,
        "teacher_config": _teacher_config(config, run / "teacher"),
    }
    _write_json(run / "student" / "card.json", card)
    return card


def _claim(path: Path, config: TrainConfig) -> None:
    """Refuse to continue a run of another configuration."""
    wanted = json.loads(json.dumps(config.as_dict()))
    if path.exists():
        found = json.loads(path.read_text())
        if found != wanted:
            differing = [key for key in wanted if wanted[key] != found.get(key)]
            raise InputError(
                f"{path.parent}: holds a run with other values in "
                f"{', '.join(differing)}; choose another folder or remove it"
            )
    _write_json(path, wanted)


def _write_json(path: Path, value: object) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")


def _once(folder: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the result of `work`, from `folder/result.json` if it was done before."""
    path = folder / "result.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(path, work())
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def _teacher(
    config: TrainConfig,
    train: Sequence[LabeledText],
    validation: Sequence[LabeledText],
    folder: Path,
    say: Say,
) -> dict[str, Any]:
    say(f"teacher: fine-tuning {config.teacher.base}")

    def work() -> dict[str, Any]:
        measured = fine_tune_teacher(
            config.teacher, config.data, train, validation, folder, seed=config.seed
        )
        return {"validation_accuracy": measured}

    result = _once(folder, work)
    say(f"teacher: {result['validation_accuracy']:.4f} on validation")
    return result


def _load_teacher(folder: Path) -> PreTrainedModel:
    model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(folder)
    return model


def _labeled_rows(
    config: TrainConfig, train: Sequence[LabeledText], run: Path, say: Say
) -> list[Row]:
    """Return originals with labels and augmented texts without, all with logits."""
    originals = {each.text: each.label for each in train}
    rng = np.random.default_rng(config.seed)
    made = augment(list(originals), config.augment, rng)
    texts, labels = [*originals, *made], [*originals.values(), *[NO_LABEL] * len(made)]
    say(f"labels: the teacher reads {len(texts)} texts, {len(made)} of them made")
    logits = _logits(config, texts, run)
    ids = tokenize(
        texts,
        load_tokenizer(str(run / "teacher")),
        max_tokens=config.data.max_tokens,
        special_tokens=False,
    )
    return [
        {"input_ids": i, "labels": label, "teacher_logits": logit.tolist()}
        for i, label, logit in zip(ids, labels, logits, strict=True)
        if i
    ]


def _logits(config: TrainConfig, texts: Sequence[str], run: Path) -> FloatArray:
    path = run / "teacher_logits.npz"
    if not path.exists():
        teacher, tokenizer = run / "teacher", load_tokenizer(str(run / "teacher"))
        logits = label_texts(
            _load_teacher(teacher), tokenizer, texts, max_tokens=config.data.max_tokens
        )
        write_arrays(path, {"logits": logits})
    return read_arrays(path)["logits"].astype(np.float32)


def _student(
    config: TrainConfig,
    rows: Sequence[Row],
    validation: Sequence[LabeledText],
    run: Path,
    say: Say,
) -> dict[str, Any]:
    say(f"student: distilling on {len(rows)} texts")

    def work() -> dict[str, Any]:
        teacher = _load_teacher(run / "teacher")
        embedding = teacher.get_input_embeddings().get_parameter("weight")
        student = new_student(config, embedding.detach())
        measured = distill_student(
            student,
            rows,
            student_rows(validation, run, config),
            run / "student",
            config,
        )
        load_tokenizer(str(run / "teacher")).save_pretrained(run / "student")
        return {"validation_accuracy": measured}

    result = _once(run / "student", work)
    say(f"student: {result['validation_accuracy']:.4f} on validation (float)")
    return result


def student_rows(
    texts: Sequence[LabeledText], run: Path, config: TrainConfig
) -> list[Row]:
    """Tokenize labeled texts as the student reads them: without special tokens."""
    ids = tokenize(
        [each.text for each in texts],
        load_tokenizer(str(run / "teacher")),
        max_tokens=config.data.max_tokens,
        special_tokens=False,
    )
    return [
        {"input_ids": i, "labels": each.label}
        for i, each in zip(ids, texts, strict=True)
    ]


def _teacher_config(config: TrainConfig, folder: Path) -> dict[str, Any]:
    """Return the sizes of the teacher, from which its operations are counted."""
    raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kept = ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads")
    kept += ("intermediate_size", "vocab_size")
    name = config.teacher.base.removeprefix("package:")
    labels = {"id2label": dict(enumerate(config.data.labels))}
    return {"_name_or_path": name, **{key: raw[key] for key in kept}, **labels}


def _card(config: TrainConfig, data: Path) -> dict[str, Any]:
    splits = [(name, "train") for name in config.data.train]
    splits.append((config.data.validation, "validation"))
    return {
        "config": config.as_dict(),
        "data_sha256": {f"{n}/{s}": hash_split(data / n, s) for n, s in splits},
        "versions": {
            "python": platform.python_version(),
            **{
                name: importlib.metadata.version(name)
                for name in ("torch", "snntorch", "transformers", "numpy")
            },
        },
        "torch_threads": torch.get_num_threads(),
    }
