"""`spikewright train`: from a configuration to a distilled student."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace

from spikewright.cli.progress import say
from spikewright.train.config import load_config
from spikewright.train.pipeline import train_run


def run_train(args: Namespace) -> int:
    """Train, or go on with, the run in `args.output`."""
    config = load_config(args.config)
    if args.seed is not None:
        config = replace(config, seed=args.seed)
    card = train_run(config, args.data, args.output, say=say)
    if args.json:
        print(json.dumps(card, indent=2))
    else:
        print(f"teacher {card['teacher']['validation_accuracy']:.4f} on validation")
        print(f"student {card['student']['validation_accuracy']:.4f} on validation")
        print(f"saved to {args.output / 'student'}")
    return 0
