"""The integer simulator in several processes, each with its share of the samples.

A worker is a child of ours, not of `multiprocessing`: it gets an environment in which
BLAS uses one thread, and never imports the user's script. What all chunks share lies in
a file; chunks go to its stdin and traces come back from its stdout, both pickled.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from spikewright.errors import OverflowDetectedError, WorkerError
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import Node
from spikewright.simulate.children import child_environment
from spikewright.simulate.inputs import Signals
from spikewright.simulate.integer_plan import Plan, make_plan
from spikewright.simulate.interrupts import interrupts_held
from spikewright.trace import SpikeTrace, TracePolicy

WORKER = (sys.executable, "-m", "spikewright.simulate.worker")
_PIPE_BYTES = 2**20
_TAIL_LINES = 12


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some samples in a row."""

    first: int
    """number of the first"""
    inputs: Signals
    """by Input: (samples, steps, *shape)"""


@dataclass(frozen=True, eq=False)
class Task:
    """What all chunks have in common; a plain form of the graph, to be pickled."""

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    dt_s: float | None
    arrival: Mapping[str, int]
    steps: int
    batch: int
    policy: TracePolicy

    def plan(self) -> Plan:
        """Return the plan that the parent made."""
        graph = Graph(self.nodes, self.edges, Stage.QUANTIZED, self.dt_s, self.arrival)
        return make_plan(graph, self.steps)


@dataclass(frozen=True, eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    words: Path
    """what it says on stderr"""


def iterate_in_workers(
    plan: Plan, batch: int, policy: TracePolicy, chunks: Iterable[Chunk], workers: int
) -> Iterator[SpikeTrace]:
    """Yield the trace of each chunk, in order; few chunks are under way at once.

    Raises:
        OverflowDetectedError: a sum or a state left its register.
        WorkerError: a worker died.
    """
    graph = plan.graph
    nodes, arrival = dict(graph.nodes), dict(graph.arrival)
    shared = (plan.steps, batch, policy)
    task = Task(nodes, graph.edges, graph.dt_s, arrival, *shared)
    with _crew(task, workers) as (threads, idle):
        under_way: deque[Future[SpikeTrace]] = deque()
        for chunk in chunks:
            under_way.append(threads.submit(_delegate, idle, chunk))
            if len(under_way) > workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


@contextmanager
def _crew(
    task: Task, workers: int
) -> Iterator[tuple[ThreadPoolExecutor, SimpleQueue[_Worker]]]:
    """Start workers, and as many threads to wait for them; leave none behind."""
    with tempfile.TemporaryDirectory(prefix="spikewright-workers-") as name:
        shared = Path(name) / "task"
        shared.write_bytes(pickle.dumps(task))
        crew: list[_Worker] = []
        idle: SimpleQueue[_Worker] = SimpleQueue()
        threads = ThreadPoolExecutor(workers)
        try:
            for i in range(workers):
                with interrupts_held():
                    crew.append(_start(shared, Path(name) / f"{i}.log"))
                idle.put(crew[-1])
            yield threads, idle
        finally:
            for worker in crew:
                worker.process.kill()
            threads.shutdown(cancel_futures=True)
            for worker in crew:
                _dismiss(worker.process)


def _start(shared: Path, words: Path) -> _Worker:
    with words.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*WORKER, str(shared)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=child_environment(),
            pipesize=_PIPE_BYTES,
            start_new_session=True,  # Ctrl-C reaches only the parent, which ends it
        )
    return _Worker(process, words)


def _dismiss(process: subprocess.Popen[bytes]) -> None:
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # half a chunk, for a worker that is gone


def _delegate(idle: SimpleQueue[_Worker], chunk: Chunk) -> SpikeTrace:
    """Let the next idle worker run a chunk."""
    worker = idle.get()
    try:
        return _exchange(worker, chunk)
    finally:
        idle.put(worker)


def _exchange(worker: _Worker, chunk: Chunk) -> SpikeTrace:
    given, taken = worker.process.stdin, worker.process.stdout
    assert given is not None  # noqa: S101 - both are pipes
    assert taken is not None  # noqa: S101
    try:
        pickle.dump(chunk, given, protocol=pickle.HIGHEST_PROTOCOL)
        given.flush()
        answer = pickle.load(taken)  # noqa: S301 - from our own child
    except (BrokenPipeError, EOFError, pickle.UnpicklingError) as error:
        raise _lost(worker, chunk) from error
    if isinstance(answer, str):
        raise OverflowDetectedError(answer)
    assert isinstance(answer, SpikeTrace)  # noqa: S101 - the worker sends nothing else
    return answer


def _lost(worker: _Worker, chunk: Chunk) -> WorkerError:
    code = worker.process.wait()
    lines = worker.words.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    return WorkerError(
        f"a worker died at sample {chunk.first} (exit code {code}); if memory ran out, "
        "use fewer workers or a smaller batch; its last words:\n" + "\n".join(lines)
    )
