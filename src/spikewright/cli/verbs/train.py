"""`spikewright train`: from a configuration to a distilled student."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

from spikewright.cli.networks.lowering import STUDENT_DT_S
from spikewright.cli.output.documents import print_document
from spikewright.cli.output.progress import say
from spikewright.cli.output.screen import show
from spikewright.errors import ConfigError, InputError
from spikewright.export.lower import lower
from spikewright.graph import Graph
from spikewright.train.distill.pipeline import train_run
from spikewright.train.graphs.chip import student_graph
from spikewright.train.settings.config import load_config, read_toml
from spikewright.train.stages.names import FOLDERS
from spikewright.train.student import ChipStudent

LARGEST_SEED = 2**32 - 1
UNFINISHED = 3
"""the exit status of a slice that ended before its run"""


def run_train(args: Namespace) -> int:
    """Train, or go on with, the run in `args.output`."""
    if args.seed is not None and not 0 <= args.seed <= LARGEST_SEED:
        raise InputError(f"--seed {args.seed}: must be 0 to 2**32 - 1")
    match read_toml(args.config).get("family", "chip"):
        case "chip":
            return _train_chip(args)
        case "spikebert":
            return _train_spikebert(args)
        case "spikingbert":
            return _train_spikingbert(args)
        case other:
            raise ConfigError(
                f"{args.config} family: must be chip, spikebert or "
                f"spikingbert, got {other!r}"
            )


def _train_chip(args: Namespace) -> int:
    config = load_config(args.config, _settings(args))
    if args.minutes is not None:
        raise InputError("--minutes: runs of family chip are not cut in slices")
    if args.stage is not None:
        raise InputError("--stage: runs of family chip have no stages by name")
    card = train_run(config, args.data, args.output, quantizer=_quantized, say=say)
    _show(args, card)
    return 0


def _quantized(student: ChipStudent) -> Graph:
    """Lower a student as `export` and `lower` do by default."""
    tokens = student.config.max_tokens
    graph = student_graph(student, tokens=tokens, dt_s=STUDENT_DT_S)
    return lower(graph, dt_s=STUDENT_DT_S).graph


def _train_spikebert(args: Namespace) -> int:
    from spikewright.train.settings.spikebert_read import load_run
    from spikewright.train.stages.run import train_spikebert

    config = load_run(args.config, _settings(args))
    return _in_slices(args, partial(train_spikebert, config))


def _train_spikingbert(args: Namespace) -> int:
    from spikewright.train.equilibrium.run import train_spikingbert
    from spikewright.train.settings.spikingbert_read import load_settled_run

    config = load_settled_run(args.config, _settings(args))
    return _in_slices(args, partial(train_spikingbert, config))


def _in_slices(args: Namespace, train: Callable[..., dict[str, Any] | None]) -> int:
    """Do, or go on with, a run of stages; say if the time ended first."""
    if args.minutes is not None and not args.minutes > 0:
        raise InputError(f"--minutes {args.minutes}: must be above 0")
    card = train(
        args.data, args.output, stage=args.stage, minutes=args.minutes, say=say
    )
    if card is None:
        return UNFINISHED
    if os.environ.get("RANK", "0") == "0":  # of torchrun's processes one speaks
        _show(args, card)
    return 0


def _settings(args: Namespace) -> list[str]:
    """Return all that is set instead of the configuration's, the seed as well."""
    return [*args.set, *([] if args.seed is None else [f"seed={args.seed}"])]


def _show(args: Namespace, card: dict[str, Any]) -> None:
    if args.json:
        print_document(args, card)
    else:
        names = [
            name
            for name in ("teacher", "student", "quantized", "denorm")
            if "validation_accuracy" in card.get(name, {})
        ]
        for name in names:
            show(f"{name} {card[name]['validation_accuracy']:.4f} on validation")
        folder = names[-1] if args.stage is None else FOLDERS[args.stage]
        show(f"saved to {args.output / folder}")
