"""Where a run is at work, and what is done once and by one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from accelerate import PartialState
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from spikewright.train.folders.checkpoint import read_json
from spikewright.train.folders.claim import sweep_torn
from spikewright.train.folders.writing import Writing
from spikewright.train.hub.tokenizer import save_tokenizer
from spikewright.train.meter import Say
from spikewright.train.settings.stage_tables import StagedRun
from spikewright.whole_files import write_json

Result = dict[str, Any]
Config_co = TypeVar("Config_co", bound=StagedRun, covariant=True)


@dataclass(frozen=True)
class Place(Generic[Config_co]):
    """Where and how a run is at work."""

    config: Config_co
    run: Path
    end_s: float | None
    """`time.monotonic()` at which this slice ends"""
    say: Say

    @property
    def minutes(self) -> float | None:
        """Return what is left of this slice."""
        return None if self.end_s is None else (self.end_s - time.monotonic()) / 60


def by_one(work: Callable[[], object]) -> None:
    """Let the main process do it while the others wait."""
    state = PartialState()
    if state.is_main_process:
        work()
    state.wait_for_everyone()


def once(folder: Path, work: Callable[[], Result]) -> Result:
    """Return the result of `work`, from `folder/result.json` if it was done before."""
    path = folder / "result.json"
    if not path.exists():
        by_one(lambda: sweep_torn(folder))
        result = work()

        def keep() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(path, result)

        by_one(keep)
    return read_json(path)


def save_encoder(
    encoder: PreTrainedModel, save_heads: Callable[[Path], None], folder: Path
) -> None:
    """Write an encoder, and beside it what `save_heads` writes, to a folder."""
    with Writing(folder):
        encoder.save_pretrained(folder)
        save_heads(folder)


def save(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> None:
    """Write a model and its tokenizer to a folder."""
    with Writing(folder):
        model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
