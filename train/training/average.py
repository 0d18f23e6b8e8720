"""The average of a model's weights over its last steps: evaluated, chosen and kept.

    average = decay * average + (1 - decay) * weights     after each step

(Polyak and Juditsky 1992; exponential as in Tarvainen and Valpola, arXiv 1703.01780.)
It swings less from one evaluation to the next than the weights themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import TrainerCallback

from spikewright.train.folders.writing import Writing
from spikewright.train.training.resume import ResumingTrainer

AVERAGE_FILE = "average.safetensors"
"""beside each checkpoint's own files"""


class Average(TrainerCallback):
    """Keeps the average of a model's weights and running statistics."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self.shadow = {name: each.clone() for name, each in self._weights().items()}

    def _weights(self) -> dict[str, torch.Tensor]:
        state = self.model.state_dict()
        return {name: each for name, each in state.items() if each.is_floating_point()}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start from the weights, or from the average of the checkpoint resumed."""
        if state.global_step:
            self.load(_checkpoint(args, state))
            return
        for name, each in self._weights().items():
            self.shadow[name].copy_(each)

    @torch.no_grad()
    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take the step into the average."""
        weights = self._weights()
        torch._foreach_lerp_(
            list(self.shadow.values()),
            [weights[name] for name in self.shadow],
            1.0 - self.decay,
        )

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save the average with the checkpoint."""
        path = _checkpoint(args, state) / AVERAGE_FILE
        unfinished = path.with_suffix(".tmp")
        with Writing(path.parent):
            save_file(self.shadow, unfinished)
        unfinished.replace(path)

    def load(self, checkpoint: Path) -> None:
        """Take the average that a checkpoint holds."""
        for name, each in load_file(checkpoint / AVERAGE_FILE).items():
            self.shadow[name].copy_(each)

    @torch.no_grad()
    def exchange(self) -> None:
        """Put the average into the model, and the model's weights here; or back."""
        for name, each in self._weights().items():
            own = each.clone()
            each.copy_(self.shadow[name])
            self.shadow[name].copy_(own)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model be its average for a while."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()


def _checkpoint(args: Any, state: Any) -> Path:
    return Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"


class AveragingTrainer(ResumingTrainer):
    """A Trainer that evaluates the average, if it keeps one."""

    average: Average | None = None

    def keep_average(self, decay: float) -> None:
        """Average with this decay; 0 is the weights themselves."""
        if decay:
            self.average = Average(self.model, decay)  # type: ignore[arg-type]
            self.add_callback(self.average)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluate the average while training, the model as it is otherwise."""
        if self.average is None:
            return super().evaluate(*args, **kwargs)
        with self.average.in_place():
            return super().evaluate(*args, **kwargs)

    def settle(self) -> None:
        """Put the average of the best checkpoint into the model, for good."""
        if self.average is None:
            return
        best = self.state.best_model_checkpoint
        if best is not None:
            self.average.load(Path(best))
        self.average.exchange()
        self.remove_callback(self.average)
        self.average = None
