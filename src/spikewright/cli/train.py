"""`spikewright train`: from a configuration to a distilled student."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from dataclasses import replace
from typing import Any

from spikewright.cli.progress import say
from spikewright.errors import ConfigError, InputError
from spikewright.train.config import load_config, read_toml
from spikewright.train.pipeline import train_run

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
        case other:
            raise ConfigError(
                f"{args.config} family: must be chip or spikebert, got {other!r}"
            )


def _train_chip(args: Namespace) -> int:
    config = load_config(args.config)
    if args.data is None:
        raise InputError("--data: give the folder that holds TASK/train.jsonl")
    if args.minutes is not None:
        raise InputError("--minutes: only runs of family spikebert are cut in slices")
    if args.seed is not None:
        config = replace(config, seed=args.seed)
    _show(args, train_run(config, args.data, args.output, say=say))
    return 0


def _train_spikebert(args: Namespace) -> int:
    from spikewright.train.spikebert_run import train_spikebert
    from spikewright.train.stage_config import load_run

    config = load_run(args.config)
    if args.minutes is not None and not args.minutes > 0:
        raise InputError(f"--minutes {args.minutes}: must be above 0")
    if args.seed is not None:
        config = replace(config, seed=args.seed)
    card = train_spikebert(
        config, args.data, args.output, minutes=args.minutes, say=say
    )
    if card is None:
        return UNFINISHED
    if os.environ.get("RANK", "0") == "0":  # of torchrun's processes one speaks
        _show(args, card)
    return 0


def _show(args: Namespace, card: dict[str, Any]) -> None:
    if args.json:
        print(json.dumps(card, indent=2))
    else:
        print(f"teacher {card['teacher']['validation_accuracy']:.4f} on validation")
        print(f"student {card['student']['validation_accuracy']:.4f} on validation")
        print(f"saved to {args.output / 'student'}")
