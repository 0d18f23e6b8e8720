"""Time per sentence of each executor on the shipped student, side by side.

    python benchmarks/backends.py [--tokens 64] [--sentences 3]

Every executor runs the same lowered graph on the same sentences in one process after
the other; their spikes are compared, so a fast wrong answer would show.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from machine import describe_machine

from spikewright.cli.student import export_student
from spikewright.cli.verbs.demo import SENTENCES
from spikewright.export.deployment.folder import read_deployment
from spikewright.export.deployment.texts import encode_texts
from spikewright.export.lower import lower
from spikewright.graph import Graph
from spikewright.simulate.compare import compare_traces
from spikewright.simulate.run import LAVA, LavaOptions, run
from spikewright.train.student import load_student, shipped_student

DT_S = 1e-4
ROWS: tuple[tuple[str, str, LavaOptions], ...] = (
    ("integer simulator", "integer", LAVA),
    ("reference executor", "reference", LAVA),
    ("Lava, our one-process runtime", "lava", LavaOptions("local")),
    ("Lava, its own runtime", "lava", LavaOptions("lava")),
)


def main() -> None:
    """Print one row an executor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--sentences", type=int, default=3)
    args = parser.parse_args()
    print(describe_machine())
    graph, inputs = lowered_student(args.tokens, args.sentences)
    judge = run(graph, inputs, backend="integer")
    print(f"{len(inputs)} sentences, {args.tokens} token slots, start-up included")
    base = 0.0
    for label, backend, lava in ROWS:
        start = time.perf_counter()
        trace = run(graph, inputs, backend=backend, lava=lava)
        seconds = (time.perf_counter() - start) / len(inputs)
        base = base or seconds
        wrong = compare_traces(judge, trace).mismatches
        print(
            f"{label:<30} {seconds:8.3f} s a sentence, "
            f"{seconds / base:7.1f} x integer, {wrong} wrong spikes"
        )


def lowered_student(tokens: int, sentences: int) -> tuple[Graph, npt.NDArray[np.uint8]]:
    """Return the shipped student in integers, and sentences for it."""
    checkpoint = shipped_student()
    student = load_student(checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deployment"
        export_student(student, checkpoint, path, tokens=tokens, dt_s=DT_S)
        deployment = read_deployment(path)
    texts = [SENTENCES[i % len(SENTENCES)] for i in range(sentences)]
    graph = lower(deployment.graph, dt_s=DT_S).graph
    return graph, encode_texts(deployment, texts).inputs


if __name__ == "__main__":
    main()
