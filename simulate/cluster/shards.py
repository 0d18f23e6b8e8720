"""Tasks on a cluster: few at once, results in order, lost workers made good.

What all tasks share is the result of a task of its own, named by its content: each
worker gets it once, and if the worker that has it dies, it is made again, which data
that were merely scattered are not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice, takewhile
from time import monotonic
from typing import Any, Generic, TypeVar

from spikewright.errors import (
    GraphError,
    LavaRunError,
    SpikewrightError,
    UnsupportedNodeError,
    WorkerError,
)
from spikewright.files import Arrays, graph_arrays, graph_of
from spikewright.graph import Graph
from spikewright.simulate.cluster.crew import Crew
from spikewright.simulate.cluster.dask import (
    Future,
    content_key,
    is_killed,
    load_distributed,
)

J = TypeVar("J")
R = TypeVar("R")
RETRIES = 2
"""of a task that raises what is not the user's to mend; deaths are counted by Dask"""
_AT_ONCE = 32
"""results that are fetched together"""
_POLL_S = 1.0


@dataclass(frozen=True)
class Shared:
    """What all tasks have in common; equal if its key is."""

    key: str
    graph: Arrays | None = field(compare=False)
    plain: Mapping[str, Any] = field(compare=False)


def share(graph: Graph | None, plain: Mapping[str, Any]) -> Shared:
    """Return a graph and options, with a key that is made of their content."""
    if graph is None:
        return Shared(content_key(plain), None, plain)
    return Shared(
        f"{graph.fingerprint()}-{content_key(plain)}", graph_arrays(graph), plain
    )


@lru_cache(maxsize=2)
def graph_of_shared(shared: Shared) -> Graph:
    """Return the graph, made once in each worker."""
    assert shared.graph is not None  # noqa: S101 - tasks that ask for it have one
    return graph_of(shared.graph, "task")


@dataclass(frozen=True, eq=False)
class Job(Generic[J]):
    """What one task has of its own."""

    name: str
    """for errors, such as `samples 0 to 7`"""
    content: J


@dataclass(frozen=True, eq=False)
class Refused:
    """An error that another try would raise again."""

    kind: type[SpikewrightError]
    message: str


def attempt(function: Callable[[Shared, J], R], shared: Shared, job: J) -> R | Refused:
    """Do a task in a worker; what the user has to mend becomes a value."""
    try:
        return function(shared, job)
    except (LavaRunError, WorkerError):  # another machine may fare better
        raise
    except UnsupportedNodeError as error:
        return Refused(GraphError, str(error))
    except SpikewrightError as error:
        return Refused(type(error), str(error))


def _held(shared: Shared) -> Shared:
    return shared


def map_shards(
    crew: Crew,
    function: Callable[[Shared, J], R],
    shared: Shared,
    jobs: Iterable[Job[J]],
) -> Iterator[R]:
    """Yield what a function makes of each job, in order.

    Jobs are taken from their iterable as results are taken from here, so that few of
    both are in memory at once.

    Args:
        crew: that works.
        function: of a module that workers can import.
        shared: given to each call.
        jobs: one for each call.

    Raises:
        WorkerError: workers died on a job again and again, none is left, or the
            scheduler is gone.
        SpikewrightError: what the function raised.
    """
    client = crew.client
    common = client.submit(_held, shared, key=f"spikewright-shared-{shared.key}")
    under_way: deque[tuple[str, Future]] = deque()
    try:
        for job in jobs:
            task = client.submit(
                attempt, function, common, job.content, pure=False, retries=RETRIES
            )
            under_way.append((job.name, task))
            while len(under_way) >= crew.window():
                yield from _finished(crew, under_way)
        while under_way:
            yield from _finished(crew, under_way)
    finally:
        if client.status == "running":
            client.cancel([task for _, task in under_way])


def _finished(crew: Crew, under_way: deque[tuple[str, Future]]) -> Iterator[Any]:
    """Yield the results that are next, once there is one; fetch them together."""
    _await(crew, *under_way[0])
    ready = list(islice(takewhile(lambda each: each[1].done(), under_way), _AT_ONCE))
    for name, task in ready:
        if task.status == "error":
            raise _failure(crew, name, task.exception())
    results = _gathered(crew, ready)
    for result in results:
        under_way.popleft()
        if isinstance(result, Refused):
            raise result.kind(result.message)
        yield result


def _gathered(crew: Crew, ready: Sequence[tuple[str, Future]]) -> list[Any]:
    """Fetch results; one whose worker died meanwhile is made again, or given up."""
    dask = load_distributed()
    killed = dask.scheduler.KilledWorker
    try:
        found: list[Any] = crew.client.gather([task for _, task in ready])
    except (killed, dask.CancelledError, OSError) as error:
        raise _failure(crew, ready[0][0], error) from error
    return found


def _await(crew: Crew, name: str, task: Future) -> None:
    """Wait for a task, as long as anyone is there to do it."""
    dask = load_distributed()
    alone_since = None
    while True:
        try:
            with crew.client.as_current():
                dask.wait([task], timeout=_POLL_S)
        except TimeoutError:
            pass
        except dask.CancelledError as error:
            raise crew.gone() from error
        else:
            return
        if crew.client.status != "running":
            raise crew.gone()
        if crew.threads():
            alone_since = None
        elif alone_since is None:
            alone_since = monotonic()
        elif monotonic() - alone_since > crew.cluster.timeout_s:
            last = crew.words.last() or " none"
            raise WorkerError(
                f"{name}: no worker is left for {crew.cluster.timeout_s:g} s; start "
                f"some, then this command again; last words:{last}"
            )


def _failure(crew: Crew, name: str, error: Any) -> Exception:
    """Return the named error of a task that was given up."""
    last = crew.words.last() or " none"
    if is_killed(error):
        return WorkerError(
            f"{name}: given up, {error.allowed_failures + 1} workers died on it; if "
            "memory ran out, use smaller shards or a smaller batch; last words:"
            f"{last}"
        )
    if isinstance(error, SpikewrightError):
        return error
    return WorkerError(
        f"{name}: failed on {RETRIES + 1} tries: {type(error).__name__}: {error}; "
        f"last words:{last}"
    )
