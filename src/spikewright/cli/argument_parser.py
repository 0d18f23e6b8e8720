"""argparse with one-line errors that say what was probably meant."""

from __future__ import annotations

import argparse
from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from typing import Any

from spikewright.suggest import did_you_mean


class UsageError(Exception):
    """A command line that cannot be read; `main` tells it and exits with 2."""


class Parser(ArgumentParser):
    """A parser of verbs or of one verb's options."""

    def error(self, message: str) -> Any:
        """Raise `UsageError`, in one line."""
        line = " ".join(message.split())
        raise UsageError(f"{self.prog}: {line} (see {self.prog} --help)")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None
    ) -> Any:
        """Refuse unknown options first: argparse would name what it misses instead."""
        if args is not None and self._subparsers is None:
            for word in args:
                if word == "--":
                    break
                self._check_option(word.partition("=")[0])
        return super().parse_known_args(args, namespace)

    def _check_option(self, word: str) -> None:
        """Raise `UsageError` for an option that is none, nor the beginning of one."""
        is_long = word.startswith("--") and word != "--" and " " not in word
        known = [each for each in self._option_string_actions if each[:2] == "--"]
        if is_long and not any(each.startswith(word) for each in known):
            self.error(f"no option {word}{did_you_mean(word, known)}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a word that is not among the choices, and name the nearest."""
        if action.choices is None or value in action.choices:
            return
        choices = [str(each) for each in action.choices]
        meant = did_you_mean(str(value), choices)
        if isinstance(action, argparse._SubParsersAction):
            self.error(f"no {action.dest} '{value}'{meant}")
        allowed = ", ".join(choices)
        raise ArgumentError(action, f"'{value}' is none of {allowed}{meant}")


def verbs_of(parser: ArgumentParser) -> Iterator[tuple[str, ArgumentParser]]:
    """Yield all verbs with their parsers, and of those with kinds each kind."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, verb in action.choices.items():
                yield name, verb
                yield from ((f"{name} {kind}", each) for kind, each in verbs_of(verb))
