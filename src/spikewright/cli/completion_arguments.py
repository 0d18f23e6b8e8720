"""The options of `spikewright completion`. Light: the verb is imported when it runs."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace

SHELLS = ("bash", "zsh", "fish")


def add_completion(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the verb and return its parser."""

    def run(args: Namespace) -> int:
        from spikewright.cli.completion import run_completion

        return run_completion(args)

    verb = verbs.add_parser(
        "completion",
        help="print a script that completes verbs, options and names in a shell",
    )
    verb.add_argument(
        "shell", nargs="?", choices=SHELLS, help="default: the shell that $SHELL names"
    )
    verb.set_defaults(run=run)
    return verb
