"""Stage denorm: from a student with LayerNorm to one whose norms fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import torch

from spikewright.train.folders.writing import Writing
from spikewright.train.settings.spikebert import DenormTable, SpikeBertRun
from spikewright.train.spikebert.denorm import Batch, foldable_twin
from spikewright.train.spikebert.load import load_spikebert
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.spikebert.rates import mean_rate
from spikewright.train.stages.made import made_texts
from spikewright.train.stages.material import Texts, task_rows, tuned_tokenizer
from spikewright.train.stages.model import StudentWithHeads
from spikewright.train.stages.place import Place, Result, by_one, once, save
from spikewright.train.stages.training import Distillation, distill, rates_of
from spikewright.train.texts.data import Row, pad_batch


def denorm_stage(place: Place[SpikeBertRun], texts: Texts) -> Result:
    """Distill the student of stage 2 into `denorm`, a student of `norm = "channel"`.

    Raises:
        ConfigError: the loss is no longer a finite number.
        InputError: the student cannot be loaded.
        SliceEndedError: the time is over; the next call goes on.
    """
    config, folder = place.config, place.run / "denorm"
    made = made_texts(place, texts)
    tokenizer = tuned_tokenizer(place)

    def work() -> Result:
        teacher = load_spikebert(place.run / "student")
        rows, held = task_rows(config, texts, made, tokenizer)
        at_start = once(folder / "start", lambda: _start(place, teacher, rows, held))
        student = load_spikebert(folder / "start")
        if config.student.checkpointing:
            student.activation_checkpointing_enable()
        table = config.denorm
        whole = _with_heads(student, table)
        losses = table.as_distill()
        stage = Distillation("denorm", folder, table, losses, whole, teacher)
        place.say(f"denorm: {len(rows)} texts; {_told(at_start)}")
        trainer, curve = distill(place, stage, rows, held)
        measured = trainer.evaluate()["eval_accuracy"]
        by_one(lambda: save(student, tokenizer, folder))
        return {
            "config": asdict(table),
            "validation_accuracy": measured,
            "agreement": _agreement(student, teacher, held),
            "at_start": at_start,
            "rates": rates_of(student, held),
            "curve": curve,
        }

    return once(folder, work)


def _told(at_start: Result) -> str:
    return (
        f"at the start {at_start['validation_accuracy']:.4f} on validation, answers "
        f"like its teacher {at_start['agreement']:.4f}, mean rate "
        f"{mean_rate(at_start['rates']):.4f}"
    )


def _start(
    place: Place[SpikeBertRun],
    teacher: SpikeBertForSequenceClassification,
    rows: Sequence[Row],
    held: Sequence[Row],
) -> Result:
    """Make the student that the stage starts from, and measure it."""
    table, seed = place.config.denorm, place.config.seed
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(rows), generator=generator)[: table.calibration]
    torch.manual_seed(seed)
    student = foldable_twin(
        teacher, _batches([rows[i] for i in chosen.tolist()], teacher.device)
    )

    def keep() -> None:
        with Writing(place.run / "denorm" / "start"):
            student.save_pretrained(place.run / "denorm" / "start")

    by_one(keep)
    labels = torch.tensor([row["labels"] for row in held])
    return {
        "validation_accuracy": _share(_answers(student, held), labels),
        "agreement": _agreement(student, teacher, held),
        "rates": rates_of(student, held),
    }


def _with_heads(
    student: SpikeBertForSequenceClassification, table: DenormTable
) -> StudentWithHeads:
    blocks = range(1, student.config.num_hidden_layers + 1)
    words = student.spikebert.words.weight
    return StudentWithHeads(
        student,
        blocks=list(blocks) if table.feature_weight else [],
        table_shape=(words.shape[0], words.shape[1]),
        teacher_width=None,
        with_logits=True,
        with_table=False,
        with_padding=False,
    )


# --- answers -------------------------------------------------------------------------

ROWS_AT_ONCE = 64


def _batches(rows: Sequence[Row], device: torch.device) -> list[Batch]:
    return [
        {
            key: padded[key].to(device)
            for padded in [pad_batch(rows[start : start + ROWS_AT_ONCE])]
            for key in ("input_ids", "attention_mask")
        }
        for start in range(0, len(rows), ROWS_AT_ONCE)
    ]


@torch.no_grad()
def _answers(
    model: SpikeBertForSequenceClassification, rows: Sequence[Row]
) -> torch.Tensor:
    model.eval()  # type: ignore[no-untyped-call]
    found = [model(**batch).logits for batch in _batches(rows, model.device)]
    return torch.cat(found).argmax(dim=-1).cpu()


def _agreement(
    student: SpikeBertForSequenceClassification,
    teacher: SpikeBertForSequenceClassification,
    rows: Sequence[Row],
) -> float:
    """Return the share of rows that both answer alike."""
    return _share(_answers(student, rows), _answers(teacher, rows))


def _share(left: torch.Tensor, right: torch.Tensor) -> float:
    return float((left == right).double().mean())
