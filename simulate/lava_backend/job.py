"""The folder through which parent and child exchange a run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np

from spikewright.errors import InputError
from spikewright.files import read_graph, write_graph
from spikewright.graph import Graph
from spikewright.simulate.inputs import Signals

Runtime: TypeAlias = Literal["local", "lava"]
Processes: TypeAlias = Literal["auto", "stock"]
Models: TypeAlias = Literal["fast", "stock"]


@dataclass(frozen=True)
class LavaOptions:
    """How a graph becomes Lava processes, and who runs them for how long.

    Raises:
        InputError: a choice is unknown.
    """

    runtime: Runtime = "local"
    """Lava's own, an OS process for each Lava process, or ours in one OS process"""
    processes: Processes = "auto"
    """those that come with Lava ("stock"), or our own where it has none ("auto")"""
    models: Models = "fast"
    """our models of Lava's processes, or the stock ones; both give the same bits"""
    deadline_s: float = 300.0
    """seconds until a run counts as hanging"""

    def __post_init__(self) -> None:
        for what, kind in _CHOICES.items():
            chosen = getattr(self, what)
            if chosen not in get_args(kind):
                raise InputError(
                    f"no {what} '{chosen}'; allowed: {', '.join(get_args(kind))}"
                )


_CHOICES = {"runtime": Runtime, "processes": Processes, "models": Models}
LAVA = LavaOptions()
"""fast, with our own processes where Lava has none"""


@dataclass(frozen=True, eq=False)
class Job:
    """What the child shall run."""

    graph: Graph
    inputs: Signals
    """by Input, in the graph's order: (samples, steps, *input shape)"""
    options: LavaOptions


def samples_of(job: Job) -> int:
    """Return the number of samples."""
    return len(next(iter(job.inputs.values())))


def write_job(job: Job, folder: Path) -> None:
    """Write a job into an empty folder."""
    write_graph(job.graph, folder / "graph.npz")
    for index, array in enumerate(job.inputs.values()):
        np.save(input_file(folder, index), array, allow_pickle=False)
    (folder / "job.json").write_text(json.dumps(asdict(job.options)))


def read_job(folder: Path) -> Job:
    """Read what `write_job` wrote; the inputs stay on the disk until they are used."""
    graph = read_graph(folder / "graph.npz")
    inputs = {
        name: np.load(input_file(folder, index), mmap_mode="r", allow_pickle=False)
        for index, name in enumerate(graph.inputs)
    }
    options = LavaOptions(**json.loads((folder / "job.json").read_text()))
    return Job(graph, inputs, options)


def input_file(folder: Path, index: int) -> Path:
    """Where the samples of the Input number `index` lie."""
    return folder / f"input-{index}.npy"


def sample_folder(folder: Path, sample: int) -> Path:
    """Where the recordings of a finished sample lie; it appears at once and whole."""
    return folder / f"sample-{sample:06d}"


def finished_samples(folder: Path, known: int) -> int:
    """Count the finished samples; at least `known` are."""
    while sample_folder(folder, known).exists():
        known += 1
    return known
