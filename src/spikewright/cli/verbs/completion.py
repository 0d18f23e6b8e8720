"""`spikewright completion`: a script for a shell, printed once and sourced for good."""

from __future__ import annotations

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from pathlib import Path

import shtab

from spikewright.cli.argument_parser import verbs_of
from spikewright.cli.output.documents import print_document
from spikewright.hardware_profiles.placement.limits import list_limits
from spikewright.hardware_profiles.prices.accounting import list_accountings
from spikewright.hardware_profiles.prices.preset_files import list_presets
from spikewright.hardware_profiles.profiles.profile import list_profiles
from spikewright.hardware_profiles.teachers.names import NAMES

_ALL = "all"


def run_completion(args: Namespace, shell: str, parser: ArgumentParser) -> int:
    """Print the script of a shell, for all verbs of a parser."""
    script = completion_script(parser, shell)
    if args.json:
        print_document(args, {"script": script})
    else:
        print(script)
    return 0


def completion_script(parser: ArgumentParser, shell: str) -> str:
    """Return a script that completes verbs, options, names and files.

    The parser's arguments get what completes them as their choices.
    """
    for verb, each in verbs_of(parser):
        for action in each._actions:
            _complete(verb, action)
    return str(shtab.complete(parser, shell))


def _complete(verb: str, action: Action) -> None:
    """Say what completes an argument: names that are known, or files."""
    if action.choices is not None:
        return
    names = _NAMES.get((verb, action.dest)) or _NAMES.get(("", action.dest))
    if names is not None:
        action.choices = list(names())
    elif action.type is Path or (verb, action.dest) == ("export", "target"):
        action.complete = shtab.FILE  # type: ignore[attr-defined]


def _with_all(names: Iterable[str]) -> list[str]:
    return [*names, _ALL]


def _teachers() -> list[str]:
    return sorted(set(NAMES.values()))


_NAMES: dict[tuple[str, str], Callable[[], Iterable[str]]] = {
    ("check", "profile"): list_limits,
    ("profile", "names"): list_profiles,
    ("", "profile"): lambda: _with_all(list_profiles()),
    ("", "preset"): lambda: _with_all(list_presets()),
    ("", "accounting"): lambda: _with_all(list_accountings()),
    ("", "teacher"): _teachers,
}
"""(verb, argument) -> what it may be; an empty verb is any"""
