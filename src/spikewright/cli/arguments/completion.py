"""The options of `spikewright completion`. Light: the verb is imported when it runs."""

from __future__ import annotations

import argparse
import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from spikewright.errors import InputError

SHELLS = ("bash", "zsh", "fish")


def add_completion(
    verbs: argparse._SubParsersAction[ArgumentParser], *, parser: ArgumentParser
) -> ArgumentParser:
    """Add the verb and return its parser; `parser` reads all verbs, to complete."""

    def run(args: Namespace) -> int:
        from spikewright.cli.verbs.completion import run_completion

        return run_completion(args, args.shell or _own_shell(), parser)

    verb = verbs.add_parser(
        "completion",
        help="print a script that completes verbs, options and names in a shell",
    )
    verb.add_argument(
        "shell", nargs="?", choices=SHELLS, help="default: the shell that $SHELL names"
    )
    verb.set_defaults(run=run)
    return verb


def _own_shell() -> str:
    """Return the shell that $SHELL names."""
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise InputError(f"which shell? name one of {', '.join(SHELLS)}")
    return name
