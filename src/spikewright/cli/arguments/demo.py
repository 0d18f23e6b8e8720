"""The options of `spikewright demo` and `doctor`. Light: verbs are imported later."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path

from spikewright.cli.arguments.shared import add_deadline
from spikewright.cli.output.progress import hush_libraries


def add_demo(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the verb `demo`."""

    def run(args: Namespace) -> int:
        hush_libraries()
        from spikewright.cli.verbs.demo import run_demo

        return run_demo(args)

    verb = verbs.add_parser(
        "demo", help="classify sentences with the shipped student, on Lava, with energy"
    )
    verb.add_argument(
        "sentences", nargs="*", metavar="SENTENCE", help="three by default"
    )
    verb.add_argument(
        "--runtime",
        choices=("local", "lava"),
        default="lava",
        help="who schedules the Lava processes: Lava's own runtime (default), or ours "
        "in one OS process, faster and bit-identical",
    )
    add_deadline(verb)
    verb.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="keep the deployment folder"
    )
    verb.set_defaults(run=run)
    return verb


def add_doctor(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the verb `doctor`."""

    def run(args: Namespace) -> int:
        from spikewright.cli.verbs.doctor import run_doctor

        return run_doctor(args)

    verb = verbs.add_parser(
        "doctor", help="say what is installed and whether Lava runs"
    )
    verb.set_defaults(run=run)
    return verb
