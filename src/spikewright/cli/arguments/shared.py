"""Arguments that several verbs have."""

from __future__ import annotations

import argparse
import math
from argparse import ArgumentParser
from pathlib import Path


def add_network(verb: ArgumentParser) -> None:
    """Add the network: a file or a folder."""
    verb.add_argument(
        "file",
        type=Path,
        metavar="FILE|FOLDER",
        help="a .nir file, a deployment folder, or a lowered .npz",
    )


def add_student(verb: ArgumentParser) -> None:
    """Add the deployment folder behind a lowered file."""
    verb.add_argument(
        "--student",
        type=Path,
        metavar="FOLDER",
        help="of a lowered .npz: the deployment folder that it was lowered from, which "
        "knows its words and its teacher",
    )


def add_dt(verb: ArgumentParser) -> None:
    """Add the time step of a network."""
    verb.add_argument(
        "--dt", type=float, metavar="SECONDS", help="needed if the file carries none"
    )


def add_weight_bits(verb: argparse._ActionsContainer) -> None:
    """Add the bits of a weight."""
    verb.add_argument(
        "--weight-bits",
        type=int,
        metavar="N",
        help="of a weight, 1 to 8 (default 8); biases keep 8: docs/lowering.md",
    )


def add_cluster(verb: argparse._ActionsContainer) -> None:
    """Add the cluster that computes in shards, and how large they are."""
    verb.add_argument(
        "--cluster",
        metavar="local|ADDRESS",
        help="compute in shards over Dask: in --workers processes of this machine "
        "(default: its cores), or by the workers of a scheduler such as "
        "tcp://host:8786; the results are the same: docs/scale.md",
    )
    verb.add_argument(
        "--shard",
        type=int,
        metavar="N",
        help="only with --cluster: samples in a task; default: what is worth one",
    )


def add_deadline(verb: argparse._ActionsContainer) -> None:
    """Add the deadline of a Lava run."""
    verb.add_argument(
        "--deadline",
        type=_seconds,
        metavar="SECONDS",
        help="stop a Lava run that takes longer (default 300)",
    )


def _seconds(text: str) -> float:
    """Read a time; argparse turns the error into a message and exit 2."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: must be a number") from None
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: must be positive and finite")
    return value
