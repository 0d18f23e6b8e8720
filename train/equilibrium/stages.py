"""The stages of a SpikingBERT run, each from a folder to a folder, done once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModel, PreTrainedModel

from spikewright.errors import InputError
from spikewright.train.equilibrium.distiller import SettledDistiller
from spikewright.train.equilibrium.student import SettledStudent, new_student
from spikewright.train.folders.writing import Writing
from spikewright.train.settings.spikingbert import SettledTable, SpikingBertRun
from spikewright.train.spikingbert.model import (
    SpikingBertForSequenceClassification,
    SpikingBertModel,
)
from spikewright.train.spikingbert.settle import settled_rates
from spikewright.train.stages.place import Place, Result, by_one, once, save
from spikewright.train.stages.trainer import train_stage
from spikewright.train.stages.training import RATE_ROWS, Stage, trainer_parts
from spikewright.train.teachers.teacher import (
    find_encoder,
    load_classifier,
    load_tokenizer,
    loading,
)
from spikewright.train.texts.data import LabeledText, Row, pad_batch
from spikewright.train.texts.sources import labeled_rows, unlabeled_rows


@dataclass(frozen=True)
class _Lesson(Stage):
    """A stage in which a student learns from a teacher."""

    table: SettledTable
    student: SettledStudent
    teacher: PreTrainedModel


def general_stage(
    place: Place, config: SpikingBertRun, base: str, texts: Sequence[str]
) -> Result:
    """Stage 1: distill the encoder on unlabeled text into `stage1`.

    Raises:
        ConfigError: layers that the teacher lacks, or a loss that is no finite number.
        InputError: there is no encoder, or too few texts.
        NoEquilibriumError: feedback grew until rates have no equilibrium.
        SliceEndedError: the time is over; the next call goes on.
    """
    table, folder = config.stage1, place.run / "stage1"
    tokenizer, held_out = load_tokenizer(base), table.held_out
    if len(texts) <= held_out:
        raise InputError(
            f"stage1: {len(texts)} texts, of which {held_out} are held out; name more "
            "[stage1] text or lower held_out"
        )

    def work() -> Result:
        with loading(base):
            teacher = AutoModel.from_pretrained(
                find_encoder(base), use_safetensors=True, trust_remote_code=False
            )
        rows = unlabeled_rows(texts, tokenizer, place.config)
        generator = torch.Generator().manual_seed(config.seed)
        order = torch.randperm(len(rows), generator=generator).tolist()
        shuffled = [rows[i] for i in order]
        model = new_student(config, table, teacher)
        at_start = population_rates(model.encoder, shuffled)
        place.say(
            f"stage1: {len(rows) - held_out} texts of {base}'s features; "
            f"{_told(at_start)}"
        )
        stage = _Lesson("stage1", folder, table, model, teacher)
        trainer, curve = _learn(place, stage, shuffled[held_out:], shuffled[:held_out])
        measured = trainer.evaluate()["eval_loss"]

        def keep() -> None:
            with Writing(folder):
                model.encoder.save_pretrained(folder)
                model.save_heads(folder)

        by_one(keep)
        return {"held_out_loss": measured, "rates_at_start": at_start, "curve": curve}

    return once(folder, work)


def task_stage(
    place: Place,
    config: SpikingBertRun,
    train: Sequence[LabeledText],
    made: Sequence[str],
    validation: Sequence[LabeledText],
) -> Result:
    """Stage 2: distill on the task from the fine-tuned teacher into `student`.

    What is evaluated are spikes of T steps, whatever rates the student learns with.

    Raises:
        ConfigError: layers that the teacher lacks, or a loss that is no finite number.
        InputError: stage 1 left an encoder that does not fit.
        NoEquilibriumError: feedback grew until rates have no equilibrium.
        SliceEndedError: the time is over; the next call goes on.
    """
    table, folder = config.stage2, place.run / "student"
    tokenizer = load_tokenizer(str(place.run / "teacher"))

    def work() -> Result:
        classes = len(config.data.labels)
        teacher = load_classifier(str(place.run / "teacher"), classes=classes)
        model = new_student(config, table, teacher)
        if config.stage1.epochs:
            model.load_stage(place.run / "stage1")
        rows = labeled_rows(train, tokenizer, place.config)
        rows += unlabeled_rows(made, tokenizer, place.config)
        held = labeled_rows(validation, tokenizer, place.config)
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
    place: Place, stage: _Lesson, rows: Sequence[Row], held_out: Sequence[Row]
) -> tuple[SettledDistiller, list[dict[str, float]]]:
    """Train to the best evaluation; return the Trainer and the curve."""
    parts: dict[str, Any] = trainer_parts(place, stage, rows, held_out)
    trainer = SettledDistiller(
        **parts,
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
