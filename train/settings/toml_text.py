"""TOML as the standard has it: whole numbers of 64 bits, tables that end somewhere."""

from __future__ import annotations

import tomllib
from typing import Any

_MOST = 2**63


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises:
        ValueError: it is no TOML, nests too deep, or holds a whole number beyond 64
            bits, which neither becomes a float nor can always be shown.
    """
    try:
        tables = tomllib.loads(text)
        _check_numbers(tables)
    except RecursionError as error:
        raise ValueError("too deep") from error
    return tables


def _check_numbers(value: object, key: str = "") -> None:
    match value:
        case dict():
            for name, each in value.items():
                _check_numbers(each, name)
        case list():
            for each in value:
                _check_numbers(each, key)
        case int() if not -_MOST <= value < _MOST:
            raise ValueError(f"{key} is a whole number of more than 64 bits")
