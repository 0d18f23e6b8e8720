"""Arrays, graphs and traces as files, whole or absent; see `whole_files`."""

from __future__ import annotations

import json
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewright import nodes as n
from spikewright.array_limit import check_array_file
from spikewright.errors import GraphError, InputError
from spikewright.graph import ALLOWED, Edge, Graph, Stage
from spikewright.node_values import check_node_values
from spikewright.trace import SpikeTrace, Values
from spikewright.whole_files import whole_file

Arrays = Mapping[str, npt.NDArray[np.generic]]
_KINDS = {kind.__name__: kind for kinds in ALLOWED.values() for kind in kinds}
_DAMAGED = (
    EOFError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""what numpy raises on damaged files (measured by fuzzing)"""
_NO_DOCUMENT = (
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
"""what reading a JSON document of another shape raises"""


def write_arrays(path: str | Path, arrays: Arrays) -> None:
    """Write a compressed .npz, without pickle; the same arrays give the same bytes.

    Raises:
        InputError: the folder does not exist or cannot be written.
    """
    with (
        whole_file(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)


def read_arrays(path: str | Path) -> dict[str, npt.NDArray[np.generic]]:
    """Read a .npz, or a .npy as the single array `inputs`; pickled arrays refuse.

    Raises:
        InputError: the file is missing, corrupt, or holds pickled objects.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            is_ours = file.read(6).startswith((b"\x93NUMPY", b"PK"))
        if is_ours:
            check_array_file(path)
        loaded = np.load(path, allow_pickle=False) if is_ours else None
        if isinstance(loaded, np.ndarray):
            return {"inputs": loaded}
        if loaded is not None:
            with loaded:
                return {name: loaded[name] for name in loaded.files}
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except _DAMAGED as error:
        raise InputError(f"{path}: {_why_unreadable(error)}") from error
    raise InputError(f"{path}: neither .npy nor .npz; write it with numpy.save")


def _why_unreadable(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return f"damaged ({reason}); save it again"


def write_graph(graph: Graph, path: str | Path) -> None:
    """Write a graph of any stage as .npz: arrays, and one JSON string `graph`."""
    write_arrays(path, graph_arrays(graph))


def graph_arrays(graph: Graph) -> dict[str, npt.NDArray[np.generic]]:
    """Return a graph of any stage as arrays, and one JSON string `graph`."""
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    described = []
    for name, node in graph.nodes.items():
        values = {each.name: getattr(node, each.name) for each in fields(node)}
        held = {k: each for k, each in values.items() if isinstance(each, np.ndarray)}
        arrays |= {f"{name}/{k}": each for k, each in held.items()}
        plain = {k: each for k, each in values.items() if k not in held}
        described.append({"name": name, "kind": type(node).__name__, "values": plain})
    document = {
        "nodes": described,
        "edges": [asdict(edge) for edge in graph.edges],
        "stage": graph.stage.name,
        "dt_s": graph.dt_s,
        "arrival": dict(graph.arrival),
    }
    return {**arrays, "graph": np.array(json.dumps(document))}


def read_graph(path: str | Path) -> Graph:
    """Read a graph that `write_graph` wrote.

    Raises:
        InputError: the file is missing or is no such file.
        GraphError: the graph breaks an invariant of its stage.
    """
    return graph_of(read_arrays(path), str(path))


def graph_of(arrays: Arrays, where: str) -> Graph:
    """Return the graph that `graph_arrays` made arrays of.

    Raises:
        InputError: these are no such arrays; `where` says whose.
        GraphError: the graph breaks an invariant of its stage.
    """
    try:
        document = json.loads(str(arrays["graph"]))
        own = {name: each for name, each in arrays.items() if name != "graph"}
        nodes = _nodes(document["nodes"], own)
        edges = tuple(_edge(**edge) for edge in document["edges"])
        stage, dt_s = Stage[document["stage"]], _time_step(document["dt_s"])
        arrival = {str(k): _steps(v) for k, v in document["arrival"].items()}
    except (GraphError, InputError):
        raise
    except _NO_DOCUMENT as error:
        raise InputError(
            f"{where}: not a lowered graph ({error!r:.200}); write it with write_graph"
        ) from error
    return Graph(nodes, edges, stage, dt_s, arrival)


def _edge(source: str, target: str, delay: int = 0) -> Edge:
    if not (isinstance(source, str) and isinstance(target, str)):
        raise TypeError(f"an edge from {source!r} to {target!r}")
    return Edge(source, target, _steps(delay))


def _steps(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise ValueError(f"{value!r} is no number of steps")
    return value


def _time_step(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, float | int) or not 0 < value < float("inf"):
        raise ValueError(f"a time step of {value!r} s")
    return float(value)


def _nodes(described: list[dict[str, Any]], arrays: Arrays) -> dict[str, n.Node]:
    """Join plain values with the arrays `NAME/FIELD`."""
    found: dict[str, dict[str, object]] = {each["name"]: {} for each in described}
    for key, array in arrays.items():
        name, _, attribute = key.rpartition("/")
        found[name][attribute] = array
    nodes = {
        each["name"]: _node(each["kind"], {**each["values"], **found[each["name"]]})
        for each in described
    }
    if len(nodes) < len(described) or not all(isinstance(each, str) for each in nodes):
        raise ValueError("two nodes of one name, or one without")
    for name, node in nodes.items():
        check_node_values(name, node)
    return nodes


def _node(kind: str, values: dict[str, object]) -> n.Node:
    """Build a node from plain values; JSON lists are shapes."""
    return _KINDS[kind](**{k: _plain(v) for k, v in values.items()})  # type: ignore[arg-type]


def _plain(value: object) -> object:
    return tuple(map(_plain, value)) if isinstance(value, list) else value


def write_trace(trace: SpikeTrace, path: str | Path) -> None:
    """Write a trace: `output`, `spikes/…`, `counts/…` and the JSON string `meta`.

    If there are several Outputs, `output/…` holds each.
    """
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for name, values in trace.outputs.items():
        arrays["output" if len(trace.outputs) == 1 else f"output/{name}"] = values
    for name, spikes in trace.spikes.items():
        arrays[f"spikes/{name}"] = spikes
    for name, counts in trace.counted().items():
        arrays[f"counts/{name}"] = counts
    meta = {**trace.meta, "outputs": list(trace.outputs)}
    arrays["meta"] = np.array(json.dumps(meta, sort_keys=True))
    write_arrays(path, arrays)


def read_trace(path: str | Path) -> SpikeTrace:
    """Read a trace.

    Raises:
        InputError: the file is missing or is no trace.
    """
    arrays = read_arrays(path)
    try:
        meta = json.loads(str(arrays["meta"]))
        outputs = _outputs(meta, arrays)
    except _NO_DOCUMENT as error:
        raise InputError(
            f"{path}: not a spike trace ({error!r:.200}); write one with 'simulate'"
        ) from error
    if not outputs or min(each.ndim for each in outputs.values()) < 2:
        raise InputError(f"{path}: not a spike trace: 'output' is missing or too flat")
    runs = next(iter(outputs.values())).shape[:2]
    if 0 in runs:
        raise InputError(
            f"{path}: a trace of {runs[0]} samples and {runs[1]} steps; allowed: one "
            "of each at least; simulate again"
        )
    spikes = {}
    for name, array in _under("spikes/", arrays).items():
        _check_spikes(f"{path}: spikes/{name}", array, runs)
        spikes[name] = array.astype(np.uint8)
    counts = {}
    for name, array in _under("counts/", arrays).items():
        if name not in spikes:
            _check_counts(f"{path}: counts/{name}", array, runs)
            counts[name] = array.astype(np.int64)
    return SpikeTrace(spikes, outputs, meta, counts)


def _outputs(meta: dict[str, Any], arrays: Arrays) -> dict[str, Values]:
    """Return the outputs; their names leave meta, where only the file needs them."""
    names = meta.pop("outputs", ["output"])
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise TypeError(f"outputs named {names!r}")
    keys = ["output"] if len(names) == 1 else [f"output/{name}" for name in names]
    for key in keys:
        if arrays[key].dtype.kind not in "biuf":
            raise TypeError(f"{key} holds {arrays[key].dtype}")
    return {
        name: arrays[key].astype(np.float64)
        for name, key in zip(names, keys, strict=True)
    }


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _check_spikes(
    where: str, spikes: npt.NDArray[np.generic], runs: tuple[int, ...]
) -> None:
    if spikes.dtype != np.uint8 or spikes.shape[:2] != runs:
        raise InputError(
            f"{where}: {spikes.dtype} of shape {spikes.shape}; need uint8, "
            f"{runs} samples and steps; simulate again"
        )
    if spikes.size and spikes.max() > 1:
        raise InputError(
            f"{where}: holds {spikes.max()}; allowed: 0 and 1; simulate again"
        )


def _check_counts(
    where: str, counts: npt.NDArray[np.generic], runs: tuple[int, ...]
) -> None:
    if counts.dtype.kind not in "iu" or counts.shape != runs:
        raise InputError(
            f"{where}: {counts.dtype} of shape {counts.shape}; need integers, "
            f"{runs} samples and steps; simulate again"
        )
