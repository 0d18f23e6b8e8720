"""Where `spikewright run` keeps results: by what they are made of, whole or absent.

FOLDER/.results/STEP-KEY/   what a step made, and `record.json`, written last
FOLDER/STEP                 a link to the result that belongs to the configuration
FOLDER/.lock                held by the run that is at work; says which, then empty
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikewright.cli.road.steps import STEPS
from spikewright.errors import InputError
from spikewright.holds import LOCK, folder_for_one, wait_for
from spikewright.whole_files import cannot_write, write_json

RECORD = "record.json"
_RESULTS = ".results"
_KEY_DIGITS = 16
_BLOCK = 2**20


def hash_path(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, or of all names and bytes in a folder.

    Raises:
        InputError: there is no such file, it is a device, or it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise InputError(f"{path}: is a device, not a file; give a file or folder")
        if not path.is_dir():
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
            return digest.hexdigest()
        for each in sorted(path.rglob("*")):
            if each.is_file():
                name = str(each.relative_to(path))
                digest.update(f"{name}\0{hash_path(each)}\0".encode())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    return digest.hexdigest()


def key_of(parts: Mapping[str, Any]) -> str:
    """Return the key of a result by all that it is made of."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Store:
    """The results of a road."""

    folder: Path
    shared: Path | None = None
    """where results are kept instead, if other roads at work have the same place"""

    @property
    def results(self) -> Path:
        """Where results are kept."""
        return self.shared or self.folder / _RESULTS

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Make the folder, and hold it against every other run; a killed one lets go.

        Raises:
            InputError: another run holds it, it cannot be made, or what lies in it
                would be lost.
        """
        self._refuse_others()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.results.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        with self._alone():
            if self.shared is None:
                self._sweep()
            yield

    def _alone(self) -> AbstractContextManager[None]:
        """Hold the folder; one of a sweep waits for what another run does of it."""
        if self.shared is not None:
            return wait_for(self.folder / LOCK)
        cure = "wait for it, or give another folder with -o"
        return folder_for_one(self.folder, cure)

    @contextmanager
    def hold(self, step: str, key: str) -> Iterator[None]:
        """Let nobody else make the same result meanwhile; wait for who makes it now.

        Raises:
            InputError: the drive knows no locks.
        """
        if self.shared is None:  # the folder is ours alone
            yield
            return
        with wait_for(self.results / f".{step}-{key[:_KEY_DIGITS]}{LOCK}"):
            yield

    def _refuse_others(self) -> None:
        """Raise `InputError` if a name that will be a link is something else."""
        for step in STEPS:
            place = self.place(step)
            if place.exists() and not place.is_symlink():
                raise InputError(
                    f"{place}: exists and is no result of a run; choose another folder"
                )

    def _sweep(self) -> None:
        """Remove what cut runs left; a training goes on from it."""
        for part in self.results.glob("*.part"):
            if not part.name.startswith("train-"):
                shutil.rmtree(part, ignore_errors=True)

    def place(self, step: str) -> Path:
        """Return where the current result of a step is linked."""
        return self.folder / step

    def result(self, step: str, key: str) -> Path:
        """Return the folder of the result of a step with a key."""
        return self.results / f"{step}-{key[:_KEY_DIGITS]}"

    def part(self, step: str, key: str) -> Path:
        """Return the folder in which such a result grows."""
        return self.results / f"{step}-{key[:_KEY_DIGITS]}.part"

    def record(self, step: str, key: str) -> dict[str, Any] | None:
        """Return the record of a result, None if there is none that is whole."""
        return _read_record(self.result(step, key), key)

    def current(self, step: str) -> dict[str, Any] | None:
        """Return the record of the result that is linked, even if it was changed."""
        return _read_record(self.place(step), None)

    def unlink(self, step: str) -> None:
        """Take the link of a step away: what it showed is out of date."""
        self.place(step).unlink(missing_ok=True)

    def link(self, step: str, key: str) -> None:
        """Make the result of a key the current one."""
        place, target = self.place(step), self.result(step, key)
        beside = place.with_name(f".{step}.link")
        beside.unlink(missing_ok=True)
        way = os.path.relpath(target, self.folder)
        beside.symlink_to(way, target_is_directory=True)
        beside.replace(place)

    def keep(self, step: str, key: str, record: Mapping[str, Any]) -> None:
        """Write the record of a result that has grown, and put both in place."""
        part, result = self.part(step, key), self.result(step, key)
        write_json(part / RECORD, {**record, "key": key, "outputs": _outputs(part)})
        if result.exists():
            shutil.rmtree(result)
        part.rename(result)


def _outputs(folder: Path) -> dict[str, str]:
    """Return the hash of each thing in a result."""
    return {
        each.name: hash_path(each)
        for each in sorted(folder.iterdir())
        if each.name != RECORD
    }


def _read_record(folder: Path, key: str | None) -> dict[str, Any] | None:
    """Read a record; a result whose files were changed since has none."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if not isinstance(record, dict) or key not in (None, record["key"]):
            return None
        if key is not None and record["outputs"] != _outputs(folder):
            return None
    except (OSError, ValueError, KeyError, RecursionError):
        return None
    return record
