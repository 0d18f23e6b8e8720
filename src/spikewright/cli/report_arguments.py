"""The options of `spikewright report`. Light: the verb is imported when it runs."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path


def add_report(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the verb and return its parser."""

    def run(args: Namespace) -> int:
        from spikewright.cli.report import run_report

        if not args.schema and (wrong := _why_unusable(args)):
            verb.error(wrong)
        return run_report(args)

    verb = verbs.add_parser(
        "report", help="count a run's operations and price them, beside a teacher's"
    )
    _add_run(verb)
    _add_prices(verb)
    _add_teacher(verb)
    _add_form(verb)
    verb.set_defaults(run=run)
    return verb


def _why_unusable(args: Namespace) -> str:
    """Say what is missing between the arguments; empty if nothing is."""
    if args.file is None and args.text is not None:
        return "--text needs a deployment folder that runs it"
    if args.file is None and args.teacher is None:
        return (
            "nothing to report; give FILE and trace.npz, FOLDER and --text, or "
            "--teacher NAME with --tokens N"
        )
    if args.file is not None and (args.trace is None) == (args.text is None):
        return "give either a trace.npz or --text with a network"
    return ""


def _add_run(verb: ArgumentParser) -> None:
    verb.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE|FOLDER",
        help="a .nir file, a deployment folder, or a lowered .npz; none: the teacher "
        "alone",
    )
    verb.add_argument(
        "trace",
        nargs="?",
        type=Path,
        metavar="trace.npz",
        help="what simulate wrote of it",
    )
    verb.add_argument(
        "--text",
        type=Path,
        metavar="FILE.txt|FILE.jsonl",
        help="instead of a trace: simulate these sentences on `integer`, in batches, "
        "and price them; for deployment folders",
    )
    verb.add_argument(
        "--batch",
        type=int,
        metavar="N",
        help="with --text: samples in memory at once; default: what fits the cache",
    )
    verb.add_argument(
        "--workers", type=int, metavar="N", help="with --text: processes; default 1"
    )


def _add_prices(verb: ArgumentParser) -> None:
    verb.add_argument(
        "--profile",
        action="append",
        metavar="NAME|FILE.toml|all",
        help="once for each; default: cmos45 and loihi1",
    )
    verb.add_argument(
        "--preset",
        action="append",
        metavar="NAME|FILE.toml|all",
        help="column A as a paper or a tool prints it, once for each; default: "
        "bert-mac and spikebert-flop2",
    )
    verb.add_argument(
        "--accounting",
        action="append",
        metavar="NAME|FILE.toml|all",
        help="column B, once for each; default: the standard one of each profile",
    )
    for side in ("weight-reuse", "teacher-weight-reuse"):
        verb.add_argument(
            f"--{side}",
            metavar="N",
            help="uses of a weight for each read of it, instead of the accounting's",
        )
    verb.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the draws; default 0"
    )
    verb.add_argument(
        "--draws",
        type=int,
        default=10_000,
        metavar="N",
        help="of constants in their ranges, 1000 or more; default 10000",
    )


def _add_teacher(verb: ArgumentParser) -> None:
    verb.add_argument(
        "--teacher",
        metavar="NAME|config.json|X.onnx",
        help="a BERT to compare with: bert-base, minilm-l6, a configuration or an ONNX "
        "file; needed unless a deployment folder names one",
    )
    verb.add_argument(
        "--tokens",
        type=int,
        metavar="N",
        help="tokens of a sentence that the teacher reads; needed unless the trace "
        "is of texts",
    )
    verb.add_argument(
        "--teacher-format",
        choices=("fp32", "fp16", "int8"),
        help="the teacher that ratios are against; default int8, alone fp32",
    )
    verb.add_argument(
        "--gamma",
        type=float,
        metavar="SHARE",
        help="of zero activations in the sparse teacher, 0 to 1; default 0.5",
    )


def _add_form(verb: ArgumentParser) -> None:
    verb.add_argument(
        "--by",
        choices=("layer", "population", "token", "step", "sample"),
        default="layer",
        help="parts that the run is shown in; default layer, a population with the "
        "synapses that lead to it",
    )
    verb.add_argument(
        "--format",
        choices=("table", "json", "markdown", "csv", "html"),
        default="table",
    )
    verb.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="instead of stdout"
    )
    verb.add_argument(
        "--explain",
        metavar="FIGURE",
        help="trace one figure to counts, constants and sources; `list` names all",
    )
    verb.add_argument(
        "--strict",
        action="store_true",
        help="fail if anything is uncounted, has no price or does not fit its chip",
    )
    verb.add_argument(
        "--schema", action="store_true", help="the JSON Schema of --format json"
    )
