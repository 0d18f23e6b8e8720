"""A run of a deployable student reads data sets of the hub and folders alike."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spikewright.errors import InputError
from spikewright.train.distill.folder import begin_card
from spikewright.train.distill.pipeline import train_run
from spikewright.train.settings.config import TrainConfig
from spikewright.train.texts.data import NO_LABEL, LabeledText
from spikewright.train.texts.unlabeled import read_unlabeled

ROWS = [
    {"sentence": "a fine tale", "label": 1, "idx": 0},
    {"sentence": "A FINE TALE!", "label": 1, "idx": 1},
    {"sentence": "a dull one", "label": 0, "idx": 2},
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A stand-in for the datasets package, and what it was asked for."""
    calls: list[tuple[Any, ...]] = []

    def load_dataset(path: str, name: str | None = None, *, split: str) -> Any:
        calls.append((path, name, split))
        return ROWS

    module = SimpleNamespace(load_dataset=load_dataset)
    monkeypatch.setitem(sys.modules, "datasets", module)
    return calls


def _of_the_hub(config: TrainConfig, **names: Any) -> TrainConfig:
    return dataclasses.replace(config, data=dataclasses.replace(config.data, **names))


def test_a_card_hashes_the_hub_s_rows(
    config: TrainConfig, asked: list[tuple[Any, ...]]
) -> None:
    name = "hub:nyu-mll/glue:sst2"
    of_hub = _of_the_hub(config, train=(name,), validation=name, unlabeled=())
    hashes = begin_card(of_hub, None)["data_sha256"]
    assert set(hashes) == {f"{name}/train", f"{name}/validation"}
    assert len(set(hashes.values())) == 1  # the same rows
    assert asked[:2] == [
        ("nyu-mll/glue", "sst2", "train"),
        ("nyu-mll/glue", "sst2", "validation"),
    ]


def test_folders_and_the_hub_stand_side_by_side(
    config: TrainConfig, place: Path, asked: list[tuple[Any, ...]]
) -> None:
    both = _of_the_hub(config, train=("tiny", "hub:rotten_tomatoes"))
    hashes = begin_card(both, place / "data")["data_sha256"]
    assert set(hashes) == {
        "tiny/train",
        "hub:rotten_tomatoes/train",
        "tiny/validation",
    }
    assert [each[0] for each in asked] == ["rotten_tomatoes"]


def test_unlabeled_texts_of_the_hub_leave_validation_alone(
    config: TrainConfig, asked: list[tuple[Any, ...]]
) -> None:
    of_hub = _of_the_hub(config, unlabeled=("hub:rotten_tomatoes",))
    told: list[str] = []
    held_out = [LabeledText("a fine tale", 1)]
    kept = read_unlabeled(of_hub, None, held_out, told.append)
    assert kept == [LabeledText("a dull one", NO_LABEL)]
    assert told == ["2 unlabeled texts stand in the validation split, too: left out"]
    assert asked == [("rotten_tomatoes", None, "train")]


def test_a_folder_without_a_data_directory_is_refused(
    config: TrainConfig, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"'tiny' is a folder .* as --data, or write"):
        train_run(config, None, tmp_path / "run")
    assert not (tmp_path / "run").exists()
