"""The first stage of every run: the teacher, fine-tuned."""

from __future__ import annotations

import torch
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from spikewright.errors import InputError
from spikewright.train.settings.stage_tables import StagedRun
from spikewright.train.stages.material import Texts, task_rows, teacher_base
from spikewright.train.stages.place import Place, Result, by_one, once, save
from spikewright.train.stages.trainer import StageTrainer, train_stage
from spikewright.train.stages.training import Stage, trainer_parts
from spikewright.train.teachers.teacher import (
    find_encoder,
    load_classifier,
    load_tokenizer,
    loading,
)


def teacher_stage(place: Place[StagedRun], texts: Texts) -> Result:
    """Fine-tune the teacher into `teacher`, or measure it where it has no epoch.

    Raises:
        BackendMissingError: the package that carries the encoder is not installed.
        ConfigError: the loss is no longer a finite number.
        InputError: there is no encoder, or no classifier where none is trained.
        SliceEndedError: the time is over; the next call goes on.
    """
    config, folder = place.config, place.run / "teacher"
    table, base = config.teacher, teacher_base(place, texts)
    tokenizer = load_tokenizer(base)

    def work() -> Result:
        torch.manual_seed(config.seed)
        model = _classifier(config, base)
        stage = Stage("teacher", folder, table)
        rows, held = task_rows(config, texts, [], tokenizer)
        trainer = StageTrainer(**trainer_parts(place, stage, rows, held), model=model)
        curve = []
        if table.epochs:
            place.say(f"teacher: fine-tuning {base}")
            left = place.minutes
            curve = train_stage(trainer, "teacher", table, minutes=left, say=place.say)
        measured = trainer.evaluate()["eval_accuracy"]
        by_one(lambda: save(model, tokenizer, folder))
        return {"base": base, "validation_accuracy": measured, "curve": curve}

    return once(folder, work)


def _classifier(config: StagedRun, base: str) -> PreTrainedModel:
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
