"""A whole SpikeBERT run: teacher, new texts, stages 1, 2, denorm. Each stage resumes.

Also under `torchrun`: the main process writes, the others wait for it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from transformers import PreTrainedTokenizerBase

from spikewright.errors import InputError
from spikewright.train.folders.claim import run_folder
from spikewright.train.hub.folder import write_model_cards
from spikewright.train.meter import Say, ignore
from spikewright.train.settings.spikebert import FRESH, SpikeBertRun
from spikewright.train.stages.card import (
    CARD,
    add_slice,
    begin_card,
    claim_folder,
    slices,
)
from spikewright.train.stages.denorm import denorm_stage
from spikewright.train.stages.model import word_table
from spikewright.train.stages.names import (
    DENORM,
    FOLDERS,
    chosen_stages,
    finished_stages,
)
from spikewright.train.stages.place import Place, by_one
from spikewright.train.stages.stages import general_stage, task_stage, teacher_stage
from spikewright.train.stages.trainer import SliceEndedError
from spikewright.train.teachers.fresh_bert import make_fresh_bert
from spikewright.train.teachers.mask_fill import fill_masks, load_filler
from spikewright.train.teachers.teacher import load_classifier, load_tokenizer
from spikewright.train.texts.data import LabeledText
from spikewright.train.texts.replace import (
    Replace,
    by_groups,
    by_neighbors,
    by_vocabulary,
    make_texts,
)
from spikewright.train.texts.sources import read_labeled, read_unlabeled
from spikewright.whole_files import private_folder, usual_mode, whole_file, write_json


def train_spikebert(
    config: SpikeBertRun,
    data: Path | None,
    run: Path,
    *,
    stage: str | None = None,
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
        stage: the only one to do: teacher, stage1, stage2, or denorm, which is done
            only so and goes to `run/denorm`; None: the first three.
        minutes: after which to save and stop; None: at the end.
        say: receives a line for each stage and each evaluation.

    Returns:
        The card, or None where the time ended first: call again to go on.

    Raises:
        BackendMissingError: a package that the configuration names is not installed.
        ConfigError: the sizes do not fit, or the loss is no longer a finite number.
        InputError: data or encoder are missing or unfit, `run` holds a run of another
            configuration or of other data or is at work in another process, there is
            no such stage, or it needs another that is not done.
    """
    state = PartialState(cpu=not torch.cuda.is_available())
    stages = chosen_stages(config, run, stage)
    card = begin_card(config, data, processes=state.num_processes)
    end_s = None if minutes is None else time.monotonic() + 60 * minutes
    place = Place(config, run, end_s, say if state.is_main_process else ignore)
    with run_folder(run, is_main=state.is_main_process):
        return _run(place, data, stages, card)


def _run(
    place: Place, data: Path | None, stages: Sequence[str], card: dict[str, Any]
) -> dict[str, Any] | None:
    """Do the stages and complete the card; None if the time ended first."""
    config, run, start_s = place.config, place.run, time.monotonic()
    by_one(lambda: claim_folder(run, card))
    if DENORM in stages:
        by_one(lambda: claim_folder(run / DENORM, {**card, "config": _denorm(config)}))
    is_done = _run_stages(place, data, stages)
    by_one(lambda: add_slice(run, time.monotonic() - start_s))
    if not is_done:
        return None
    card |= finished_stages(run)
    card["seconds_of_slices"] = slices(run)
    by_one(lambda: write_json(run / CARD, card))
    by_one(lambda: write_model_cards(run))
    return card


def _denorm(config: SpikeBertRun) -> dict[str, Any]:
    """Return what folder `denorm` keeps to: its table may come after stage 2."""
    return {DENORM: asdict(config.denorm)}


def _run_stages(place: Place, data: Path | None, stages: Sequence[str]) -> bool:
    """Do them, in order; return whether the time sufficed."""
    config, classes = place.config, len(place.config.data.labels)
    train = [
        each
        for name in config.data.train
        for each in read_labeled(data, name, "train", classes=classes)
    ]
    name = config.data.validation
    validation = read_labeled(data, name, "validation", classes=classes)
    place.say(f"{len(train)} training texts, {len(validation)} for validation")
    try:
        for stage in stages:
            _run_stage(place, data, stage, train, validation)
            _say_accuracy(place, stage)
    except SliceEndedError as ended:
        place.say(f"the slice of time is over at {ended}; call again to go on")
        return False
    return True


def _run_stage(
    place: Place,
    data: Path | None,
    stage: str,
    train: Sequence[LabeledText],
    validation: Sequence[LabeledText],
) -> None:
    match stage:
        case "teacher":
            teacher_stage(place, teacher_base(place, train), train, validation)
        case "stage1":
            names = place.config.stage1.text
            texts = [each for name in names for each in read_unlabeled(data, name)]
            general_stage(place, teacher_base(place, train), texts)
        case "stage2":
            task_stage(place, train, made_texts(place, train), validation)
        case _:
            denorm_stage(place, train, made_texts(place, train), validation)


def _say_accuracy(place: Place, stage: str) -> None:
    name = FOLDERS[stage]
    result = finished_stages(place.run)[name]
    if "validation_accuracy" in result:
        place.say(f"{name}: {result['validation_accuracy']:.4f} on validation")


def teacher_base(place: Place, train: Sequence[LabeledText]) -> str:
    """Return the teacher's encoder; a fresh one is made first."""
    config = place.config
    if config.teacher.base != FRESH:
        return config.teacher.base
    folder = place.run / FRESH

    def make() -> None:
        if folder.exists():
            return
        texts = [each.text for each in train]
        longest = config.data.max_tokens
        with private_folder(folder) as part:
            make_fresh_bert(
                texts, config.teacher, part, max_tokens=longest, seed=config.seed
            )
            part.chmod(usual_mode(0o777))
            part.rename(folder)

    by_one(make)
    return str(folder)


def made_texts(place: Place, train: Sequence[LabeledText]) -> list[str]:
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
