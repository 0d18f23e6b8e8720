"""Files that are either whole or absent: write beside, then rename."""

from __future__ import annotations

import json
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewright import nodes as n
from spikewright.errors import InputError
from spikewright.graph import ALLOWED, Edge, Graph, Stage
from spikewright.trace import SpikeTrace, Values

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


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` if the block ends without an error.

    Raises:
        InputError: the folder does not exist or cannot be written, or `path` is a
            folder or a device.
    """
    path = Path(path)
    check_place(path)
    temporary = part_of(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):  # not there, or nowhere it could be
            temporary.unlink()


def write_json(path: Path, value: object) -> None:
    """Write a JSON file, whole or not at all.

    Raises:
        InputError: as `whole_file`.
    """
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def check_place(path: Path) -> None:
    """Raise `InputError` unless a file may be made or replaced at `path`.

    For commands that compute long before they write.
    """
    part_of(path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(f"{path}: exists and is no file; choose another name")


def part_of(path: Path) -> Path:
    """Name the hidden neighbor in which `path` is built.

    Raises:
        InputError: `path` has no name, such as `.` or `/`, or lies in no folder.
    """
    if not path.name or path.name == "..":
        raise InputError(f"{path}: cannot be written over; give a name in it")
    if not os.path.isdir(path.parent):  # which, unlike Path.is_dir, never raises
        raise InputError(f"{path}: there is no folder {path.parent}; make it first")
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def cannot_write(path: Path, error: OSError) -> InputError:
    """Say in one line that and why `path` cannot be written."""
    reason = " ".join((error.strerror or str(error)).split())
    return InputError(f"{path}: cannot be written: {reason}; choose another place")


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
        loaded = np.load(path, allow_pickle=False) if is_ours else None
        if isinstance(loaded, np.ndarray):
            return {"inputs": loaded}
        if loaded is not None:
            with loaded:
                return {name: loaded[name] for name in loaded.files}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except _DAMAGED as error:
        raise InputError(f"{path}: {_why_unreadable(error)}") from error
    raise InputError(f"{path}: neither .npy nor .npz; write it with numpy.save")


def _why_unreadable(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    if "Object arrays" in str(error):
        return "holds Python objects; save it as an array of numbers"
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return f"damaged ({reason}); save it again"


def write_graph(graph: Graph, path: str | Path) -> None:
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


def read_graph(path: str | Path) -> Graph:
    """Read a graph that `write_graph` wrote.

    Raises:
        InputError: the file is missing or is no such file.
        GraphError: the graph breaks an invariant of its stage.
    """
    arrays = read_arrays(path)
    try:
        document = json.loads(str(arrays.pop("graph")))
        nodes = _nodes(document["nodes"], arrays)
        edges = tuple(Edge(**edge) for edge in document["edges"])
        stage, dt_s = Stage[document["stage"]], document["dt_s"]
        arrival = {str(k): int(v) for k, v in document["arrival"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not a lowered graph ({error!r}); write it with write_graph"
        ) from error
    return Graph(nodes, edges, stage, dt_s, arrival)


def _nodes(described: list[dict[str, Any]], arrays: Arrays) -> dict[str, n.Node]:
    """Join plain values with the arrays `NAME/FIELD`."""
    found: dict[str, dict[str, object]] = {each["name"]: {} for each in described}
    for key, array in arrays.items():
        name, _, attribute = key.rpartition("/")
        found[name][attribute] = array
    return {
        each["name"]: _node(each["kind"], {**each["values"], **found[each["name"]]})
        for each in described
    }


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
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not a spike trace ({error!r}); write one with 'simulate'"
        ) from error
    if not outputs or min(each.ndim for each in outputs.values()) < 2:
        raise InputError(f"{path}: not a spike trace: 'output' is missing or too flat")
    runs = next(iter(outputs.values())).shape[:2]
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
    keys = ["output"] if len(names) == 1 else [f"output/{name}" for name in names]
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


def _check_counts(
    where: str, counts: npt.NDArray[np.generic], runs: tuple[int, ...]
) -> None:
    if counts.dtype.kind not in "iu" or counts.shape != runs:
        raise InputError(
            f"{where}: {counts.dtype} of shape {counts.shape}; need integers, "
            f"{runs} samples and steps; simulate again"
        )
