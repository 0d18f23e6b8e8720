"""Labeled texts: read line by line, batched with a mask."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from spikewright.errors import InputError
from spikewright.train.texts.data import LabeledText, hash_split, pad_batch, read_split


def _write(folder: Path, text: str) -> None:
    (folder / "train.jsonl").write_text(text, encoding="utf-8")


def test_reads_texts_in_order(tmp_path: Path) -> None:
    _write(tmp_path, '{"text": "a b", "label": 1, "id": 9}\n{"label": 0, "text": "c"}')
    expected = [LabeledText("a b", 1), LabeledText("c", 0)]
    assert read_split(tmp_path, "train") == expected
    _write(tmp_path, (tmp_path / "train.jsonl").read_text() + "\n")
    assert read_split(tmp_path, "train") == expected


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\u0085"])
def test_a_line_ends_at_a_newline_only(tmp_path: Path, end: str) -> None:
    # JSON allows these inside a string, and str.splitlines would cut there.
    text = f"one{end}two"
    _write(tmp_path, f'{{"text": "{text}", "label": 0}}\n')
    assert read_split(tmp_path, "train") == [LabeledText(text, 0)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"train.jsonl:2: not JSON: Expecting"),
        ("", r"train.jsonl:2: not JSON"),
        ("[1]", r"train.jsonl:2: expected .*, got '\[1\]'"),
        ('{"text": "a"}', r"train.jsonl:2: expected .*\"label\": an integer"),
        ('{"label": 1}', r"train.jsonl:2: expected"),
        ('{"text": 5, "label": 1}', r"train.jsonl:2: expected"),
        ('{"text": "a", "label": 0.7}', r"train.jsonl:2: expected"),
        ('{"text": "a", "label": "1"}', r"train.jsonl:2: expected"),
        ('{"text": "a", "label": true}', r"train.jsonl:2: expected"),
        (
            '{"text": " \\n", "label": 1}',
            r"train.jsonl:2: the text has no word",
        ),
    ],
)
def test_refuses_a_line(tmp_path: Path, line: str, message: str) -> None:
    good = '{"text": "a", "label": 0}\n'
    _write(tmp_path, good + line + "\n" + good)
    with pytest.raises(InputError, match=message):
        read_split(tmp_path, "train")


def test_refuses_a_missing_or_empty_or_binary_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train.jsonl: no such file; give its parent"):
        read_split(tmp_path, "train")
    _write(tmp_path, "")
    with pytest.raises(InputError, match=r"train.jsonl: holds no line"):
        read_split(tmp_path, "train")
    (tmp_path / "train.jsonl").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"train.jsonl: cannot be read"):
        read_split(tmp_path, "train")


def test_the_hash_is_sha_256_of_the_file(tmp_path: Path) -> None:
    _write(tmp_path, "abc")
    assert hash_split(tmp_path, "train") == hashlib.sha256(b"abc").hexdigest()


def test_pads_on_the_right_with_a_mask() -> None:
    batch = pad_batch(
        [
            {"input_ids": [5, 0, 7], "labels": 1, "teacher_logits": [0.5, -1.0]},
            {"input_ids": [9], "labels": -100, "teacher_logits": [2.0, 3.0]},
        ]
    )
    # Id 0 at the second place of the first sentence is a token, not padding.
    assert batch["input_ids"].tolist() == [[5, 0, 7], [9, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [1, -100]
    assert batch["teacher_logits"].tolist() == [[0.5, -1.0], [2.0, 3.0]]
    assert batch["input_ids"].dtype == batch["labels"].dtype == torch.int64
    assert batch["teacher_logits"].dtype == torch.float32


def test_refuses_a_batch_of_nothing() -> None:
    with pytest.raises(InputError, match="a batch of 0 sentences: one or more"):
        pad_batch([])
    with pytest.raises(InputError, match=r"a batch of 2 sentences: .* with a token"):
        pad_batch([{"input_ids": [1]}, {"input_ids": []}])
