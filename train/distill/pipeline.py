"""A whole training run: teacher, teacher's labels, student. Each stage resumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from spikewright.errors import ConfigError, InputError
from spikewright.files import read_arrays, write_arrays
from spikewright.train.distill.distill import (
    distill_student,
    new_student,
    student_config,
)
from spikewright.train.distill.folder import (
    QUANTIZED,
    begin_card,
    once,
    open_run,
    teacher_config,
)
from spikewright.train.distill.quantize import quantize_student, student_to_quantize
from spikewright.train.folders.claim import claim, run_folder
from spikewright.train.hub.folder import write_model_cards
from spikewright.train.hub.tokenizer import save_tokenizer
from spikewright.train.meter import Say, ignore
from spikewright.train.quantize.student import Quantizer
from spikewright.train.settings.config import TrainConfig
from spikewright.train.teachers.teacher import (
    FloatArray,
    fine_tune_teacher,
    label_texts,
    load_classifier,
    load_tokenizer,
)
from spikewright.train.texts.augment import augment
from spikewright.train.texts.data import NO_LABEL, LabeledText, Row, tokenize
from spikewright.train.texts.replace import Replace, by_neighbors
from spikewright.train.texts.sources import read_labeled
from spikewright.train.texts.unlabeled import read_unlabeled
from spikewright.whole_files import write_json


def train_run(
    config: TrainConfig,
    data: Path | None,
    run: Path,
    *,
    quantizer: Quantizer | None = None,
    say: Say = ignore,
) -> dict[str, Any]:
    """Fine-tune the teacher, label the texts, distill the student into `run`.

    With epochs in [quantize] the student then learns on in integers.

    A finished stage is not done again; an interrupted one goes on from its last
    checkpoint, and ends as if it had not been interrupted. One run at a time is at
    work in a folder. `run/student/card.json` records configuration, data, versions,
    results.

    Args:
        config: the run's configuration.
        data: folder with one folder a task, each with `train.jsonl` and so on; None
            if all data are of the hub.
        run: where everything goes.
        quantizer: lowers a student to its integers; [quantize] needs it.
        say: receives a line for each stage and each evaluation.

    Returns:
        The card.

    Raises:
        BackendMissingError: a package that the configuration names is not installed.
        ConfigError: the sizes do not fit, or the loss is no longer a finite number, or
            there are epochs in [quantize] and no quantizer.
        GraphError: the student cannot be lowered.
        InputError: data or encoder are missing or unfit, or `run` holds a run of
            another configuration or of other data, or is at work in another process.
    """
    student_config(config, vocabulary=1)  # refuse its sizes before the teacher's hours
    if config.quantize.epochs and quantizer is None:
        raise ConfigError(
            "[quantize]: needs a quantizer, which lowers a student to its integers; "
            "give one, or train with 'spikewright train'"
        )
    classes = len(config.data.labels)
    train = [
        each
        for name in config.data.train
        for each in read_labeled(data, name, "train", classes=classes)
    ]
    name = config.data.validation
    validation = read_labeled(data, name, "validation", classes=classes)
    unlabeled = read_unlabeled(config, data, validation, say)
    say(
        f"{len(train)} training texts, {len(unlabeled)} more without a label, "
        f"{len(validation)} for validation"
    )
    card = begin_card(config, data)
    with run_folder(run):
        open_run(run, card)
        card["teacher"] = _teacher(config, train, validation, run / "teacher", say)
        texts = [*unlabeled, *train]  # a text that is in both keeps its label
        card["student"] = _student(config, texts, validation, run, say)
        card["teacher_config"] = teacher_config(config, run / "teacher")
        write_json(run / "student" / "card.json", card)
        if config.quantize.epochs and quantizer is not None:
            card[QUANTIZED] = _quantized(config, texts, validation, run, quantizer, say)
            write_json(run / QUANTIZED / "card.json", card)
        write_model_cards(run)
    return card


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

    result = once(folder, work)
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
    replace = _replacement(config, run) if config.augment.replace_probability else None
    made = augment(list(originals), config.augment, rng, replace=replace)
    texts, labels = [*originals, *made], [*originals.values(), *[NO_LABEL] * len(made)]
    say(f"labels: the teacher reads {len(texts)} texts, {len(made)} of them made")
    logits = _logits(config, texts, run, say)
    ids = _student_ids(texts, run, config)
    return [
        {"input_ids": i, "labels": label, "teacher_logits": logit.tolist()}
        for i, label, logit in zip(ids, labels, logits, strict=True)
        if i
    ]


def _replacement(config: TrainConfig, run: Path) -> Replace:
    """Return a replacement by any word of the vocabulary that the teacher embeds alike.

    Of the whole vocabulary, so that the student meets words no training text has.
    """
    tokenizer = load_tokenizer(str(run / "teacher"))
    table = _load_teacher(config, run).get_input_embeddings().get_parameter("weight")
    return by_neighbors(sorted(tokenizer.get_vocab()), tokenizer, table.detach())


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
        save_tokenizer(load_tokenizer(str(run / "teacher")), run / "student")
        return {"validation_accuracy": measured}

    result = once(run / "student", work)
    say(f"student: {result['validation_accuracy']:.4f} on validation (float)")
    return result


def _quantized(
    config: TrainConfig,
    train: Sequence[LabeledText],
    validation: Sequence[LabeledText],
    run: Path,
    quantizer: Quantizer,
    say: Say,
) -> dict[str, Any]:
    folder = run / QUANTIZED

    def work() -> dict[str, Any]:
        rows = _labeled_rows(config, train, run, say)
        say(f"quantize: learning on in integers, on {len(rows)} texts")
        found = quantize_student(
            student_to_quantize(run / "student", say),
            rows,
            student_rows(validation, run, config),
            folder,
            config,
            quantizer,
            say=say,
        )
        save_tokenizer(load_tokenizer(str(run / "teacher")), folder)
        return found

    folder.mkdir(parents=True, exist_ok=True)
    claim(folder / "quantize.json", asdict(config.quantize))
    result = once(folder, work)
    say(f"quantize: {result['validation_accuracy']:.4f} on validation (integers)")
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
