"""The options of `spikewright sweep`. Light: the verb is imported when it runs."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path


def add_sweep(
    verbs: argparse._SubParsersAction[ArgumentParser], *, parser: ArgumentParser
) -> ArgumentParser:
    """Add the verb and return its parser; `parser` reads all verbs, its steps."""

    def run(args: Namespace) -> int:
        from spikewright.cli.verbs.sweep import run_sweep

        return run_sweep(args, parser)

    verb = verbs.add_parser(
        "sweep",
        help="go the road of a configuration for each choice of some options",
        description="Go the road of a configuration once for each choice of the values "
        "in its table [sweep], here or on a cluster. What points have in common is "
        "done once; what is done already is kept.",
    )
    _add_options(verb)
    verb.set_defaults(run=run)
    return verb


def _add_options(verb: ArgumentParser) -> None:
    verb.add_argument(
        "config",
        type=Path,
        metavar="SWEEP.toml",
        help="a configuration of `run` with a table [sweep]: docs/scale.md",
    )
    verb.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where results go, instead of the configuration's `folder`",
    )
    verb.add_argument(
        "--point",
        type=int,
        metavar="N",
        help="go this one only, such as $SLURM_ARRAY_TASK_ID; without, all, then the "
        "table and the picture",
    )
    verb.add_argument(
        "--cluster",
        metavar="local|ADDRESS",
        help="go points side by side over Dask: in --workers processes of this "
        "machine, or by the workers of a scheduler, which see the same folder",
    )
    verb.add_argument(
        "--workers", type=int, metavar="N", help="of --cluster local; default: cores"
    )
