"""The integer simulator in several processes, each with its share of the samples.

A worker is a child of ours, not of `multiprocessing`: it gets an environment in which
BLAS uses one thread, and never imports the user's script. What all chunks share lies in
a file; chunks go to its stdin and traces come back from its stdout, as `wire` has them.
"""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy.typing as npt

from spikewright.errors import OverflowDetectedError, WorkerError
from spikewright.files import graph_arrays, graph_of
from spikewright.holds import work_folder
from spikewright.simulate.children import child_environment
from spikewright.simulate.inputs import Signals
from spikewright.simulate.integer_plan import Plan, make_plan
from spikewright.simulate.interrupts import interrupts_held
from spikewright.simulate.wire import Message, receive, send
from spikewright.trace import Keep, SpikeTrace, TracePolicy

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

    def message(self) -> Message:
        """Return what a worker is told."""
        return Message({"first": self.first}, self.inputs)


@dataclass(frozen=True, eq=False)
class Task:
    """What all chunks have in common."""

    plan: Plan
    batch: int
    policy: TracePolicy

    def message(self) -> Message:
        """Return what a worker is told; `task_of` reads it."""
        plain = {
            "steps": self.plan.steps,
            "batch": self.batch,
            "keep": self.policy.keep.value,
            "full": list(self.policy.full),
        }
        return Message(plain, graph_arrays(self.plan.graph))


def task_of(message: Message) -> Task:
    """Return the task that the parent has; its plan is made again."""
    plain = message.plain
    plan = make_plan(graph_of(message.arrays, "task"), plain["steps"])
    return Task(plan, plain["batch"], TracePolicy(Keep(plain["keep"]), plain["full"]))


def answer_of(trace: SpikeTrace) -> Message:
    """Return what a worker answers; `trace_of` reads it."""
    parts: dict[str, Mapping[str, npt.NDArray[Any]]]
    parts = {"spikes": trace.spikes, "outputs": trace.outputs, "counts": trace.counts}
    arrays = {f"{part}/{k}": v for part, each in parts.items() for k, v in each.items()}
    return Message({"overflow": None}, arrays)


def trace_of(message: Message) -> SpikeTrace:
    """Return the trace that a worker answered with."""
    parts: dict[str, Signals] = {"spikes": {}, "outputs": {}, "counts": {}}
    for path, array in message.arrays.items():
        part, _, name = path.partition("/")
        parts[part][name] = array
    return SpikeTrace(parts["spikes"], parts["outputs"], counts=parts["counts"])


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
    with _crew(Task(plan, batch, policy), workers) as (threads, idle):
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
    with work_folder("workers") as folder:
        shared = folder / "task"
        with shared.open("wb") as file:
            send(task.message(), file)
        crew: list[_Worker] = []
        idle: SimpleQueue[_Worker] = SimpleQueue()
        threads = ThreadPoolExecutor(workers)
        try:
            for i in range(workers):
                with interrupts_held():
                    crew.append(_start(shared, folder / f"{i}.log"))
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
        send(chunk.message(), given)
        answer = receive(taken)
    except (BrokenPipeError, EOFError, ValueError) as error:
        raise _lost(worker, chunk) from error
    if answer is None:
        raise _lost(worker, chunk)
    if answer.plain["overflow"] is not None:
        raise OverflowDetectedError(answer.plain["overflow"])
    return trace_of(answer)


def _lost(worker: _Worker, chunk: Chunk) -> WorkerError:
    code = worker.process.wait()
    lines = worker.words.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    return WorkerError(
        f"a worker died at sample {chunk.first} (exit code {code}); if memory ran out, "
        "use fewer workers or a smaller batch; its last words:\n" + "\n".join(lines)
    )
