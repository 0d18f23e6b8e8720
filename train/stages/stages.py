"""The stages of a SpikeBERT run, each from a folder to a folder.

Each is done once: `result.json` says what came out, and that it is done.
"""

from __future__ import annotations

from spikewright.train.settings.spikebert import SpikeBertRun
from spikewright.train.spikebert.rates import mean_rate
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
from spikewright.train.stages.model import load_encoder
from spikewright.train.stages.place import (
    Place,
    Result,
    by_one,
    once,
    save,
    save_encoder,
)
from spikewright.train.stages.student import classifying, new_student
from spikewright.train.stages.training import Distillation, distill, rates_of


def general_stage(place: Place[SpikeBertRun], texts: Texts) -> Result:
    """Stage 1: distill the encoder on unlabeled text into `stage1`.

    Raises:
        ConfigError: layers that the teacher lacks, or a loss that is no finite number.
        InputError: there is no encoder, or too few texts.
        SliceEndedError: the time is over; the next call goes on.
    """
    config, table, folder = place.config, place.config.stage1, place.run / "stage1"
    base, tokenizer, unlabeled = general_texts(place, texts)
    held_out = table.held_out

    def work() -> Result:
        teacher = load_base(base)
        rows = general_rows(config, unlabeled, tokenizer)
        model = new_student(config, table, teacher)
        at_start = rates_of(model.encoder, rows)
        place.say(
            f"stage1: {len(rows) - held_out} texts of {base}'s features; mean rate "
            f"{mean_rate(at_start):.4f}"
        )
        stage = Distillation("stage1", folder, table, table, model, teacher)
        trainer, curve = distill(place, stage, rows[held_out:], rows[:held_out])
        measured = trainer.evaluate()["eval_loss"]
        by_one(lambda: save_encoder(model.encoder, model.save_heads, folder))
        return {
            "held_out_loss": measured,
            "rates_at_start": at_start,
            "curve": curve,
        }

    return once(folder, work)


def task_stage(place: Place[SpikeBertRun], texts: Texts) -> Result:
    """Stage 2: distill on the task from the fine-tuned teacher into `student`.

    Raises:
        ConfigError: layers that the teacher lacks, or a loss that is no finite number.
        InputError: stage 1 left an encoder that does not fit.
        SliceEndedError: the time is over; the next call goes on.
    """
    config, table, folder = place.config, place.config.stage2, place.run / "student"
    made = made_texts(place, texts)
    tokenizer = tuned_tokenizer(place)

    def work() -> Result:
        teacher = tuned_teacher(place)
        model = new_student(config, table, teacher)
        if config.stage1.epochs:
            load_encoder(classifying(model), place.run / "stage1")
            model.load_heads(place.run / "stage1")
        rows, held = task_rows(config, texts, made, tokenizer)
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
