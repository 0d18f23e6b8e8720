"""The arguments of `spikewright simulate`."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path

from spikewright.cli.arguments.shared import (
    add_cluster,
    add_deadline,
    add_dt,
    add_network,
    add_student,
)


def add_simulate(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the verb `simulate`."""

    def run(args: Namespace) -> int:
        from spikewright.cli.verbs.simulate import run_simulate

        return run_simulate(args)

    verb = verbs.add_parser("simulate", help="lower a NIR graph and run it")
    add_network(verb)
    add_student(verb)
    _add_signals(verb)
    verb.add_argument(
        "--backend",
        choices=("reference", "integer", "lava"),
        default="integer",
        help="the judge, whole sets in integers (default), or Lava's processes",
    )
    verb.add_argument(
        "--arithmetic",
        choices=("float", "fixed"),
        help="default: float for reference, fixed for lava and integer",
    )
    add_dt(verb)
    _add_trace(verb)
    _add_integer(verb)
    _add_lava(verb)
    add_cluster(verb.add_argument_group("over a cluster"))
    verb.set_defaults(run=run)
    return verb


def _add_signals(verb: ArgumentParser) -> None:
    source = verb.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--inputs",
        type=Path,
        metavar="X.npy|X.npz",
        help="(samples, steps, *input shape); an .npz holds one array for each Input, "
        "by its name",
    )
    source.add_argument(
        "--text",
        action="append",
        metavar="SENTENCE",
        help="for deployed students, once for each",
    )
    verb.add_argument(
        "--steps", type=int, metavar="N", help="use the first N steps only"
    )


def _add_trace(verb: ArgumentParser) -> None:
    verb.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="trace.npz",
        help="write the trace; without, only rates are printed",
    )
    verb.add_argument(
        "--trace",
        choices=("full", "counts", "none"),
        default="full",
        help="keep each spike (default), how many at each step, or none; the outputs "
        "are always kept",
    )
    verb.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="POPULATION",
        help="keep each of its spikes all the same, once for each",
    )


def _add_integer(verb: ArgumentParser) -> None:
    only = verb.add_argument_group("only with --backend integer")
    only.add_argument(
        "--batch",
        type=int,
        metavar="N",
        help="samples in the memory of a process at once; default: what fits its cache",
    )
    only.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes; default 1, this one; with --cluster local for every backend",
    )


def _add_lava(verb: ArgumentParser) -> None:
    only = verb.add_argument_group("only with --backend lava")
    only.add_argument(
        "--runtime",
        choices=("local", "lava"),
        help="who schedules the Lava processes: ours in one OS process (default), or "
        "Lava's own",
    )
    only.add_argument(
        "--processes",
        choices=("auto", "stock"),
        help="stock: only processes that come with Lava, as a chip has them; default: "
        "our own where it has none",
    )
    only.add_argument(
        "--models",
        choices=("fast", "stock"),
        help="stock: Lava's models of its processes; default: ours, which give the "
        "same bits",
    )
    add_deadline(only)
