"""A whole SpikingBERT run: teacher, new texts, stages 1 and 2. Each stage resumes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from spikewright.errors import InputError
from spikewright.train.equilibrium.stages import general_stage, task_stage
from spikewright.train.folders.claim import run_folder
from spikewright.train.hub.folder import write_model_cards
from spikewright.train.meter import Say, ignore
from spikewright.train.settings.spikingbert import FAMILY, SpikingBertRun
from spikewright.train.stages.card import (
    CARD,
    add_slice,
    begin_card,
    claim_folder,
    slices,
)
from spikewright.train.stages.names import (
    DENORM,
    FOLDERS,
    chosen_stages,
    finished_stages,
)
from spikewright.train.stages.place import Place, by_one
from spikewright.train.stages.run import made_texts, teacher_base
from spikewright.train.stages.stages import teacher_stage
from spikewright.train.stages.trainer import SliceEndedError
from spikewright.train.texts.data import LabeledText
from spikewright.train.texts.sources import read_labeled, read_unlabeled
from spikewright.whole_files import write_json

STAGES = tuple(name for name in FOLDERS if name != DENORM)
"""of a run of this family; its norms fold from the start, or never"""


def train_spikingbert(
    config: SpikingBertRun,
    data: Path | None,
    run: Path,
    *,
    stage: str | None = None,
    minutes: float | None = None,
    say: Say = ignore,
) -> dict[str, Any] | None:
    """Fine-tune the teacher, distill the student at equilibrium into `run/student`.

    A finished stage is not done again; an interrupted one goes on from its last
    checkpoint. `run/card.json` records configuration, data, versions, curves, results.

    Args:
        config: the run's configuration.
        data: folder with one folder a task; None if all data are of the hub.
        run: where everything goes.
        stage: the only one to do: teacher, stage1 or stage2; None: all.
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
        NoEquilibriumError: feedback grew until rates have no equilibrium.
    """
    if stage is not None and stage not in STAGES:
        raise InputError(
            f"--stage {stage}: no stage of family {FAMILY}; it has {', '.join(STAGES)}"
        )
    state = PartialState(cpu=not torch.cuda.is_available())
    stages = chosen_stages(config.shared, run, stage)
    card = begin_card(config.shared, data, processes=state.num_processes)
    card["config"] = config.as_dict()
    end_s = None if minutes is None else time.monotonic() + 60 * minutes
    teller = say if state.is_main_process else ignore
    place = Place(config.shared, run, end_s, teller)
    with run_folder(run, is_main=state.is_main_process):
        return _run(place, config, data, stages, card)


def _run(
    place: Place,
    config: SpikingBertRun,
    data: Path | None,
    stages: Sequence[str],
    card: dict[str, Any],
) -> dict[str, Any] | None:
    """Do the stages and complete the card; None if the time ended first."""
    run, start_s = place.run, time.monotonic()
    by_one(lambda: claim_folder(run, card))
    is_done = _run_stages(place, config, data, stages)
    by_one(lambda: add_slice(run, time.monotonic() - start_s))
    if not is_done:
        return None
    card |= finished_stages(run)
    card["seconds_of_slices"] = slices(run)
    by_one(lambda: write_json(run / CARD, card))
    by_one(lambda: write_model_cards(run))
    return card


def _run_stages(
    place: Place, config: SpikingBertRun, data: Path | None, stages: Sequence[str]
) -> bool:
    """Do them, in order; return whether the time sufficed."""
    classes, name = len(config.data.labels), config.data.validation
    train = [
        each
        for source in config.data.train
        for each in read_labeled(data, source, "train", classes=classes)
    ]
    validation = read_labeled(data, name, "validation", classes=classes)
    place.say(f"{len(train)} training texts, {len(validation)} for validation")
    try:
        for stage in stages:
            found = _run_stage(place, config, data, stage, train, validation)
            if "validation_accuracy" in found:
                accuracy = found["validation_accuracy"]
                place.say(f"{FOLDERS[stage]}: {accuracy:.4f} on validation")
    except SliceEndedError as ended:
        place.say(f"the slice of time is over at {ended}; call again to go on")
        return False
    return True


def _run_stage(
    place: Place,
    config: SpikingBertRun,
    data: Path | None,
    stage: str,
    train: Sequence[LabeledText],
    validation: Sequence[LabeledText],
) -> dict[str, Any]:
    match stage:
        case "teacher":
            return teacher_stage(place, teacher_base(place, train), train, validation)
        case "stage1":
            names = config.stage1.text
            texts = [each for name in names for each in read_unlabeled(data, name)]
            return general_stage(place, config, teacher_base(place, train), texts)
        case _:
            made = made_texts(place, train)
            return task_stage(place, config, train, made, validation)
