"""transformers' Trainer for our stages: slices of time, one order."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    TrainerCallback,
    TrainingArguments,
)

from spikewright.errors import ConfigError
from spikewright.train.meter import Say
from spikewright.train.settings.stage_tables import StageTable
from spikewright.train.texts.data import Row
from spikewright.train.training.average import AveragingTrainer
from spikewright.train.training.order import LikeLengths
from spikewright.train.training.trainer import train_to_best

LOGS_BETWEEN_EVALUATIONS = 10


class SliceEndedError(Exception):
    """The time given to this slice is over; the run is saved and can go on."""


class SliceClock(TrainerCallback):
    """Ends a training, saved, at the first log after the time is over."""

    def __init__(self, minutes: float | None) -> None:
        self.end_s = None if minutes is None else time.monotonic() + 60 * minutes
        self.ended = False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save and stop if the time is over, in all processes alike."""
        between = state.global_step % args.logging_steps or not self.end_s
        if between or state.global_step >= state.max_steps:
            return
        over = torch.tensor(float(time.monotonic() >= (self.end_s or 0.0)))
        if torch.distributed.is_initialized():
            over = over.to(args.device)
            torch.distributed.broadcast(over, src=0)
        if over.item():
            self.ended = True
            control.should_save = control.should_training_stop = True


class StageTrainer(AveragingTrainer):
    """A Trainer whose rows come in an order that seed and epoch alone decide."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.remove_callback(PrinterCallback)  # it prints the log on stdout
        # Our losses are means over the batch: else two processes would double them.
        self.model_accepts_loss_kwargs = False

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
        rows: Sequence[Row] = train_dataset or self.train_dataset  # type: ignore[assignment]
        lengths = [len(row["input_ids"]) for row in rows]  # type: ignore[arg-type]
        args = self.args
        batch = args.per_device_train_batch_size * max(1, args.world_size)
        order = LikeLengths(lengths, batch=batch, seed=args.seed)
        self.add_callback(_EpochOfOrder(order))
        return order


class _EpochOfOrder(TrainerCallback):
    """Tells the order its epoch, also in a run that goes on in the middle."""

    def __init__(self, order: LikeLengths) -> None:
        self.order = order

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell it."""
        self.order.epoch = int(state.epoch or 0)


def stage_arguments(
    stage: StageTable, folder: Path, *, rows: int, seed: int, by_accuracy: bool
) -> TrainingArguments:
    """Return the arguments of a stage over so many rows, its checkpoints in `folder`.

    An evaluation falls on a log, or the mean loss of a resumed run would begin anew
    between two logs.

    Raises:
        ConfigError: fp16 without a GPU.
    """
    if stage.precision == "fp16" and not torch.cuda.is_available():
        raise ConfigError('precision: "fp16" needs a GPU; take "bf16" or "float32"')
    arguments = TrainingArguments(
        output_dir=str(folder.resolve()),
        learning_rate=stage.learning_rate,
        lr_scheduler_type=stage.schedule,
        per_device_train_batch_size=stage.batch_size,
        per_device_eval_batch_size=stage.batch_size,
        gradient_accumulation_steps=stage.accumulate,
        weight_decay=stage.weight_decay,
        eval_strategy="steps",
        save_strategy="steps",
        save_total_limit=2,  # with 1, the Trainer deletes the last when it ends
        load_best_model_at_end=True,
        metric_for_best_model="accuracy" if by_accuracy else "loss",
        greater_is_better=by_accuracy,
        restore_callback_states_from_checkpoint=True,  # patience goes on counting
        prediction_loss_only=not by_accuracy,
        logging_nan_inf_filter=False,  # Progress refuses them
        bf16=stage.precision == "bf16",
        fp16=stage.precision == "fp16",
        use_cpu=not torch.cuda.is_available(),
        remove_unused_columns=False,
        label_names=["labels"],
        report_to="none",
        dataloader_pin_memory=False,
        disable_tqdm=True,  # its bar writes the log to stdout
        seed=seed,
    )
    # Several GPUs take several processes: DataParallel would cut batches by itself.
    arguments._n_gpu = min(1, arguments.n_gpu)
    _set_lengths(arguments, stage, rows)
    return arguments


def _set_lengths(arguments: TrainingArguments, stage: StageTable, rows: int) -> None:
    """Set how many updates there are, and which are logged, evaluated and kept."""
    batch = stage.batch_size * max(1, arguments.world_size)
    updates = math.ceil(math.ceil(rows / batch) / stage.accumulate)
    total = max(1, round(stage.epochs * updates))
    logs = total // (stage.evaluations * LOGS_BETWEEN_EVALUATIONS)
    arguments.max_steps = total
    arguments.warmup_steps = round(stage.warmup_ratio * total)
    arguments.logging_steps = max(1, logs)
    every = logs * LOGS_BETWEEN_EVALUATIONS or max(1, total // stage.evaluations)
    arguments.eval_steps = arguments.save_steps = every


def train_stage(
    trainer: AveragingTrainer,
    label: str,
    stage: StageTable,
    *,
    minutes: float | None,
    say: Say,
) -> list[dict[str, float]]:
    """Train from the last checkpoint, if any, to the end; load the best evaluation.

    Returns:
        The curve: what was logged, by step.

    Raises:
        ConfigError: the loss is no longer a finite number.
        SliceEndedError: `minutes` are over; the next call goes on.
    """
    clock = SliceClock(minutes)
    trainer.add_callback(clock)
    if stage.patience:
        trainer.add_callback(EarlyStoppingCallback(stage.patience))
    train_to_best(trainer, label, say)
    if clock.ended:
        raise SliceEndedError(
            f"{label}: step {trainer.state.global_step} of {trainer.state.max_steps}"
        )
    return [each for each in trainer.state.log_history if "train_runtime" not in each]
