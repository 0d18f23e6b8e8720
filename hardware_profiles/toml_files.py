"""TOML files, shipped ones by name or a user's own by path; their values by type."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeAlias, TypeVar

from spikewright.errors import ProfileError

Table: TypeAlias = Mapping[str, object]
T = TypeVar("T")


def list_shipped(folder: str) -> tuple[str, ...]:
    """Name the files in a folder of this package, without their suffix."""
    names = (item.name for item in _folder(folder).iterdir())
    return tuple(sorted(n.removesuffix(".toml") for n in names if n.endswith(".toml")))


def load_toml(
    name: str | Path, folder: str, what: str, make: Callable[[str, Table], T]
) -> T:
    """Make something of a shipped file, by its name, or of another by its path.

    Args:
        name: a name, or a path that ends in .toml.
        folder: where the shipped files lie in this package.
        what: the files are, for the error.
        make: takes the name and the content.

    Raises:
        ProfileError: there is none, it is not TOML, or `make` refuses it.
    """
    place = _find(name, folder, what)
    try:
        raw = tomllib.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ProfileError(f"{place}: no such file") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProfileError(f"{place}: not a readable TOML file: {error}") from error
    try:
        return make(place.name.removesuffix(".toml"), raw)
    except ProfileError as error:
        raise ProfileError(f"{place}: {error}") from error


def _folder(folder: str) -> Traversable:
    return files("spikewright.hardware_profiles") / folder


def _find(name: str | Path, folder: str, what: str) -> Path | Traversable:
    if str(name).endswith(".toml"):
        return Path(name)
    shipped = list_shipped(folder)
    if str(name) not in shipped:
        raise ProfileError(
            f"no {what} '{name}'; shipped: {', '.join(shipped)}; "
            "for your own give the path of its .toml file"
        )
    return _folder(folder) / f"{name}.toml"


def table(where: str, value: object) -> Table:
    """Return a table, or raise `ProfileError`."""
    if not isinstance(value, dict):
        raise ProfileError(f"{where} = {value!r}; must be a table")
    return value


def text(where: str, value: object) -> str:
    """Return a text that is not blank, or raise `ProfileError`."""
    if not isinstance(value, str) or not value.strip():
        raise ProfileError(f"{where} = {value!r}; must be a text")
    return value


def listed(where: str, value: object) -> list[object]:
    """Return a list, or raise `ProfileError`."""
    if not isinstance(value, list):
        raise ProfileError(f"{where} = {value!r}; must be a list")
    return value


def texts(where: str, value: object) -> tuple[str, ...]:
    """Return the texts of a list, or raise `ProfileError`."""
    return tuple(text(where, each) for each in listed(where, value))


def whole(where: str, value: object) -> int:
    """Return a whole number, or raise `ProfileError`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ProfileError(f"{where} = {value!r}; must be a whole number")
    return value
