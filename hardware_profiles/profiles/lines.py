"""Lines of the keys of a TOML file, which `tomllib` does not tell."""

from __future__ import annotations

import re
import tomllib
from typing import TypeAlias

Path: TypeAlias = tuple[str, ...]
Lines: TypeAlias = dict[Path, int]

_BLANK = re.compile(r"(?:[\s,]|#[^\n]*)*")
"""between statements, and between the elements of a list"""
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|' + r"'''.*?'{3,5}|" + r'"(?:\\.|[^"\\\n])*"|'
    r"'[^'\n]*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\n]+")
"""numbers, booleans, and dates with a space in them"""


def key_lines(text: str) -> Lines:
    """Return the line of every key and table, by its path from the top, from 1 on.

    Args:
        text: of a file that `tomllib` reads without an error.
    """
    lines: Lines = {}
    table: Path = ()
    at = _skip(text, 0)
    while at < len(text):
        if text[at] == "[":
            opening = 2 if text.startswith("[[", at) else 1
            table, end = _key(text, at + opening)
            _note(lines, table, _line(text, at))
            at = end + opening
        else:
            at = _pair(text, at, table, lines)
        at = _skip(text, at)
    return lines


def find_line(text: str, path: Path) -> int:
    """Return the line of a key; if it is not there, that of the table around it.

    Args:
        text: of a file that `tomllib` reads without an error.
        path: of the key, from the top of the file.
    """
    lines = key_lines(text)
    return next(
        (lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), 1
    )


def _pair(text: str, at: int, table: Path, lines: Lines) -> int:
    """Note `key = value`; return where it ends."""
    key, end = _key(text, at)
    _note(lines, (*table, *key), _line(text, at))
    return _value(text, _skip(text, end + 1), (*table, *key), lines)


def _value(text: str, at: int, path: Path, lines: Lines) -> int:
    """Note the keys inside a value; return where it ends."""
    if string := _STRING.match(text, at):
        return string.end()
    if text[at] in "[{":
        closing = "]" if text[at] == "[" else "}"
        at = _skip(text, at + 1)
        while text[at] != closing:
            inside = _value if closing == "]" else _pair
            at = _skip(text, inside(text, at, path, lines))
        return at + 1
    bare = _BARE_VALUE.match(text, at)
    return bare.end() if bare else at + 1


def _key(text: str, at: int) -> tuple[Path, int]:
    """Read a dotted key; return its parts and where `=` or `]` stands."""
    parts: list[str] = []
    while True:
        at = _skip_spaces(text, at)
        found = _STRING.match(text, at) or _BARE_KEY.match(text, at)
        if found is None:
            return tuple(parts), at
        parts.append(_unquote(found.group()))
        at = _skip_spaces(text, found.end())
        if not text.startswith(".", at):
            return tuple(parts), at
        at += 1


def _unquote(key: str) -> str:
    return str(tomllib.loads(f"key = {key}")["key"]) if key[0] in "\"'" else key


def _note(lines: Lines, path: Path, line: int) -> None:
    """Note a key and the tables that it opens; the first mention counts."""
    for n in range(1, len(path) + 1):
        lines.setdefault(path[:n], line)


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _skip_spaces(text: str, at: int) -> int:
    while text.startswith((" ", "\t"), at):
        at += 1
    return at
