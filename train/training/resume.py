"""A training that was cut goes on as if it had not been."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import Sampler
from transformers import Trainer, TrainerState

from spikewright.train.folders.writing import Writing

STATE, ORDER_FILE = "trainer_state.json", "order.safetensors"
PARTS = ("model.safetensors", "optimizer.pt", "scheduler.pt")
"""of a checkpoint, besides its state and those of the random numbers"""


class Redrawn(Sampler[int]):
    """A sampler that draws its order of an epoch by torch, and can draw it again."""

    def __init__(self, sampler: Sampler[int]) -> None:
        self.sampler = sampler
        self.before = torch.get_rng_state()
        """the random state before this epoch's order was drawn"""
        self.again: torch.Tensor | None = None
        """the state to draw the next order from, instead of what it is then"""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.sampler)  # type: ignore[arg-type]  # it has one

    def __iter__(self) -> Iterator[int]:
        """Draw the order of an epoch."""
        if self.again is not None:
            torch.set_rng_state(self.again)
            self.again = None
        self.before = torch.get_rng_state()
        return iter(list(self.sampler))


class ResumingTrainer(Trainer):
    """A Trainer that goes on in the middle of an epoch with the rows left of it."""

    order: Redrawn | None = None
    _again: torch.Tensor | None = None

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
        sampler = super()._get_train_sampler(train_dataset)
        if sampler is None:
            return None
        self.order = Redrawn(sampler)
        self.order.again, self._again = self._again, None
        return self.order

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with Writing(Path(str(self.args.output_dir))):
            super()._save_checkpoint(model, trial)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        if self.order is not None:
            save_file({"before": self.order.before}, Path(output_dir) / ORDER_FILE)

    def go_on(self, checkpoint: Path | None) -> None:
        """Train from a checkpoint, or from the start, to the end; load the best.

        A checkpoint at the end of the training is not trained on: it was cut between
        its end and what follows.
        """
        if checkpoint is None:
            self.train()
            return
        state = read_state(checkpoint)
        if is_over(state):
            self.state = TrainerState.load_from_json(str(checkpoint / STATE))
            self._load_best_model()
            return
        if (state["epoch"] or 0) % 1 and (checkpoint / ORDER_FILE).exists():
            self._again = load_file(checkpoint / ORDER_FILE)["before"]
        self.train(resume_from_checkpoint=str(checkpoint))


def is_over(state: dict[str, Any]) -> bool:
    """Say whether a training had come to its end, by its steps or for want of gain."""
    if state["global_step"] >= state["max_steps"]:
        return True
    stopper = state.get("stateful_callbacks", {}).get("EarlyStoppingCallback")
    if not isinstance(stopper, dict):
        return False
    waited = stopper["attributes"]["early_stopping_patience_counter"]
    return bool(waited >= stopper["args"]["early_stopping_patience"])


def last_checkpoint(folder: Path, *also: str) -> Path | None:
    """Return the last checkpoint in `folder` that was written to its end.

    One that was being deleted is none. The Trainer writes its state last; files in
    `also` follow it.
    """
    found = [path.parent for path in folder.glob(f"checkpoint-*/{STATE}")]
    whole = [path for path in found if _is_whole(path, also)]
    return max(whole, key=_step, default=None)


def _is_whole(checkpoint: Path, also: tuple[str, ...]) -> bool:
    there = all((checkpoint / name).exists() for name in (*PARTS, *also))
    return there and any(checkpoint.glob("rng_state*")) and bool(read_state(checkpoint))


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Return the Trainer's state; an empty one if it was cut while being written."""
    try:
        state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}
