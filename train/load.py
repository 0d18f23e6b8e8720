"""Load a student from a checkpoint folder, shipped or trained."""

from __future__ import annotations

import json
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from transformers import PreTrainedModel

from spikewright.errors import InputError
from spikewright.train.encoder import PackedEncoder
from spikewright.train.student import ChipStudent
from spikewright.train.student_config import ChipStudentConfig

SHIPPED = "sst2_chip"
Bits = npt.NDArray[np.uint8]
Model = TypeVar("Model", bound=PreTrainedModel)


def shipped_student(name: str = SHIPPED) -> Path:
    """Return the folder of a student that is part of this package."""
    with as_file(files("spikewright.train") / "students" / name) as folder:
        return folder


def load_student(folder: Path) -> ChipStudent:
    """Load a `ChipStudent` in evaluation mode, strictly: every weight must be there.

    Raises:
        InputError: no checkpoint, not one of ours, or a weight is missing or left over.
    """
    config = read_json(folder / "config.json")
    if config.get("model_type") != ChipStudentConfig.model_type:
        raise InputError(
            f"{folder}: model type '{config.get('model_type')}', can export "
            f"'{ChipStudentConfig.model_type}'; train one with 'spikewright train'"
        )
    return load_whole(folder, ChipStudent)


def load_whole(folder: Path, kind: type[Model]) -> Model:
    """Load a model in evaluation mode, strictly: every weight must be there.

    Raises:
        InputError: it cannot be loaded, or a weight is missing or left over.
    """
    try:
        loaded = kind.from_pretrained(
            folder, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder}: cannot be loaded: {error}") from error
    model, info = loaded[0], loaded[1]  # type: ignore[index]  # a pair, with info
    wrong = {k: sorted(info[k]) for k in ("missing_keys", "unexpected_keys") if info[k]}
    if wrong:
        raise InputError(
            f"{folder}: model.safetensors does not fit config.json: {wrong}"
        )
    assert isinstance(model, kind)  # noqa: S101 - it loaded its own kind
    model.eval()  # type: ignore[no-untyped-call]
    return model


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: the file is missing or is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def encoder_tables(student: ChipStudent) -> tuple[Bits, Bits]:
    """Return the packed bits of words and positions, (entries, channels / 8) each."""
    if not isinstance(student.encoder, PackedEncoder):
        student = student.pack_encoder()
    encoder = student.encoder
    assert isinstance(encoder, PackedEncoder)  # noqa: S101 - packed above
    return encoder.words.cpu().numpy(), encoder.positions.cpu().numpy()
