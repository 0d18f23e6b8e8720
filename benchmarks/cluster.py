"""What a cluster costs and brings: one process against one and two workers, and a task.

    OMP_NUM_THREADS=1 python benchmarks/cluster.py [--samples 192] [--repeats 3]

The network is the shipped student for 16 tokens, its inputs the demo's sentences. One
process and a local cluster of one and of two workers take turns, so that all see the
same machine; their traces are compared. A cluster is started before it is timed, and
its start is told apart. Then what docs/scale.md reckons with: seconds of an empty task
and of a sentence's way through the client, and bytes of what a sentence sends.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version

import numpy as np
from backends import lowered_student
from machine import describe_machine, seconds_of

from spikewright.counting import count_run, nodes_of_rows
from spikewright.graph import Graph
from spikewright.simulate.cluster.crew import Crew, open_crew
from spikewright.simulate.cluster.options import Cluster
from spikewright.simulate.cluster.packed import Packed, pack, unpack
from spikewright.simulate.cluster.run import run_in_crew
from spikewright.simulate.cluster.shards import Job, map_shards, share
from spikewright.simulate.integer import run_integer
from spikewright.trace import EVERYTHING, Keep, SpikeTrace, TracePolicy

NUMBERS = TracePolicy(Keep.COUNTS)
"""a trace of numbers: little to send back"""


def main() -> None:
    """Measure side by side, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=192)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=1000)
    args = parser.parse_args()
    print(describe_machine())
    print(f"distributed {version('distributed')}")
    graph, inputs = lowered_student(16, args.samples)
    with ExitStack() as stack:
        crews = {number: start(stack, number) for number in (1, 2)}
        for policy, name in (
            (EVERYTHING, "each spike"),
            (NUMBERS, "numbers of spikes"),
        ):
            compare(graph, inputs, crews, policy, name, args.repeats)
        empty_tasks(crews[1], graph, args.tasks)
    sentence(graph, inputs)


def start(stack: ExitStack, workers: int) -> Crew:
    """Start a local cluster, and let its workers import what they need."""
    begin = time.perf_counter()
    crew = stack.enter_context(open_crew(Cluster(workers=workers)))
    print(f"start of {workers} workers: {time.perf_counter() - begin:.1f} s")
    return crew


def compare(
    graph: Graph,
    inputs: np.ndarray,
    crews: dict[int, Crew],
    policy: TracePolicy,
    name: str,
    repeats: int,
) -> None:
    """Time one process and clusters in turns; compare what comes out."""
    ways: dict[str, Callable[[], SpikeTrace]] = {
        "one process": lambda: run_integer(graph, inputs, trace=policy),
        "1 worker": lambda: run_in_crew(crews[1], graph, inputs, trace=policy),
        "2 workers": lambda: run_in_crew(crews[2], graph, inputs, trace=policy),
    }
    judge = ways["one process"]()
    for way, work in ways.items():
        if not is_same(judge, work()):  # and warm
            raise SystemExit(f"{way}: another trace than one process")
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, work in ways.items():
            seconds[way].append(seconds_of(work))
    alone = statistics.median(seconds["one process"])
    print(f"{len(inputs)} sentences, {name}:")
    for way, found in seconds.items():
        middle = statistics.median(found)
        print(
            f"  {way:12} {1e3 * middle / len(inputs):7.2f} ms a sentence, "
            f"{alone / middle:5.2f} x one process"
        )


def is_same(a: SpikeTrace, b: SpikeTrace) -> bool:
    """Say whether two traces are equal to the bit."""
    pairs = ((a.spikes, b.spikes), (a.outputs, b.outputs), (a.counts, b.counts))
    return all(
        list(x) == list(y) and all(np.array_equal(x[k], y[k]) for k in x)
        for x, y in pairs
    )


def empty_tasks(crew: Crew, graph: Graph, tasks: int) -> None:
    """Time tasks that do nothing: all of it is overhead."""
    jobs = [Job(str(number), number) for number in range(tasks)]
    begin = time.perf_counter()
    done = list(map_shards(crew, lambda shared, job: job, share(graph, {}), jobs))
    seconds = time.perf_counter() - begin
    if done != list(range(tasks)):
        raise SystemExit("tasks came back in another order")
    print(
        f"an empty task: {1e3 * seconds / tasks:.2f} ms, {tasks / seconds:.0f} tasks/s"
    )


def sentence(graph: Graph, inputs: np.ndarray) -> None:
    """Print what one sentence sends, and how long the client and a worker take."""
    samples = len(inputs)
    trace = run_integer(graph, inputs)
    sent, back = pack({"input": inputs}), pack(dict(trace.spikes))
    counts = count_run(graph, trace)
    added = counts.added(nodes_of_rows(graph).values())
    row = {
        "bytes sent": bytes_of(sent.values()) / samples,
        "bytes back, each spike": bytes_of(back.values()) / samples,
        "bytes of counts, each sample": bytes_of(
            v for fields in counts.counts.values() for v in fields.values()
        )
        / samples,
        "bytes of counts, added, of a whole task": bytes_of(
            v for fields in added.counts.values() for v in fields.values()
        ),
        "ms to pack what is sent": ms(lambda: pack({"input": inputs})) / samples,
        "ms to unpack what comes back": ms(lambda: unpack(back)) / samples,
        "ms to run": ms(lambda: run_integer(graph, inputs)) / samples,
        "ms to count": ms(lambda: count_run(graph, trace)) / samples,
    }
    print("a sentence:")
    for name, value in row.items():
        print(f"  {name:42} {value:10.3f}")


def bytes_of(arrays: object) -> int:
    """Return what arrays take on a wire."""
    return sum(
        each.bits.nbytes if isinstance(each, Packed) else each.nbytes
        for each in arrays  # type: ignore[attr-defined]
    )


def ms(work: Callable[[], object]) -> float:
    """Return the middle of three times, in milliseconds."""
    return 1e3 * statistics.median(seconds_of(work) for _ in range(3))


if __name__ == "__main__":
    main()
