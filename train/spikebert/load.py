"""Load a trained SpikeBERT from its folder, strictly."""

from __future__ import annotations

from pathlib import Path

from spikewright.errors import InputError
from spikewright.train.folders.checkpoint import load_whole, read_json
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification


def load_spikebert(folder: Path) -> SpikeBertForSequenceClassification:
    """Load a SpikeBERT in evaluation mode, strictly: every weight must be there.

    Raises:
        InputError: no checkpoint, not one of a SpikeBERT, or a weight is missing or
            left over.
    """
    found = read_json(folder / "config.json").get("model_type")
    if found != SpikeBertConfig.model_type:
        raise InputError(
            f"{folder}: model type '{found}', expected '{SpikeBertConfig.model_type}'; "
            "give the folder student or denorm of a run of family spikebert"
        )
    return load_whole(folder, SpikeBertForSequenceClassification)
