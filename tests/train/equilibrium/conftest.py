"""A SpikingBERT run on the tiny task."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikewright.train.equilibrium.run import train_spikingbert
from spikewright.train.settings.spikingbert import SpikingBertRun
from spikewright.train.settings.spikingbert_read import load_settled_run

TEXT = (Path(__file__).parent / "spikingbert.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def settled_file(place: Path) -> Path:
    """The configuration of the run."""
    path = place / "spikingbert.toml"
    path.write_text(TEXT.replace("BASE", str(place / "encoder")))
    return path


@pytest.fixture(scope="session")
def settled_config(settled_file: Path) -> SpikingBertRun:
    return load_settled_run(settled_file)


@pytest.fixture(scope="session")
def settled(place: Path, settled_config: SpikingBertRun) -> Path:
    """The folder of a run that nothing disturbed."""
    train_spikingbert(settled_config, place / "data", place / "spikingbert")
    return place / "spikingbert"
