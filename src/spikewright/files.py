"""Files that are either whole or absent: write beside, then rename."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spikewright import nodes as n
from spikewright.errors import InputError
from spikewright.graph import ALLOWED, Edge, Graph, Stage
from spikewright.trace import SpikeTrace

Arrays = Mapping[str, npt.NDArray[np.generic]]
_KINDS = {kind.__name__: kind for kinds in ALLOWED.values() for kind in kinds}


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` if the block ends without an error.

    Raises:
        InputError: the folder does not exist or cannot be written.
    """
    temporary = part_of(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):  # not there, or nowhere it could be
            temporary.unlink()


def part_of(path: Path) -> Path:
    """Name the hidden neighbor in which `path` is built.

    Raises:
        InputError: `path` is a folder without a name, such as `.` or `/`.
    """
    if not path.name or path.name == "..":
        raise InputError(f"{path}: cannot be written over; give a name in it")
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def cannot_write(path: Path, error: OSError) -> InputError:
    """Say in one line that and why `path` cannot be written."""
    if not path.parent.is_dir():
        return InputError(f"{path}: there is no folder {path.parent}; make it first")
    reason = " ".join((error.strerror or str(error)).split())
    return InputError(f"{path}: cannot be written: {reason}; choose another place")


def write_arrays(path: Path, arrays: Arrays) -> None:
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


def read_arrays(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Read a .npz, or a .npy as the single array `inputs`; pickled arrays refuse.

    Raises:
        InputError: the file is missing, corrupt, or holds pickled objects.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"inputs": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: not a readable .npy or .npz file: {error}"
        ) from error


def write_graph(graph: Graph, path: Path) -> None:
    """Write a graph of any stage as .npz: arrays, and one JSON string `graph`."""
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    described = []
    for name, node in graph.nodes.items():
        plain = {}
        for each in fields(node):
            value = getattr(node, each.name)
            if isinstance(value, np.ndarray):
                arrays[f"{name}/{each.name}"] = value
            else:
                plain[each.name] = value
        described.append({"name": name, "kind": type(node).__name__, "values": plain})
    document = {
        "nodes": described,
        "edges": [asdict(edge) for edge in graph.edges],
        "stage": graph.stage.name,
        "dt_s": graph.dt_s,
        "arrival": dict(graph.arrival),
    }
    write_arrays(path, {**arrays, "graph": np.array(json.dumps(document))})


def read_graph(path: Path) -> Graph:
    """Read a graph that `write_graph` wrote.

    Raises:
        InputError: the file is missing or is no such file.
        GraphError: the graph breaks an invariant of its stage.
    """
    arrays = read_arrays(path)
    try:
        document = json.loads(str(arrays.pop("graph")))
        found: dict[str, dict[str, object]] = {}
        for key, array in arrays.items():
            name, _, attribute = key.rpartition("/")
            found.setdefault(name, {})[attribute] = array
        nodes = {
            each["name"]: _node(
                each["kind"], {**each["values"], **found.get(each["name"], {})}
            )
            for each in document["nodes"]
        }
        edges = tuple(Edge(**edge) for edge in document["edges"])
        stage, dt_s = Stage[document["stage"]], document["dt_s"]
        arrival = {str(k): int(v) for k, v in document["arrival"].items()}
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a lowered graph ({error!r})") from error
    return Graph(nodes, edges, stage, dt_s, arrival)


def _node(kind: str, values: dict[str, object]) -> n.Node:
    """Build a node from plain values; JSON lists are shapes."""
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return _KINDS[kind](**plain)  # type: ignore[arg-type]


def write_trace(trace: SpikeTrace, path: Path) -> None:
    """Write a trace: `output`, `spikes/…`, `counts/…` and the JSON string `meta`."""
    arrays: dict[str, npt.NDArray[np.generic]] = {"output": trace.output}
    for name, spikes in trace.spikes.items():
        arrays[f"spikes/{name}"] = spikes
        arrays[f"counts/{name}"] = spikes.reshape(*spikes.shape[:2], -1).sum(
            axis=2, dtype=np.int64
        )
    arrays["meta"] = np.array(json.dumps(dict(trace.meta), sort_keys=True))
    write_arrays(path, arrays)


def read_trace(path: Path) -> SpikeTrace:
    """Read a trace.

    Raises:
        InputError: the file is missing or is no trace.
    """
    arrays = read_arrays(path)
    try:
        meta = json.loads(str(arrays["meta"]))
        output = arrays["output"].astype(np.float64)
    except (KeyError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a spike trace ({error!r})") from error
    spikes = {
        name.removeprefix("spikes/"): array.astype(np.uint8)
        for name, array in arrays.items()
        if name.startswith("spikes/")
    }
    return SpikeTrace(spikes, output, meta)
