"""A stage's student, before it is trained."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from spikewright.errors import ConfigError
from spikewright.train.settings.spikebert import (
    DistillTable,
    SpikeBertRun,
    student_config,
)
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.stages.losses import layer_map
from spikewright.train.stages.model import StudentWithHeads, unit_table, word_table


def new_student(
    config: SpikeBertRun, table: DistillTable, teacher: PreTrainedModel
) -> StudentWithHeads:
    """Return a stage's untrained student, with heads for its teacher.

    Raises:
        ConfigError: layers that the teacher lacks, or words of another width.
    """
    words = word_table(teacher)
    torch.manual_seed(config.seed)
    student = SpikeBertForSequenceClassification(
        student_config(config, vocabulary=len(words))
    )
    if config.student.start == "teacher":
        _start_from(student, words)
    if config.student.checkpointing:
        student.activation_checkpointing_enable()
    layers = teacher.config.num_hidden_layers
    pairs = layer_map(table, blocks=config.student.blocks, layers=layers)
    return StudentWithHeads(
        student,
        blocks=list(pairs) if table.feature_weight else [],
        table_shape=(words.shape[0], words.shape[1]),
        teacher_width=teacher.config.hidden_size,
        with_logits=bool(table.logit_weight or table.label_weight),
        with_table=bool(table.embedding_weight),
        with_padding=table.feature_mean == "published",
    )


def _start_from(
    student: SpikeBertForSequenceClassification, words: torch.Tensor
) -> None:
    own = student.spikebert.words.weight
    if own.shape != words.shape:
        raise ConfigError(
            f'[student] start: "teacher" needs the teacher\'s width {words.shape[1]}; '
            f"width is {own.shape[1]}"
        )
    with torch.no_grad():
        own.copy_(unit_table(words))


def classifying(model: StudentWithHeads) -> SpikeBertForSequenceClassification:
    """Return the student of stage 2, which has a classifier."""
    student = model.student
    assert isinstance(student, SpikeBertForSequenceClassification)  # noqa: S101 - stage 2
    return student
