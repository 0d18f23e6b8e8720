"""The attention of a trained student, from its checkpoint; needs torch."""

from __future__ import annotations

from argparse import Namespace

import numpy as np

from spikewright.errors import InputError
from spikewright.plots.attention import GATE, Attention, attention
from spikewright.plots.attention_scores import AttentionScores, attention_scores
from spikewright.trace import SpikeTrace
from spikewright.train.answers.attention_map import Gates, Scores, attention_map
from spikewright.train.answers.trained import load_trained


def plot_trained(args: Namespace) -> Attention | AttentionScores:
    """Return what a checkpoint of either family looks at in a sentence.

    Raises:
        InputError: the checkpoint does not load, there is no sentence, or an option
            that belongs to a trace.
    """
    if args.text is None or args.trace is not None:
        raise InputError(
            f"{args.file}: a checkpoint is run in float32; give --text SENTENCE, and "
            "no trace"
        )
    found = attention_map(load_trained(args.file), args.text)
    scores = [each.scores for each in found.blocks if isinstance(each, Scores)]
    if not scores:
        gates = [each for each in found.blocks if isinstance(each, Gates)]
        return attention(_trace(gates), found.pieces, populations=args.population)
    if args.population:
        raise InputError(
            f"--population: {args.file} has attention ssa, which is drawn as scores "
            "between tokens; leave it out"
        )
    return attention_scores(found.pieces, scores)


def _trace(blocks: list[Gates]) -> SpikeTrace:
    """Return the spikes by the names that a chip student's populations have."""
    spikes = {}
    for place, each in enumerate(blocks):
        spikes[f"block{place}_kv"] = each.raised
        spikes[f"block{place}{GATE}"] = each.gates
        spikes[f"block{place}_passed"] = each.passed
    kept = {name: each[None].astype(np.uint8) for name, each in spikes.items()}
    steps = len(blocks[0].gates)
    return SpikeTrace(kept, {"none": np.zeros((1, steps, 0))})
