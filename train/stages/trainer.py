"""transformers' Trainer for our stages: distillation, slices of time, one order."""

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
    PreTrainedModel,
    PrinterCallback,
    TrainerCallback,
    TrainingArguments,
)

from spikewright.errors import ConfigError
from spikewright.train.meter import Say
from spikewright.train.settings.spikebert import DistillTable, StageTable
from spikewright.train.stages.losses import (
    feature_loss,
    label_loss,
    layer_map,
    logit_loss,
)
from spikewright.train.stages.model import (
    StageOutput,
    compared,
    unit_table,
    word_table,
)
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


class Distiller(StageTrainer):
    """Both stages: weighted losses between student and teacher.

    `model` is a `StudentWithHeads`; the teacher stays outside of it, frozen.
    """

    def __init__(
        self,
        *,
        teacher: PreTrainedModel,
        table: DistillTable,
        blocks: int,
        **given: Any,
    ) -> None:
        super().__init__(**given)
        self.table = table
        self.teacher = teacher.to(self.args.device).eval()  # type: ignore[arg-type]
        self.teacher.requires_grad_(False)
        words = word_table(self.teacher)
        self.words = unit_table(words) if table.embedding_scale == "unit" else words
        layers = teacher.config.num_hidden_layers
        self.targets = list(layer_map(table, blocks=blocks, layers=layers).values())
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
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        known = self._ask_teacher(ids, mask)
        output = model(ids, mask)
        parts = self._parts(output, known, mask, inputs["labels"])
        weights = self.table
        loss = torch.stack(
            [getattr(weights, f"{key}_weight") * part for key, part in parts.items()]
        ).sum()
        if model.training:
            self._note(parts)
        return (loss, {"logits": output.logits}) if return_outputs else loss

    def _ask_teacher(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
        if not self.table.feature_weight and not self.table.logit_weight:
            return None  # labels and word tables need no forward pass
        with torch.no_grad(), self.accelerator.autocast():
            return self.teacher(ids, attention_mask=mask, output_hidden_states=True)

    def _parts(
        self, output: StageOutput, known: Any, mask: torch.Tensor, labels: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Return each loss that has a weight."""
        table, parts = self.table, dict[str, torch.Tensor]()
        if table.feature_weight and output.features is not None:
            kind = table.feature_mean
            real = compared(mask, with_padding=kind == "published")
            wanted = [known.hidden_states[layer][real] for layer in self.targets]
            parts["feature"] = feature_loss(
                output.features, wanted, samples=len(mask), kind=kind, share=self._share
            )
        if table.embedding_weight and output.table is not None:
            parts["embedding"] = torch.nn.functional.mse_loss(output.table, self.words)
        if table.logit_weight and output.logits is not None:
            parts["logit"] = logit_loss(
                output.logits, known.logits, table.temperature, self._share
            )
        if table.label_weight and output.logits is not None:
            parts["label"] = label_loss(output.logits, labels, self._share)
        return parts

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
