"""The options of `spikewright lower`. Light: the verb is imported only when it runs."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path

from spikewright.cli.arguments.shared import add_dt, add_weight_bits


def add_lower(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the verb and return its parser."""

    def run(args: Namespace) -> int:
        from spikewright.cli.verbs.lower import run_lower

        return run_lower(args)

    verb = verbs.add_parser("lower", help="lower a NIR graph, pass by pass")
    _add_graph(verb)
    _add_quantization(verb)
    verb.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="lowered.npz",
        help="write the graph; without, it is only told what became of it",
    )
    verb.set_defaults(run=run)
    return verb


def _add_graph(verb: ArgumentParser) -> None:
    verb.add_argument(
        "file",
        type=Path,
        metavar="FILE.nir|FOLDER",
        help="a network, or a deployment folder",
    )
    verb.add_argument(
        "--to",
        choices=("discrete", "timed", "quantized"),
        default="quantized",
        help="steps of time, chip time, or its integers (default)",
    )
    add_dt(verb)
    verb.add_argument(
        "--dump-passes",
        dest="dump",
        type=Path,
        metavar="FOLDER",
        help="write the graph after each pass",
    )
    verb.add_argument(
        "--verify",
        type=Path,
        metavar="X.npy|X.npz",
        help="simulate before and after each pass and count the spikes that differ; "
        "exit 1 if a pass that rounds nothing changes any",
    )


def _add_quantization(verb: ArgumentParser) -> None:
    group = verb.add_argument_group("integers", "only with --to quantized")
    group.add_argument(
        "--rounding",
        choices=("nearest", "zero", "stochastic"),
        help="of weights (default nearest)",
    )
    group.add_argument(
        "--scale",
        choices=("max", "percentile", "mse"),
        help="what fills their bits: the largest weight, so that none saturates "
        "(default), a percentile of the weights, or what makes their squared error "
        "least",
    )
    add_weight_bits(group)
    group.add_argument(
        "--percentile",
        type=float,
        metavar="PERCENT",
        help="of the weights that must not saturate (default 99.9)",
    )
    group.add_argument(
        "--seed", type=int, metavar="N", help="of stochastic rounding (default 0)"
    )
    group.add_argument(
        "--calibrate",
        type=Path,
        metavar="X.npy|X.npz",
        help="choose scales by what states reach on these inputs, with a bit to spare, "
        "instead of by the worst input; and report how far the spikes agree",
    )
    group.add_argument(
        "--report",
        type=Path,
        metavar="PATH.json",
        help="write what became of every population and projection",
    )
