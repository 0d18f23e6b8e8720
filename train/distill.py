"""Distill the deployable student from the teacher's logits, and labels if known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import Trainer, TrainingArguments

from spikewright.train.config import DistillConfig, TrainConfig
from spikewright.train.data import Row, pad_batch
from spikewright.train.encoder import TrainableEncoder
from spikewright.train.student import ChipStudent, ChipStudentConfig, StudentOutput
from spikewright.train.teacher import accuracy, has_checkpoint

NO_LABEL = -100


def distillation_loss(
    output: StudentOutput,
    labels: torch.Tensor,
    teacher_logits: torch.Tensor,
    config: DistillConfig,
) -> torch.Tensor:
    """Return logit_weight MSE(z, z_t) + label_weight CE(z, y) + rate_weight rate.

    Rows labeled -100 take no part in the cross entropy.
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
    return loss + config.rate_weight * rate


class _Distiller(Trainer):
    """Trainer with our loss; evaluation rows carry labels but no teacher logits."""

    distill: DistillConfig

    def compute_loss(  # type: ignore[override]
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        **ignored: Any,
    ) -> Any:
        del ignored
        labels = inputs["labels"]
        output = model(inputs["input_ids"], inputs["attention_mask"])
        if "teacher_logits" in inputs:
            loss = distillation_loss(
                output, labels, inputs["teacher_logits"], self.distill
            )
        else:
            loss = functional.cross_entropy(output.logits, labels)
        return (loss, output) if return_outputs else loss


def new_student(config: TrainConfig, word_embedding: torch.Tensor) -> ChipStudent:
    """Return an untrained student whose word bits start from the teacher's embedding."""
    torch.manual_seed(config.seed)
    table = config.student
    student = ChipStudent(
        ChipStudentConfig(
            vocab_size=len(word_embedding),
            max_tokens=config.data.max_tokens,
            channels=table.channels,
            position_channels=table.position_channels,
            hidden=table.hidden,
            blocks=table.blocks,
            steps=table.steps,
            window=table.window,
            beta=table.beta,
            dropout=config.distill.dropout,
            id2label=dict(enumerate(config.data.labels)),
        )
    )
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
) -> float:
    """Train, keep the best evaluation on validation, save it packed to `folder`.

    Resumes from the last checkpoint in `folder/checkpoints`.

    Args:
        student: from `new_student`.
        train: rows with `input_ids`, `labels` (-100 if unknown) and `teacher_logits`.
        validation: rows with `input_ids` and `labels`.
        folder: receives `config.json` and `model.safetensors`.
        config: of the run.

    Returns:
        Accuracy on validation.
    """
    trainer = _Distiller(
        model=student,
        args=_arguments(config.distill, folder / "checkpoints", config.seed),
        train_dataset=train,
        eval_dataset=validation,
        data_collator=pad_batch,
        compute_metrics=accuracy,
    )
    trainer.distill = config.distill
    trainer.train(resume_from_checkpoint=has_checkpoint(folder / "checkpoints"))
    measured = float(trainer.evaluate()["eval_accuracy"])
    student.pack_encoder().save_pretrained(folder)
    return measured


def _arguments(config: DistillConfig, folder: Path, seed: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=config.epochs,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        weight_decay=config.weight_decay,
        warmup_steps=config.warmup_ratio,
        train_sampling_strategy="group_by_length",
        eval_strategy="steps",
        save_strategy="steps",
        eval_steps=0.04,
        save_steps=0.04,
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        logging_steps=100,
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        remove_unused_columns=False,
        label_names=["labels"],
        report_to="none",
        dataloader_pin_memory=False,
        seed=seed,
    )
