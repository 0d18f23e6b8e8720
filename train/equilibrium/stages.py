"""The stages of a SpikingBERT run, each from a folder to a folder, done once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from spikewright.train.equilibrium.distiller import SettledDistiller
from spikewright.train.equilibrium.student import SettledStudent, new_student
from spikewright.train.settings.spikingbert import SettledTable, SpikingBertRun
from spikewright.train.spikingbert.model import (
    SpikingBertForSequenceClassification,
    SpikingBertModel,
)
from spikewright.train.spikingbert.settle import settled_rates
from spikewright.train.stages.made import made_texts
from spikewright.train.stages.material import (
    Texts,
    general_rows,
    general_texts,
    load_base,
    task_rows,
    tuned_teacher,
    tuned_tokenizer,
)
from spikewright.train.stages.place import (
    Place,
    Result,
    by_one,
    once,
    save,
    save_encoder,
)
from spikewright.train.stages.trainer import train_stage
from spikewright.train.stages.training import RATE_ROWS, Stage, trainer_parts
from spikewright.train.texts.data import Row, pad_batch


@dataclass(frozen=True)
class _Lesson(Stage):
    """A stage in which a student learns from a teacher."""

    table: SettledTable
    student: SettledStudent
    teacher: PreTrainedModel


def general_stage(place: Place[SpikingBertRun], texts: Texts) -> Result:
    """Stage 1: distill the encoder on unlabeled text into `stage1`.

    Raises:
        ConfigError: layers that the teacher lacks, or a loss that is no finite number.
        InputError: there is no encoder, or too few texts.
        NoEquilibriumError: feedback grew until rates have no equilibrium.
        SliceEndedError: the time is over; the next call goes on.
    """
    config, table, folder = place.config, place.config.stage1, place.run / "stage1"
    base, tokenizer, unlabeled = general_texts(place, texts)
    held_out = table.held_out

    def work() -> Result:
        teacher = load_base(base)
        rows = general_rows(config, unlabeled, tokenizer)
        model = new_student(config, table, teacher)
        at_start = population_rates(model.encoder, rows)
        place.say(
            f"stage1: {len(rows) - held_out} texts of {base}'s features; "
            f"{_told(at_start)}"
        )
        stage = _Lesson("stage1", folder, table, model, teacher)
        trainer, curve = _learn(place, stage, rows[held_out:], rows[:held_out])
        measured = trainer.evaluate()["eval_loss"]
        by_one(lambda: save_encoder(model.encoder, model.save_heads, folder))
        return {"held_out_loss": measured, "rates_at_start": at_start, "curve": curve}

    return once(folder, work)


def task_stage(place: Place[SpikingBertRun], texts: Texts) -> Result:
    """Stage 2: distill on the task from the fine-tuned teacher into `student`.

    What is evaluated are spikes of T steps, whatever rates the student learns with.

    Raises:
        ConfigError: layers that the teacher lacks, or a loss that is no finite number.
        InputError: stage 1 left an encoder that does not fit.
        NoEquilibriumError: feedback grew until rates have no equilibrium.
        SliceEndedError: the time is over; the next call goes on.
    """
    config, table, folder = place.config, place.config.stage2, place.run / "student"
    made = made_texts(place, texts)
    tokenizer = tuned_tokenizer(place)

    def work() -> Result:
        teacher = tuned_teacher(place)
        model = new_student(config, table, teacher)
        if config.stage1.epochs:
            model.load_stage(place.run / "stage1")
        rows, held = task_rows(config, texts, made, tokenizer)
        student = model.student
        assert isinstance(student, SpikingBertForSequenceClassification)  # noqa: S101
        at_start = population_rates(model.encoder, held)
        place.say(f"stage2: {len(rows)} texts; {_told(at_start)}")
        stage = _Lesson("stage2", folder, table, model, teacher)
        trainer, curve = _learn(place, stage, rows, held)
        measured = trainer.evaluate()["eval_accuracy"]
        by_one(lambda: save(student, tokenizer, folder))
        return {
            "validation_accuracy": measured,
            "parameters": sum(each.numel() for each in student.parameters()),
            "rates_at_start": at_start,
            "rates": population_rates(model.encoder, held),
            "curve": curve,
        }

    return once(folder, work)


def _learn(
    place: Place[SpikingBertRun],
    stage: _Lesson,
    rows: Sequence[Row],
    held_out: Sequence[Row],
) -> tuple[SettledDistiller, list[dict[str, float]]]:
    """Train to the best evaluation; return the Trainer and the curve."""
    trainer = SettledDistiller(
        **trainer_parts(place, stage, rows, held_out),
        model=stage.student,
        teacher=stage.teacher,
        table=stage.table,
        blocks=stage.student.encoder.config.num_hidden_layers,
    )
    curve = train_stage(
        trainer, stage.name, stage.table, minutes=place.minutes, say=place.say
    )
    return trainer, curve


@torch.no_grad()
def population_rates(
    encoder: SpikingBertModel, rows: Sequence[Row]
) -> dict[str, float]:
    """Return the mean ASR of each population on the first rows, after T steps."""
    batch = pad_batch(rows[:RATE_ROWS])
    ids, mask = (
        batch[key].to(encoder.device) for key in ("input_ids", "attention_mask")
    )
    layout = encoder.lay_out(ids, mask)
    x, network = encoder.current(ids, layout), encoder.network
    found = settled_rates(network, layout, x, steps=encoder.config.steps)
    return {name: float(rate.mean()) for name, rate in found.items()}


def _told(rates: dict[str, float]) -> str:
    return f"mean rate {sum(rates.values()) / len(rates):.4f}"
