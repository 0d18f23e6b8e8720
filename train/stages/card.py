"""What a run leaves behind to be judged and repeated by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from spikewright.train.folders.claim import claim, make_folder, versions
from spikewright.train.settings.stage_tables import StagedRun
from spikewright.train.texts.sources import hash_texts
from spikewright.whole_files import whole_file

PACKAGES = ("torch", "snntorch", "transformers", "accelerate", "numpy")
CARD, SLICES = "card.json", "slices.jsonl"


def begin_card(
    config: StagedRun, data: Path | None, *, processes: int
) -> dict[str, Any]:
    """Return the part of a card that is known before the run.

    Raises:
        BackendMissingError: data of the hub, and datasets is not installed.
        InputError: data are missing.
    """
    splits = [(name, "train") for name in config.data.train]
    splits.append((config.data.validation, "validation"))
    if config.stage1.epochs:
        splits += [(name, "train") for name in config.stage1.text]
    hashes = {f"{n}/{s}": hash_texts(data, n, s) for n, s in dict.fromkeys(splits)}
    return {
        "config": config.as_dict(),
        "set": list(config.settings),
        "data_sha256": hashes,
        "processes": processes,
        "device": _device(),
        "versions": versions(PACKAGES),
    }


def _device() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"cpu, {torch.get_num_threads()} threads"


def claim_folder(run: Path, card: Mapping[str, Any]) -> None:
    """Make the folder, or refuse one of another configuration, data or size.

    Raises:
        InputError: it cannot be made, or a run of other values is in it.
    """
    make_folder(run)
    kept = {key: card[key] for key in ("config", "data_sha256", "processes")}
    claim(run / "run.json", kept)


def add_slice(run: Path, seconds: float) -> None:
    """Note how long one call of the run took."""
    every = [*slices(run), round(seconds, 1)]
    with whole_file(run / SLICES) as temporary:
        lines = (json.dumps({"seconds": each}) + "\n" for each in every)
        temporary.write_text("".join(lines), encoding="utf-8")


def slices(run: Path) -> list[float]:
    """Return the seconds of each call so far."""
    path = run / SLICES
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [float(json.loads(line)["seconds"]) for line in lines]
