"""The folder of a run: what it began with, what is done, what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from spikewright.train.folders.checkpoint import read_json
from spikewright.train.folders.claim import claim, sweep_torn, versions
from spikewright.train.settings.config import TrainConfig
from spikewright.train.texts.sources import hash_texts
from spikewright.whole_files import write_json

QUANTIZED = "quantized"
"""folder, and key on the card, of the student that learned on in integers"""


def begin_card(config: TrainConfig, data: Path | None) -> dict[str, Any]:
    """Return the part of a card that is known before the run."""
    named = (*config.data.train, *config.data.unlabeled)
    splits = [(name, "train") for name in named]
    splits.append((config.data.validation, "validation"))
    return {
        "config": config.as_dict(),
        "data_sha256": {f"{n}/{s}": hash_texts(data, n, s) for n, s in splits},
        "versions": versions(("torch", "snntorch", "transformers", "numpy")),
        "torch_threads": torch.get_num_threads(),
    }


def teacher_config(config: TrainConfig, folder: Path) -> dict[str, Any]:
    """Return the sizes of the teacher, from which its operations are counted."""
    raw = read_json(folder / "config.json")
    kept = (
        *("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads"),
        *("intermediate_size", "vocab_size"),
    )
    name = config.teacher.base.removeprefix("package:")
    labels = {"id2label": dict(enumerate(config.data.labels))}
    return {"_name_or_path": name, **{key: raw[key] for key in kept}, **labels}


def open_run(run: Path, card: dict[str, Any]) -> None:
    """Claim a run's folder, or refuse to go on with one of other configuration or data.

    Raises:
        InputError: a run of other values is in it.
    """
    # [quantize] may come later, or change: its stage is the last, and claims its own.
    config = {k: v for k, v in card["config"].items() if k != "quantize"}
    claim(run / "config.json", config)
    claim(run / "data.json", card["data_sha256"])


def once(folder: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the result of `work`, from `folder/result.json` if it was done before."""
    path = folder / "result.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        sweep_torn(folder)
        write_json(path, work())
    return read_json(path)
