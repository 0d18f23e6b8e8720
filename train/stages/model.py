"""What both stages train: a SpikeBERT and the heads that meet the teacher's widths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from spikewright.errors import InputError
from spikewright.train.spikebert.model import (
    SpikeBertForSequenceClassification,
    SpikeBertModel,
)

HEADS = "heads.safetensors"


@dataclass
class StageOutput(ModelOutput):
    """What the losses compare with the teacher's."""

    logits: torch.Tensor | None = None
    """(samples, classes)"""
    features: tuple[torch.Tensor, ...] | None = None
    """R of each compared block, (tokens, teacher's width)"""
    table: torch.Tensor | None = None
    """the student's words in the teacher's width, (words, width)"""


class FeatureHead(nn.Module):
    """R = LN(x U + u), x the stream's mean over steps."""

    def __init__(self, width: int, teacher_width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, teacher_width)
        self.norm = nn.LayerNorm(teacher_width)
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (tokens, width) to (tokens, teacher's width)."""
        features: torch.Tensor = self.norm(self.linear(x))
        return features


class StudentWithHeads(nn.Module):
    """A student in training; the heads are thrown away at the end.

    Args:
        student: with a classifier.
        blocks: those whose features are compared, counted from 1.
        table_shape: the teacher's word table, (words, width).
        teacher_width: that the features are mapped to; None: they stay as they are.
        with_logits: whether the classifier takes part.
        with_table: whether the word tables are compared.
        with_padding: whether features of padding are compared too.
    """

    def __init__(
        self,
        student: SpikeBertForSequenceClassification,
        *,
        blocks: Sequence[int],
        table_shape: tuple[int, int],
        teacher_width: int | None,
        with_logits: bool,
        with_table: bool,
        with_padding: bool,
    ) -> None:
        super().__init__()
        width = student.config.hidden_size
        self.student: nn.Module = student if with_logits else student.spikebert
        self.blocks = tuple(blocks)
        self.heads = nn.ModuleDict(
            {
                str(block): nn.Identity()
                if teacher_width is None
                else FeatureHead(width, teacher_width)
                for block in blocks
            }
        )
        self.widen: nn.Linear | None = None
        if with_table and table_shape[1] != width:
            self.widen = nn.Linear(width, table_shape[1])
        self.with_table, self.with_padding = with_table, with_padding

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> StageOutput:
        """Read padded token ids (samples, tokens)."""
        output = self.student(input_ids, attention_mask, output_hidden_states=True)
        states = output.hidden_states
        real = compared(attention_mask, with_padding=self.with_padding)
        features = tuple(
            self.heads[str(block)](states[block][real]) for block in self.blocks
        )
        return StageOutput(
            logits=getattr(output, "logits", None),
            features=features,
            table=self._table() if self.with_table else None,
        )

    def _table(self) -> torch.Tensor:
        words = self.encoder.words.weight
        return words if self.widen is None else cast("torch.Tensor", self.widen(words))

    @property
    def encoder(self) -> SpikeBertModel:
        """Return the student without its classifier."""
        return cast("SpikeBertModel", getattr(self.student, "spikebert", self.student))

    def save_heads(self, folder: Path) -> None:
        """Write the heads, so that the next stage goes on with them."""
        state = {**self.heads.state_dict(prefix="heads.")}
        if self.widen is not None:
            state |= self.widen.state_dict(prefix="widen.")
        save_file({k: v.cpu().contiguous() for k, v in state.items()}, folder / HEADS)

    def load_heads(self, folder: Path) -> None:
        """Take the heads that an earlier stage saved, where this one has them.

        Raises:
            InputError: there are none, or one is of another width.
        """
        try:
            state = load_file(folder / HEADS)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{folder / HEADS}: cannot be read: {error}") from error
        own = self.state_dict()
        wanted = {k: v for k, v in state.items() if k in own}
        if wrong := [k for k, v in wanted.items() if v.shape != own[k].shape]:
            raise InputError(
                f"{folder / HEADS}: {wrong[0]} has shape {tuple(state[wrong[0]].shape)}"
                f", this stage's has {tuple(own[wrong[0]].shape)}: another teacher"
            )
        self.load_state_dict(wanted, strict=False)


def compared(mask: torch.Tensor, *, with_padding: bool) -> torch.Tensor:
    """Return which tokens' features are compared, (samples, tokens)."""
    return torch.ones_like(mask).bool() if with_padding else mask.bool()


def load_encoder(student: SpikeBertForSequenceClassification, folder: Path) -> None:
    """Put the encoder that stage 1 saved under a classifier, strictly.

    Raises:
        InputError: it cannot be read or is of another configuration.
    """
    try:
        state = load_file(folder / "model.safetensors")
        student.spikebert.load_state_dict(state, strict=True)
    except (OSError, RuntimeError, SafetensorError) as error:
        said = str(error).splitlines()[0]
        raise InputError(
            f"{folder}: its encoder does not fit the configuration: {said}"
        ) from error


def unit_table(table: torch.Tensor) -> torch.Tensor:
    """Return a word table at deviation 1, as that of a new student."""
    return table / table.std()


def word_table(teacher: PreTrainedModel) -> torch.Tensor:
    """Return the teacher's word table, (words, width)."""
    embedding = teacher.get_input_embeddings()
    return embedding.get_parameter("weight").detach()
