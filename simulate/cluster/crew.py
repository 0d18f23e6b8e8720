"""A client of a cluster: one that runs already, or one of our own that ends with us."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from spikewright.errors import InputError, WorkerError
from spikewright.holds import work_folder
from spikewright.simulate.cluster.dask import (
    Client,
    check_scheduler,
    configured,
    load_distributed,
)
from spikewright.simulate.cluster.identity import check_identities, identity
from spikewright.simulate.cluster.options import LOCAL, Cluster
from spikewright.simulate.cluster.words import Words, listening

_HOST = "127.0.0.1"
_AHEAD = 2
"""tasks for each thread: one that runs, one that waits for it"""
_FRESH_S = 1.0
"""age of what is known about the workers"""


@dataclass(eq=False)
class Crew:
    """Workers that have our versions, and the way to them."""

    client: Client
    words: Words
    cluster: Cluster
    _threads: int = 0
    _seen_s: float = field(default=-_FRESH_S)

    def threads(self) -> int:
        """Return how many threads work, or worked a second ago.

        Raises:
            WorkerError: the scheduler is gone.
        """
        if time.monotonic() - self._seen_s >= _FRESH_S:
            try:
                self._threads = sum(self.client.nthreads().values())
            except OSError as error:
                raise self.gone() from error
            self._seen_s = time.monotonic()
        return self._threads

    def window(self) -> int:
        """Return how many tasks may be under way: it bounds memory everywhere."""
        return _AHEAD * max(1, self.threads()) + 1

    def gone(self) -> WorkerError:
        """Return the error of a scheduler that does not answer any more."""
        return WorkerError(
            "the scheduler is gone; start it again, then this command; last words:"
            f"{self.words.last() or ' none'}"
        )


@contextmanager
def open_crew(cluster: Cluster) -> Iterator[Crew]:
    """Connect to a cluster, or start one; in the end nothing of ours is left of it.

    Raises:
        BackendMissingError: Dask is not installed.
        InputError: nobody answers at the address, or no worker is there.
        WorkerError: a worker has other versions.
    """
    load_distributed()
    # A graph is sent once: however large it is, there is no cure to warn of.
    quiet = configured(distributed__admin__large_graph_warning_threshold="1TB")
    here = cluster.address == LOCAL
    with listening() as words, quiet:
        with _own(cluster) if here else _at(cluster.address, cluster) as client:
            words.setLevel(logging.WARNING)  # which a local cluster has changed
            check_identities(client.run(identity, on_error="return"))
            yield Crew(client, words, cluster)


@contextmanager
def _own(cluster: Cluster) -> Iterator[Client]:
    """Start worker processes that only we can speak to, in a folder of their own."""
    dask = load_distributed()
    with (
        work_folder("cluster") as folder,
        configured(temporary_directory=str(folder)),
        dask.LocalCluster(
            n_workers=cluster.workers or len(os.sched_getaffinity(0)),
            threads_per_worker=1,
            processes=True,
            host=_HOST,
            dashboard_address=f"{_HOST}:0",
            local_directory=str(folder),
            silence_logs=logging.CRITICAL,
            security=dask.Security.temporary(),
        ) as own,
        dask.Client(own, timeout=cluster.timeout_s, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def _at(address: str, cluster: Cluster) -> Iterator[Client]:
    """Connect to a scheduler that runs already; its keys are Dask's configuration."""
    seconds = f"{cluster.timeout_s:g} s"
    try:
        check_scheduler(address, cluster.timeout_s)
        client = load_distributed().Client(
            address, timeout=cluster.timeout_s, set_as_default=False
        )
    except (OSError, TypeError, ValueError) as error:  # TimeoutError is an OSError
        reason = " ".join(str(error).split())
        raise InputError(
            f"cluster {address}: nobody answers within {seconds} ({reason}); start "
            "`dask scheduler`, and give the address that it prints, such as "
            "tcp://host:8786"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, cluster.timeout_s)
        except TimeoutError as error:
            raise InputError(
                f"cluster {address}: has no worker after {seconds}; start "
                f"`dask worker {address}`"
            ) from error
        yield client
