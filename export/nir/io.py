"""Read and write NIR files; nothing is dropped or assumed on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from pathlib import Path
from typing import Any

import nir
import numpy as np

from spikewright.errors import GraphError, InputError, UnsupportedNodeError
from spikewright.export.graphs.order import check_wiring, topological_order
from spikewright.export.nir.check import RAISED, read_contents, read_recorded_dt_s
from spikewright.export.nir.graph import flat_graph
from spikewright.export.nir.write import to_nir
from spikewright.graph import Graph, Stage
from spikewright.whole_files import whole_file

Metadata = Mapping[str, str | int | float]


def read_nir(path: str | Path, *, dt_s: float | None = None) -> Graph:
    """Read a NIR file as a CONTINUOUS graph: float64 values, edges as in the file.

    Nodes come in feed-forward order from the Inputs, ties in the order of the edges,
    for the file does not keep theirs. Metadata of nodes is not read: NIR gives it none.

    A nested graph is flattened: its node `lif` becomes `block.lif`, its Input and
    Output vanish. Where one signal then comes to a node by several ways, it passes a
    Scale of their number. Shapes that the file leaves open (of pools, convolutions and
    Flatten) follow from what arrives.

    Args:
        path: the file.
        dt_s: the time step you are going to use; checked against the one recorded in
            the file, if there is one. NIR itself has none.

    Raises:
        InputError: the file is missing, damaged or not a NIR file, or records another
            time step than `dt_s`.
        GraphError: nodes, values, shapes or edges are invalid.
        UnsupportedNodeError: a node is of a kind that is not supported.
    """
    path = Path(path)
    graph, recorded = _read(path, path)
    _check_dt_s(path, recorded, dt_s)
    return graph


def read_nir_dt(path: str | Path) -> float | None:
    """Return the time step in seconds that `write_nir` recorded, or None.

    Raises:
        InputError: the file is missing, damaged or not a NIR file.
    """
    return read_recorded_dt_s(Path(path))


def write_nir(
    graph: Graph,
    path: str | Path,
    *,
    dt_s: float | None = None,
    metadata: Metadata | None = None,
) -> None:
    """Write a CONTINUOUS graph as a NIR file, then read it back and compare.

    Arrays keep their type, but times are float64. The same graph gives the same bytes.
    On any error there is no file, or the former one.

    Args:
        graph: the graph.
        path: the file.
        dt_s: recorded in the metadata of the file as `dt_s`, see `read_nir_dt`.
        metadata: recorded in the metadata of the file too.

    Raises:
        InputError: the file cannot be written.
        GraphError: NIR cannot hold the graph: its stage, a name, a value, or shapes
            that do not match along an edge.
    """
    path = Path(path)
    graph.expect(Stage.CONTINUOUS)
    _check_writable(graph)
    document = _document(path, graph, _described(dt_s, metadata))
    with whole_file(path) as temporary:
        try:
            nir.write(str(temporary), document)
        except OSError:
            raise  # whole_file reports it
        except RAISED as error:
            raise _cannot_hold(path, error) from error
        _check_same(path, graph, _read(temporary, path)[0])


# --- reading -------------------------------------------------------------------------


def _read(file: Path, path: Path) -> tuple[Graph, float | None]:
    """Read `file`, called `path` in errors; return its time step, too."""
    try:
        contents = read_contents(file)
        return flat_graph(contents), contents.dt_s
    except UnsupportedNodeError:
        raise  # says where
    except GraphError as error:
        if str(path) in str(error):
            raise
        raise GraphError(f"{path}: {error}") from error


def _check_dt_s(path: Path, recorded: float | None, wanted: float | None) -> None:
    if recorded is not None and wanted is not None and recorded != wanted:
        raise InputError(
            f"{path}: was made for a time step of {recorded} s, got {wanted} s; "
            f"use {recorded} s, or export the model for {wanted} s"
        )


# --- writing -------------------------------------------------------------------------


def _check_writable(graph: Graph) -> None:
    for name in graph.nodes:
        if name in {"", ".", ".."} or not name.isprintable() or "/" in name:
            raise GraphError(
                f"node '{name}': HDF5 cannot hold this name; allowed: printable, not "
                "empty, '.' or '..', and without '/'; rename the node"
            )
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    check_wiring(kinds, _pairs(graph))
    for edge in graph.edges:
        if edge.delay:
            raise GraphError(
                f"edge {edge.source} -> {edge.target}: NIR edges have no delay, got "
                f"{edge.delay} steps; put a Delay node there"
            )


def _pairs(graph: Graph) -> list[tuple[str, str]]:
    return [(edge.source, edge.target) for edge in graph.edges]


def _described(dt_s: float | None, metadata: Metadata | None) -> dict[str, object]:
    described: dict[str, object] = dict(metadata or {})
    if "dt_s" in described:
        raise GraphError("metadata 'dt_s' is reserved; give it as the argument dt_s")
    if dt_s is None:
        return described
    if not (isfinite(dt_s) and dt_s > 0):
        raise GraphError(f"time step {dt_s} s; allowed: finite and positive")
    return {**described, "dt_s": float(dt_s)}


def _document(path: Path, graph: Graph, metadata: dict[str, object]) -> Any:
    """Return the graph as `nir` has it, in an order that the edges alone decide.

    nir's own check of shapes is wrong for some convolutions: reading back checks them.
    """
    order = topological_order(list(graph.nodes), _pairs(graph), [*graph.inputs])
    try:
        nodes = {name: to_nir(name, graph.nodes[name]) for name in order}
        return nir.NIRGraph(nodes, _pairs(graph), metadata=metadata, type_check=False)
    except GraphError:
        raise
    except RAISED as error:
        raise _cannot_hold(path, error) from error


def _cannot_hold(path: Path, error: BaseException) -> GraphError:
    return GraphError(
        f"{path}: NIR cannot hold this graph: {error or type(error).__name__}; "
        "correct the shapes or values"
    )


def _check_same(path: Path, wanted: Graph, got: Graph) -> None:
    """Compare what was meant with what a reader of the file will see."""
    for name, node in wanted.nodes.items():
        for each in fields(node):
            meant, read = getattr(node, each.name), _read_back(got, name, each.name)
            if not _is_equal(meant, read):
                raise GraphError(
                    f"{path}: node '{name}': NIR does not keep {each.name}: wrote "
                    f"{meant}, read {read}; the file was not kept"
                )
    if got.edges != wanted.edges or len(got.nodes) != len(wanted.nodes):
        raise GraphError(f"{path}: NIR does not keep the edges; the file was not kept")


def _read_back(graph: Graph, name: str, field: str) -> object:
    return getattr(graph.nodes.get(name), field, None)


def _is_equal(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(np.asarray(one), np.asarray(other))
    return one == other
