"""Texts of a run: folders of the data directory, or `hub:NAME` by the datasets package.

`hub:PATH` or `hub:PATH:CONFIG`, such as hub:nyu-mll/glue:sst2.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from spikewright.errors import BackendMissingError, InputError
from spikewright.train.settings.stage_tables import StagedRun
from spikewright.train.texts.data import (
    NO_LABEL,
    LabeledText,
    Row,
    hash_split,
    read_split,
    tokenize,
)

HUB = "hub:"
TEXT_COLUMNS = ("text", "sentence", "review", "content")
LABEL_COLUMNS = ("label", "labels")


def read_labeled(
    data: Path | None, name: str, split: str, *, classes: int
) -> list[LabeledText]:
    """Read a split whose labels are 0 to classes - 1.

    Raises:
        BackendMissingError: a hub name, and datasets is not installed.
        InputError: the split is missing, empty or unfit, or a label has no name.
    """
    if name.startswith(HUB):
        texts, where = _labeled(_hub_rows(name, split), name), f"{name} {split}"
    else:
        folder = _folder(data, name)
        texts, where = read_split(folder, split), f"{folder / split}.jsonl"
    for line, each in enumerate(texts, start=1):
        if not 0 <= each.label < classes:
            raise InputError(
                f"{where}:{line}: label {each.label}; [data] labels names 0 to "
                f"{classes - 1}; correct one of the two"
            )
    return texts


def read_unlabeled(data: Path | None, name: str) -> list[str]:
    """Read the texts of a training split, whatever else its rows hold.

    Raises:
        BackendMissingError: a hub name, and datasets is not installed.
        InputError: the split is missing, or a row has no text.
    """
    if name.startswith(HUB):
        return [_column(row, TEXT_COLUMNS, str, name) for row in _hub_rows(name)]
    path = _folder(data, name) / "train.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        rows = [json.loads(line) for line in lines]
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    return [_column(row, ("text",), str, f"{path}") for row in rows]


def hash_texts(data: Path | None, name: str, split: str) -> str:
    """Return the SHA-256 of a split, for the run card.

    Raises:
        BackendMissingError: a hub name, and datasets is not installed.
        InputError: the split is missing.
    """
    if not name.startswith(HUB):
        return hash_split(_folder(data, name), split)
    rows = (json.dumps(row, sort_keys=True) for row in _hub_rows(name, split))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _folder(data: Path | None, name: str) -> Path:
    if data is None:
        raise InputError(
            f"'{name}' is a folder of the data directory: give that one as --data, or "
            f"write {HUB}NAME for a data set of the hub"
        )
    return data / name


def _hub_rows(name: str, split: str = "train") -> Sequence[Mapping[str, Any]]:
    try:
        datasets = importlib.import_module("datasets")
    except ImportError as error:
        raise BackendMissingError(
            f"'{name}': datasets is not installed; run: pip install "
            "'spikewright[hub]', or give a local folder"
        ) from error
    path, _, config = name.removeprefix(HUB).partition(":")
    try:
        rows = datasets.load_dataset(path, config or None, split=split)
    except (OSError, ValueError) as error:
        raise InputError(f"'{name}' {split}: cannot be loaded: {error}") from error
    return [dict(row) for row in rows]


def _labeled(rows: Iterable[Mapping[str, Any]], where: str) -> list[LabeledText]:
    return [
        LabeledText(
            _column(row, TEXT_COLUMNS, str, where),
            _column(row, LABEL_COLUMNS, int, where),
        )
        for row in rows
    ]


def _column(
    row: Mapping[str, Any], names: Sequence[str], kind: type[Any], where: str
) -> Any:
    found = [row[name] for name in names if name in row]
    if not found or not isinstance(found[0], kind):
        raise InputError(
            f"{where}: a row has no {kind.__name__} in {' or '.join(names)}; it has "
            f"{', '.join(row)}"
        )
    return found[0]


# --- rows ----------------------------------------------------------------------------


def labeled_rows(
    texts: Sequence[LabeledText],
    tokenizer: PreTrainedTokenizerBase,
    config: StagedRun,
) -> list[Row]:
    """Tokenize labeled texts, with the teacher's special tokens."""
    rows = unlabeled_rows([each.text for each in texts], tokenizer, config)
    for row, each in zip(rows, texts, strict=True):
        row["labels"] = each.label
    return rows


def unlabeled_rows(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, config: StagedRun
) -> list[Row]:
    """Tokenize texts, their label unknown."""
    if not texts:
        return []
    ids = tokenize(
        texts, tokenizer, max_tokens=config.data.max_tokens, special_tokens=True
    )
    return [{"input_ids": each, "labels": NO_LABEL} for each in ids]
