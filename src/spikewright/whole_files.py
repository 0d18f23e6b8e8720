"""Files and folders that are either whole or absent: made beside, then renamed.

Until they are whole they have names that nobody can know before, and are private; what
a killed process leaves of one goes when it is written again.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spikewright.errors import InputError
from spikewright.holds import make_held, sweep

_PART, _KEPT_LETTERS = ".part", 40


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file that becomes `path` if the block ends without an error.

    It lies beside `path`, and until it is whole nobody else may read it. A link at
    `path` is replaced, not followed.

    Raises:
        InputError: the folder does not exist or cannot be written, or `path` is a
            folder or a device.
    """
    path = Path(path)
    check_place(path)
    _sweep_parts(path)
    temporary: Path | None = None
    handle: int | None = None
    try:
        temporary, handle = make_held(lambda: _private_file(path))
        yield temporary
        temporary.chmod(usual_mode(0o666))
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):  # renamed, or out of reach
                temporary.unlink()
        if handle is not None:
            os.close(handle)


@contextmanager
def private_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`, to be renamed to it by the block.

    Until the block ends nobody else may look into it; if it was not renamed, it goes.

    Raises:
        InputError: as `check_name`.
        OSError: it cannot be made.
    """
    check_name(path)
    _sweep_parts(path)
    folder, handle = make_held(
        lambda: Path(tempfile.mkdtemp(_PART, _hidden(path), path.parent))
    )
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def _sweep_parts(path: Path) -> None:
    """Remove what killed processes left of the same file or folder."""
    sweep(path.parent.glob(f"{glob.escape(_hidden(path))}*{_PART}"))


def _private_file(path: Path) -> Path:
    """Make an empty file whose name nobody can know before, for us alone."""
    handle, name = tempfile.mkstemp(_PART, _hidden(path), path.parent)
    os.close(handle)
    return Path(name)


def _hidden(path: Path) -> str:
    return f".{path.name[:_KEPT_LETTERS]}."


def usual_mode(mode: int) -> int:
    """Return what the user's umask leaves of a mode; while we ask, it is strict."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mode & ~mask


def write_json(path: Path, value: object) -> None:
    """Write a JSON file, whole or not at all.

    Raises:
        InputError: as `whole_file`.
    """
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def check_place(path: Path) -> None:
    """Raise `InputError` unless a file may be made or replaced at `path`.

    For commands that compute long before they write.
    """
    check_name(path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(f"{path}: exists and is no file; choose another name")


def check_name(path: Path) -> None:
    """Raise `InputError` if `path` has no name, as `.` or `/`, or lies in no folder."""
    if not path.name or path.name == "..":
        raise InputError(f"{path}: cannot be written over; give a name in it")
    if not os.path.isdir(path.parent):  # which, unlike Path.is_dir, never raises
        raise InputError(f"{path}: there is no folder {path.parent}; make it first")


def cannot_write(path: Path, error: OSError) -> InputError:
    """Say in one line that and why `path` cannot be written."""
    reason = " ".join((error.strerror or str(error)).split())
    return InputError(f"{path}: cannot be written: {reason}; choose another place")
