"""How fast the integer simulator is against what the machine can do.

    OMP_NUM_THREADS=1 python benchmarks/integer_rate.py [--sentences 256] [--steps 16]

1. Arithmetic rate: the whole run (products, neurons, checks, counts) against float32
   matrix products of the same shapes and nothing else, in turns.
2. Where products spike by spike, or weight by weight, become faster than BLAS.
3. One process against two on a batch of sentences.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from backends import lowered_student
from machine import describe_machine
from scipy import sparse
from token_net import random_inputs, token_net

from spikewright.graph import Graph
from spikewright.linear import ends
from spikewright.nodes import DenseSynapses, TokenSynapses
from spikewright.simulate.integer import Batching, batch_size, run_integer
from spikewright.simulate.integer_batch import make_machine, run_batch
from spikewright.simulate.integer_plan import make_plan
from spikewright.simulate.kernels import dense, sparse_spikes
from spikewright.simulate.window import connections
from spikewright.trace import Keep, TracePolicy

COUNTS = TracePolicy(Keep.COUNTS)
ROUNDS = 7
DENSITIES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
SHAPES = ((256, 256, 512), (192, 192, 768), (1024, 256, 512), (1024, 1024, 64))
"""targets, sources, columns"""
Array = npt.NDArray[np.float32]
Product = Callable[[], object]


def main() -> None:
    """Print the three measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=256)
    parser.add_argument("--steps", type=int, default=16)
    args = parser.parse_args()
    print(describe_machine())
    net = token_net()
    inputs = random_inputs(net, args.sentences, args.steps)
    print("\narithmetic rate, one process")
    measure_rate("4 layers x 32 tokens x 256 channels", net, inputs[:32])
    measure_rate("shipped student, 64 token slots", *lowered_student(64, 32))
    print("\ntime against BLAS, by the share that is not zero")
    measure_crossing()
    print(f"\n{args.sentences} sentences x {args.steps} steps of the first net")
    measure_workers(net, inputs)


# --- arithmetic rate -----------------------------------------------------------------


def measure_rate(label: str, graph: Graph, inputs: npt.NDArray[np.uint8]) -> None:
    """Time a run, and the same matrix products alone, in turns."""
    samples, steps = inputs.shape[:2]
    plan = make_plan(graph, steps)
    batch = batch_size(plan, Batching(), samples)
    machine = make_machine(plan, batch)
    products = list(matrix_products(graph, batch))

    def integer() -> None:
        for first in range(0, samples, batch):
            chunk = {graph.input_name: inputs[first : first + batch]}
            run_batch(machine, chunk, COUNTS, first)

    def blas() -> None:
        for _ in range(steps * samples // batch):
            for weight, x, out in products:
                np.matmul(weight, x, out=out)

    ours, theirs = fastest(integer, blas)
    cells = samples * steps
    macs = sum(weight.shape[0] * x.size for weight, x, _ in products) / batch
    rates = run_integer(graph, inputs[:batch], trace=COUNTS).counted()
    spikes = sum(int(each.sum()) for each in rates.values()) / (batch * steps)
    print(
        f"  {label}: {macs / 1e6:.1f} M multiplications and {spikes:.0f} spikes a "
        f"sentence-step, {batch} sentences at once\n"
        f"    integer {ours / cells * 1e3:.3f} ms, float32 products alone "
        f"{theirs / cells * 1e3:.3f} ms a sentence-step: {theirs / ours:.0%} of their "
        "rate"
    )


def matrix_products(graph: Graph, batch: int) -> Iterator[tuple[Array, Array, Array]]:
    """Yield weights, spikes and room for each matrix product of a step of a batch."""
    rng = np.random.default_rng(0)
    for way in connections(graph):
        synapses, source = way.synapses, graph.populations()[way.source]
        if not isinstance(synapses, DenseSynapses | TokenSynapses):
            continue
        size = int(np.prod(source.shape))
        taps = synapses.weight.reshape(-1, *synapses.weight.shape[-2:])
        given = ends(synapses, size)[1]
        columns = int(np.prod(given)) // taps.shape[1] * batch
        for weight in taps.astype(np.float32):
            x = (rng.random((taps.shape[2], columns)) < 0.15).astype(np.float32)
            yield weight, x, np.empty((len(weight), columns), np.float32)


def fastest(*timed: Callable[[], object]) -> list[float]:
    """Return the shortest of several times of each, taken in turns, in seconds."""
    best = [float("inf")] * len(timed)
    for _ in range(ROUNDS):
        for index, each in enumerate(timed):
            start = time.perf_counter()
            each()
            best[index] = min(best[index], time.perf_counter() - start)
    return best


# --- sparse or dense -----------------------------------------------------------------


def measure_crossing() -> None:
    """Print sparse times as a multiple of BLAS, for few spikes and for few weights."""
    rng = np.random.default_rng(0)
    heads = "".join(f"{density:8.1%}" for density in DENSITIES)
    print(f"  {'targets x sources x columns':<36}{heads}")
    for targets, sources, columns in SHAPES:
        weight = rng.integers(-127, 128, (targets, sources)).astype(np.float32)
        room = np.empty((targets, columns), np.float32)
        for label, make in (("spikes", few_spikes), ("weights", few_weights)):
            ratios = [make(rng, weight, room, density) for density in DENSITIES]
            cells = "".join(f"{ratio:8.2f}" for ratio in ratios)
            print(f"  {f'{targets} x {sources} x {columns}, few {label}':<36}{cells}")


def few_spikes(
    rng: np.random.Generator, weight: Array, room: Array, density: float
) -> float:
    """Return the time of a product spike by spike, over that of BLAS."""
    mask = rng.random((weight.shape[1], room.shape[1])) < density
    x, by_source = mask.astype(np.float32), np.ascontiguousarray(weight.T)
    spikes = int(mask.sum())
    return ratio_of(
        lambda: sparse_spikes(by_source, mask, spikes, room),
        lambda: dense(weight, x, room),
    )


def few_weights(
    rng: np.random.Generator, weight: Array, room: Array, density: float
) -> float:
    """Return the time of a product weight by weight, over that of BLAS."""
    x = (rng.random((weight.shape[1], room.shape[1])) < 0.15).astype(np.float32)
    kept = sparse.csr_array(weight * (rng.random(weight.shape) < density))
    return ratio_of(lambda: kept @ x, lambda: dense(weight, x, room))


def ratio_of(ours: Product, theirs: Product) -> float:
    """Return the ratio of the shortest times."""
    one, other = fastest(ours, theirs)
    return one / other


# --- workers -------------------------------------------------------------------------


def measure_workers(graph: Graph, inputs: npt.NDArray[np.uint8]) -> None:
    """Print the time of a whole run, start-up included, with one process and two."""
    cells = inputs.shape[0] * inputs.shape[1]
    for workers in (1, 2):
        batching = Batching(workers=workers)
        times = []
        for _ in range(3):
            start = time.perf_counter()
            run_integer(graph, inputs, trace=COUNTS, batching=batching)
            times.append(time.perf_counter() - start)
        print(
            f"  {workers} process{'es' if workers > 1 else '':<3} {min(times):.2f} s, "
            f"{min(times) / cells * 1e3:.3f} ms a sentence-step"
        )


if __name__ == "__main__":
    main()
