"""Distill the deployable student from the teacher's logits, and labels if known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch.nn import functional

from spikewright.train.answers.logits import float_logits
from spikewright.train.chip.config import ChipStudentConfig
from spikewright.train.chip.encoder import TrainableEncoder
from spikewright.train.chip.model import ChipStudent, StudentOutput
from spikewright.train.folders.writing import Writing
from spikewright.train.meter import Say, ignore
from spikewright.train.neurons.compiled import compile_as_told
from spikewright.train.settings.config import DistillConfig, QuantizeConfig, TrainConfig
from spikewright.train.texts.data import NO_LABEL, Row, pad_batch
from spikewright.train.training.average import AveragingTrainer
from spikewright.train.training.trainer import (
    accuracy,
    train_to_best,
    training_arguments,
)

TRAINABLE = "trainable"
"""folder of the student before its words become bits, which another stage trains on"""


def distillation_loss(
    output: StudentOutput,
    labels: torch.Tensor,
    teacher_logits: torch.Tensor,
    config: DistillConfig | QuantizeConfig,
    *,
    rate_target: float = 0.0,
) -> torch.Tensor:
    """Return logit_weight MSE(z, z_t) + label_weight CE(z, y) + rate_weight r.

    r is how far the rate is above its target. Rows labeled -100 take no part in the
    cross entropy.
    """
    logits, rate = output.logits, output.rate
    assert logits is not None  # noqa: S101 - forward sets both
    assert rate is not None  # noqa: S101
    loss = config.logit_weight * functional.mse_loss(logits, teacher_logits)
    known = labels != NO_LABEL
    if known.any():
        loss = loss + config.label_weight * functional.cross_entropy(
            logits[known], labels[known]
        )
    return loss + config.rate_weight * (rate - rate_target).clamp(min=0.0)


class Distiller(AveragingTrainer):
    """Trainer with our loss; evaluation rows carry labels but no teacher logits."""

    distill: DistillConfig | QuantizeConfig
    rate_target = 0.0

    def compute_loss(  # type: ignore[override]
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        **ignored: Any,
    ) -> Any:
        """Return the distillation loss; without teacher logits the cross entropy."""
        del ignored
        labels = inputs["labels"]
        output = model(inputs["input_ids"], inputs["attention_mask"])
        if "teacher_logits" in inputs:
            loss = distillation_loss(
                output,
                labels,
                inputs["teacher_logits"],
                self.distill,
                rate_target=self.rate_target,
            )
        else:
            loss = functional.cross_entropy(output.logits, labels)
        return (loss, output) if return_outputs else loss


def student_config(config: TrainConfig, *, vocabulary: int) -> ChipStudentConfig:
    """Return the sizes of the run's student.

    Raises:
        ConfigError: a size that no student has.
    """
    sizes = asdict(config.student)
    return ChipStudentConfig(
        vocab_size=vocabulary,
        max_tokens=config.data.max_tokens,
        **{**sizes, "word_channels": config.student.word_channels or None},
        dropout=config.distill.dropout,
        id2label=dict(enumerate(config.data.labels)),
    )


def new_student(config: TrainConfig, word_embedding: torch.Tensor) -> ChipStudent:
    """Return an untrained student whose words start from the teacher's embedding.

    Raises:
        ConfigError: a size that no student has, or the embedding is too narrow for it.
    """
    torch.manual_seed(config.seed)
    student = ChipStudent(student_config(config, vocabulary=len(word_embedding)))
    assert isinstance(student.encoder, TrainableEncoder)  # noqa: S101 - not packed above
    generator = torch.Generator().manual_seed(config.seed)
    student.encoder.start_from(word_embedding.float(), generator)
    return student


def distill_student(
    student: ChipStudent,
    train: Sequence[Row],
    validation: Sequence[Row],
    folder: Path,
    config: TrainConfig,
    *,
    say: Say = ignore,
) -> float:
    """Train, keep the best evaluation on validation, save it packed to `folder`.

    Resumes from the last checkpoint in `folder/checkpoints`.

    Args:
        student: from `new_student`.
        train: rows with `input_ids`, `labels` (-100 if unknown) and `teacher_logits`.
        validation: rows with `input_ids` and `labels`.
        folder: receives `config.json` and `model.safetensors`.
        config: of the run.
        say: receives a line for each evaluation.

    Returns:
        Accuracy on validation of the packed student, in float32.

    Raises:
        ConfigError: the loss is no longer a finite number.
    """
    checkpoints, seed = folder / "checkpoints", config.seed
    compile_as_told(student, config.distill.compile, "distill", say)
    trainer = Distiller(
        model=student,
        args=training_arguments(
            config.distill, checkpoints, seed=seed, evaluations=25, schedule="cosine"
        ),
        train_dataset=train,
        eval_dataset=validation,
        data_collator=pad_batch,
        compute_metrics=accuracy,
    )
    trainer.distill = config.distill
    trainer.keep_average(config.distill.average)
    train_to_best(trainer, "distill", say)
    with Writing(folder):
        student.save_pretrained(folder / TRAINABLE)
        packed = student.pack_encoder()
        packed.save_pretrained(folder)
    return float32_accuracy(packed, validation)


def float32_accuracy(student: ChipStudent, rows: Sequence[Row]) -> float:
    """Return the share of rows whose largest logit is the label's."""
    ids = cast("list[list[int]]", [row["input_ids"] for row in rows])
    answers = float_logits(student, ids).argmax(axis=1)
    return float(np.mean(answers == [row["labels"] for row in rows]))
