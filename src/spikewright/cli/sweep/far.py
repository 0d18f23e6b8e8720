"""The points of a sweep on a cluster, each in a child of a worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from spikewright.cli.road.store import hash_path
from spikewright.cli.sweep.points import Sweep
from spikewright.errors import InputError
from spikewright.simulate.children import child_environment
from spikewright.simulate.cluster.crew import open_crew
from spikewright.simulate.cluster.options import Cluster
from spikewright.simulate.cluster.shards import Job, Shared, map_shards, share
from spikewright.simulate.interrupts import interrupts_held

Outcome = tuple[int, str]
"""status of a point, and why it failed"""
_CHILD = (sys.executable, "-m", "spikewright.cli.child")


def go_far(sweep: Sweep, numbers: Sequence[int], cluster: Cluster) -> Iterator[Outcome]:
    """Yield what became of each point, in order.

    Args:
        sweep: its file and its folder must have the same paths on all workers.
        numbers: of the points.
        cluster: each of its threads goes one point at a time.

    Raises:
        InputError: a worker sees other files.
        SpikewrightError: as `map_shards`.
    """
    told = {
        "here": os.getcwd(),
        "file": str(sweep.path),
        "hash": hash_path(sweep.path),
        "folder": str(sweep.folder),
    }
    jobs = (Job(f"point {number}", number) for number in numbers)
    with open_crew(cluster) as crew:
        yield from map_shards(crew, go_point, share(None, told), jobs)


def go_point(shared: Shared, number: int) -> Outcome:
    """Go one point in a child of a worker."""
    here = Path(shared.plain["here"])
    file, folder = here / shared.plain["file"], here / shared.plain["folder"]
    if not file.is_file() or hash_path(file) != shared.plain["hash"]:
        raise InputError(
            f"a worker does not see {file} as it is here; put the sweep on a drive "
            "that all workers have, under the same path"
        )
    if not folder.is_dir():
        raise InputError(f"a worker does not see the folder {folder}")
    # as they were given: results remember the names of files
    words = ["sweep", shared.plain["file"], "-o", shared.plain["folder"]]
    with interrupts_held():
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*_CHILD, *words, "--point", str(number)],
            cwd=here,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=child_environment(),
            start_new_session=True,
        )
    with child:
        try:
            assert child.stderr is not None  # noqa: S101 - a pipe
            said = child.stderr.read().decode(errors="replace")
        finally:
            if child.poll() is None:
                child.wait()
    return _outcome(child.returncode, said)


def _outcome(status: int, said: str) -> Outcome:
    last = (said.strip().splitlines() or ["no word"])[-1]
    if status < 0:
        return status, f"killed by {signal.Signals(-status).name}: {last}"
    return status, last if status else ""
