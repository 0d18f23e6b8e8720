"""Verbs and their options. Each verb's module is imported only when it runs."""

from __future__ import annotations

import argparse
import importlib.metadata
from argparse import ArgumentParser, Namespace
from pathlib import Path

from spikewright.cli.check_arguments import add_check
from spikewright.cli.common_arguments import add_deadline
from spikewright.cli.convert_arguments import add_convert
from spikewright.cli.export_arguments import add_export
from spikewright.cli.lower_arguments import add_lower
from spikewright.cli.profile_arguments import add_profile
from spikewright.cli.progress import hush_libraries
from spikewright.cli.report_arguments import add_report
from spikewright.cli.simulate_arguments import add_simulate


def build_parser() -> ArgumentParser:
    """Return the parser of all verbs; `args.run(args)` runs the chosen one."""
    parser = ArgumentParser(
        prog="spikewright",
        description="Spiking language models onto neuromorphic chips: "
        "NIR in, Lava out, energy reported.",
    )
    version = importlib.metadata.version("spikewright")
    parser.add_argument("--version", action="version", version=version)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for add in (
        *(_demo, _train, add_export, add_check, add_lower),
        *(add_simulate, add_report, add_profile, add_convert, _doctor),
    ):
        verb = add(verbs)
        verb.add_argument(
            "--traceback", action="store_true", help="show where it failed"
        )
        verb.add_argument("--json", action="store_true", help="print JSON on stdout")
    return parser


def _demo(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    def run(args: Namespace) -> int:
        hush_libraries()
        from spikewright.cli.demo import run_demo

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


def _train(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    def run(args: Namespace) -> int:
        hush_libraries()
        from spikewright.cli.train import run_train

        return run_train(args)

    verb = verbs.add_parser(
        "train",
        help="fine-tune a teacher and distill a student; resumes if interrupted",
    )
    verb.add_argument("config", type=Path, metavar="CONFIG.toml")
    verb.add_argument("-o", "--output", type=Path, required=True, metavar="RUN")
    verb.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="holds TASK/train.jsonl and TASK/validation.jsonl; not needed where the "
        "config names data of the hub only",
    )
    verb.add_argument("--seed", type=int, metavar="N", help="instead of the config's")
    verb.add_argument(
        "--minutes",
        type=float,
        metavar="MINUTES",
        help="save and stop after so long, with status 3; the same command goes on",
    )
    verb.set_defaults(run=run)
    return verb


def _doctor(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    def run(args: Namespace) -> int:
        from spikewright.cli.doctor import run_doctor

        return run_doctor(args)

    verb = verbs.add_parser(
        "doctor", help="say what is installed and whether Lava runs"
    )
    verb.set_defaults(run=run)
    return verb
