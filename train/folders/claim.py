"""A run's folder is claimed by what it began with; a run of other values is refused.

So is a second run while one is at work in it.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spikewright.errors import InputError
from spikewright.holds import folder_for_one
from spikewright.train.folders.checkpoint import read_json
from spikewright.whole_files import write_json


def make_folder(run: Path) -> None:
    """Make the folder of a run, if it is not there.

    Raises:
        InputError: it cannot be made.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{run}: cannot be made: {error.strerror}") from error


@contextmanager
def run_folder(run: Path, *, is_main: bool = True) -> Iterator[None]:
    """Make the folder of a run, and hold it against every other run of it.

    Args:
        run: the folder.
        is_main: of `torchrun`'s processes one holds it for all.

    Raises:
        InputError: it cannot be made, or another run is at work in it.
    """
    if not is_main:
        yield
        return
    make_folder(run)
    with folder_for_one(run, "wait for it, or train into another folder with -o"):
        yield


def sweep_torn(folder: Path) -> None:
    """Remove what safetensors had not yet renamed when its process was killed.

    For folders of a run that we hold, where nobody else writes.
    """
    for path in folder.rglob(".tmp??????"):
        if path.is_file():
            path.unlink()


def claim(path: Path, values: Mapping[str, Any]) -> None:
    """Write values to a file, or refuse one that holds others.

    Raises:
        InputError: it holds others.
    """
    wanted = json.loads(json.dumps(values))
    if not path.exists():
        write_json(path, wanted)
    if other := _differences(wanted, read_json(path)):
        raise InputError(
            f"{path}: the run in this folder began with other values in "
            f"{', '.join(other)}; choose another folder or remove it"
        )


def _differences(wanted: Any, found: Any, where: str = "") -> list[str]:
    """Return the names of the values that differ, as table.key."""
    if not isinstance(wanted, dict) or not isinstance(found, dict):
        return [where] if wanted != found else []
    return [
        name
        for key in {**wanted, **found}
        for name in _differences(
            wanted.get(key), found.get(key), f"{where}.{key}" if where else key
        )
    ]


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of packages, for a run's card."""
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }
