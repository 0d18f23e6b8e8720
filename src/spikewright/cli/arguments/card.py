"""The options of `spikewright card`. Light: the verb is imported when it runs."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path

from spikewright.cli.output.progress import hush_libraries


def add_card(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the verb and return its parser."""

    def run(args: Namespace) -> int:
        hush_libraries()
        from spikewright.cli.verbs.card import run_card

        return run_card(args)

    verb = verbs.add_parser(
        "card",
        help="write the model card of a checkpoint, or a folder to push to a hub",
        description="Write a model card from what a run recorded. Nothing in it is "
        "made up: what was not measured is said to be unknown.",
    )
    verb.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help="a folder that `spikewright train` saved",
    )
    verb.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="configuration, weights, tokenizer and README.md, ready to push; without "
        "it the card is printed",
    )
    verb.add_argument("--name", help="of the model; default: that of its folder")
    verb.add_argument(
        "--energy",
        type=Path,
        metavar="REPORT.json",
        help="of `spikewright report … --format json`: its verdict goes into the card",
    )
    verb.add_argument("--language", metavar="CODE", help="of the texts, such as en")
    verb.add_argument("--license", metavar="NAME", help="such as apache-2.0")
    verb.set_defaults(run=run)
    return verb
