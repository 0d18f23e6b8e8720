"""Accuracy of a student on a validation set: float, and in Loihi's integers.

python benchmarks/accuracy.py --data FOLDER [--checkpoint RUN/student] [--tokens 64]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from machine import describe_machine

from spikewright.cli.output.progress import progress
from spikewright.cli.report.pricing import price_trace
from spikewright.cli.student import export_student
from spikewright.export.deployment.folder import read_deployment
from spikewright.export.deployment.texts import encode_texts, logits_of
from spikewright.export.lower import lower
from spikewright.simulate.run import run
from spikewright.train.answers.logits import float_logits
from spikewright.train.student import load_student, shipped_student
from spikewright.train.texts.data import LabeledText, read_split

DT_S = 1e-4


def main() -> None:
    """Print the machine, the accuracies and the energy report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", default="sst2")
    parser.add_argument("--checkpoint", type=Path, default=shipped_student())
    parser.add_argument("--tokens", type=int, default=64)
    args = parser.parse_args()
    print(describe_machine())
    texts = read_split(args.data / args.task, "validation")
    measure(args.checkpoint, texts, args.tokens)


def measure(checkpoint: Path, texts: Sequence[LabeledText], tokens: int) -> None:
    """Run every text in float and in integers, and price the integer run."""
    student = load_student(checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deployment"
        export_student(student, checkpoint, path, tokens=tokens, dt_s=DT_S)
        deployment = read_deployment(path)
    encoded = encode_texts(deployment, [each.text for each in texts])
    graph = lower(deployment.graph, dt_s=DT_S).graph
    start = time.perf_counter()
    with progress(len(texts), "integer") as show:
        trace = run(graph, encoded.inputs, backend="integer", on_samples=show)
    seconds = time.perf_counter() - start
    labels = np.array([each.label for each in texts])
    chip = logits_of(trace.output, encoded.lengths).argmax(axis=1)
    float_ = float_logits(student, encoded.token_ids).argmax(axis=1)
    print(
        f"{len(texts)} sentences, {int((encoded.cut > 0).sum())} cut to {tokens}\n"
        f"float    {np.mean(float_ == labels):.4f}  (snnTorch, float32)\n"
        f"integer  {np.mean(chip == labels):.4f}  (8-bit weights, Loihi's registers)\n"
        f"agree    {np.mean(chip == float_):.4f}\n"
        f"mean rate {np.mean([trace.rate(name) for name in trace.spikes]):.4f} "
        f"(of {tokens} token slots, silent ones included); "
        f"{seconds / len(texts) * 1e3:.1f} ms a sentence in the integer simulator"
    )
    print(price_trace(graph, trace, encoded.lengths, deployment).to_table())


if __name__ == "__main__":
    main()
