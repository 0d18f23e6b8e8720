"""The options of `spikewright profile`. Light: the verb is imported when it runs."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace


def add_profile(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the verb and return its parser."""

    def run(args: Namespace) -> int:
        from spikewright.cli.verbs.profile import run_profile

        return run_profile(args)

    verb = verbs.add_parser(
        "profile", help="list hardware profiles, or show some with all their sources"
    )
    verb.add_argument(
        "names", nargs="*", metavar="NAME|FILE.toml", help="default: a list of all"
    )
    form = verb.add_mutually_exclusive_group()
    form.add_argument(
        "--markdown",
        action="store_true",
        help="as a page; all that are shipped if none",
    )
    form.add_argument(
        "--schema",
        action="store_true",
        help="the JSON Schema of a profile, for an editor",
    )
    verb.set_defaults(run=run)
    return verb
