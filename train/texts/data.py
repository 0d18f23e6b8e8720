"""Labeled texts: read, tokenize, batch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from spikewright.errors import InputError

NO_LABEL = -100
"""in the place of a class, of a text that has none; torch's own"""
Row = dict[str, list[int] | list[float] | int]
"""`input_ids`, and `labels` or `teacher_logits` where known."""


@dataclass(frozen=True)
class LabeledText:
    """One sentence and its class."""

    text: str
    label: int


def read_split(folder: Path, split: str) -> list[LabeledText]:
    """Read `folder/split.jsonl`: a JSON object a line with `text` and `label`.

    Raises:
        InputError: the file is missing or empty, or a line is not such an object.
    """
    path = folder / f"{split}.jsonl"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; give its parent as --data") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if not text:
        raise InputError(f"{path}: holds no line; give at least one sentence")
    # Not splitlines: JSON strings may hold U+2028, U+0085 and other line ends.
    lines = text.removesuffix("\n").split("\n")
    return [_parse(line, f"{path}:{i}") for i, line in enumerate(lines, start=1)]


def _parse(line: str, where: str) -> LabeledText:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON: {error}") from error
    match row:
        case {"text": str(text), "label": int(label)} if not isinstance(label, bool):
            if text.strip():
                return LabeledText(text, label)
            raise InputError(f"{where}: the text has no word; remove the line")
    raise InputError(
        f'{where}: expected {{"text": "…", "label": an integer}}, got {line[:60]!r}'
    )


def hash_split(folder: Path, split: str) -> str:
    """Return the SHA-256 of a split's file, for the run card."""
    return hashlib.sha256((folder / f"{split}.jsonl").read_bytes()).hexdigest()


def tokenize(
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_tokens: int,
    special_tokens: bool,
) -> list[list[int]]:
    """Return token ids of each text, cut to `max_tokens`, unpadded."""
    encoded = tokenizer(
        list(texts),
        truncation=True,
        max_length=max_tokens,
        add_special_tokens=special_tokens,
        return_attention_mask=False,
    )
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def pad_batch(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    """Stack rows into tensors; token ids are padded on the right with 0.

    Returns:
        `input_ids` and `attention_mask`, (samples, tokens) int64, and each other key
        of the rows as (samples, …).

    Raises:
        InputError: there is no row, or a row has no token.
    """
    if not rows or not all(row["input_ids"] for row in rows):
        raise InputError(
            f"a batch of {len(rows)} sentences: one or more, each with a token, make "
            "a batch; leave out empty ones"
        )
    ids = [torch.tensor(row["input_ids"], dtype=torch.int64) for row in rows]
    batch = {
        "input_ids": torch.nn.utils.rnn.pad_sequence(ids, batch_first=True),
        "attention_mask": torch.nn.utils.rnn.pad_sequence(
            [torch.ones_like(each) for each in ids], batch_first=True
        ),
    }
    others = [key for key in rows[0] if key != "input_ids"]
    return batch | {key: torch.tensor([row[key] for row in rows]) for key in others}
