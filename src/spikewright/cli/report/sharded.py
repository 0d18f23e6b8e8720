"""Counts made where the samples run: little comes back, however many they are."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass

from spikewright.cli.output.progress import progress
from spikewright.cli.report.glance import Glance, look
from spikewright.cli.report.runs import Runs
from spikewright.hardware_profiles.reports.traces import (
    Counting,
    Counts,
    Lengths,
    count_part,
)
from spikewright.simulate.cluster.crew import Crew, open_crew
from spikewright.simulate.cluster.options import Cluster
from spikewright.simulate.cluster.packed import Array, Packed, pack, unpack
from spikewright.simulate.cluster.run import sample_bytes
from spikewright.simulate.cluster.shards import (
    Job,
    Shared,
    graph_of_shared,
    map_shards,
    share,
)
from spikewright.simulate.integer import Batching, run_integer


@dataclass(frozen=True, eq=False)
class Some:
    """Some samples in a row, as a worker gets them."""

    first: int
    inputs: Mapping[str, Array | Packed]
    lengths: Lengths


@dataclass(frozen=True, eq=False)
class Wish:
    """What is to be known of the samples, beside their sums."""

    by_sample: bool
    """keep the counts of each sample"""
    show: int | None
    """look at the traces for a page, which shows this sample"""


def count_on_cluster(
    runs: Runs,
    cluster: Cluster,
    counting: Counting,
    bits: Mapping[str, int],
    wish: Wish,
    on_glance: Callable[[Glance], None] = lambda glance: None,
) -> Generator[Counts, None, None]:
    """Yield the counts of each shard, in order.

    Args:
        runs: that have shards.
        cluster: runs them.
        counting: what is counted for.
        bits: of the tables, read for each token, by Input.
        wish: what is to be known.
        on_glance: called with what a page shows of each shard, if it shows any.

    Raises:
        SpikewrightError: as `run_on_cluster` and `report_traces`.
    """
    told = {
        "traffic": dict(counting.traffic),
        "bits": dict(bits),
        "batch": cluster.batch,
        "by_sample": wish.by_sample,
        "show": wish.show,
        "no_answers": counting.no_answers,
    }
    with open_crew(cluster) as crew, progress(runs.samples, "integer") as advance:
        done = 0
        jobs = _jobs(runs, crew)
        for counts, glance in map_shards(
            crew, count_shard, share(runs.graph, told), jobs
        ):
            if glance is not None:
                on_glance(glance)
            yield counts
            done += counts.run.samples
            advance(done)


def _jobs(runs: Runs, crew: Crew) -> Iterator[Job[Some]]:
    assert runs.shards is not None  # noqa: S101 - found for a cluster
    each_bytes = sample_bytes(runs.graph, runs.steps)
    size = crew.cluster.shard_size(runs.samples, each_bytes, crew.threads())
    for place, (inputs, lengths) in enumerate(runs.shards(size)):
        first = place * size
        last = first + len(next(iter(inputs.values()))) - 1
        yield Job(f"samples {first} to {last}", Some(first, pack(inputs), lengths))


def count_shard(shared: Shared, some: Some) -> tuple[Counts, Glance | None]:
    """Run and count some samples in a worker."""
    graph, told = graph_of_shared(shared), shared.plain
    trace = run_integer(
        graph,
        unpack(some.inputs),
        batching=Batching(told["batch"]),
        first=some.first,
    )
    counting = Counting(graph, told["traffic"], {}, None, told["no_answers"])
    counts = count_part(counting, trace, some.lengths, told["bits"])
    glance = None if told["show"] is None else look(trace, told["show"] - some.first)
    return counts if told["by_sample"] else counts.added(counting), glance
