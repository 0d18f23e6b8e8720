"""Open a NIR file, check its structure, and read what it holds.

`nir.read` is not used: it infers wrong shapes (grouped and non-square convolutions),
invents Inputs and Outputs, and does not say what is wrong where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any

import h5py

from spikewright.errors import GraphError, InputError, UnsupportedNodeError
from spikewright.export.graphs.order import Wire, check_wiring
from spikewright.export.nir.fields import (
    FIELDS,
    KINDS,
    Datasets,
    is_text,
    is_word,
    open_fields,
    stray_link,
)
from spikewright.export.nir.heap import check_heaps
from spikewright.export.nir.nest import Level, Levels, check_ends
from spikewright.export.nir.stored import check_stored, check_total
from spikewright.export.nir.values import Values, read_values

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
DEEPEST = 64
"""how many graphs may lie in one another"""
_ROOM = 2**26
"""bytes of names of edges that are in memory at once, if each is as long as the file"""

_CURE = "export the model again, or fetch the file again if it was copied"


@dataclass(frozen=True)
class Contents:
    """What a NIR file holds."""

    levels: Levels
    values: dict[str, Values]
    """of every node that is no graph, by path"""
    dt_s: float | None
    """the time step, if `write_nir` recorded one"""


def read_contents(path: Path) -> Contents:
    """Check a NIR file, all of its structure before the first value, and read it.

    Raises:
        InputError: the file is missing, damaged, or not a NIR file.
        GraphError: nodes, values or edges are malformed.
        UnsupportedNodeError: a node is of a kind that spikewright does not read.
    """
    with _opened(path) as file:
        graph = _top(path, file)
        survey = _survey(path, graph)
        check_total(
            str(path), chain(*(each.values() for each in survey.nodes.values()))
        )
        values = {
            place: read_values(place, datasets)
            for place, datasets in survey.nodes.items()
        }
        return Contents(survey.levels, values, _dt_s(path, graph))


def read_recorded_dt_s(path: Path) -> float | None:
    """Return the time step recorded in a NIR file.

    Raises:
        InputError: the file is missing, damaged, not a NIR file, or records nonsense.
    """
    with _opened(path) as file:
        return _dt_s(path, _top(path, file))


def read_nested(path: Path) -> tuple[str, ...]:
    """Return the paths of the nodes of a NIR file that are graphs themselves.

    Raises:
        InputError: the file is missing, damaged, or not a NIR file.
        GraphError: nodes or edges are malformed.
        UnsupportedNodeError: a node is of a kind that spikewright does not read.
    """
    with _opened(path) as file:
        return tuple(each for each in _survey(path, _top(path, file)).levels if each)


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
    _check_links(path, file)
    graph = file.get("node")
    if not isinstance(graph, h5py.Group) or _text(graph.get("type")) != "NIRGraph":
        raise InputError(
            f"{path}: HDF5, but not a NIR file: '/node/type' is not 'NIRGraph', the "
            f"file holds {', '.join(file) or 'nothing'}; write it with write_nir or nir"
        )
    _check_version(path, _text(file.get("version")))
    return graph


def _check_links(path: Path, group: Any) -> None:
    if stray := stray_link(group):
        raise InputError(
            f"{path}: {stray}; allowed: groups in the file itself; {_CURE}"
        )


def _check_version(path: Path, version: str | None) -> None:
    """Refuse a format from the future: nir itself never looks."""
    if version is not None and not re.match(r"[01]\.", version):
        raise InputError(
            f"{path}: was written by nir {version}; allowed: 0 and 1; export it with "
            "nir 1, or get a newer spikewright"
        )


# --- structure -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Survey:
    """What has been seen of a file so far."""

    levels: dict[str, Level] = field(default_factory=dict)
    nodes: dict[str, Datasets] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    graphs: set[Any] = field(default_factory=set)
    """HDF5 groups: one that lies in itself would never end"""


def _survey(path: Path, graph: Any) -> _Survey:
    """Look at all graphs of a file, from the outermost inwards."""
    survey = _Survey()
    waiting = [(0, "", graph)]
    while waiting:
        depth, place, group = waiting.pop()
        if depth > DEEPEST or group in survey.graphs:
            raise GraphError(
                f"node '{place[:60]}': lies in {depth} graphs, or at two places of the "
                f"file; allowed: in {DEEPEST}, at one; flatten the graph before export"
            )
        survey.graphs.add(group)
        kinds = _kinds(path, place, group, survey)
        level = Level(kinds, _edges(path, place, group, len(kinds)))
        check_wiring(level.kinds, level.edges)
        if place:
            check_ends(place, level)
        survey.levels[place] = level
        inner = [each for each, kind in kinds.items() if kind == "NIRGraph"]
        prefix = len(place) + 1 if place else 0
        waiting += [(depth + 1, each, group["nodes"][each[prefix:]]) for each in inner]
    return survey


def _kinds(path: Path, place: str, graph: Any, survey: _Survey) -> dict[str, str]:
    """Return the kinds of the nodes of one graph; open all but nested graphs."""
    _check_links(path, graph)
    nodes = graph.get("nodes")
    if not isinstance(nodes, h5py.Group) or not len(nodes):
        raise InputError(f"{path}: a NIR {_graph(place)} without nodes; {_CURE}")
    _check_links(path, nodes)
    kinds: dict[str, str] = {}
    for name, node in nodes.items():
        each = f"{place}.{name}" if place else name
        kinds[each] = kind = _kind(path, each, node)
        if each in survey.names:
            raise GraphError(
                f"node '{each}': two nodes have this name once nested graphs are "
                "flattened; rename one"
            )
        survey.names.add(each)
        if kind not in KINDS:
            raise UnsupportedNodeError(each, kind, f"read_nir ({path})", KINDS)
        if kind in FIELDS:
            survey.nodes[each] = open_fields(each, kind, node)
    return kinds


def _graph(place: str) -> str:
    return f"graph '{place}'" if place else "graph"


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
    if not is_word(dataset):
        return None
    value = dataset[()]
    return value.decode("utf-8") if isinstance(value, bytes) else None


def _edges(path: Path, place: str, graph: Any, names: int) -> tuple[Wire, ...]:
    dataset = graph.get("edges")
    shape = getattr(dataset, "shape", None)
    if shape is None or len(shape) != 2 or shape[1] != 2 or not is_text(dataset):
        raise InputError(
            f"{path}: a NIR {_graph(place)} without a list of edges; {_CURE}"
        )
    check_stored(f"{_graph(place)}: edges", dataset)
    if len(dataset) > names**2:
        raise GraphError(
            f"{_graph(place)}: {len(dataset)} edges between {names} nodes; allowed: "
            f"one from each node to each, {names**2}; {_CURE}"
        )
    prefix = f"{place}." if place else ""
    # All may name one long text: so a few are read at a time, and none is kept twice.
    known: dict[str, str] = {}
    few = max(1, _ROOM // (2 * path.stat().st_size))
    return tuple(
        (
            _one(known, prefix + a.decode("utf-8")),
            _one(known, prefix + b.decode("utf-8")),
        )
        for start in range(0, len(dataset), few)
        for a, b in dataset[start : start + few]
    )


def _one(known: dict[str, str], name: str) -> str:
    return known.setdefault(name, name)


# --- time step -----------------------------------------------------------------------


def _dt_s(path: Path, graph: Any) -> float | None:
    metadata = graph.get("metadata")
    if not isinstance(metadata, h5py.Group) or "dt_s" not in metadata:
        return None
    _check_links(path, metadata)
    recorded = metadata["dt_s"]
    if (
        not isinstance(recorded, h5py.Dataset)
        or recorded.shape != ()
        or recorded.dtype.kind not in "iuf"
    ):
        raise InputError(f"{path}: records a time step that is no number; {_CURE}")
    check_stored(f"{path}: its time step", recorded)
    dt_s = float(recorded[()])
    if not (isfinite(dt_s) and dt_s > 0):
        raise InputError(
            f"{path}: records a time step of {dt_s} s; allowed: finite and positive; "
            "give the time step yourself"
        )
    return dt_s
