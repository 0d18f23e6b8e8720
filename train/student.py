"""The deployable student: load a trained or the shipped one."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spikewright.errors import InputError
from spikewright.train.chip.config import ChipStudentConfig
from spikewright.train.chip.encoder import PackedEncoder
from spikewright.train.chip.model import ChipStudent
from spikewright.train.folders.checkpoint import load_whole, read_json

__all__ = [
    "ChipStudent",
    "encoder_tables",
    "load_student",
    "shipped_student",
    "student_folder",
]

SHIPPED = "sst2_chip"
OF_A_RUN = ("quantized", "student")
"""folders of a run that may hold a student; the first that is finished is its result"""
Bits = npt.NDArray[np.uint8]


def shipped_student(name: str = SHIPPED) -> Path:
    """Return the folder of a student that is part of this package."""
    with as_file(files("spikewright.train") / "students" / name) as folder:
        return folder


def student_folder(folder: str | Path) -> Path:
    """Return where the student of a training run lies; a student's own folder as it is.

    Of a run it is `quantized`, which learned on in the chip's integers, if the run has
    finished one, else `student`.
    """
    inside = (Path(folder, name) for name in OF_A_RUN)
    finished = (each for each in inside if (each / "card.json").exists())
    return next(finished, Path(folder))


def load_student(folder: str | Path) -> ChipStudent:
    """Load a `ChipStudent` in evaluation mode, strictly: every weight must be there.

    Args:
        folder: a student's own, or that of a training run such as `runs/sst2`, of which
            `quantized` is loaded if it is finished, else `student`.

    Raises:
        InputError: no checkpoint, not one of ours, or a weight is missing or left over.
    """
    folder = student_folder(folder)
    config = read_json(folder / "config.json")
    match config.get("model_type"):
        case ChipStudentConfig.model_type:
            return load_whole(folder, ChipStudent)
        case None:
            found, cure = "no model type", "train one, or finish the run,"
        case other:
            found, cure = f"model type '{other}'", "train one"
    raise InputError(
        f"{folder}: {found}, can export '{ChipStudentConfig.model_type}'; {cure} with "
        "'spikewright train'"
    )


def encoder_tables(student: ChipStudent) -> tuple[Bits, Bits]:
    """Return the packed bits of words and positions, (entries, channels / 8) each."""
    if not isinstance(student.encoder, PackedEncoder):
        student = student.pack_encoder()
    encoder = student.encoder
    assert isinstance(encoder, PackedEncoder)  # noqa: S101 - packed above
    return encoder.words.cpu().numpy(), encoder.positions.cpu().numpy()
