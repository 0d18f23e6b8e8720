"""What both trainings share: arguments, progress, resuming, accuracy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    EvalPrediction,
    PrinterCallback,
    TrainerCallback,
    TrainingArguments,
)

from spikewright.errors import ConfigError, InputError
from spikewright.train.meter import Meter, Say
from spikewright.train.settings.config import (
    DistillConfig,
    QuantizeConfig,
    TeacherConfig,
)
from spikewright.train.training.average import AVERAGE_FILE, AveragingTrainer
from spikewright.train.training.resume import last_checkpoint


def training_arguments(
    config: TeacherConfig | DistillConfig | QuantizeConfig,
    folder: Path,
    *,
    seed: int,
    evaluations: int,
    schedule: str,
    metric: str = "accuracy",
    bf16: bool = True,
) -> TrainingArguments:
    """Return arguments that evaluate, and save to `folder`, `evaluations` times.

    The best is the evaluation with the largest `metric`.
    """
    return TrainingArguments(
        output_dir=str(folder.resolve()),
        num_train_epochs=config.epochs,
        learning_rate=config.learning_rate,
        lr_scheduler_type=schedule,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        weight_decay=config.weight_decay,
        warmup_steps=config.warmup_ratio,
        train_sampling_strategy="group_by_length",
        eval_strategy="steps",
        save_strategy="steps",
        eval_steps=1 / evaluations,
        save_steps=1 / evaluations,
        save_total_limit=2,  # with 1, the Trainer deletes the last when it ends
        load_best_model_at_end=True,
        metric_for_best_model=metric,
        logging_steps=50,
        logging_nan_inf_filter=False,  # Progress refuses them
        bf16=bf16,
        use_cpu=not torch.cuda.is_available(),
        remove_unused_columns=False,
        label_names=["labels"],
        report_to="none",
        dataloader_pin_memory=False,
        disable_tqdm=True,  # its bar writes the log to stdout
        seed=seed,
    )


class Progress(TrainerCallback):
    """A line for each evaluation and each twentieth; nothing on stdout.

    Raises:
        ConfigError: the loss is no longer a finite number.
    """

    def __init__(self, label: str, say: Say) -> None:
        self.label, self.say = label, say
        self.meter: Meter | None = None

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock at the first step of this run."""
        if self.meter is None:
            self.meter = Meter(f"{self.label}: step", state.max_steps, self.say)
            self.meter.begin_at(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Say how far it is."""
        if self.meter is not None:
            self.meter.show(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, **passed: Any) -> None:
        """Refuse a loss that is no number; say what an evaluation found."""
        logs: dict[str, float] = passed["logs"]
        where = f"at step {state.global_step} of {state.max_steps}"
        for key in ("loss", "eval_loss", "train_loss"):
            if not math.isfinite(logs.get(key, 0.0)):
                raise ConfigError(
                    f"{self.label}: {key} is {logs[key]} {where}; lower "
                    f"[{self.label}] learning_rate and train into another folder"
                )
        if "eval_accuracy" in logs:
            found = f"{logs['eval_accuracy']:.4f} on validation"
            self.say(f"{self.label}: {found} {where}")
        elif "eval_loss" in logs:
            self.say(f"{self.label}: loss {logs['eval_loss']:.4f} held out {where}")


def train_to_best(trainer: AveragingTrainer, label: str, say: Say) -> None:
    """Train from the last checkpoint, if any, and load the best evaluation.

    Args:
        trainer: with `training_arguments`; with its average, if it keeps one.
        label: the table of the configuration that says how.
        say: receives a line for each evaluation.

    Raises:
        ConfigError: the loss is no longer a finite number.
        InputError: a checkpoint cannot be written.
    """
    trainer.remove_callback(PrinterCallback)  # it prints the log on stdout
    progress = Progress(label, say)
    trainer.add_callback(progress)
    folder = Path(str(trainer.args.output_dir))
    also = () if trainer.average is None else (AVERAGE_FILE,)
    trainer.go_on(last_checkpoint(folder, *also))
    trainer.remove_callback(progress)
    trainer.settle()


def accuracy(prediction: EvalPrediction) -> dict[str, float]:
    """Share of samples whose largest logit is the label's."""
    logits, labels = prediction.predictions, prediction.label_ids
    if isinstance(logits, tuple) or isinstance(labels, tuple):
        raise InputError("accuracy needs one array of logits and one of labels")
    return {"accuracy": float((np.argmax(logits, axis=-1) == labels).mean())}
