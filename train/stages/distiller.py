"""Trainers that distill: weighted losses between a student and a frozen teacher."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from transformers import PreTrainedModel

from spikewright.train.settings.spikebert import DistillTable
from spikewright.train.settings.spikingbert import SettledTable
from spikewright.train.stages.losses import (
    feature_loss,
    label_loss,
    layer_map,
    logit_loss,
)
from spikewright.train.stages.model import (
    StageOutput,
    compared,
    unit_table,
    word_table,
)
from spikewright.train.stages.trainer import StageTrainer

Inputs = dict[str, torch.Tensor]
Parts = dict[str, torch.Tensor]
"""each loss that has a weight"""


class StageDistiller(StageTrainer, ABC):
    """Weighted losses between states, and between answers, of student and teacher.

    `model` is the student with all that training adds to it; the teacher stays
    outside of it, frozen.
    """

    def __init__(
        self,
        *,
        teacher: PreTrainedModel,
        table: DistillTable | SettledTable,
        **given: Any,
    ) -> None:
        super().__init__(**given)
        self.table = table
        self.teacher = teacher.to(self.args.device).eval()  # type: ignore[arg-type]
        self.teacher.requires_grad_(False)
        self.parts: Parts = {}
        self.parts_seen = 0

    @abstractmethod
    def _states(self, output: Any, known: Any, mask: torch.Tensor) -> Parts:
        """Return the losses between states inside of student and teacher.

        Args:
            output: the model's.
            known: what `_ask_teacher` returned.
            mask: True where there is a token, (samples, tokens).
        """

    def _ask_teacher(self, given: Inputs) -> Any:
        with torch.no_grad(), self.accelerator.autocast():
            return self.teacher(**given, output_hidden_states=True)

    def compute_loss(  # type: ignore[override]
        self,
        model: torch.nn.Module,
        inputs: Inputs,
        return_outputs: bool = False,
        **ignored: Any,
    ) -> Any:
        """Return the weighted sum of the losses, and the logits if asked for."""
        del ignored
        given = {k: v for k, v in inputs.items() if k != "labels"}
        known = self._ask_teacher(given)
        output = model(**given)
        parts = self._states(output, known, inputs["attention_mask"].bool())
        if output.logits is not None:
            parts |= self._answers(output.logits, known, inputs["labels"])
        weights = self.table
        loss = torch.stack(
            [getattr(weights, f"{key}_weight") * part for key, part in parts.items()]
        ).sum()
        if model.training:
            self._note(parts)
        return (loss, {"logits": output.logits}) if return_outputs else loss

    def _answers(self, logits: torch.Tensor, known: Any, labels: torch.Tensor) -> Parts:
        table, parts = self.table, Parts()
        if table.logit_weight:
            parts["logit"] = logit_loss(
                logits, known.logits, table.temperature, self._share
            )
        if table.label_weight:
            parts["label"] = label_loss(logits, labels, self._share)
        return parts

    def _share(self, count: torch.Tensor) -> torch.Tensor:
        if self.accelerator.num_processes == 1:
            return count
        # Cloned: reduce works in place.
        total: torch.Tensor = self.accelerator.reduce(count.clone(), reduction="sum")
        return total.div(self.accelerator.num_processes)

    def _note(self, parts: Parts) -> None:
        for key, part in parts.items():
            self.parts[key] = self.parts.get(key, 0.0) + part.detach()
        self.parts_seen += 1

    def log(self, logs: dict[str, float], *given: Any, **named: Any) -> None:
        """Log the mean of each loss beside that of their sum."""
        if "loss" in logs and self.parts_seen:
            for key, total in self.parts.items():
                mean = self.accelerator.gather(total / self.parts_seen).mean()
                logs[f"{key}_loss"] = mean.item()
            self.parts, self.parts_seen = {}, 0
        super().log(logs, *given, **named)


class Distiller(StageDistiller):
    """Stages of a SpikeBERT: features and word tables, of a `StudentWithHeads`."""

    table: DistillTable

    def __init__(self, *, blocks: int, **given: Any) -> None:
        super().__init__(**given)
        words = word_table(self.teacher)
        is_unit = self.table.embedding_scale == "unit"
        self.words = unit_table(words) if is_unit else words
        layers = self.teacher.config.num_hidden_layers
        pairs = layer_map(self.table, blocks=blocks, layers=layers)
        self.targets = list(pairs.values())

    def _ask_teacher(self, given: Inputs) -> Any:
        if not self.table.feature_weight and not self.table.logit_weight:
            return None  # labels and word tables need no forward pass
        return super()._ask_teacher(given)

    def _states(self, output: StageOutput, known: Any, mask: torch.Tensor) -> Parts:
        table, parts = self.table, Parts()
        if table.feature_weight and output.features is not None:
            kind = table.feature_mean
            real = compared(mask, with_padding=kind == "published")
            wanted = [known.hidden_states[layer][real] for layer in self.targets]
            parts["feature"] = feature_loss(
                output.features, wanted, samples=len(mask), kind=kind, share=self._share
            )
        if table.embedding_weight and output.table is not None:
            parts["embedding"] = torch.nn.functional.mse_loss(output.table, self.words)
        return parts
