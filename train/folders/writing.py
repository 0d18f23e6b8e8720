"""What libraries raise when a folder cannot be written, as one error of ours."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from safetensors import SafetensorError

from spikewright.errors import InputError


@dataclass(frozen=True)
class Writing(AbstractContextManager[None]):
    """A block that writes models or tokenizers into a folder, and does nothing else.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """

    folder: Path

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say what kept the block from writing; other errors pass."""
        if error is None or not _is_of_the_disk(error):
            return
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise InputError(
            f"{self.folder}: cannot be written: {reason}{_free(self.folder)}; make "
            "room or take another folder; the same command then goes on"
        ) from error


def _is_of_the_disk(error: BaseException) -> bool:
    """Say whether an error is what Python, safetensors, torch or tokenizers raise."""
    text = str(error)
    return (
        isinstance(error, OSError | SafetensorError)
        or (isinstance(error, RuntimeError) and "inline_container" in text)
        or (type(error) is Exception and "os error" in text)
    )


def _free(folder: Path) -> str:
    with suppress(OSError):
        return f" ({shutil.disk_usage(folder).free} bytes are free)"
    return ""
