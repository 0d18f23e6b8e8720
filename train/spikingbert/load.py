"""Load a trained SpikingBERT from its folder, strictly."""

from __future__ import annotations

from pathlib import Path

from spikewright.errors import InputError
from spikewright.train.folders.checkpoint import load_whole, read_json
from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.spikingbert.model import SpikingBertForSequenceClassification


def load_spikingbert(folder: Path) -> SpikingBertForSequenceClassification:
    """Load a SpikingBERT in evaluation mode, strictly: every weight must be there.

    Raises:
        InputError: no checkpoint, not one of a SpikingBERT, or a weight is missing or
            left over.
    """
    found = read_json(folder / "config.json").get("model_type")
    if found != SpikingBertConfig.model_type:
        raise InputError(
            f"{folder}: model type '{found}', expected "
            f"'{SpikingBertConfig.model_type}'; give the folder student of a run of "
            "family spikingbert"
        )
    return load_whole(folder, SpikingBertForSequenceClassification)
