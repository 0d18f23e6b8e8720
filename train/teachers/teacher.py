"""The teacher: a BERT encoder fine-tuned on the task, and its logits on any text."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from spikewright.errors import BackendMissingError, InputError
from spikewright.train.folders.writing import Writing
from spikewright.train.meter import Meter, Say, ignore
from spikewright.train.settings.config import DataConfig, TeacherConfig
from spikewright.train.texts.data import LabeledText, Row, pad_batch, tokenize
from spikewright.train.training.average import AveragingTrainer
from spikewright.train.training.trainer import (
    accuracy,
    train_to_best,
    training_arguments,
)

FloatArray = npt.NDArray[np.float32]
PACKAGE_PREFIX = "package:"


def find_encoder(base: str) -> str:
    """Resolve `package:NAME` to the folder of the encoder that package carries.

    Raises:
        BackendMissingError: the package is not installed.
        InputError: a path of the local disk that is no folder.
    """
    if not base.startswith(PACKAGE_PREFIX):
        if base.startswith(("/", ".", "~")) and not Path(base).is_dir():
            raise InputError(f"teacher '{base}': no such folder")
        return base
    name = base.removeprefix(PACKAGE_PREFIX)
    module = name.replace("-", "_")
    found = importlib.util.find_spec(module) if module.isidentifier() else None
    if found is None or found.origin is None:
        raise BackendMissingError(
            f"teacher '{base}': package {name} is missing; pip install {name}"
        )
    folder = Path(found.origin).parent / "model"
    if not folder.is_dir():
        raise InputError(f"teacher '{base}': package {name} has no folder 'model'")
    return str(folder)


@contextmanager
def loading(base: str) -> Iterator[None]:
    """Turn what transformers raises for a useless folder or name into one line."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        said = (str(error).strip() or repr(error)).splitlines()[0]
        raise InputError(
            f"teacher '{base}': cannot be loaded: {said}; [teacher] base is a folder "
            "with safetensors that transformers can load, a hub name, or "
            f"{PACKAGE_PREFIX}NAME"
        ) from error


def load_tokenizer(base: str) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a teacher or an encoder.

    Raises:
        BackendMissingError: its package is not installed.
        InputError: there is none.
    """
    folder = find_encoder(base)
    with loading(base):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False
        )
    return tokenizer


def load_classifier(base: str, *, classes: int) -> PreTrainedModel:
    """Load a teacher, or an encoder under a new head, that tells `classes` apart.

    Raises:
        BackendMissingError: its package is not installed.
        InputError: there is none, or it tells another number of classes apart.
    """
    folder = find_encoder(base)
    with loading(base):
        model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
            folder, num_labels=classes, use_safetensors=True, trust_remote_code=False
        )
    return model


def fine_tune_teacher(
    config: TeacherConfig,
    data: DataConfig,
    train: Sequence[LabeledText],
    validation: Sequence[LabeledText],
    folder: Path,
    *,
    seed: int,
    say: Say = ignore,
) -> float:
    """Fine-tune `config.base` and save the best evaluation on validation to `folder`.

    Resumes from the last checkpoint in `folder/checkpoints`.

    Returns:
        Accuracy on validation, in bfloat16 as it was trained.

    Raises:
        BackendMissingError: the package that carries the encoder is not installed.
        ConfigError: the loss is no longer a finite number.
        InputError: there is no encoder at `config.base`.
    """
    tokenizer = load_tokenizer(config.base)
    torch.manual_seed(seed)
    model = load_classifier(config.base, classes=len(data.labels))
    checkpoints = folder / "checkpoints"
    trainer = AveragingTrainer(
        model=model,
        args=training_arguments(
            config, checkpoints, seed=seed, evaluations=10, schedule="linear"
        ),
        train_dataset=_rows(train, tokenizer, data.max_tokens),
        eval_dataset=_rows(validation, tokenizer, data.max_tokens),
        data_collator=pad_batch,
        compute_metrics=accuracy,
    )
    trainer.keep_average(config.average)
    train_to_best(trainer, "teacher", say)
    measured = trainer.evaluate()["eval_accuracy"]
    with Writing(folder):
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


def label_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    max_tokens: int,
    batch_size: int = 64,
    say: Say = ignore,
) -> FloatArray:
    """Return the teacher's logits, (texts, classes), in batches of like length."""
    ids = tokenize(texts, tokenizer, max_tokens=max_tokens, special_tokens=True)
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    classes = len(model.config.id2label or {})
    logits = np.zeros((len(ids), classes), dtype=np.float32)
    model.eval()  # type: ignore[no-untyped-call]
    meter, done = Meter("labels: token", sum(map(len, ids)), say), 0
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = pad_batch([{"input_ids": ids[i]} for i in chosen])
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            logits[chosen] = model(**batch).logits.float().numpy()
        done += sum(len(ids[i]) for i in chosen)
        meter.show(done)
    return logits
