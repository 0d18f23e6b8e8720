"""What fewer bits of weight cost the shipped student, and what they save on a chip.

python benchmarks/weight_bits.py --data FOLDER [--sentences 200] [--tokens 64]
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
from machine import describe_machine

from spikewright.cli.student import export_student
from spikewright.export.deployment.folder import Deployment, read_deployment
from spikewright.export.deployment.texts import encode_texts, logits_of
from spikewright.export.lower import lower
from spikewright.export.passes.quantize_report import quantization_report
from spikewright.export.passes.rounding import Quantization, Scale
from spikewright.graph import Graph
from spikewright.hardware_profiles.placement.limits import load_limits
from spikewright.hardware_profiles.placement.place import check_placement
from spikewright.simulate.run import run
from spikewright.train.student import load_student, shipped_student
from spikewright.train.texts.data import LabeledText, read_split

DT_S = 1e-4
BITS = (8, 6, 5, 4, 3, 2)
SCALES = [each for each in get_args(Scale) if each != "percentile"]


def main() -> None:
    """Print the machine, and a row for each number of bits and choice of scales."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=64)
    args = parser.parse_args()
    print(describe_machine())
    texts = read_split(args.data / "sst2", "validation")[: args.sentences]
    with tempfile.TemporaryDirectory() as folder:
        path, checkpoint = Path(folder) / "deployment", shipped_student()
        student = load_student(checkpoint)
        export_student(student, checkpoint, path, tokens=args.tokens, dt_s=DT_S)
        deployment = read_deployment(path)
    print(f"{len(texts)} sentences of SST-2's validation split")
    print("bits  scale  accuracy  rms error  Loihi 2 memory, MB  cores  Loihi 1 cores")
    for row in rows(deployment, texts):
        print(row, flush=True)


def rows(deployment: Deployment, texts: list[LabeledText]) -> Iterator[str]:
    """Yield a row for each choice."""
    encoded = encode_texts(deployment, [each.text for each in texts])
    labels = np.array([each.label for each in texts])
    for bits in BITS:
        for scale in SCALES:
            passes: dict[str, Graph] = {}
            graph = lower(
                deployment.graph,
                dt_s=DT_S,
                quantization=Quantization(scale=scale, weight_bits=bits),
                after_pass=passes.__setitem__,
            ).graph
            trace = run(graph, encoded.inputs, backend="integer")
            chosen = logits_of(trace.output, encoded.lengths).argmax(axis=1)
            error = rms_error(passes["relay_long_delays"], graph, bits)
            yield (
                f"{bits:4}  {scale:5}  {np.mean(chosen == labels):8.4f}  {error:9.2%}  "
                f"{chip_words(graph)}"
            )


def rms_error(timed: Graph, graph: Graph, bits: int) -> float:
    """Return the root mean square over all maps of their relative errors."""
    found = quantization_report(timed, graph, weight_bits=bits).projections
    squares = [
        each.rms_error**2 * each.weights
        for name, each in found.items()
        if not name.endswith("_bias")
    ]
    weights = [n.weights for k, n in found.items() if not k.endswith("_bias")]
    return math.sqrt(sum(squares) / sum(weights))


def chip_words(graph: Graph) -> str:
    """Return memory and cores, of a copy of the weights for each token."""
    second, first = (
        check_placement(graph, load_limits(name)).replicated
        for name in ("loihi2", "loihi1")
    )
    stored = sum(core.load.synapse_bits for core in second.cores)
    return f"{stored / 8e6:18.1f}  {len(second.cores):5}  {len(first.cores):13}"


if __name__ == "__main__":
    main()
