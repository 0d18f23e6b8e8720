"""Whether the order of words matters to a trained student, by pairs of our own.

python benchmarks/word_order.py [CHECKPOINT …]      the shipped student by default
"""

from __future__ import annotations

import argparse
from pathlib import Path

from spikewright.train.answers.trained import load_trained
from spikewright.train.answers.word_order import word_order
from spikewright.train.student import shipped_student


def main() -> None:
    """Print a line for each checkpoint and kind of pair."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoints", type=Path, nargs="*")
    for folder in parser.parse_args().checkpoints or [shipped_student()]:
        found = word_order(load_trained(folder).logits)
        for kind in dict.fromkeys(pair.kind for pair in found.pairs):
            part = found.of(kind)
            print(
                f"{folder} {kind}: of {len(part.pairs)} pairs {part.logits_differ:.0%} "
                f"with other logits, {part.answers_change:.0%} with another answer"
            )


if __name__ == "__main__":
    main()
