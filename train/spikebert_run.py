"""A whole SpikeBERT run: teacher, new texts, stage 1, stage 2. Each stage resumes.

Also under `torchrun`: the main process writes, the others wait for it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from transformers import PreTrainedTokenizerBase

from spikewright.errors import InputError
from spikewright.files import whole_file, write_json
from spikewright.train.data import LabeledText
from spikewright.train.fresh_bert import make_fresh_bert
from spikewright.train.mask_fill import fill_masks, load_filler
from spikewright.train.meter import Say, ignore
from spikewright.train.run_card import (
    CARD,
    add_slice,
    begin_card,
    claim_folder,
    slices,
)
from spikewright.train.stage_augment import (
    Replace,
    by_groups,
    by_neighbors,
    by_vocabulary,
    make_texts,
)
from spikewright.train.stage_config import FRESH, SpikeBertRun
from spikewright.train.stage_data import read_labeled, read_unlabeled
from spikewright.train.stage_model import word_table
from spikewright.train.stage_place import Place, by_one
from spikewright.train.stage_trainer import SliceEndedError
from spikewright.train.stages import general_stage, task_stage, teacher_stage
from spikewright.train.teacher import load_classifier, load_tokenizer


def train_spikebert(
    config: SpikeBertRun,
    data: Path | None,
    run: Path,
    *,
    minutes: float | None = None,
    say: Say = ignore,
) -> dict[str, Any] | None:
    """Fine-tune the teacher, distill the student in two stages into `run/student`.

    A finished stage is not done again; an interrupted one goes on from its last
    checkpoint, and ends as if it had not been interrupted. `run/card.json` records
    configuration, data, versions, curves and results.

    Args:
        config: the run's configuration.
        data: folder with one folder a task; None if all data are of the hub.
        run: where everything goes.
        minutes: after which to save and stop; None: at the end.
        say: receives a line for each stage and each evaluation.

    Returns:
        The card, or None where the time ended first: call again to go on.

    Raises:
        BackendMissingError: a package that the configuration names is not installed.
        ConfigError: the sizes do not fit, or the loss is no longer a finite number.
        InputError: data or encoder are missing or unfit, or `run` holds a run of
            another configuration or of other data.
    """
    state, start_s = PartialState(cpu=not torch.cuda.is_available()), time.monotonic()
    card = begin_card(config, data, processes=state.num_processes)
    by_one(lambda: claim_folder(run, card))
    end_s = None if minutes is None else start_s + 60 * minutes
    place = Place(config, run, end_s, say if state.is_main_process else ignore)
    results = _stages(place, data)
    by_one(lambda: add_slice(run, time.monotonic() - start_s))
    if results is None:
        return None
    card |= results
    card["seconds_of_slices"] = slices(run)
    by_one(lambda: write_json(run / CARD, card))
    return card


def _stages(place: Place, data: Path | None) -> dict[str, Any] | None:
    config, classes = place.config, len(place.config.data.labels)
    train = [
        each
        for name in config.data.train
        for each in read_labeled(data, name, "train", classes=classes)
    ]
    name = config.data.validation
    validation = read_labeled(data, name, "validation", classes=classes)
    place.say(f"{len(train)} training texts, {len(validation)} for validation")
    base = _base(place, train)
    results: dict[str, Any] = {}
    try:
        results["teacher"] = teacher_stage(place, base, train, validation)
        _say_accuracy(place, "teacher", results["teacher"])
        if config.stage1.epochs:
            names = config.stage1.text
            texts = [each for name in names for each in read_unlabeled(data, name)]
            results["stage1"] = general_stage(place, base, texts)
        made = _made_texts(place, train)
        results["student"] = task_stage(place, train, made, validation)
        _say_accuracy(place, "student", results["student"])
    except SliceEndedError as ended:
        place.say(f"the slice of time is over at {ended}; call again to go on")
        return None
    return results


def _say_accuracy(place: Place, name: str, result: dict[str, Any]) -> None:
    place.say(f"{name}: {result['validation_accuracy']:.4f} on validation")


def _base(place: Place, train: Sequence[LabeledText]) -> str:
    """Return the teacher's encoder; a fresh one is made first."""
    config = place.config
    if config.teacher.base != FRESH:
        return config.teacher.base
    folder = place.run / FRESH

    def make() -> None:
        if not (folder / "config.json").exists():
            texts = [each.text for each in train]
            longest = config.data.max_tokens
            make_fresh_bert(
                texts, config.teacher, folder, max_tokens=longest, seed=config.seed
            )

    by_one(make)
    return str(folder)


def _made_texts(place: Place, train: Sequence[LabeledText]) -> list[str]:
    """Return the augmented texts, made once."""
    path = place.run / "augmented.jsonl"
    if not place.config.augment.rounds:
        return []

    def make() -> None:
        if not path.exists():
            made = _augment(place, [each.text for each in train])
            with whole_file(path) as temporary:
                lines = (json.dumps(text, ensure_ascii=False) for text in made)
                temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")

    by_one(make)
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return [json.loads(line) for line in lines if line]


def _augment(place: Place, texts: Sequence[str]) -> list[str]:
    config, table = place.config, place.config.augment
    tokenizer = load_tokenizer(str(place.run / "teacher"))
    mask, rng = tokenizer.mask_token, np.random.default_rng(config.seed)
    if mask is None and table.mask_probability:
        raise InputError(
            "augment: the teacher's tokenizer has no mask; set [augment] "
            "mask_probability = 0 or take another teacher"
        )
    replace = _replacement(place, texts, tokenizer)
    made = make_texts(texts, table, rng, replace=replace, mask=str(mask))
    place.say(f"augment: {len(made)} new texts")
    if not table.fill:
        return made
    filler, own = load_filler(table.fill)
    longest = config.data.max_tokens
    return fill_masks(
        made, filler, own, rng, mask=str(mask), max_tokens=longest, say=place.say
    )


def _replacement(
    place: Place, texts: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> Replace:
    config, table = place.config, place.config.augment
    match table.replacement:
        case "vocabulary":
            return by_vocabulary(texts)
        case "groups":
            return by_groups(Path(table.groups))
    classes = len(config.data.labels)
    teacher = load_classifier(str(place.run / "teacher"), classes=classes)
    return by_neighbors(texts, tokenizer, word_table(teacher))
