"""What the stages work on: texts, their rows, and the teacher's encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from spikewright.errors import InputError
from spikewright.train.settings.stage_tables import FRESH, StagedRun
from spikewright.train.stages.place import Place, by_one
from spikewright.train.teachers.fresh_bert import make_fresh_bert
from spikewright.train.teachers.teacher import (
    find_encoder,
    load_classifier,
    load_tokenizer,
    loading,
)
from spikewright.train.texts.data import LabeledText, Row
from spikewright.train.texts.sources import (
    labeled_rows,
    read_labeled,
    read_unlabeled,
    unlabeled_rows,
)
from spikewright.whole_files import private_folder, usual_mode


@dataclass(frozen=True)
class Texts:
    """The texts of a run's task, and where those of stage 1 are."""

    data: Path | None
    """folder with one folder a task; None if all data are of the hub"""
    train: Sequence[LabeledText]
    validation: Sequence[LabeledText]


def read_texts(config: StagedRun, data: Path | None) -> Texts:
    """Read the texts of the task.

    Raises:
        BackendMissingError: data of the hub, and datasets is not installed.
        InputError: data are missing or unfit.
    """
    classes, name = len(config.data.labels), config.data.validation
    train = [
        each
        for source in config.data.train
        for each in read_labeled(data, source, "train", classes=classes)
    ]
    validation = read_labeled(data, name, "validation", classes=classes)
    return Texts(data, train, validation)


# --- stage 1 -------------------------------------------------------------------------


def general_texts(
    place: Place[StagedRun], texts: Texts
) -> tuple[str, PreTrainedTokenizerBase, list[str]]:
    """Return the teacher's encoder before tuning, its tokenizer, and what it reads.

    Raises:
        BackendMissingError: data of the hub, and datasets is not installed.
        InputError: there is no encoder, or data are missing, unfit or too few.
    """
    table = place.config.stage1
    unlabeled = [one for name in table.text for one in read_unlabeled(texts.data, name)]
    base = teacher_base(place, texts)
    tokenizer, held_out = load_tokenizer(base), table.held_out
    if len(unlabeled) <= held_out:
        raise InputError(
            f"stage1: {len(unlabeled)} texts, of which {held_out} are held out; name "
            "more [stage1] text or lower held_out"
        )
    return base, tokenizer, unlabeled


def general_rows(
    config: StagedRun, texts: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> list[Row]:
    """Return the rows of stage 1, shuffled; the first `held_out` are not learned."""
    rows = unlabeled_rows(texts, tokenizer, config)
    generator = torch.Generator().manual_seed(config.seed)
    return [rows[i] for i in torch.randperm(len(rows), generator=generator).tolist()]


# --- the teacher ---------------------------------------------------------------------


def teacher_base(place: Place[StagedRun], texts: Texts) -> str:
    """Return the teacher's encoder; a fresh one is made first."""
    config = place.config
    if config.teacher.base != FRESH:
        return config.teacher.base
    folder = place.run / FRESH

    def make() -> None:
        if folder.exists():
            return
        own = [each.text for each in texts.train]
        longest = config.data.max_tokens
        with private_folder(folder) as part:
            make_fresh_bert(
                own, config.teacher, part, max_tokens=longest, seed=config.seed
            )
            part.chmod(usual_mode(0o777))
            part.rename(folder)

    by_one(make)
    return str(folder)


def load_base(base: str) -> PreTrainedModel:
    """Load the teacher's encoder, without a classifier.

    Raises:
        InputError: there is none.
    """
    with loading(base):
        model: PreTrainedModel = AutoModel.from_pretrained(
            find_encoder(base), use_safetensors=True, trust_remote_code=False
        )
    return model


def tuned_tokenizer(place: Place[StagedRun]) -> PreTrainedTokenizerBase:
    """Load the tokenizer of the teacher that stage teacher left."""
    return load_tokenizer(str(place.run / "teacher"))


def tuned_teacher(place: Place[StagedRun]) -> PreTrainedModel:
    """Load the teacher that stage teacher left, with its classifier."""
    classes = len(place.config.data.labels)
    return load_classifier(str(place.run / "teacher"), classes=classes)


# --- the task ------------------------------------------------------------------------


def task_rows(
    config: StagedRun,
    texts: Texts,
    made: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
) -> tuple[list[Row], list[Row]]:
    """Return the rows to learn from, the made ones last, and those of validation."""
    rows = labeled_rows(texts.train, tokenizer, config)
    rows += unlabeled_rows(made, tokenizer, config)
    return rows, labeled_rows(texts.validation, tokenizer, config)
