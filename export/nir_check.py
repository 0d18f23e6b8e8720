"""Look into a NIR file before `nir` does, which does not say what is wrong where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py

from spikewright.errors import GraphError, InputError, UnsupportedNodeError
from spikewright.export.nir_heap import check_heaps
from spikewright.export.nir_order import check_wiring

RAISED = (
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    OverflowError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""what h5py and nir raise on damaged files and wrong values (measured by fuzzing)"""

_CURE = "export the model again, or fetch the file again if it was copied"


@dataclass(frozen=True)
class _Fields:
    """What a node of one kind holds; arrays of `alike` share one shape."""

    arrays: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    alike: bool = False


FIELDS: Mapping[str, _Fields] = MappingProxyType(
    {
        "Input": _Fields(("shape",)),
        "Output": _Fields(("shape",)),
        "Affine": _Fields(("weight", "bias")),
        "Linear": _Fields(("weight",)),
        "Conv1d": _Fields(
            ("weight", "bias"),
            ("input_shape", "stride", "padding", "dilation", "groups"),
        ),
        "Scale": _Fields(("scale",)),
        "Flatten": _Fields((), ("start_dim", "end_dim"), ("input_type",)),
        "Delay": _Fields(("delay",)),
        "LIF": _Fields(
            ("tau", "r", "v_leak", "v_threshold"), (), ("v_reset",), alike=True
        ),
        "IF": _Fields(("r", "v_threshold"), (), ("v_reset",), alike=True),
        "LI": _Fields(("tau", "r", "v_leak"), alike=True),
        "I": _Fields(("r",)),
        "Threshold": _Fields(("threshold",)),
    }
)
"""every kind that spikewright reads and writes"""


CONV1D_OPTIONS: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {"stride": (1,), "padding": (0, "valid"), "dilation": (1,), "groups": (1,)}
)


@dataclass(frozen=True)
class Outline:
    """What a NIR file holds, without its values."""

    kinds: dict[str, str]
    """kind of every node, by name"""
    edges: tuple[tuple[str, str], ...]
    dt_s: float | None
    """the time step, if `write_nir` recorded one"""


def read_outline(path: Path) -> Outline:
    """Check the structure of a NIR file and return it.

    Raises:
        InputError: the file is missing, damaged, or not a NIR file.
        GraphError: nodes or edges are malformed.
        UnsupportedNodeError: a node is of a kind that spikewright does not read.
    """
    with _opened(path) as file:
        graph = _top(path, file)
        kinds = {name: _kind(path, name, node) for name, node in _nodes(path, graph)}
        for name, kind in kinds.items():
            if kind not in FIELDS:
                raise UnsupportedNodeError(name, kind, f"read_nir ({path})", [*FIELDS])
            _check_fields(name, kind, graph["nodes"][name])
        edges = _edges(path, graph)
        check_wiring(kinds, edges)
        return Outline(kinds, edges, _dt_s(path, graph))


def read_recorded_dt_s(path: Path) -> float | None:
    """Return the time step recorded in a NIR file.

    Raises:
        InputError: the file is missing, damaged, not a NIR file, or records nonsense.
    """
    with _opened(path) as file:
        return _dt_s(path, _top(path, file))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a HDF5 file; whatever h5py raises while it is open is an `InputError`."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    check_heaps(path)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (GraphError, InputError):
        raise
    except RAISED as error:
        raise InputError(
            f"{path}: not a readable HDF5 file ({_words(error)}); {_CURE}"
        ) from error


def _words(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _top(path: Path, file: Any) -> Any:
    graph = file.get("node")
    if not isinstance(graph, h5py.Group) or _text(graph.get("type")) != "NIRGraph":
        raise InputError(
            f"{path}: HDF5, but not a NIR file: '/node/type' is not 'NIRGraph', the "
            f"file holds {', '.join(file) or 'nothing'}; write it with write_nir or nir"
        )
    return graph


def _nodes(path: Path, graph: Any) -> Iterator[tuple[str, Any]]:
    nodes = graph.get("nodes")
    if not isinstance(nodes, h5py.Group) or not len(nodes):
        raise InputError(f"{path}: a NIR file without nodes; {_CURE}")
    yield from nodes.items()


def _kind(path: Path, name: str, node: Any) -> str:
    kind = _text(node.get("type")) if isinstance(node, h5py.Group) else None
    if kind is None:
        raise GraphError(
            f"{path}: node '{name}': has no type; a '/' in the name of a node does "
            "this (HDF5 nests there): rename the node and export again"
        )
    return kind


def _text(dataset: Any) -> str | None:
    """Return the string in a scalar dataset, or None if it holds none."""
    if not isinstance(dataset, h5py.Dataset) or dataset.shape != ():
        return None
    if not _is_text(dataset):
        return None  # HDF5 crashes on reading some damaged types
    value = dataset[()]
    return value.decode("utf-8") if isinstance(value, bytes) else None


def _is_text(dataset: Any) -> bool:
    return h5py.check_string_dtype(dataset.dtype) is not None


def _check_fields(name: str, kind: str, node: Any) -> None:
    fields = FIELDS[kind]
    needed = {*fields.arrays, *fields.plain}
    found = set(node) - {"type", "metadata"}
    allowed = needed | set(fields.optional)
    if not needed <= found <= allowed:
        raise GraphError(
            f"node '{name}': a {kind} has the fields {', '.join(sorted(allowed))}, "
            f"got {', '.join(sorted(found)) or 'none'}; export the model again"
        )
    for field in sorted(found):
        _check_type(name, field, node[field])
    for field in sorted(found - set(fields.plain)):
        _check_array(name, field, node[field])
    _check_dimensions(name, kind, node)
    if fields.alike:
        _check_alike(name, kind, {field: node[field].shape for field in sorted(found)})


def _check_type(name: str, field: str, dataset: Any) -> None:
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        raise GraphError(
            f"node '{name}': {field} holds no value; export the model again"
        )
    is_text = field == "padding" and _is_text(dataset)
    if dataset.dtype.kind not in "iuf" and not is_text:
        raise GraphError(
            f"node '{name}': {field} is of type {dataset.dtype}; allowed: integer or "
            "floating point; convert it and export again"
        )


def _check_array(name: str, field: str, dataset: Any) -> None:
    if not dataset.shape or 0 in dataset.shape:
        raise GraphError(
            f"node '{name}': {field} has shape {dataset.shape}; allowed: one dimension "
            "or more, none of them 0; write parameters at the full shape of the node"
        )


def _check_dimensions(name: str, kind: str, node: Any) -> None:
    """Check weights, and the options of a convolution, on which `nir` itself fails."""
    if kind in {"Affine", "Linear"} and node["weight"].ndim < 2:
        raise GraphError(
            f"node '{name}': weight has shape {node['weight'].shape}; allowed: "
            "(…, targets, sources); export the model again"
        )
    if kind != "Conv1d":
        return
    if node["weight"].ndim != 3:
        raise GraphError(
            f"node '{name}': weight has shape {node['weight'].shape}; allowed: (target "
            "channels, source channels, taps); export the model again"
        )
    for option, allowed in CONV1D_OPTIONS.items():
        got = _plain(node[option])
        if got not in allowed:
            raise UnsupportedNodeError(
                name,
                f"Conv1d with {option}={got}",
                "spikewright",
                [f"{option}={each}" for each in allowed],
            )


def _plain(dataset: Any) -> object:
    """Return the number or string of an option; NIR allows lists of one number."""
    value = dataset[()]
    if isinstance(value, bytes):
        return value.decode("utf-8")
    values = value.ravel().tolist()
    return values[0] if len(values) == 1 else values


def _check_alike(name: str, kind: str, shapes: dict[str, tuple[int, ...]]) -> None:
    if len(set(shapes.values())) > 1:
        got = ", ".join(f"{field} {shape}" for field, shape in shapes.items())
        raise GraphError(
            f"node '{name}': the parameters of a {kind} need one identical shape, "
            f"got {got}; repeat scalars to the full shape"
        )


def _edges(path: Path, graph: Any) -> tuple[tuple[str, str], ...]:
    dataset = graph.get("edges")
    shape = getattr(dataset, "shape", None)
    if shape is None or len(shape) != 2 or shape[1] != 2 or not _is_text(dataset):
        raise InputError(f"{path}: a NIR file without a list of edges; {_CURE}")
    return tuple((a.decode("utf-8"), b.decode("utf-8")) for a, b in dataset[()])


def _dt_s(path: Path, graph: Any) -> float | None:
    metadata = graph.get("metadata")
    if not isinstance(metadata, h5py.Group) or "dt_s" not in metadata:
        return None
    recorded = metadata["dt_s"]
    if not isinstance(recorded, h5py.Dataset) or recorded.dtype.kind not in "iuf":
        raise InputError(f"{path}: records a time step that is no number; {_CURE}")
    dt_s = float(recorded[()])
    if not (isfinite(dt_s) and dt_s > 0):
        raise InputError(
            f"{path}: records a time step of {dt_s} s; allowed: finite and positive; "
            "give the time step yourself"
        )
    return dt_s
