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
from transformers import PreTrainedModel

from spikewright.errors import InputError
from spikewright.files import read_arrays, write_arrays, write_json
from spikewright.train.augment import augment
from spikewright.train.config import TrainConfig
from spikewright.train.data import LabeledText, Row, hash_split, read_split, tokenize
from spikewright.train.distill import (
    NO_LABEL,
    distill_student,
    new_student,
    student_config,
)
from spikewright.train.load import read_json
from spikewright.train.meter import Say, ignore
from spikewright.train.teacher import (
    FloatArray,
    fine_tune_teacher,
    label_texts,
    load_classifier,
    load_tokenizer,
)


def train_run(
    config: TrainConfig, data: Path, run: Path, *, say: Say = ignore
) -> dict[str, Any]:
    """Fine-tune the teacher, label the texts, distill the student into `run`.

    A finished stage is not done again; an interrupted one goes on from its last
    checkpoint, but shuffles the rest of that epoch anew: only a run that nobody
    interrupts inside a training is the same to the byte each time.
    `run/student/card.json` records configuration, data, versions, results.

    Args:
        config: the run's configuration.
        data: folder with one folder a task, each with `train.jsonl` and so on.
        run: where everything goes.
        say: receives a line for each stage and each evaluation.

    Returns:
        The card.

    Raises:
        BackendMissingError: the package that carries the encoder is not installed.
        ConfigError: the sizes do not fit, or the loss is no longer a finite number.
        InputError: data or encoder are missing or unfit, or `run` holds a run of
            another configuration or of other data.
    """
    student_config(config, vocabulary=1)  # refuse its sizes before the teacher's hours
    train = [
        each
        for name in config.data.train
        for each in _read(config, data, name, "train")
    ]
    validation = _read(config, data, config.data.validation, "validation")
    say(f"{len(train)} training texts, {len(validation)} for validation")
    card = _card(config, data)
    _open_run(run, card)
    card["teacher"] = _teacher(config, train, validation, run / "teacher", say)
    card["student"] = _student(config, train, validation, run, say)
    card["teacher_config"] = _teacher_config(config, run / "teacher")
    write_json(run / "student" / "card.json", card)
    return card


def _read(
    config: TrainConfig, data: Path, name: str, split: str
) -> Sequence[LabeledText]:
    """Read a split whose labels all have a name."""
    texts, classes = read_split(data / name, split), len(config.data.labels)
    for line, each in enumerate(texts, start=1):
        if not 0 <= each.label < classes:
            raise InputError(
                f"{data / name / split}.jsonl:{line}: label {each.label}; [data] "
                f"labels names 0 to {classes - 1}; correct one of the two"
            )
    return texts


def _open_run(run: Path, card: dict[str, Any]) -> None:
    """Make the folder, or refuse to go on with one of another configuration or data."""
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{run}: cannot be made: {error.strerror}") from error
    for name, key in (("config.json", "config"), ("data.json", "data_sha256")):
        _claim(run / name, json.loads(json.dumps(card[key])))


def _claim(path: Path, wanted: dict[str, Any]) -> None:
    if not path.exists():
        write_json(path, wanted)
    found = read_json(path)
    keys = [key for key in {**wanted, **found} if wanted.get(key) != found.get(key)]
    if keys:
        raise InputError(
            f"{path}: the run in this folder began with other values in "
            f"{', '.join(keys)}; choose another folder or remove it"
        )


def _once(folder: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the result of `work`, from `folder/result.json` if it was done before."""
    path = folder / "result.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, work())
    return read_json(path)


def _teacher(
    config: TrainConfig,
    train: Sequence[LabeledText],
    validation: Sequence[LabeledText],
    folder: Path,
    say: Say,
) -> dict[str, Any]:
    def work() -> dict[str, Any]:
        say(f"teacher: fine-tuning {config.teacher.base}")
        measured = fine_tune_teacher(
            config.teacher,
            config.data,
            train,
            validation,
            folder,
            seed=config.seed,
            say=say,
        )
        return {"validation_accuracy": measured}

    result = _once(folder, work)
    say(f"teacher: {result['validation_accuracy']:.4f} on validation")
    return result


def _load_teacher(config: TrainConfig, run: Path) -> PreTrainedModel:
    return load_classifier(str(run / "teacher"), classes=len(config.data.labels))


def _labeled_rows(
    config: TrainConfig, train: Sequence[LabeledText], run: Path, say: Say
) -> list[Row]:
    """Return originals with labels and augmented texts without, all with logits."""
    originals = {each.text: each.label for each in train}
    rng = np.random.default_rng(config.seed)
    made = augment(list(originals), config.augment, rng)
    texts, labels = [*originals, *made], [*originals.values(), *[NO_LABEL] * len(made)]
    say(f"labels: the teacher reads {len(texts)} texts, {len(made)} of them made")
    logits = _logits(config, texts, run, say)
    ids = _student_ids(texts, run, config)
    return [
        {"input_ids": i, "labels": label, "teacher_logits": logit.tolist()}
        for i, label, logit in zip(ids, labels, logits, strict=True)
        if i
    ]


def _logits(
    config: TrainConfig, texts: Sequence[str], run: Path, say: Say
) -> FloatArray:
    path = run / "teacher_logits.npz"
    if not path.exists():
        tokenizer = load_tokenizer(str(run / "teacher"))
        teacher, longest = _load_teacher(config, run), config.data.max_tokens
        logits = label_texts(teacher, tokenizer, texts, max_tokens=longest, say=say)
        write_arrays(path, {"logits": logits})
    read = read_arrays(path)["logits"].astype(np.float32)
    if len(read) != len(texts):
        raise InputError(
            f"{path}: logits of {len(read)} texts, the run has {len(texts)}; remove it"
        )
    return read


def _student(
    config: TrainConfig,
    train: Sequence[LabeledText],
    validation: Sequence[LabeledText],
    run: Path,
    say: Say,
) -> dict[str, Any]:
    def work() -> dict[str, Any]:
        rows = _labeled_rows(config, train, run, say)
        say(f"student: distilling on {len(rows)} texts")
        teacher = _load_teacher(config, run)
        embedding = teacher.get_input_embeddings().get_parameter("weight")
        measured = distill_student(
            new_student(config, embedding.detach()),
            rows,
            student_rows(validation, run, config),
            run / "student",
            config,
            say=say,
        )
        load_tokenizer(str(run / "teacher")).save_pretrained(run / "student")
        return {"validation_accuracy": measured}

    result = _once(run / "student", work)
    say(f"student: {result['validation_accuracy']:.4f} on validation (float)")
    return result


def student_rows(
    texts: Sequence[LabeledText], run: Path, config: TrainConfig
) -> list[Row]:
    """Tokenize labeled texts as the student reads them: without special tokens.

    Raises:
        InputError: a text holds no token.
    """
    ids = _student_ids([each.text for each in texts], run, config)
    for i, each in zip(ids, texts, strict=True):
        if not i:
            raise InputError(f"text {each.text[:40]!r}: holds no token; remove it")
    return [
        {"input_ids": i, "labels": each.label}
        for i, each in zip(ids, texts, strict=True)
    ]


def _student_ids(
    texts: Sequence[str], run: Path, config: TrainConfig
) -> list[list[int]]:
    return tokenize(
        texts,
        load_tokenizer(str(run / "teacher")),
        max_tokens=config.data.max_tokens,
        special_tokens=False,
    )


def _teacher_config(config: TrainConfig, folder: Path) -> dict[str, Any]:
    """Return the sizes of the teacher, from which its operations are counted."""
    raw = read_json(folder / "config.json")
    kept = (
        *("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads"),
        *("intermediate_size", "vocab_size"),
    )
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
