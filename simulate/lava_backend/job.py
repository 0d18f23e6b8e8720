"""The folder through which parent and child exchange a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from spikewright.files import read_arrays, read_graph, write_graph
from spikewright.graph import Graph

Runtime: TypeAlias = Literal["local", "lava"]


@dataclass(frozen=True, eq=False)
class Job:
    """What the child shall run."""

    graph: Graph
    inputs: npt.NDArray[Any]
    """(samples, steps, *input shape)"""
    runtime: Runtime


def write_job(job: Job, folder: Path) -> None:
    """Write a job into an empty folder."""
    write_graph(job.graph, folder / "graph.npz")
    np.save(folder / "inputs.npy", job.inputs, allow_pickle=False)
    (folder / "job.json").write_text(json.dumps({"runtime": job.runtime}))


def read_job(folder: Path) -> Job:
    """Read what `write_job` wrote."""
    settings = json.loads((folder / "job.json").read_text())
    return Job(
        read_graph(folder / "graph.npz"),
        read_arrays(folder / "inputs.npy")["inputs"],
        settings["runtime"],
    )


def sample_folder(folder: Path, sample: int) -> Path:
    """Where the recordings of a finished sample lie; it appears at once and whole."""
    return folder / f"sample-{sample:06d}"


def finished_samples(folder: Path, known: int) -> int:
    """Count the finished samples; at least `known` are."""
    while sample_folder(folder, known).exists():
        known += 1
    return known
