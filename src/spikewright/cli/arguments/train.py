"""The options of `spikewright train`. Light: the verb is imported when it runs."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path

from spikewright.cli.output.progress import hush_libraries


def add_train(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the verb `train`."""

    def run(args: Namespace) -> int:
        hush_libraries()
        from spikewright.cli.verbs.train import run_train

        return run_train(args)

    verb = verbs.add_parser(
        "train",
        help="fine-tune a teacher and distill a student; resumes if interrupted",
    )
    verb.add_argument(
        "config",
        type=Path,
        metavar="CONFIG.toml",
        help="of family chip, spikebert or spikingbert: docs/student.md, "
        "docs/spikebert.md, docs/spikingbert.md",
    )
    verb.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="RUN",
        help="a new folder, or one that the same command began",
    )
    verb.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="holds TASK/train.jsonl and TASK/validation.jsonl; not needed where the "
        "config names data of the hub only",
    )
    _add_changes(verb)
    verb.set_defaults(run=run)
    return verb


def _add_changes(verb: ArgumentParser) -> None:
    """Add what a call may want otherwise than the configuration."""
    verb.add_argument("--seed", type=int, metavar="N", help="instead of the config's")
    verb.add_argument(
        "--minutes",
        type=float,
        metavar="MINUTES",
        help="save and stop after so long, with status 3; the same command goes on",
    )
    verb.add_argument(
        "--stage",
        metavar="NAME",
        help="do only this one; denorm, which turns a LayerNorm student into one that "
        "folds, is done only so",
    )
    verb.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="instead of the config's, such as student.steps=2; may be repeated",
    )
