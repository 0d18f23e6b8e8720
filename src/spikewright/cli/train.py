"""`spikewright train`: from a configuration to a distilled student."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace

from spikewright.cli.progress import say
from spikewright.errors import InputError
from spikewright.train.config import load_config
from spikewright.train.pipeline import train_run

LARGEST_SEED = 2**32 - 1


def run_train(args: Namespace) -> int:
    """Train, or go on with, the run in `args.output`."""
    config = load_config(args.config)
    if args.seed is not None:
        if not 0 <= args.seed <= LARGEST_SEED:
            raise InputError(f"--seed {args.seed}: must be 0 to 2**32 - 1")
        config = replace(config, seed=args.seed)
    card = train_run(config, args.data, args.output, say=say)
    if args.json:
        print(json.dumps(card, indent=2))
    else:
        print(f"teacher {card['teacher']['validation_accuracy']:.4f} on validation")
        print(f"student {card['student']['validation_accuracy']:.4f} on validation")
        print(f"saved to {args.output / 'student'}")
    return 0
