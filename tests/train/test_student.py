"""A checkpoint loads whole or is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from spikewright.errors import InputError
from spikewright.train.folders.checkpoint import read_json
from spikewright.train.student import (
    ChipStudent,
    encoder_tables,
    load_student,
    shipped_student,
)

MakeStudent = Callable[..., ChipStudent]


@pytest.fixture
def saved(make_student: MakeStudent, tmp_path: Path) -> Path:
    make_student().pack_encoder().save_pretrained(tmp_path)
    return tmp_path


def _edit(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_loads_in_evaluation_mode(saved: Path) -> None:
    student = load_student(saved)
    assert not student.training
    assert not any(module.training for module in student.modules())


def test_of_a_run_the_last_finished_student_is_loaded(
    make_student: MakeStudent, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"seed": 0}')  # of the run itself
    for seed, name in enumerate(("student", "quantized")):
        make_student(seed, steps=3 + seed).save_pretrained(tmp_path / name)
    (tmp_path / "student" / "card.json").write_text("{}")
    assert load_student(tmp_path).config.steps == 3  # quantized is not finished
    (tmp_path / "quantized" / "card.json").write_text("{}")
    assert load_student(str(tmp_path)).config.steps == 4
    assert load_student(tmp_path / "student").config.steps == 3


def test_a_run_without_a_finished_student_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"seed": 0}')
    with pytest.raises(InputError, match=r"no model type, .* 'spike.*finish the run"):
        load_student(tmp_path)


def test_the_shipped_student_loads() -> None:
    student = load_student(shipped_student())
    words, positions = encoder_tables(student)
    config = student.config
    assert words.shape == (config.vocab_size, config.word_channels // 8)
    assert positions.shape == (config.max_tokens, config.position_channels // 8)


@pytest.mark.parametrize("packed", [False, True])
def test_encoder_tables_are_the_bits(make_student: MakeStudent, packed: bool) -> None:
    student = make_student()
    words, positions = encoder_tables(student.pack_encoder() if packed else student)
    bits = student.encoder(torch.arange(12), torch.arange(12)).detach().numpy()
    np.testing.assert_array_equal(np.unpackbits(words, axis=1)[:12], bits[:, :16])
    np.testing.assert_array_equal(np.unpackbits(positions, axis=1), bits[:, 16:])


def test_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none/config.json: no such file"):
        load_student(tmp_path / "none")


def test_refuses_another_model(saved: Path) -> None:
    _edit(saved, model_type="bert")
    with pytest.raises(InputError, match=r"model type 'bert', can export 'spike"):
        load_student(saved)


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_refuses_a_config_that_is_no_object(saved: Path, text: str) -> None:
    (saved / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"(not readable|expected a) JSON"):
        load_student(saved)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("channels", 12, "channels: must be a multiple of 8"),
        ("channels", "many", "channels: must be a multiple of 8"),
        ("beta", 1.5, "beta: must be 0 or more and below 1"),
        ("beta", "half", "beta: must be 0 or more and below 1"),
        ("dropout", "0.1", "cannot be loaded .TypeError"),
        ("dtype", ["float32"], "cannot be loaded"),
        ("dtype", "float\u202e32", "cannot be loaded"),
        ("hidden", 32, r"does not fit|cannot be loaded"),
        ("blocks", 10**9, r"cannot be loaded .*has blocks 1000000000, but"),
        ("blocks", 3, r"does not fit config.json: .*missing_keys.*blocks.2"),
        ("blocks", 1, r"does not fit config.json: .*unexpected_keys.*blocks.1"),
    ],
)
def test_refuses_a_config_that_does_not_fit(
    saved: Path, name: str, value: object, message: str
) -> None:
    _edit(saved, **{name: value})
    with pytest.raises(InputError, match=message):
        load_student(saved)


def test_refuses_a_missing_file_of_weights(saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    with pytest.raises(InputError, match="cannot be loaded"):
        load_student(saved)


@pytest.mark.parametrize("keep", [0, 5, 200])
def test_refuses_corrupt_weights(saved: Path, keep: int) -> None:
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="cannot be loaded"):
        load_student(saved)


def test_refuses_a_missing_weight_by_name(saved: Path) -> None:
    weights = load_file(saved / "model.safetensors")
    del weights["blocks.0.mixed.skip"]
    save_file(weights, saved / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"missing_keys.*blocks.0.mixed.skip"):
        load_student(saved)


def test_refuses_a_weight_left_over_by_name(saved: Path) -> None:
    weights = load_file(saved / "model.safetensors")
    weights["blocks.0.extra"] = torch.ones(3)
    save_file(weights, saved / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"unexpected_keys.*blocks.0.extra"):
        load_student(saved)


def test_read_json_refuses_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"a.json: not readable JSON"):
        read_json(tmp_path / "a.json")
