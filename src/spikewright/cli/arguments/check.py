"""The arguments of `spikewright check`."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path

from spikewright.cli.arguments.shared import add_dt, add_weight_bits


def add_check(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the verb `check`."""

    def run(args: Namespace) -> int:
        from spikewright.cli.verbs.check import run_check

        return run_check(args)

    verb = verbs.add_parser(
        "check",
        help="place a network on a chip, list every limit it breaks, and say which "
        "tools load the file",
    )
    verb.add_argument(
        "file",
        type=Path,
        metavar="FILE|FOLDER",
        help="a .nir file, a deployment folder, a lowered .npz or a student checkpoint",
    )
    verb.add_argument(
        "--profile",
        action="append",
        metavar="NAME|FILE.toml",
        help="whose limits, once for each; default: loihi1 and loihi2",
    )
    add_dt(verb)
    add_weight_bits(verb)
    verb.set_defaults(run=run)
    return verb
