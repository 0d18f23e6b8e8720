"""TOML files, shipped ones by name or a user's own by path; their values by type."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeAlias, TypeVar

from spikewright.errors import ProfileError
from spikewright.hardware_profiles.profiles.errors import FieldError, suggest
from spikewright.hardware_profiles.profiles.lines import find_line
from spikewright.suggest import did_you_mean

Table: TypeAlias = Mapping[str, object]
Where: TypeAlias = str | tuple[str, ...]
"""path of a key from the top of a file; a text has dots between the keys"""
T = TypeVar("T")
_LINE = re.compile(r"at line (\d+)")
"""in the messages of tomllib"""


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
    content = _read(place)
    raw = _parse(place, content)
    try:
        return make(place.name.removesuffix(".toml"), raw)
    except FieldError as error:
        line = find_line(content, error.path)
        raise ProfileError(f"{place}: line {line}: {error}") from error
    except ProfileError as error:
        raise ProfileError(f"{place}: {error}") from error


def _read(place: Path | Traversable) -> str:
    try:
        return place.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ProfileError(f"{place}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{place}: not a readable TOML file: {error}") from error


def _parse(place: Path | Traversable, content: str) -> Table:
    try:
        return tomllib.loads(content)
    except RecursionError as error:
        raise ProfileError(f"{place}: not a readable TOML file: too deep") from error
    except ValueError as error:  # TOMLDecodeError, and of integers beyond 4300 digits
        shown = _wrong_line(content, str(error))
        raise ProfileError(
            f"{place}: not a readable TOML file: {shown}{error}"
        ) from error


def _wrong_line(content: str, message: str) -> str:
    """Show the line that a message of tomllib names, or the last one at the end."""
    lines = content.rstrip().split("\n")
    if named := _LINE.search(message):
        number = min(int(named.group(1)), len(lines))
    elif "at end of document" in message:
        number = len(lines)
    else:
        return ""
    return f"line {number}: `{lines[number - 1].strip()}`: "


def _folder(folder: str) -> Traversable:
    return files("spikewright.hardware_profiles") / folder


def _find(name: str | Path, folder: str, what: str) -> Path | Traversable:
    if str(name).endswith(".toml"):
        return Path(name)
    shipped = list_shipped(folder)
    if str(name) not in shipped:
        meant = did_you_mean(str(name), shipped)
        raise ProfileError(
            f"no {what} '{name}'; shipped: {', '.join(shipped)}; "
            f"for your own give the path of its .toml file{meant}"
        )
    return _folder(folder) / f"{name}.toml"


def table(where: Where, value: object) -> Table:
    """Return a table, or raise `ProfileError`."""
    if not isinstance(value, dict):
        raise _wrong(where, value, "a table")
    return value


def text(where: Where, value: object) -> str:
    """Return a text that is not blank, or raise `ProfileError`."""
    if not isinstance(value, str) or not value.strip():
        raise _wrong(where, value, "a text")
    return value


def listed(where: Where, value: object) -> list[object]:
    """Return a list, or raise `ProfileError`."""
    if not isinstance(value, list):
        raise _wrong(where, value, "a list")
    return value


def texts(where: Where, value: object) -> tuple[str, ...]:
    """Return the texts of a list, or raise `ProfileError`."""
    return tuple(text(where, each) for each in listed(where, value))


def whole(where: Where, value: object) -> int:
    """Return a whole number, or raise `ProfileError`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(where, value, "a whole number")
    return value


def number(where: Where, value: object) -> float:
    """Return a number, or raise `ProfileError`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(where, value, "a number")
    try:
        return float(value)
    except OverflowError as error:
        raise FieldError(_path(where), " is larger than any number here") from error


def check_keys(
    where: Where, given: Table, allowed: Iterable[str], required: Iterable[str]
) -> None:
    """Raise `ProfileError` for a key that is unknown or missing."""
    known, needed = tuple(allowed), tuple(required)
    if unknown := [key for key in given if key not in known]:
        raise FieldError(
            (*_path(where), unknown[0]),
            f": unknown key '{unknown[0]}'; {suggest(unknown[0], known)}",
        )
    if missing := [key for key in needed if key not in given]:
        raise FieldError(
            _path(where),
            f": key '{missing[0]}' is missing; needed: {', '.join(needed)}",
        )


def _wrong(where: Where, value: object, wanted: str) -> FieldError:
    return FieldError(_path(where), f" = {value!r}; must be {wanted}")


def _path(where: Where) -> tuple[str, ...]:
    return tuple(where.split(".")) if isinstance(where, str) else where
