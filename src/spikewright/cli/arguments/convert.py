"""The arguments of `spikewright convert`."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path


def add_convert(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the verb `convert`."""

    def run(args: Namespace) -> int:
        from spikewright.cli.verbs.convert import run_convert

        return run_convert(args)

    verb = verbs.add_parser(
        "convert",
        help="lava-dl netx (.net) to NIR or integers and back; a teacher to ONNX",
    )
    verb.add_argument(
        "file",
        type=Path,
        metavar="FILE|FOLDER",
        help="a .net or .nir file, a lowered .npz, or a teacher's folder",
    )
    verb.add_argument(
        "--dt", type=float, metavar="SECONDS", help="needed if the file carries none"
    )
    _add_ends(verb)
    verb.set_defaults(run=run)
    return verb


def _add_ends(verb: ArgumentParser) -> None:
    verb.add_argument(
        "--entry",
        choices=("values", "spikes"),
        default="values",
        help="what goes into a .net whose input layer has neurons: the values that "
        "drive them (default), or the spikes that they send",
    )
    verb.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT.{nir,npz,net,onnx}",
        help="from .net: .nir (seconds) or .npz (its integers); from .nir: .net, or "
        ".npz with the integers of a .net; from .npz: .net; from a folder: .onnx",
    )
