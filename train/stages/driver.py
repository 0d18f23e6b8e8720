"""A whole run, stage by stage, of whichever student. Each stage resumes.

Also under `torchrun`: the main process writes, the others wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import PartialState

from spikewright.train.folders.claim import run_folder
from spikewright.train.hub.folder import write_model_cards
from spikewright.train.meter import Say, ignore
from spikewright.train.settings.stage_tables import StagedRun
from spikewright.train.stages.card import (
    CARD,
    add_slice,
    begin_card,
    claim_folder,
    slices,
)
from spikewright.train.stages.material import Texts, read_texts
from spikewright.train.stages.names import FOLDERS, chosen_stages, finished_stages
from spikewright.train.stages.place import Place, Result, by_one
from spikewright.train.stages.trainer import SliceEndedError
from spikewright.whole_files import write_json

Config = TypeVar("Config", bound=StagedRun)
Stages = Mapping[str, Callable[[Place[Config], Texts], Result]]
"""each stage of a family by its name, in their order"""


def train_by_stages(
    config: Config,
    data: Path | None,
    run: Path,
    stages: Stages[Config],
    *,
    stage: str | None,
    minutes: float | None,
    say: Say,
) -> dict[str, Any] | None:
    """Do those stages of the family that are not done, or the one that is named.

    Arguments, result and errors are those of `train_spikebert` and the stages'.
    """
    state = PartialState(cpu=not torch.cuda.is_available())
    names = chosen_stages(config, run, stage, family=stages)
    card = begin_card(config, data, processes=state.num_processes)
    end_s = None if minutes is None else time.monotonic() + 60 * minutes
    place = Place(config, run, end_s, say if state.is_main_process else ignore)
    with run_folder(run, is_main=state.is_main_process):
        return _run(place, data, {name: stages[name] for name in names}, card)


def _run(
    place: Place[Config],
    data: Path | None,
    stages: Stages[Config],
    card: dict[str, Any],
) -> dict[str, Any] | None:
    """Do the stages and complete the card; None if the time ended first."""
    run, start_s = place.run, time.monotonic()
    by_one(lambda: _claim(place, stages, card))
    is_done = _run_stages(place, data, stages)
    by_one(lambda: add_slice(run, time.monotonic() - start_s))
    if not is_done:
        return None
    card |= finished_stages(run)
    card["seconds_of_slices"] = slices(run)
    by_one(lambda: write_json(run / CARD, card))
    by_one(lambda: write_model_cards(run))
    return card


def _claim(
    place: Place[StagedRun], names: Collection[str], card: Mapping[str, Any]
) -> None:
    claim_folder(place.run, card)
    for name, table in place.config.later.items():
        if name in names:
            own = {**card, "config": {name: table}}
            claim_folder(place.run / FOLDERS[name], own)


def _run_stages(
    place: Place[Config], data: Path | None, stages: Stages[Config]
) -> bool:
    """Do them, in order; return whether the time sufficed."""
    texts = read_texts(place.config, data)
    place.say(
        f"{len(texts.train)} training texts, {len(texts.validation)} for validation"
    )
    try:
        for name, do in stages.items():
            found = do(place, texts)
            if "validation_accuracy" in found:
                accuracy = found["validation_accuracy"]
                place.say(f"{FOLDERS[name]}: {accuracy:.4f} on validation")
    except SliceEndedError as ended:
        place.say(f"the slice of time is over at {ended}; call again to go on")
        return False
    return True
