"""The fuzzer of tests/fuzz notices what it is for; `make fuzz` runs it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from spikewright.errors import InputError

sys.path.append(str(Path(__file__).parent / "fuzz"))
engine: Any = import_module("engine")


def refuse() -> None:
    raise InputError("x: wrong; correct it")


def hide_memory() -> None:
    try:
        np.ones(2**30)
    except MemoryError as error:
        raise InputError("x: damaged") from error


WAYS = (
    ("read", lambda folder: None),
    ("refused", lambda folder: refuse()),
    ("ValueError", lambda folder: int("x")),
    ("memory, told as an error", lambda folder: hide_memory()),
    ("MemoryError", lambda folder: np.ones(2**30)),
    ("dies with -6", lambda folder: os.abort()),
    ("left .x.part", lambda folder: (folder / ".x.part").touch()),
    ("hangs", lambda folder: time.sleep(60)),
    ("read", lambda folder: None),
)


def make(dice: Random, folder: Path) -> Sequence[tuple[str, Any]]:
    """The case of a number is that way; the file tells which."""
    (folder / "x").write_bytes(dice.randbytes(8))
    index = [engine.dice_of("door", 7, i).randbytes(8) for i in range(len(WAYS))]
    chosen = WAYS[index.index((folder / "x").read_bytes())][1]
    return [("way", lambda: chosen(folder))]


def test_each_kind_of_failure_is_told_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "WALL_S", 1.5)
    task = engine.Task("door", make, 7, tmp_path)
    found = list(engine.outcomes(task, range(len(WAYS)), 1))
    assert [each.index for each in found] == list(range(len(WAYS)))
    for outcome, (wanted, _) in zip(found, WAYS, strict=True):
        assert wanted in outcome.kind, outcome
        kept = tmp_path / f"door-7-{outcome.index}"
        assert kept.is_dir() == (wanted not in {"read", "refused"})
        if kept.is_dir():
            assert len((kept / "x").read_bytes()) == 8  # the input, for another look
            assert f"--only {outcome.index}" in (kept / "WHAT.txt").read_text()
