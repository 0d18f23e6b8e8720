"""The options of `spikewright plot`. Light: the verb is imported when it runs."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from spikewright.cli.arguments.shared import add_dt

Kinds = argparse._SubParsersAction


def add_plot(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the verb and return its parser."""
    verb = verbs.add_parser(
        "plot",
        help="draw a run, its energy, a student's attention, or a network: SVG or PNG",
    )
    kinds = verb.add_subparsers(dest="kind", required=True, metavar="WHAT")
    for add in (
        *(_raster, _rates, _attention, _convergence, _sweep),
        *(_energy, _profiles, _break_even, _curve),
        *(_graph, _placement, _quantization),
    ):
        add(kinds)
    return verb


def _kind(
    kinds: Kinds[ArgumentParser], name: str, says: str, example: str
) -> ArgumentParser:
    """Add a kind of picture with what all of them have."""

    def run(args: Namespace) -> int:
        from spikewright.cli.verbs.plot import run_plot

        return run_plot(args)

    parser = kinds.add_parser(
        name,
        help=says,
        description=f"Draw {says}.",
        epilog=f"example:\n  spikewright plot {name} {example}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE.svg|FILE.png",
        help="needed unless --json is given",
    )
    for option, meaning in (
        ("--json", "print the data of the picture on stdout"),
        ("--traceback", "show where it failed"),
    ):
        # Suppressed, or it would undo the same option given before the kind.
        parser.add_argument(
            option, action="store_true", default=argparse.SUPPRESS, help=meaning
        )
    parser.set_defaults(run=run)
    return parser


# --- runs ----------------------------------------------------------------------------


def _raster(kinds: Kinds[ArgumentParser]) -> None:
    says = "the spikes of one sample, a strip for each population"
    parser = _kind(kinds, "raster", says, "trace.npz -o raster.svg")
    _add_trace(parser)
    _add_sample(parser)
    _add_populations(parser)


def _rates(kinds: Kinds[ArgumentParser]) -> None:
    says = "firing rates, and which neurons always or never fire"
    _add_trace(_kind(kinds, "rates", says, "trace.npz -o rates.svg"))


def _attention(kinds: Kinds[ArgumentParser]) -> None:
    says = "which tokens raise a student's gates and pass them, or read each other"
    example = 'student --text "a moving film" -o attention.svg'
    parser = _kind(kinds, "attention", says, example)
    _add_file(parser, "FOLDER", "a deployed student, or the checkpoint of one")
    parser.add_argument(
        "trace", nargs="?", type=Path, metavar="trace.npz", help="of its texts"
    )
    parser.add_argument(
        "--text",
        metavar="SENTENCE",
        help="instead of a trace: simulate it on `integer`, a checkpoint in float32",
    )
    _add_sample(parser)
    _add_populations(parser)


def _convergence(kinds: Kinds[ArgumentParser]) -> None:
    says = "how far a SpikingBERT's rates are from equilibrium after each step"
    example = 'runs/settled --text "a moving film" -o convergence.svg'
    parser = _kind(kinds, "convergence", says, example)
    _add_file(parser, "RUN|STUDENT", "a trained SpikingBERT, or the run that made it")
    parser.add_argument(
        "--text",
        action="append",
        required=True,
        metavar="SENTENCE",
        help="once for each: distances are means over all",
    )
    parser.add_argument(
        "--steps", type=int, default=64, metavar="T", help="how many; default 64"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.02,
        metavar="RATE",
        help="mean distance that counts as settled; default 0.02",
    )


def _sweep(kinds: Kinds[ArgumentParser]) -> None:
    says = "accuracy and energy against time steps, from one run on `integer`"
    example = "student --text dev.jsonl -o sweep.svg"
    parser = _kind(kinds, "sweep", says, example)
    _add_file(parser, "FOLDER", "a deployed student")
    parser.add_argument(
        "--text",
        type=Path,
        required=True,
        metavar="FILE.jsonl",
        help='{"text": …, "label": …} a line; a label is a name or a number from 0 on',
    )
    parser.add_argument(
        "--profile",
        action="append",
        metavar="NAME|FILE.toml",
        help="once for each; default: cmos45 and loihi1",
    )
    parser.add_argument(
        "--batch", type=int, metavar="N", help="samples in memory at once"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes; default 1")


# --- reports -------------------------------------------------------------------------


def _energy(kinds: Kinds[ArgumentParser]) -> None:
    says = "what a sample costs, by layer or by component"
    example = "report.json --by component -o energy.svg"
    parser = _kind(kinds, "energy", says, example)
    _add_report(parser)
    _add_profile(parser)
    parser.add_argument(
        "--by",
        choices=("layer", "component"),
        default="layer",
        help="default layer: the parts that the report is in",
    )


def _profiles(kinds: Kinds[ArgumentParser]) -> None:
    says = "student and teacher on each profile, with 5 to 95 %"
    example = "report.json -o profiles.svg"
    _add_report(_kind(kinds, "profiles", says.replace("%", "%%"), example))


def _break_even(kinds: Kinds[ArgumentParser]) -> None:
    says = "energy over the teacher's against the firing rate"
    parser = _kind(kinds, "break-even", says, "report.json -o break-even.svg")
    _add_report(parser)
    _add_profile(parser)


def _curve(kinds: Kinds[ArgumentParser]) -> None:
    says = "how a training went, from its run card"
    parser = _kind(kinds, "curve", says, "runs/spikebert/card.json -o curve.svg")
    _add_file(parser, "card.json|RUN", "a run card, or the folder that holds it")


# --- networks ------------------------------------------------------------------------


def _graph(kinds: Kinds[ArgumentParser]) -> None:
    says = "a network at one of its stages: populations, arrival times, delays"
    parser = _kind(kinds, "graph", says, "net.nir --stage timed -o graph.svg")
    _add_network(parser)
    parser.add_argument(
        "--stage",
        choices=("continuous", "discrete", "timed", "quantized"),
        help="default: timed, which has the delays; a lowered .npz has its own",
    )
    parser.add_argument(
        "--layout",
        choices=("auto", "graphviz", "built-in"),
        default="auto",
        help="auto: Graphviz where it is installed",
    )


def _placement(kinds: Kinds[ArgumentParser]) -> None:
    says = "on which cores of a chip a network lies"
    parser = _kind(kinds, "placement", says, "net.nir --chip loihi1 -o cores.svg")
    _add_network(parser)
    parser.add_argument(
        "--chip", default="loihi2", metavar="NAME|FILE.toml", help="default loihi2"
    )


def _quantization(kinds: Kinds[ArgumentParser]) -> None:
    says = "errors of 8-bit weights, and the room left in registers"
    parser = _kind(kinds, "quantization", says, "net.nir -o quantization.svg")
    _add_network(parser)


# --- what several have ---------------------------------------------------------------


def _add_file(parser: ArgumentParser, metavar: str, says: str) -> None:
    parser.add_argument("file", type=Path, metavar=metavar, help=says)


def _add_trace(parser: ArgumentParser) -> None:
    _add_file(parser, "trace.npz", "what `spikewright simulate` wrote")


def _add_report(parser: ArgumentParser) -> None:
    _add_file(parser, "report.json", "what `spikewright report --json` wrote")


def _add_profile(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--profile", metavar="NAME", help="of those in the report; default the first"
    )


def _add_network(parser: ArgumentParser) -> None:
    _add_file(parser, "FILE|FOLDER", "a .nir file, a deployment folder, a lowered .npz")
    add_dt(parser)


def _add_sample(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--sample", type=int, default=0, metavar="N", help="which one; default 0"
    )


def _add_populations(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--population",
        action="append",
        default=[],
        metavar="NAME",
        help="only this one; may be repeated",
    )
