"""`run` in shards on a cluster."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from spikewright.errors import InputError, WorkerError
from spikewright.graph import Graph, Stage
from spikewright.nodes import SPIKING, Input
from spikewright.simulate.cluster.crew import Crew, open_crew
from spikewright.simulate.cluster.options import Cluster
from spikewright.simulate.cluster.packed import Array, Packed, pack, unpack
from spikewright.simulate.cluster.shards import (
    Job,
    Shared,
    graph_of_shared,
    map_shards,
    share,
)
from spikewright.simulate.inputs import Inputs, Signals, check_inputs, is_binary
from spikewright.simulate.integer import Batching, refuse_overflow, run_integer
from spikewright.simulate.lava_backend.job import LAVA, LavaOptions
from spikewright.simulate.registers import may_overflow
from spikewright.simulate.run import Backend, run
from spikewright.trace import EVERYTHING, Keep, SpikeTrace, TracePolicy, collect_traces


@dataclass(frozen=True, eq=False)
class Samples:
    """Some samples in a row, as a worker gets them."""

    first: int
    """number of the first"""
    inputs: Mapping[str, Array | Packed]


@dataclass(frozen=True, eq=False)
class Traced:
    """The trace of some samples, as a worker answers."""

    spikes: Mapping[str, Array | Packed]
    outputs: Mapping[str, Array]
    counts: Mapping[str, Array]
    meta: Mapping[str, object]

    def trace(self) -> SpikeTrace:
        """Return it unpacked."""
        return SpikeTrace(unpack(self.spikes), self.outputs, self.meta, self.counts)


def run_on_cluster(
    graph: Graph,
    inputs: Inputs,
    *,
    cluster: Cluster,
    backend: Backend | str = Backend.INTEGER,
    trace: TracePolicy = EVERYTHING,
    lava: LavaOptions = LAVA,
    on_samples: Callable[[int], None] = lambda done: None,
) -> SpikeTrace:
    """Run `inputs` as `run` does, in shards; the result is the same to the bit.

    In a script of your own, call it under `if __name__ == "__main__":` for a local
    cluster, whose workers import the script.

    Args:
        graph: as for `run`, as are all but the cluster.
        inputs: (samples, steps, *input shape).
        cluster: who works, and how many samples are a task.
        backend: one of `Backend`; for `lava`, workers need Lava, and the deadline is
            that of a task.
        trace: which spikes to keep.
        lava: for `lava`.
        on_samples: called with the number of finished samples.

    Raises:
        GraphError, InputError, OverflowDetectedError, LavaRunError: as `run`.
        BackendMissingError: Dask, or a backend, is not installed.
        WorkerError: workers died or differ, none is left, or the scheduler is gone.
    """
    with open_crew(cluster) as crew:
        return run_in_crew(
            crew,
            graph,
            inputs,
            backend=backend,
            trace=trace,
            lava=lava,
            on_samples=on_samples,
        )


def run_in_crew(
    crew: Crew,
    graph: Graph,
    inputs: Inputs,
    *,
    backend: Backend | str = Backend.INTEGER,
    trace: TracePolicy = EVERYTHING,
    lava: LavaOptions = LAVA,
    on_samples: Callable[[int], None] = lambda done: None,
) -> SpikeTrace:
    """Run as `run_on_cluster` on a cluster that is open, for several runs.

    Arguments and errors are those of `run_on_cluster`.
    """
    if backend not in set(Backend):
        raise InputError(f"backend '{backend}': must be one of {', '.join(Backend)}")
    kinds = (Input, *SPIKING)
    trace.check([k for k, node in graph.nodes.items() if isinstance(node, kinds)])
    checked = check_inputs(graph, inputs)
    samples = len(next(iter(checked.values())))
    options = {
        "backend": str(backend),
        "keep": trace.keep.value,
        "full": list(trace.full),
        "batch": crew.cluster.batch,
        "lava": asdict(lava),
    }
    metas: list[Mapping[str, object]] = []
    parts = _watched(_parts(crew, graph, checked, options), metas, on_samples)
    whole = collect_traces(parts, samples, {})
    return replace(whole, meta=metas[0])


def _parts(
    crew: Crew,
    graph: Graph,
    inputs: Signals,
    options: Mapping[str, Any],
) -> Iterator[Traced]:
    """Yield the trace of each shard, in order."""
    samples, steps = next(iter(inputs.values())).shape[:2]
    each_bytes = sample_bytes(graph, steps)
    size = crew.cluster.shard_size(samples, each_bytes, crew.threads())
    # Whether an Input holds spikes is a matter of all its samples, not of a shard's.
    told = {**options, "numbers": [k for k, v in inputs.items() if not is_binary(v)]}
    return map_shards(crew, run_shard, share(graph, told), jobs_of(inputs, size))


def sample_bytes(graph: Graph, steps: int) -> int:
    """Return the spikes of a sample, a byte each."""
    return steps * sum(math.prod(node.shape) for node in graph.populations().values())


def jobs_of(inputs: Signals, size: int) -> Iterator[Job[Samples]]:
    """Yield `size` samples at a time."""
    samples = len(next(iter(inputs.values())))
    for first in range(0, samples, size):
        some = {name: each[first : first + size] for name, each in inputs.items()}
        yield Job(
            f"samples {first} to {min(first + size, samples) - 1}",
            Samples(first, pack(some)),
        )


def run_shard(shared: Shared, job: Samples) -> Traced:
    """Run some samples in a worker."""
    graph, told = graph_of_shared(shared), shared.plain
    inputs, policy = unpack(job.inputs), TracePolicy(Keep(told["keep"]), told["full"])
    done = _run(graph, inputs, policy, told, job.first)
    spikes = {k: v for k, v in done.spikes.items() if k not in told["numbers"]}
    counts = {k: v for k, v in done.counts.items() if k not in told["numbers"]}
    return Traced(pack(spikes), done.outputs, counts, done.meta)


def _run(
    graph: Graph,
    inputs: Signals,
    policy: TracePolicy,
    told: Mapping[str, Any],
    first: int,
) -> SpikeTrace:
    """Run samples; errors name them as those of the whole run."""
    backend = Backend(told["backend"])
    if backend is Backend.INTEGER:
        batching = Batching(told["batch"])
        return run_integer(graph, inputs, trace=policy, batching=batching, first=first)
    if backend is Backend.LAVA and graph.stage is Stage.QUANTIZED:
        if may_overflow(graph, next(iter(inputs.values())).shape[1]):
            refuse_overflow(graph, inputs, first=first)
    lava = LavaOptions(**told["lava"])
    return run(graph, inputs, backend=backend, trace=policy, lava=lava)


def _watched(
    parts: Iterator[Traced],
    metas: list[Mapping[str, object]],
    on_samples: Callable[[int], None],
) -> Iterator[SpikeTrace]:
    """Pass traces on, and keep the one meta that all must have."""
    done = 0
    for part in parts:
        if not metas:
            metas.append(part.meta)
        if part.meta != metas[0]:
            raise WorkerError(
                f"workers ran different things: {part.meta} and {metas[0]}; install "
                "the same versions everywhere"
            )
        trace = part.trace()
        done += trace.samples
        yield trace
        on_samples(done)
