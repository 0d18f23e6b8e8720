"""The arguments of `spikewright check`."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path


def add_check(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the verb `check`."""

    def run(args: Namespace) -> int:
        from spikewright.cli.check import run_check

        return run_check(args)

    verb = verbs.add_parser(
        "check",
        help="place a network on the cores of a chip and list every limit it breaks",
    )
    verb.add_argument(
        "file",
        type=Path,
        metavar="FILE|FOLDER",
        help="a .nir file, a lowered .npz, a deployment folder or a student checkpoint",
    )
    verb.add_argument(
        "--profile",
        action="append",
        metavar="NAME|FILE.toml",
        help="whose limits, once for each; default: loihi1 and loihi2",
    )
    verb.add_argument(
        "--dt", type=float, metavar="SECONDS", help="needed if the file carries none"
    )
    verb.set_defaults(run=run)
    return verb
