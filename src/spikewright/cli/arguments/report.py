"""The options of `spikewright report`. Light: the verb is imported when it runs."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path

from spikewright.cli.arguments.shared import add_cluster, add_dt, add_student


def add_report(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the verb and return its parser."""

    def run(args: Namespace) -> int:
        from spikewright.cli.verbs.report import run_report

        if not args.schema and (wrong := why_unusable(args)):
            verb.error(wrong)
        return run_report(args)

    verb = verbs.add_parser(
        "report", help="count a run's operations and price them, beside a teacher's"
    )
    _add_run(verb)
    _add_prices(verb)
    _add_teacher(verb)
    _add_form(verb)
    _add_show(verb)
    verb.set_defaults(run=run)
    return verb


def why_unusable(args: Namespace) -> str:
    """Say what is missing between the arguments; empty if nothing is."""
    sources = [args.trace, args.text, args.inputs]
    given = sum(each is not None for each in sources)
    if args.file is None and given:
        return "--text and --inputs need a network that runs them"
    if args.file is None and args.teacher is None:
        return (
            "nothing to report; give FILE and trace.npz, FILE and --inputs, FOLDER "
            "and --text, or --teacher NAME"
        )
    if args.file is not None and given > 1:
        return "give one of trace.npz, --text and --inputs"
    if args.labels is not None and args.trace is None and args.inputs is None:
        return "--labels are of --inputs or of a trace; --text has them in its lines"
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
        "and price them; for deployed students, the sentences of the demo if nothing "
        "is given",
    )
    _add_simulation(verb)


def _add_simulation(verb: ArgumentParser) -> None:
    verb.add_argument(
        "--inputs",
        type=Path,
        metavar="X.npy|X.npz",
        help="instead of a trace: simulate these on `integer`, and price them",
    )
    verb.add_argument(
        "--batch",
        type=int,
        metavar="N",
        help="without a trace: samples in memory at once; default: what fits the cache",
    )
    verb.add_argument(
        "--workers", type=int, metavar="N", help="without a trace: processes; default 1"
    )
    verb.add_argument(
        "--labels",
        type=Path,
        metavar="Y.npy|FILE.jsonl",
        help="the right class of each sample of --inputs or of a trace: the report "
        "shows accuracy and energy by number of steps; --text has them in its lines",
    )
    add_cluster(verb)
    add_dt(verb)
    add_student(verb)


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
        "file; default: the student's own, else bert-base",
    )
    verb.add_argument(
        "--tokens",
        type=int,
        metavar="N",
        help="tokens of a sentence that the teacher reads; default: those of the "
        "texts, else 128",
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
        help="default: table, or what the name of -o ends in",
    )
    verb.add_argument(
        "-o",
        "--output",
        action="append",
        type=Path,
        metavar="FILE",
        help="instead of stdout, once for each file; .html, .json, .md and .csv choose "
        "their format",
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


def _add_show(verb: ArgumentParser) -> None:
    verb.add_argument(
        "--show",
        type=int,
        metavar="N",
        help="sample whose spikes and attention an HTML page shows; default 0, the "
        "first",
    )
