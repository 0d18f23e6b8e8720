"""Functions that an ONNX file defines: how much there is once they are written out."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import onnx
from onnx import checker, inliner

from spikewright.errors import InputError

MOST_NODES = 200_000
"""of a model whose functions are written out; BERT has some 1,000"""
_CURE = "export the model again"
_Key = tuple[str, str]
"""domain and name"""


def without_functions(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """Write out all functions of a model; `path` is for errors.

    Raises:
        InputError: a function calls itself, all together are too many nodes, or they
            are malformed.
    """
    if not model.functions:
        return model
    nodes = {(each.domain, each.name): each.node for each in model.functions}
    sizes: dict[_Key, int] = {}
    for key in _callees_first(path, nodes):
        sizes[key] = _size(nodes[key], sizes)
    if (size := _size(model.graph.node, sizes)) > MOST_NODES:
        raise InputError(
            f"{path}: {size} nodes once its functions are written out; allowed: "
            f"{MOST_NODES}; {_CURE} without functions"
        )
    try:
        return inliner.inline_local_functions(model)
    except (checker.ValidationError, RuntimeError, ValueError) as error:
        words = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: malformed functions ({words}); {_CURE}") from error


def _callees_first(
    path: Path, nodes: dict[_Key, Iterable[onnx.NodeProto]]
) -> Iterable[_Key]:
    calls = {
        key: {_key(node) for node in each} & nodes.keys() for key, each in nodes.items()
    }
    try:
        return list(TopologicalSorter(calls).static_order())
    except CycleError as error:
        name = error.args[1][0][1]
        raise InputError(
            f"{path}: function '{name[:60]}' calls itself; allowed: functions that "
            f"end; {_CURE}"
        ) from error


def _key(node: onnx.NodeProto) -> _Key:
    return node.domain, node.op_type


def _size(nodes: Iterable[onnx.NodeProto], sizes: dict[_Key, int]) -> int:
    """Count nodes, those of called functions instead of the calls."""
    return sum(sizes.get(_key(node), 1) for node in nodes)
