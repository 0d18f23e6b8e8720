"""Read an ONNX file without trusting it: its graph, never files beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import onnx
from google.protobuf.message import DecodeError

from spikewright.errors import InputError
from spikewright.export.onnx.functions import without_functions

MAX_BYTES = 2**31
"""what protobuf can hold in one message"""
CONTROL = frozenset({"If", "Loop", "Scan", "SequenceMap"})
_CURE = "export the model again"


def read_onnx(path: str | Path) -> onnx.ModelProto:
    """Read the graph of an ONNX file; weights that lie beside it are not opened.

    Functions that the file defines itself are written out.

    Raises:
        InputError: the file is missing, too large or no ONNX file; it has control flow;
            or its weights lie outside of its folder.
    """
    path = Path(path)
    model = _parsed(path)
    for nodes in (model.graph.node, *(each.node for each in model.functions)):
        _check_control(path, nodes)
    model = without_functions(path, model)
    for tensor in _tensors(model.graph):
        _check_place(path, tensor)
    return model


def _check_control(path: Path, nodes: Iterable[onnx.NodeProto]) -> None:
    for node in nodes:
        inner = any(each.HasField("g") or each.graphs for each in node.attribute)
        if node.op_type in CONTROL or inner:
            raise InputError(
                f"{path}: node '{node.name}': {node.op_type}, whose work depends on "
                "the data; allowed: graphs without control flow; export it with fixed "
                "branches"
            )


def _parsed(path: Path) -> onnx.ModelProto:
    try:
        size = path.stat().st_size
        if not path.is_file() or not 0 < size < MAX_BYTES:
            raise InputError(
                f"{path}: {size} bytes; allowed: a file of 1 to {MAX_BYTES - 1} bytes; "
                "put larger weights into a file beside it"
            )
        model = onnx.load_model(path, format="protobuf", load_external_data=False)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {error.strerror or error}"
        ) from error
    except DecodeError as error:
        raise InputError(f"{path}: no ONNX file ({error}); {_CURE}") from error
    if not model.ir_version or not model.graph.node or not model.graph.input:
        raise InputError(f"{path}: no ONNX file: no graph with inputs in it; {_CURE}")
    return model


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield all tensors of a graph without control flow."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _check_place(path: Path, tensor: onnx.TensorProto) -> None:
    """Refuse weights that lie outside of the model's folder."""
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return
    said = {entry.key: entry.value for entry in tensor.external_data}.get(
        "location", ""
    )
    folder = path.parent.resolve()
    parts = PurePosixPath(said).parts
    is_inside = (
        bool(parts)
        and said.isprintable()
        and ".." not in parts
        and not parts[0].startswith("/")
        and "\\" not in said
        and (folder / said).resolve().is_relative_to(folder)
    )
    if not is_inside:
        raise InputError(
            f"{path}: weights '{tensor.name[:60]}' lie in {said[:80]!r}; allowed: a "
            f"file in the same folder; {_CURE}"
        )
