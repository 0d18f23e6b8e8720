"""A table of a configuration as options of a verb."""

from __future__ import annotations

import argparse
from argparse import Action, ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from spikewright.cli.argument_parser import UsageError, verbs_of
from spikewright.errors import ConfigError
from spikewright.suggest import did_you_mean


class Made(NamedTuple):
    """A file or folder that a step makes."""

    step: str
    name: str


Words: TypeAlias = tuple["str | Path | Made", ...]
"""of a command line: words, what the user has, what a step makes"""
_OURS = frozenset(
    {"help", "json", "traceback", "output", "student", "dump-passes", "explain"}
    | {"schema", "format", "report"}
)
"""options that the road sets, or that would keep it from a result"""
_MAYBE_FILES = frozenset({"profile", "preset", "accounting", "teacher"})
"""options that take a name or a file"""


def read_options(
    parser: ArgumentParser,
    verb: str,
    raw: Mapping[str, Any],
    path: Path,
    extra: tuple[str, ...] = (),
) -> dict[str, Words]:
    """Read a table; paths are relative to the configuration at `path`.

    Raises:
        ConfigError: the verb has no such option, or the value is of the wrong kind.
    """
    actions = _actions(parser, verb)
    known = [each for each in actions if each not in _OURS] + list(extra)
    found: dict[str, Words] = {}
    for key, value in raw.items():
        name, where = key.replace("_", "-"), f"{path} [{verb}]"
        if name not in known:
            raise ConfigError(
                f"{where}: unknown key '{key}'; known: {', '.join(known)}"
                f"{did_you_mean(name, known)}"
            )
        if value is not False:
            action = actions.get(name)
            found[name] = _words(action, value, f"{where} {key}", path.parent)
    return found


def check_options(
    parser: ArgumentParser, words: list[str], where: str
) -> argparse.Namespace:
    """Parse a command line.

    Raises:
        ConfigError: the verb refuses a value; `where` says in which table.
    """
    try:
        return parser.parse_args(words)
    except UsageError as error:
        reason = str(error).partition(": ")[2].rpartition(" (see ")[0]
        raise ConfigError(f"{where}: {reason}") from error


def _actions(parser: ArgumentParser, verb: str) -> dict[str, Action]:
    """Return the long options of a verb by their names without dashes."""
    options = dict(verbs_of(parser))[verb]._option_string_actions
    return {k[2:]: v for k, v in options.items() if k.startswith("--")}


def _words(action: Action | None, value: Any, where: str, base: Path) -> Words:
    if action is not None and action.nargs == 0:
        if value is not True:
            raise ConfigError(f"{where}: must be true or false, got {value!r}")
        return ()
    values = value if isinstance(value, list) else [value]
    if isinstance(value, list) and not isinstance(action, argparse._AppendAction):
        raise ConfigError(f"{where}: takes one value, got {len(value)}")
    return tuple(_word(action, each, where, base) for each in values)


def _word(action: Action | None, value: Any, where: str, base: Path) -> str | Path:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigError(f"{where}: must be a text or a number, got {value!r}")
    is_path = action is None or action.type is Path
    may_be = action is not None and action.dest in _MAYBE_FILES
    if is_path or (may_be and (base / str(value)).is_file()):
        return base / str(value)
    return str(value)
