"""The stages of a SpikeBERT run, each from a folder to a folder.

Each is done once: `result.json` says what came out, and that it is done.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from spikewright.errors import InputError
from spikewright.train.folders.writing import Writing
from spikewright.train.settings.spikebert import SpikeBertRun
from spikewright.train.spikebert.rates import mean_rate
from spikewright.train.stages.model import load_encoder
from spikewright.train.stages.place import Place, Result, by_one, once, save
from spikewright.train.stages.student import classifying, new_student
from spikewright.train.stages.trainer import StageTrainer, train_stage
from spikewright.train.stages.training import (
    Distillation,
    Stage,
    distill,
    rates_of,
    trainer_parts,
)
from spikewright.train.teachers.teacher import (
    find_encoder,
    load_classifier,
    load_tokenizer,
    loading,
)
from spikewright.train.texts.data import LabeledText
from spikewright.train.texts.sources import labeled_rows, unlabeled_rows

# --- the teacher ---------------------------------------------------------------------


def teacher_stage(
    place: Place,
    base: str,
    train: Sequence[LabeledText],
    validation: Sequence[LabeledText],
) -> Result:
    """Fine-tune the teacher into `teacher`, or measure it where it has no epoch.

    Raises:
        BackendMissingError: the package that carries the encoder is not installed.
        ConfigError: the loss is no longer a finite number.
        InputError: there is no encoder, or no classifier where none is trained.
        SliceEndedError: the time is over; the next call goes on.
    """
    table, folder = place.config.teacher, place.run / "teacher"
    tokenizer = load_tokenizer(base)

    def work() -> Result:
        torch.manual_seed(place.config.seed)
        model = _classifier(place.config, base)
        trainer = StageTrainer(
            **trainer_parts(
                place,
                Stage("teacher", folder, table),
                labeled_rows(train, tokenizer, place.config),
                labeled_rows(validation, tokenizer, place.config),
            ),
            model=model,
        )
        curve = []
        if table.epochs:
            place.say(f"teacher: fine-tuning {base}")
            left = place.minutes
            curve = train_stage(trainer, "teacher", table, minutes=left, say=place.say)
        measured = trainer.evaluate()["eval_accuracy"]
        by_one(lambda: save(model, tokenizer, folder))
        return {"base": base, "validation_accuracy": measured, "curve": curve}

    return once(folder, work)


def _classifier(config: SpikeBertRun, base: str) -> PreTrainedModel:
    classes = len(config.data.labels)
    if config.teacher.epochs:
        return load_classifier(base, classes=classes)
    with loading(base):
        model, info = AutoModelForSequenceClassification.from_pretrained(
            find_encoder(base),
            num_labels=classes,
            output_loading_info=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
    if info["missing_keys"]:
        raise InputError(
            f"teacher '{base}': with epochs = 0 it is taken as it is, and it has no "
            f"trained {min(info['missing_keys'])}; give it epochs"
        )
    return model  # type: ignore[no-any-return]


def _encoder(base: str) -> PreTrainedModel:
    with loading(base):
        model: PreTrainedModel = AutoModel.from_pretrained(
            find_encoder(base), use_safetensors=True, trust_remote_code=False
        )
    return model


# --- distillation --------------------------------------------------------------------


def general_stage(place: Place, base: str, texts: Sequence[str]) -> Result:
    """Stage 1: distill the encoder on unlabeled text into `stage1`.

    Raises:
        ConfigError: layers that the teacher lacks, or a loss that is no finite number.
        InputError: there is no encoder, or too few texts.
        SliceEndedError: the time is over; the next call goes on.
    """
    table, folder = place.config.stage1, place.run / "stage1"
    tokenizer, held_out = load_tokenizer(base), table.held_out
    if len(texts) <= held_out:
        raise InputError(
            f"stage1: {len(texts)} texts, of which {held_out} are held out; name more "
            "[stage1] text or lower held_out"
        )

    def work() -> Result:
        teacher = _encoder(base)
        rows = unlabeled_rows(texts, tokenizer, place.config)
        chosen = torch.randperm(
            len(rows), generator=torch.Generator().manual_seed(place.config.seed)
        ).tolist()
        shuffled = [rows[i] for i in chosen]
        model = new_student(place.config, table, teacher)
        at_start = rates_of(model.encoder, shuffled)
        place.say(
            f"stage1: {len(rows) - held_out} texts of {base}'s features; mean rate "
            f"{mean_rate(at_start):.4f}"
        )
        stage = Distillation("stage1", folder, table, table, model, teacher)
        trainer, curve = distill(place, stage, shuffled[held_out:], shuffled[:held_out])
        measured = trainer.evaluate()["eval_loss"]

        def keep() -> None:
            with Writing(folder):
                model.encoder.save_pretrained(folder)
                model.save_heads(folder)

        by_one(keep)
        return {
            "held_out_loss": measured,
            "rates_at_start": at_start,
            "curve": curve,
        }

    return once(folder, work)


def task_stage(
    place: Place,
    train: Sequence[LabeledText],
    made: Sequence[str],
    validation: Sequence[LabeledText],
) -> Result:
    """Stage 2: distill on the task from the fine-tuned teacher into `student`.

    Raises:
        ConfigError: layers that the teacher lacks, or a loss that is no finite number.
        InputError: stage 1 left an encoder that does not fit.
        SliceEndedError: the time is over; the next call goes on.
    """
    config, table, folder = place.config, place.config.stage2, place.run / "student"
    tokenizer = load_tokenizer(str(place.run / "teacher"))

    def work() -> Result:
        classes = len(config.data.labels)
        teacher = load_classifier(str(place.run / "teacher"), classes=classes)
        model = new_student(place.config, table, teacher)
        if config.stage1.epochs:
            load_encoder(classifying(model), place.run / "stage1")
            model.load_heads(place.run / "stage1")
        rows = labeled_rows(train, tokenizer, config)
        rows += unlabeled_rows(made, tokenizer, config)
        held = labeled_rows(validation, tokenizer, config)
        student = classifying(model)
        at_start = rates_of(student, held)
        place.say(f"stage2: {len(rows)} texts; mean rate {mean_rate(at_start):.4f}")
        stage = Distillation("stage2", folder, table, table, model, teacher)
        trainer, curve = distill(place, stage, rows, held)
        measured = trainer.evaluate()["eval_accuracy"]
        by_one(lambda: save(student, tokenizer, folder))
        return {
            "validation_accuracy": measured,
            "parameters": sum(each.numel() for each in student.parameters()),
            "rates_at_start": at_start,
            "rates": rates_of(student, held),
            "curve": curve,
        }

    return once(folder, work)
