"""The last stage: the distilled student learns on in the chip's integers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from spikewright.train.chip.model import ChipStudent
from spikewright.train.distill.distill import (
    TRAINABLE,
    Distiller,
    float32_accuracy,
)
from spikewright.train.folders.writing import Writing
from spikewright.train.meter import Say, ignore
from spikewright.train.neurons.compiled import compile_as_told
from spikewright.train.quantize.student import QuantizedStudent, Quantizer
from spikewright.train.settings.config import TrainConfig
from spikewright.train.student import load_student
from spikewright.train.texts.data import Row, pad_batch
from spikewright.train.training.trainer import (
    accuracy,
    train_to_best,
    training_arguments,
)

SELECTED = "selected"
"""the metric of the best: accuracy, less 1 where the rate misses its target; of equal
ones the lowest rate"""
TIE = 1e-6
"""weight of the rate there: far less than one sentence of a validation split"""


class _Rates:
    """The mean firing rate of a student over the batches of an evaluation."""

    def __init__(self) -> None:
        self.spikes, self.tokens = 0.0, 0

    def take(self, student: QuantizedStudent, mask: torch.Tensor) -> None:
        """Take in the batch that the student ran last; it counts by its tokens."""
        tokens = int(mask.sum())
        self.spikes += student.last_rate * tokens
        self.tokens += tokens

    @property
    def mean(self) -> float:
        """Mean spikes per neuron and step over all populations."""
        return self.spikes / self.tokens


class _Quantizing(Distiller):
    """Distiller that chooses by accuracy in integers, at or below a target rate."""

    student: QuantizedStudent
    rates: _Rates
    say: Say

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], *args: Any, **more: Any
    ) -> Any:
        """Return the distiller's loss; takes in the rate of evaluated batches."""
        found = super().compute_loss(model, inputs, *args, **more)
        if "teacher_logits" not in inputs:
            self.rates.take(self.student, inputs["attention_mask"])
        return found

    def evaluate(self, *args: Any, **more: Any) -> dict[str, float]:
        """Evaluate; adds the rate, and what decides which evaluation is the best."""
        self.rates = _Rates()
        metrics = super().evaluate(*args, **more)
        rate = self.rates.mean
        missed = 0.0 < self.rate_target < rate
        self.say(f"quantize: {rate:.4f} spikes per neuron and step")
        selected = metrics["eval_accuracy"] - float(missed) - TIE * rate
        return {**metrics, "eval_rate": rate, f"eval_{SELECTED}": selected}


def student_to_quantize(folder: Path, say: Say = ignore) -> ChipStudent:
    """Load what `distill_student` left, with trainable words if they are there.

    Raises:
        InputError: there is no student.
    """
    if (folder / TRAINABLE).exists():
        return load_student(folder / TRAINABLE)
    say(f"quantize: {folder / TRAINABLE} is not there, so the bits of words stay")
    return load_student(folder)


def quantize_student(
    student: ChipStudent,
    train: Sequence[Row],
    validation: Sequence[Row],
    folder: Path,
    config: TrainConfig,
    quantizer: Quantizer,
    *,
    say: Say = ignore,
) -> dict[str, Any]:
    """Train in integers, keep the best evaluation, save it packed to `folder`.

    Resumes from the last checkpoint in `folder/checkpoints`.

    Args:
        student: from `student_to_quantize`.
        train: rows with `input_ids`, `labels` (-100 if unknown) and `teacher_logits`.
        validation: rows with `input_ids` and `labels`.
        folder: receives `config.json` and `model.safetensors`.
        config: of the run.
        quantizer: lowers a student to its integers.
        say: receives lines for each evaluation.

    Returns:
        Accuracy on validation and firing rate in integers, before and after, and
        accuracy in float32 after.

    Raises:
        ConfigError: the loss is no longer a finite number.
        GraphError: the student cannot be lowered.
        BackendMissingError: `compile` is "always" and there is no C++ compiler.
    """
    at_work = QuantizedStudent.of(student, quantizer)
    before = _measured(at_work, validation)
    say("quantize: {:.4f} on validation in integers, before".format(*before))
    compile_as_told(at_work, config.quantize.compile, "quantize", say)
    trainer = _trainer(at_work, train, validation, folder, config, say)
    train_to_best(trainer, "quantize", say)
    packed = at_work.pack_encoder()
    with Writing(folder):
        packed.save_pretrained(folder)
    after = _measured(QuantizedStudent.of(packed, quantizer), validation)
    return {
        "validation_accuracy": after[0],
        "rate": after[1],
        "accuracy_before": before[0],
        "rate_before": before[1],
        "float_accuracy": float32_accuracy(packed, validation),
    }


def _trainer(
    student: QuantizedStudent,
    train: Sequence[Row],
    validation: Sequence[Row],
    folder: Path,
    config: TrainConfig,
    say: Say,
) -> _Quantizing:
    trainer = _Quantizing(
        model=student,
        args=training_arguments(
            config.quantize,
            folder / "checkpoints",
            seed=config.seed,
            evaluations=25,
            schedule="cosine",
            metric=SELECTED,
            bf16=False,  # its 8 bits would round sums of spikes
        ),
        train_dataset=train,
        eval_dataset=validation,
        data_collator=pad_batch,
        compute_metrics=accuracy,
    )
    trainer.student, trainer.say, trainer.distill = student, say, config.quantize
    trainer.rate_target = config.quantize.rate_target
    trainer.keep_average(config.quantize.average)
    return trainer


def _measured(
    student: QuantizedStudent, rows: Sequence[Row], *, batch_size: int = 64
) -> tuple[float, float]:
    """Return accuracy and firing rate in integers."""
    student.eval()  # type: ignore[no-untyped-call]
    right, rates = 0, _Rates()
    for start in range(0, len(rows), batch_size):
        batch = pad_batch(rows[start : start + batch_size])
        batch = {name: each.to(student.device) for name, each in batch.items()}
        with torch.inference_mode():
            logits = student(batch["input_ids"], batch["attention_mask"]).logits
        right += int((logits.argmax(dim=1) == batch["labels"]).sum())
        rates.take(student, batch["attention_mask"])
    return right / len(rows), rates.mean
