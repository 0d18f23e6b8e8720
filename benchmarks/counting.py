"""What counting costs beside the simulation that it watches.

    OMP_NUM_THREADS=1 python benchmarks/counting.py [--data FOLDER] [--sentences 872]

The shipped student on SST-2 validation, or, without --data, on sentences of the words
of our own examples; a random convolutional net; and the profile net of random weights
without biases. Parts of a run are simulated and counted in turns, so that both see the
same machine. CPU seconds; the counts include tokens and padding.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from backends import DT_S
from machine import describe_machine
from token_net import random_inputs, token_net

from spikewright.cli.student import export_student
from spikewright.cli.verbs.demo import SENTENCES
from spikewright.counting import count_run
from spikewright.export.deployment.folder import Deployment, read_deployment
from spikewright.export.deployment.texts import encode_texts
from spikewright.export.lower import lower
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    ConvSynapses,
    DenseSynapses,
    Input,
    Node,
    Output,
    QuantizedNeurons,
    Synapses,
)
from spikewright.run_counts import RunCounts, join_counts
from spikewright.simulate.integer import run_integer
from spikewright.train.student import load_student, shipped_student
from spikewright.train.texts.data import read_split

PART = 218
"""samples simulated, then counted; four parts are 872"""
PEAK = 1.0
"""share of the weights' deviation that a threshold is, for spikes at some 10 %"""
Inputs = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Case:
    """A network and what runs through it."""

    title: str
    graph: Graph
    inputs: Inputs
    """(samples, steps, *shape)"""
    lengths: npt.NDArray[np.int64] | None = None


def main() -> None:
    """Print a row for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sentences", type=int, default=872)
    parser.add_argument("--tokens", type=int, default=64)
    args = parser.parse_args()
    print(describe_machine())
    net = token_net()
    cases = (
        student_case(args.data, args.sentences, args.tokens),
        conv_case(),
        Case("profile net, random weights", net, random_inputs(net, PART, 8)),
    )
    for case in cases:
        measure(case)


def measure(case: Case) -> None:
    """Print what simulating and counting took, and what was counted."""
    simulated = counted = 0.0
    parts: list[RunCounts] = []
    for start in range(0, len(case.inputs), PART):
        chosen = slice(start, start + PART)
        lengths = None if case.lengths is None else case.lengths[chosen]
        before = time.process_time()
        trace = run_integer(case.graph, case.inputs[chosen])
        between = time.process_time()
        parts.append(count_run(case.graph, trace, lengths=lengths))
        simulated += between - before
        counted += time.process_time() - between
    total = join_counts(parts).total()
    samples, steps = case.inputs.shape[:2]
    cells = samples * steps
    print(
        f"{case.title}: {samples} samples x {steps} steps\n"
        f"  integer {simulated:.2f} s ({simulated / cells * 1e3:.3f} ms a sample-step),"
        f" counting {counted:.2f} s: {counted / simulated:.1%}\n"
        f"  {total.synops} synops, {total.synops_zero} at zeros, "
        f"{total.updates_active} of {total.updates_active + total.updates_inactive} "
        f"updates active, {total.spikes} spikes"
    )


# --- the shipped student -------------------------------------------------------------


def student_case(data: Path | None, sentences: int, tokens: int) -> Case:
    """Return the shipped student in integers, with sentences."""
    deployment = _deployment(tokens)
    texts = own_sentences(sentences)
    if data is not None:
        rows = read_split(data / "sst2", "validation")
        texts = [each.text for each in rows[:sentences]]
    encoded = encode_texts(deployment, texts)
    graph = lower(deployment.graph, dt_s=DT_S).graph
    title = f"shipped student, {tokens} token slots"
    return Case(title, graph, encoded.inputs, encoded.lengths)


def _deployment(tokens: int) -> Deployment:
    checkpoint = shipped_student()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deployment"
        export_student(
            load_student(checkpoint), checkpoint, path, tokens=tokens, dt_s=DT_S
        )
        return read_deployment(path)


def own_sentences(number: int, seed: int = 0) -> Sequence[str]:
    """Return sentences of 3 to 50 words, drawn from those of our examples."""
    rng = np.random.default_rng(seed)
    words = sorted({word for each in SENTENCES for word in each.split()})
    lengths = rng.integers(3, 51, number)
    return [" ".join(rng.choice(words, length)) for length in lengths]


# --- a convolutional net -------------------------------------------------------------


def conv_case(samples: int = PART, steps: int = 16, seed: int = 0) -> Case:
    """Return a random convolutional net on two channels of 34 x 34 pixels."""
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> npt.NDArray[np.int64]:
        return rng.integers(-127, 128, shape)

    first = ConvSynapses(weights(16, 2, 5, 5), (2, 34, 34), padding=((2, 2), (2, 2)))
    second = ConvSynapses(weights(32, 16, 3, 3), first.target_shape, stride=(2, 2))
    third = ConvSynapses(
        weights(64, 32, 3, 3), second.target_shape, stride=(2, 2), padding=((1, 1),) * 2
    )
    size = int(np.prod(third.target_shape))
    layers: dict[str, Synapses] = {
        "conv1": first,
        "conv2": second,
        "conv3": third,
        "dense1": DenseSynapses(weights(256, size)),
    }
    graph = _chain(Input((2, 34, 34)), layers, DenseSynapses(weights(10, 256)))
    inputs = (rng.random((samples, steps, 2, 34, 34)) < 0.1).astype(np.uint8)
    return Case("random convolutional net", graph, inputs)


def _chain(source: Input, layers: dict[str, Synapses], head: DenseSynapses) -> Graph:
    nodes: dict[str, Node] = {"input": source}
    edges: list[Edge] = []
    arrival, last = {"input": 0}, "input"
    for depth, (name, synapses) in enumerate(layers.items(), start=1):
        nodes[name], population = synapses, f"{name}_lif"
        nodes[population] = _neurons(synapses)
        edges += [Edge(last, name), Edge(name, population)]
        last, arrival[population] = population, depth
    nodes |= {"head": head, "output": Output((len(head.weight),))}
    edges += [Edge(last, "head"), Edge("head", "output")]
    arrival["output"] = len(layers) + 1
    return Graph(nodes, tuple(edges), Stage.QUANTIZED, DT_S, arrival)


def _neurons(synapses: Synapses) -> QuantizedNeurons:
    is_conv = isinstance(synapses, ConvSynapses)
    shape = synapses.target_shape if is_conv else (len(synapses.weight),)
    deviation = float(np.sqrt((synapses.weight[0].astype(float) ** 2).sum() * 0.1))
    return QuantizedNeurons(shape, 2048, round(PEAK * deviation), 1.0)


if __name__ == "__main__":
    main()
