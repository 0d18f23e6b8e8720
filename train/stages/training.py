"""What the stages share: their Trainer, its distillation, the rates they tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, Trainer

from spikewright.train.neurons.compiled import compile_as_told
from spikewright.train.settings.spikebert import (
    CompiledTable,
    DistillTable,
    SpikeBertRun,
)
from spikewright.train.settings.stage_tables import StagedRun, StageTable
from spikewright.train.spikebert.rates import spike_rates
from spikewright.train.stages.distiller import Distiller
from spikewright.train.stages.model import StudentWithHeads
from spikewright.train.stages.place import Place
from spikewright.train.stages.trainer import stage_arguments, train_stage
from spikewright.train.texts.data import Row, pad_batch
from spikewright.train.training.trainer import accuracy

RATE_ROWS = 64
"""rows of validation that spike rates are measured on"""


@dataclass(frozen=True)
class Stage:
    """One stage: its name, its folder in the run, how long and fast it trains."""

    name: str
    folder: Path
    table: StageTable

    @property
    def by_accuracy(self) -> bool:
        """Return whether validation has labels that choose the checkpoint."""
        return self.name != "stage1"


@dataclass(frozen=True)
class Distillation(Stage):
    """A stage in which a student learns from a teacher."""

    table: CompiledTable
    losses: DistillTable
    student: StudentWithHeads
    teacher: PreTrainedModel


def distill(
    place: Place[SpikeBertRun],
    stage: Distillation,
    rows: Sequence[Row],
    held_out: Sequence[Row],
) -> tuple[Trainer, list[dict[str, float]]]:
    """Train to the best evaluation; return the Trainer and the curve.

    Raises:
        BackendMissingError: `compile` is "always" and there is no C++ compiler.
        ConfigError: layers that the teacher lacks, or a loss that is no finite number.
        SliceEndedError: the time is over; the next call goes on.
    """
    compile_as_told(stage.student, stage.table.compile, stage.name, place.say)
    trainer = Distiller(
        **trainer_parts(place, stage, rows, held_out),
        model=stage.student,
        teacher=stage.teacher,
        table=stage.losses,
        blocks=place.config.student.blocks,
    )
    curve = train_stage(
        trainer, stage.name, stage.table, minutes=place.minutes, say=place.say
    )
    return trainer, curve


def trainer_parts(
    place: Place[StagedRun], stage: Stage, rows: Sequence[Row], held_out: Sequence[Row]
) -> dict[str, Any]:
    """Return what the Trainer of a stage is made with, besides its model."""
    return {
        "args": stage_arguments(
            stage.table,
            stage.folder / "checkpoints",
            rows=len(rows),
            seed=place.config.seed,
            by_accuracy=stage.by_accuracy,
        ),
        "train_dataset": rows,
        "eval_dataset": held_out,
        "data_collator": pad_batch,
        "compute_metrics": accuracy if stage.by_accuracy else None,
    }


def rates_of(student: PreTrainedModel, rows: Sequence[Row]) -> dict[str, float]:
    """Return the spike rate of each population on the first rows."""
    batch = pad_batch(rows[:RATE_ROWS])
    device = student.device
    ids, mask = (batch[key].to(device) for key in ("input_ids", "attention_mask"))
    return spike_rates(student, ids, mask)
