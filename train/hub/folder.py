"""A folder that is ready to be pushed to a hub: no code in it, no pickle."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import (
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedTokenizerBase,
)

from spikewright.errors import InputError
from spikewright.train.auto import CLASSIFIERS
from spikewright.train.folders.checkpoint import load_whole, read_json
from spikewright.train.hub.card import (
    CARD,
    CHECKPOINT,
    CardFacts,
    model_card,
    read_facts,
)
from spikewright.train.hub.tokenizer import save_tokenizer
from spikewright.whole_files import cannot_write, whole_file, write_json

README, WEIGHTS = "README.md", "model.safetensors"
STUDENTS = ("student", "denorm", "quantized")
"""folders of a run that hold one"""


def write_model_cards(run: Path) -> None:
    """Write README.md beside each student of a run, from what the run recorded.

    Raises:
        InputError: a file cannot be read or written.
    """
    for folder in (run / stage for stage in STUDENTS):
        if (folder / WEIGHTS).exists():
            facts = read_facts(folder, name=run.resolve().name)
            with whole_file(folder / README) as temporary:
                temporary.write_text(model_card(facts), encoding="utf-8")


def write_model_folder(checkpoint: Path, folder: Path, facts: CardFacts) -> None:
    """Write configuration, weights, tokenizer, the run's card and README.md.

    What else lies in `folder`, such as a clone's `.git`, stays.

    Args:
        checkpoint: a student of one of our families; it is loaded, strictly, to see
            that it is whole.
        folder: made if it is not there.
        facts: of the checkpoint.

    Raises:
        InputError: the checkpoint is not whole or not ours, or has no tokenizer, or
            `folder` cannot be written or is the checkpoint itself.
    """
    if folder.resolve() == checkpoint.resolve():
        raise InputError(f"{folder}: is the checkpoint itself; choose another folder")
    tokenizer = _tokenizer(checkpoint, check_checkpoint(checkpoint))
    text = model_card(facts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", _with_label_ids(facts.config))
        with whole_file(folder / WEIGHTS) as temporary:
            shutil.copyfile(checkpoint / WEIGHTS, temporary)
        save_tokenizer(tokenizer, folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    if facts.run:
        write_json(folder / CARD, {**facts.run, CHECKPOINT: facts.stage})
    with whole_file(folder / README) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_checkpoint(folder: Path) -> PretrainedConfig:
    """Load a checkpoint once, strictly, and return its configuration.

    Raises:
        InputError: it is of no family of ours, or not whole.
    """
    found = read_json(folder / "config.json").get("model_type")
    kinds = {config.model_type: model for config, model in CLASSIFIERS}
    if found not in kinds:
        raise InputError(
            f"{folder}: model type '{found}'; a card is written for "
            f"{' or '.join(kinds)}; give the folder that holds the student"
        )
    return load_whole(folder, kinds[found]).config


def _tokenizer(folder: Path, config: PretrainedConfig) -> PreTrainedTokenizerBase:
    try:
        found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, config=config, trust_remote_code=False
        )
    except (OSError, TypeError, ValueError) as error:
        said = (str(error).strip() or repr(error)).splitlines()[0]
        raise InputError(f"{folder}: has no tokenizer that loads: {said}") from error
    return found


def _with_label_ids(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration that also maps names to classes, as hubs expect."""
    names: Mapping[str, str] = config.get("id2label") or {}
    return {**config, "label2id": {name: int(key) for key, name in names.items()}}
