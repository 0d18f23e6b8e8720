"""transformers' Trainer for distillation at equilibrium."""

from __future__ import annotations

from typing import Any

import torch

from spikewright.train.equilibrium.losses import layer_map, score_loss
from spikewright.train.equilibrium.student import SettledStageOutput
from spikewright.train.equilibrium.teacher_scores import TeacherScores
from spikewright.train.settings.spikingbert import SettledTable
from spikewright.train.stages.distiller import Inputs, Parts, StageDistiller
from spikewright.train.stages.losses import feature_loss


class SettledDistiller(StageDistiller):
    """Stages of a SpikingBERT: rates and scores, of a `SettledStudent`."""

    table: SettledTable

    def __init__(self, *, blocks: int, **given: Any) -> None:
        super().__init__(**given)
        layers = self.teacher.config.num_hidden_layers
        self.layers = layer_map(self.table, blocks=blocks, layers=layers)
        self.heard = TeacherScores(self.teacher) if self.table.score_weight else None

    def _ask_teacher(self, given: Inputs) -> Any:
        if self.heard is None:
            return super()._ask_teacher(given)
        with self.heard:
            return super()._ask_teacher(given)

    def _states(
        self, output: SettledStageOutput, known: Any, mask: torch.Tensor
    ) -> Parts:
        table, parts = self.table, Parts()
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
        return parts

    def _features(
        self, found: list[torch.Tensor], wanted: list[torch.Tensor], mask: torch.Tensor
    ) -> torch.Tensor:
        return feature_loss(
            found, wanted, samples=len(mask), kind="tokens", share=self._share
        )
