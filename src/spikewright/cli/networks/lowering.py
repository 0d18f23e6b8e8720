"""What several verbs do first: read a network, find its time step, lower it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from spikewright.errors import InputError
from spikewright.export.deployment.folder import Deployment, read_deployment
from spikewright.export.graphs.time_step import deduce_dt_s
from spikewright.export.lower import lower
from spikewright.export.nir.io import read_nir, read_nir_dt
from spikewright.files import read_arrays, read_graph
from spikewright.graph import Graph, Stage
from spikewright.simulate.inputs import Inputs
from spikewright.whole_files import check_place

STAGES = {
    ("reference", "float"): Stage.DISCRETE,
    ("reference", "fixed"): Stage.QUANTIZED,
    ("integer", "fixed"): Stage.QUANTIZED,
    ("lava", "float"): Stage.TIMED,
    ("lava", "fixed"): Stage.QUANTIZED,
}
"""(backend, arithmetic) -> what it runs"""
LOWERED = ".npz"
"""suffix of what `spikewright lower` writes"""
STUDENT_DT_S = 1e-4
"""time step of an exported student; its integers do not depend on it"""


@dataclass(frozen=True, eq=False)
class Network:
    """A network from a .nir file or a deployment folder."""

    graph: Graph
    """CONTINUOUS"""
    dt_s: float
    deployment: Deployment | None


def read_network(
    path: Path, *, dt_s: float | None = None, default_dt_s: float | None = None
) -> Network:
    """Read a .nir file or a deployment folder.

    Args:
        path: the file or folder.
        dt_s: the time step that the user names; one on record must agree.
        default_dt_s: the time step if none is on record.

    Raises:
        InputError: the file is missing or unreadable, no time step is known, or
            `dt_s` contradicts the one on record.
        GraphError: it holds what we cannot run.
    """
    if path.is_dir():
        return _read_folder(path, dt_s)
    graph = read_nir(path, dt_s=dt_s)
    for found in (dt_s, read_nir_dt(path), default_dt_s):
        if found is not None:
            return Network(graph, found, None)
    raise InputError(
        f"{path}: does not say its time step; give --dt SECONDS ({_hint(graph)})"
    )


def _hint(graph: Graph) -> str:
    """Say what the neurons point to, for the user to decide."""
    found = deduce_dt_s(graph)
    if found is None:
        return "snnTorch and SpikingJelly export with 1e-4"
    return f"its neurons look made for {found:g} s: every r is tau / {found:g} s"


def _read_folder(path: Path, dt_s: float | None) -> Network:
    deployment = read_deployment(path)
    stored = float(deployment.card["dt_s"])
    if dt_s not in (None, stored):
        raise InputError(
            f"{path}: was made for a time step of {stored} s, got {dt_s} s; "
            "leave --dt out, or export again"
        )
    return Network(deployment.graph, stored, deployment)


def stage_of(backend: str, arithmetic: str | None) -> Stage:
    """Return the stage that a backend runs in an arithmetic, None being its own.

    Raises:
        InputError: the backend has no such arithmetic.
    """
    chosen = arithmetic or ("float" if backend == "reference" else "fixed")
    if (backend, chosen) not in STAGES:
        raise InputError(
            f"--backend {backend} has no {chosen} arithmetic; "
            "float runs on reference and lava"
        )
    return STAGES[backend, chosen]


def read_lowered(path: Path, stage: Stage, *, dt_s: float | None = None) -> Graph:
    """Read a graph that `spikewright lower` wrote.

    Raises:
        InputError: the file is missing or unreadable, or was lowered to another stage,
            or for another time step than `dt_s`.
    """
    graph = read_graph(path)
    check_dt_s(path, graph, dt_s)
    if graph.stage is not stage:
        raise InputError(
            f"{path}: was lowered to {graph.stage.name}, this backend and arithmetic "
            f"run {stage.name}; lower with --to {stage.name.lower()}"
        )
    return graph


def read_student(folder: Path, graph: Graph) -> Deployment:
    """Read the deployment folder that a lowered graph was made of.

    Raises:
        InputError: the folder is unreadable, or its network takes other inputs.
    """
    deployment = read_deployment(folder)
    takes = {name: each.shape for name, each in deployment.graph.inputs.items()}
    given = {name: each.shape for name, each in graph.inputs.items()}
    if takes != given:
        raise InputError(
            f"--student {folder}: its network takes {takes}, the lowered one {given}; "
            "give the folder that it was lowered from"
        )
    return deployment


def refuse_student(folder: Path | None, file: Path) -> None:
    """Raise `InputError` if a folder is named beside a network that is not lowered."""
    if folder is not None:
        raise InputError(
            f"--student {folder}: only with a lowered {LOWERED}; {file} needs none"
        )


def check_dt_s(path: Path, graph: Graph, dt_s: float | None) -> None:
    """Raise `InputError` if the user names another time step than a lowered graph's."""
    if dt_s not in (None, graph.dt_s):
        raise InputError(
            f"{path}: was lowered for a time step of {graph.dt_s} s, got {dt_s} s; "
            "leave --dt out, or lower again"
        )


def check_outputs(
    outputs: Iterable[Path | None], inputs: Iterable[Path | None]
) -> None:
    """Check the places of files before the work begins.

    Raises:
        InputError: a file cannot be made there, or would replace one that the same
            command reads or writes.
    """
    taken = {each.resolve() for each in inputs if each is not None}
    for path in filter(None, outputs):
        check_place(path)
        if path.resolve() in taken:
            raise InputError(
                f"{path}: the command reads or writes it already; choose another name"
            )
        taken.add(path.resolve())


def lower_network(
    network: Network, stage: Stage, weight_bits: int | None = None
) -> Graph:
    """Lower a network to `stage`; weights have 8 bits if nothing else is said."""
    return lower(
        network.graph, dt_s=network.dt_s, to=stage, weight_bits=weight_bits
    ).graph


def read_signals(path: Path, graph: Graph) -> Inputs:
    """Read inputs: a .npy, or a .npz with an array for each Input, by its name.

    The one array of a .npz may also be called `inputs`. That they fit is checked when
    they are run.

    Raises:
        InputError: the file is missing or damaged, or an Input has no array.
    """
    arrays = read_arrays(path)
    if set(arrays) == {"inputs"} and len(graph.inputs) == 1:
        return arrays["inputs"]
    if set(arrays) != set(graph.inputs):
        raise InputError(
            f"{path}: holds {', '.join(arrays) or 'nothing'}; need an array "
            f"(samples, steps, *input shape) for each of {', '.join(graph.inputs)}"
        )
    return arrays
