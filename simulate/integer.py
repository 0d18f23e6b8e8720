"""The integer simulator: Lava's fixed-point arithmetic, bit for bit, for test sets.

It works in windowed time (see `window.py`), step by step, many samples at once. The
integers of Loihi's 24-bit registers are exact in float32, so BLAS and numpy's vector
loops do the work; where sums could leave 2**24, float64 does (`integer_plan.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from spikewright.errors import InputError
from spikewright.graph import Graph
from spikewright.simulate.inputs import Inputs, Signals, check_inputs, run_meta
from spikewright.simulate.integer_batch import make_machine, run_batch
from spikewright.simulate.integer_plan import Plan, make_plan
from spikewright.simulate.workers import Chunk, iterate_in_workers
from spikewright.trace import EVERYTHING, Keep, SpikeTrace, TracePolicy, collect_traces

CACHED = 2**17
"""values of the largest population computed at once: half a megabyte in float32"""


@dataclass(frozen=True)
class Batching:
    """How many samples are computed together, and by whom.

    Raises:
        InputError: a number is below 1.
    """

    batch: int | None = None
    """samples that one process computes at once; by default as many as fit its cache"""
    workers: int = 1
    """processes; 1 computes here"""

    def __post_init__(self) -> None:
        for what, value in (("batch", self.batch), ("workers", self.workers)):
            if value is not None and value < 1:
                raise InputError(f"{what} is {value}; allowed: 1 or more")


ALONE = Batching()
"""here, in batches that fit the cache"""


def run_integer(
    graph: Graph,
    inputs: Inputs,
    *,
    trace: TracePolicy = EVERYTHING,
    batching: Batching = ALONE,
    on_samples: Callable[[int], None] = lambda done: None,
    first: int = 0,
) -> SpikeTrace:
    """Run spikes through a QUANTIZED graph in Loihi's integers.

    Args:
        graph: QUANTIZED.
        inputs: (samples, steps, *input shape), 0 or 1, by name if there are several
            Inputs.
        trace: which spikes to keep.
        batching: how many samples at once, in how many processes; the result is the
            same.
        on_samples: called with the number of finished samples.
        first: number of the first sample, by which errors name it.

    Raises:
        GraphError: the graph is not QUANTIZED, or not one that a chip could run.
        InputError: the inputs do not fit the graph.
        OverflowDetectedError: a sum or a state left its register.
        WorkerError: a worker process died.
    """
    checked = check_inputs(graph, inputs)
    every = _iterate(graph, checked, trace, batching, on_samples, first)
    samples, steps = next(iter(checked.values())).shape[:2]
    return collect_traces(every, samples, run_meta(graph, "integer", steps))


def iterate_integer(
    graph: Graph,
    inputs: Inputs,
    *,
    trace: TracePolicy = EVERYTHING,
    batching: Batching = ALONE,
    on_samples: Callable[[int], None] = lambda done: None,
    first: int = 0,
) -> Iterator[SpikeTrace]:
    """Yield the trace of a batch at a time, in order: bounded memory for large sets.

    Arguments and errors are those of `run_integer`; the traces have no `meta`.
    """
    checked = check_inputs(graph, inputs)
    yield from _iterate(graph, checked, trace, batching, on_samples, first)


def _iterate(
    graph: Graph,
    inputs: Signals,
    trace: TracePolicy,
    batching: Batching,
    on_samples: Callable[[int], None],
    first: int,
) -> Iterator[SpikeTrace]:
    samples, steps = next(iter(inputs.values())).shape[:2]
    plan = make_plan(graph, steps)
    trace.check(plan.spiking)
    batch = batch_size(plan, batching, samples)
    chunks = _chunks(inputs, batch, first)
    if min(batching.workers, len(chunks)) > 1:
        parts = iterate_in_workers(plan, batch, trace, chunks, batching.workers)
    else:
        parts = _iterate_here(plan, batch, trace, chunks)
    done = 0
    for part in parts:
        done += part.samples
        yield part
        on_samples(done)


def refuse_overflow(graph: Graph, inputs: Inputs, *, first: int = 0) -> None:
    """Raise `OverflowDetectedError` if a run of these inputs leaves a register."""
    nothing = TracePolicy(Keep.NONE)
    for _ in iterate_integer(graph, inputs, trace=nothing, first=first):
        pass


def batch_size(plan: Plan, batching: Batching, samples: int) -> int:
    """Return what was asked for, or what fits the cache; chunks of equal length."""
    largest = max(
        math.prod(node.shape)
        for node in (*plan.graph.populations().values(), *plan.graph.outputs.values())
    )
    most = batching.batch or max(1, CACHED // largest)
    chunks = math.ceil(samples / min(most, math.ceil(samples / batching.workers)))
    return math.ceil(samples / chunks)


def _chunks(inputs: Signals, batch: int, first: int) -> list[Chunk]:
    samples = len(next(iter(inputs.values())))
    return [
        Chunk(first + start, {k: v[start : start + batch] for k, v in inputs.items()})
        for start in range(0, samples, batch)
    ]


def _iterate_here(
    plan: Plan, batch: int, policy: TracePolicy, chunks: list[Chunk]
) -> Iterator[SpikeTrace]:
    machine = make_machine(plan, batch)
    for chunk in chunks:
        yield run_batch(machine, chunk.inputs, policy, chunk.first)
