"""The options of `spikewright run`. Light: the verb is imported when it runs."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path

from spikewright.cli.road.steps import STEPS


def add_run(
    verbs: argparse._SubParsersAction[ArgumentParser], *, parser: ArgumentParser
) -> ArgumentParser:
    """Add the verb and return its parser; `parser` reads all verbs, its steps."""

    def run(args: Namespace) -> int:
        from spikewright.cli.verbs.run import run_run

        if not args.sample and args.config is None:
            verb.error("give a CONFIG.toml; --sample prints one to begin with")
        return run_run(args, parser)

    verb = verbs.add_parser(
        "run",
        help="go the whole road of a configuration; what is done already is kept",
        description="Train or take a student, export, check, lower, simulate and "
        "report, as one TOML says. A step is done again only if its options, the bytes "
        "that it reads or our versions change.",
    )
    _add_options(verb)
    verb.set_defaults(run=run)
    return verb


def _add_options(verb: ArgumentParser) -> None:
    verb.add_argument(
        "config",
        nargs="?",
        type=Path,
        metavar="CONFIG.toml",
        help="a table for each step, which holds the options of its verb: docs/run.md",
    )
    verb.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where results go, instead of the configuration's `folder`",
    )
    verb.add_argument(
        "--force",
        action="append",
        choices=STEPS,
        default=[],
        help="do this step once more; may be repeated",
    )
    verb.add_argument(
        "--dry-run", action="store_true", help="say what would run, and why"
    )
    verb.add_argument(
        "--sample", action="store_true", help="print a configuration to begin with"
    )
