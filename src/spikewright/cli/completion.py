"""`spikewright completion`: a script for a shell, printed once and sourced for good."""

from __future__ import annotations

import os
from argparse import Action, Namespace
from collections.abc import Callable, Iterable
from pathlib import Path

import shtab

from spikewright.cli.argument_parser import verbs_of
from spikewright.cli.completion_arguments import SHELLS
from spikewright.cli.documents import print_document
from spikewright.errors import InputError
from spikewright.hardware_profiles.placement.limits import list_limits
from spikewright.hardware_profiles.prices.accounting import list_accountings
from spikewright.hardware_profiles.prices.preset_files import list_presets
from spikewright.hardware_profiles.profiles.profile import list_profiles
from spikewright.hardware_profiles.teachers.names import NAMES

_ALL = "all"


def run_completion(args: Namespace) -> int:
    """Print the script of a shell.

    Raises:
        InputError: no shell is named, and $SHELL names none that is known.
    """
    script = completion_script(args.shell or _own_shell())
    if args.json:
        print_document(args, {"script": script})
    else:
        print(script)
    return 0


def completion_script(shell: str) -> str:
    """Return a script that completes verbs, options, names and files."""
    from spikewright.cli.parser import build_parser

    parser = build_parser()
    for verb, each in verbs_of(parser):
        for action in each._actions:
            _complete(verb, action)
    return str(shtab.complete(parser, shell))


def _own_shell() -> str:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise InputError(f"which shell? name one of {', '.join(SHELLS)}")
    return name


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
