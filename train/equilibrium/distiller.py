"""transformers' Trainer for distillation at equilibrium."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from spikewright.train.equilibrium.losses import layer_map, score_loss
from spikewright.train.equilibrium.student import SettledStageOutput
from spikewright.train.equilibrium.teacher_scores import TeacherScores
from spikewright.train.settings.spikingbert import SettledTable
from spikewright.train.stages.losses import feature_loss, label_loss, logit_loss
from spikewright.train.stages.trainer import StageTrainer


class SettledDistiller(StageTrainer):
    """Weighted losses between the rates of a `SettledStudent` and a frozen teacher."""

    def __init__(
        self,
        *,
        teacher: PreTrainedModel,
        table: SettledTable,
        blocks: int,
        **given: Any,
    ) -> None:
        super().__init__(**given)
        self.table = table
        self.teacher = teacher.to(self.args.device).eval()  # type: ignore[arg-type]
        self.teacher.requires_grad_(False)
        layers = teacher.config.num_hidden_layers
        self.layers = layer_map(table, blocks=blocks, layers=layers)
        self.heard = TeacherScores(self.teacher) if table.score_weight else None
        self.parts: dict[str, torch.Tensor] = {}
        self.parts_seen = 0

    def compute_loss(  # type: ignore[override]
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        **ignored: Any,
    ) -> Any:
        """Return the weighted sum of the losses, and the logits if asked for."""
        del ignored
        given = {k: v for k, v in inputs.items() if k != "labels"}
        known = self._ask_teacher(given)
        output = model(**given)
        mask = inputs["attention_mask"].bool()
        parts = self._parts(output, known, mask, inputs["labels"])
        weights = self.table
        loss = torch.stack(
            [getattr(weights, f"{key}_weight") * part for key, part in parts.items()]
        ).sum()
        if model.training:
            self._note(parts)
        return (loss, {"logits": output.logits}) if return_outputs else loss

    def _ask_teacher(self, given: dict[str, torch.Tensor]) -> Any:
        with torch.no_grad(), self.accelerator.autocast():
            if self.heard is None:
                return self.teacher(**given, output_hidden_states=True)
            with self.heard:
                return self.teacher(**given, output_hidden_states=True)

    def _parts(
        self,
        output: SettledStageOutput,
        known: Any,
        mask: torch.Tensor,
        labels: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Return each loss that has a weight."""
        table, parts = self.table, dict[str, torch.Tensor]()
        if output.features is not None:
            first, *others = output.features
            if table.embedding_weight:
                wanted = [known.hidden_states[0][mask]]
                parts["embedding"] = self._features([first], wanted, mask)
            if table.feature_weight:
                wanted = [known.hidden_states[layer][mask] for layer in self.layers]
                parts["feature"] = self._features(others, wanted, mask)
        if self.heard is not None and output.scores is not None:
            scores = [self.heard.scores(layer) for layer in self.layers]
            parts["score"] = score_loss(output.scores, scores, mask, self._share)
        if table.logit_weight and output.logits is not None:
            parts["logit"] = logit_loss(
                output.logits, known.logits, table.temperature, self._share
            )
        if table.label_weight and output.logits is not None:
            parts["label"] = label_loss(output.logits, labels, self._share)
        return parts

    def _features(
        self, found: list[torch.Tensor], wanted: list[torch.Tensor], mask: torch.Tensor
    ) -> torch.Tensor:
        return feature_loss(
            found, wanted, samples=len(mask), kind="tokens", share=self._share
        )

    def _share(self, count: torch.Tensor) -> torch.Tensor:
        if self.accelerator.num_processes == 1:
            return count
        # Cloned: reduce works in place.
        total: torch.Tensor = self.accelerator.reduce(count.clone(), reduction="sum")
        return total.div(self.accelerator.num_processes)

    def _note(self, parts: dict[str, torch.Tensor]) -> None:
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
