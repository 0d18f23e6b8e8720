"""What the stages train: a SpikingBERT and the projection to the teacher's width."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from spikewright.errors import ConfigError, InputError
from spikewright.train.settings.spikingbert import (
    SettledTable,
    SpikingBertRun,
    settled_config,
)
from spikewright.train.spikingbert.model import (
    SpikingBertForSequenceClassification,
    SpikingBertModel,
)
from spikewright.train.stages.model import HEADS, word_table

TABLES = {
    "words": "word_embeddings.weight",
    "places": "position_embeddings.weight",
    "segments": "token_type_embeddings.weight",
}
"""parts of the student -> those of a BERT's `embeddings`"""


@dataclass
class SettledStageOutput(ModelOutput):
    """What the losses compare with the teacher's."""

    logits: torch.Tensor | None = None
    """(samples, classes)"""
    features: tuple[torch.Tensor, ...] | None = None
    """rates of the encoder and of each block in the teacher's width, (tokens, width)"""
    scores: tuple[torch.Tensor, ...] | None = None
    """of each block, (samples, heads, tokens, tokens)"""


class SettledStudent(nn.Module):
    """A student in training; its projections are thrown away at the end."""

    def __init__(
        self,
        student: SpikingBertForSequenceClassification,
        table: SettledTable,
        *,
        teacher_width: int,
    ) -> None:
        super().__init__()
        has_logits = bool(table.logit_weight or table.label_weight)
        self.student: nn.Module = student if has_logits else student.spikingbert
        self.with_scores = bool(table.score_weight)
        states = student.config.num_hidden_layers + 1
        count = 1 if table.shared_projection else states
        if not table.feature_weight and not table.embedding_weight:
            count = 0  # else processes would wait for gradients that never come
        self.projections = nn.ModuleList(
            nn.Linear(student.config.hidden_size, teacher_width) for _ in range(count)
        )

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> SettledStageOutput:
        """Read padded token ids (samples, tokens)."""
        output = self.student(
            input_ids,
            attention_mask,
            token_type_ids=token_type_ids,
            output_hidden_states=True,
            output_scores=self.with_scores,
        )
        real = attention_mask.bool()
        return SettledStageOutput(
            logits=getattr(output, "logits", None),
            features=self._features([each[real] for each in output.hidden_states]),
            scores=output.scores,
        )

    def _features(self, rates: list[torch.Tensor]) -> tuple[torch.Tensor, ...] | None:
        if not self.projections:
            return None
        last = len(self.projections) - 1
        return tuple(
            self.projections[min(i, last)](each) for i, each in enumerate(rates)
        )

    @property
    def encoder(self) -> SpikingBertModel:
        """Return the student without its classifier."""
        found = getattr(self.student, "spikingbert", self.student)
        return cast("SpikingBertModel", found)

    def save_heads(self, folder: Path) -> None:
        """Write the projections, so that the next stage goes on with them."""
        state = self.projections.state_dict()
        save_file({k: v.cpu().contiguous() for k, v in state.items()}, folder / HEADS)

    def load_stage(self, folder: Path) -> None:
        """Take encoder and projections that stage 1 saved, strictly.

        Raises:
            InputError: they cannot be read or are of another configuration.
        """
        try:
            encoder = load_file(folder / "model.safetensors")
            self.encoder.load_state_dict(encoder, strict=True)
            heads = load_file(folder / HEADS)
            if heads and self.projections:
                self.projections.load_state_dict(heads, strict=True)
        except (OSError, RuntimeError, SafetensorError) as error:
            said = str(error).splitlines()[0]
            raise InputError(
                f"{folder}: what stage 1 left does not fit the configuration: {said}"
            ) from error


def new_student(
    config: SpikingBertRun, table: SettledTable, teacher: PreTrainedModel
) -> SettledStudent:
    """Return a stage's untrained student, with projections to its teacher's width.

    Raises:
        ConfigError: heads or width that the teacher's must equal do not.
    """
    torch.manual_seed(config.seed)
    words = len(word_table(teacher))
    student = SpikingBertForSequenceClassification(
        settled_config(config, vocabulary=words)
    )
    if config.student.words == "teacher":
        _start_from(student, teacher)
    heads = teacher.config.num_attention_heads
    if table.score_weight and heads != config.student.heads:
        raise ConfigError(
            f"[student] heads: {config.student.heads}; scores are compared head by "
            f"head and the teacher has {heads}; take as many, or set score_weight = 0"
        )
    width = teacher.config.hidden_size
    return SettledStudent(student, table, teacher_width=width)


@torch.no_grad()
def _start_from(
    student: SpikingBertForSequenceClassification, teacher: PreTrainedModel
) -> None:
    """Copy the teacher's tables, as many places as the student has, and their norm."""
    own = student.spikingbert
    theirs = {
        name: each
        for name, each in teacher.base_model.named_parameters()
        if name.startswith("embeddings.")
    }
    norm = {f"norm.{part}": f"LayerNorm.{part}" for part in ("weight", "bias")}
    tables = {f"{name}.weight": part for name, part in TABLES.items()}
    for name, part in {**tables, **norm}.items():
        mine, found = own.get_parameter(name), theirs.get(f"embeddings.{part}")
        if found is None or found.shape[1:] != mine.shape[1:]:
            raise ConfigError(
                f'[student] words: "teacher" needs a BERT of width '
                f"{own.config.hidden_size}; {type(teacher).__name__} has "
                f"{None if found is None else tuple(found.shape)} as embeddings.{part}"
            )
        count = min(len(mine), len(found))
        mine[:count].copy_(found[:count])
