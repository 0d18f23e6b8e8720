"""A disk that is full: one error with a name, and nothing half-written is left."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from spikewright.errors import InputError
from spikewright.files import write_arrays
from spikewright.train.folders.writing import Writing
from spikewright.whole_files import write_json

ROOM = 2**16


@pytest.fixture
def full() -> Iterator[None]:
    """Let no file grow beyond 64 KiB: the kernel then refuses as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _arrays(path: Path) -> None:
    noise = np.random.default_rng(0).random(ROOM)  # 512 KiB that no zip makes smaller
    write_arrays(path, {"noise": noise})


@pytest.mark.parametrize(
    "write", [_arrays, lambda path: write_json(path, "x" * 2 * ROOM)]
)
def test_a_file_is_the_old_one_or_the_new_one(
    tmp_path: Path, full: None, write: Callable[[Path], None]
) -> None:
    (tmp_path / "x").write_text("old")
    with pytest.raises(InputError, match="x: cannot be written: File too large"):
        write(tmp_path / "x")
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"


def _weights(path: Path) -> None:
    save_file({"w": torch.zeros(ROOM)}, path / "model.safetensors")


def _optimizer(path: Path) -> None:
    torch.save({"w": torch.zeros(ROOM)}, path / "optimizer.pt")


def _tokenizer(path: Path) -> None:
    words = {f"word-{i}": i for i in range(10_000)}
    Tokenizer(WordLevel(words, unk_token="word-0")).save(str(path / "x"))  # noqa: S106


def _plain(path: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("write", [_weights, _optimizer, _tokenizer, _plain])
def test_what_libraries_raise_becomes_one_error(
    tmp_path: Path, full: None, write: Callable[[Path], None]
) -> None:
    message = r"cannot be written: .+ \(\d+ bytes are free\); make room"
    with pytest.raises(InputError, match=message), Writing(tmp_path):
        write(tmp_path)


@pytest.mark.parametrize("error", [RuntimeError("nan"), KeyError("x"), Exception("y")])
def test_other_errors_pass_as_they_are(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, Writing(tmp_path):
        raise error
    assert caught.value is error
