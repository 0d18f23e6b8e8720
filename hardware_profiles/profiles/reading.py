"""From the tables of a TOML file to the constants of a profile."""

from __future__ import annotations

from dataclasses import MISSING, fields

from spikewright.hardware_profiles.profiles.constant import Constant
from spikewright.hardware_profiles.profiles.errors import FieldError
from spikewright.hardware_profiles.profiles.sections import (
    NAMED,
    SECTIONS,
)
from spikewright.hardware_profiles.profiles.toml_files import (
    Table,
    check_keys,
    number,
    table,
    text,
    texts,
)

HEAD = ("title", "node", "notes", "unknown")
"""keys that every profile has, before its sections"""
_KEYS = tuple(field.name for field in fields(Constant))
_REQUIRED = tuple(each.name for each in fields(Constant) if each.default is MISSING)
_NUMBERS = ("value", "low", "high", "supply_v")


def read_head(raw: Table) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    """Return title, node, notes and what is unknown.

    Raises:
        ProfileError: a key is missing, unknown or of the wrong type.
    """
    check_keys((), raw, (*HEAD, *SECTIONS), HEAD)
    title, node = (text((key,), raw[key]) for key in HEAD[:2])
    notes, unknown = (texts((key,), raw[key]) for key in HEAD[2:])
    return title, node, notes, unknown


def read_constants(raw: Table, section: str) -> dict[str, Constant]:
    """Return the constants of a section.

    Raises:
        ProfileError: a table, a key or a value is refused.
    """
    return _constants((section,), raw.get(section, {}))


def read_tables(raw: Table, section: str) -> dict[str, dict[str, Constant]]:
    """Return the constants of a section of named tables.

    Raises:
        ProfileError: a table, a key or a value is refused.
    """
    given = table((section,), raw.get(section, {}))
    return {name: _constants((section, name), each) for name, each in given.items()}


def _constants(path: tuple[str, ...], raw: object) -> dict[str, Constant]:
    given = table(path, raw)
    if not given and path[0] in NAMED:
        raise FieldError(path, ": holds no constant")
    return {key: _constant((*path, key), each) for key, each in given.items()}


def _constant(path: tuple[str, ...], raw: object) -> Constant:
    given = table(path, raw)
    check_keys(path, given, _KEYS, _REQUIRED)
    values = {key: _typed((*path, key), key, each) for key, each in given.items()}
    try:
        return Constant(**values)  # type: ignore[arg-type]  # typed just above
    except FieldError as error:
        raise error.within(*path) from error


def _typed(path: tuple[str, ...], key: str, value: object) -> object:
    if key in _NUMBERS:
        return number(path, value)
    return texts(path, value) if key == "includes" else text(path, value)
