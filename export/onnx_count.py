"""Count the operations of an ONNX model: what it costs, whoever exported it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from types import MappingProxyType

import onnx
from onnx import helper

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.export.onnx_file import read_onnx
from spikewright.export.onnx_norms import Norms, find_norms
from spikewright.export.onnx_ops import MOVES, Call, rule_of
from spikewright.export.onnx_shapes import RAISED, infer_shapes
from spikewright.hardware_profiles.teacher import TeacherWork

_LAYER = re.compile(r"(?:^|[./_'\"\s])(?:layers?|h|blocks?)[._/](\d+)")
_PARTS = (
    ("embeddings", re.compile("embed", re.IGNORECASE)),
    ("pooler", re.compile("pooler", re.IGNORECASE)),
    ("classifier", re.compile(r"classif|score|logits", re.IGNORECASE)),
)
OTHER = "other"


@dataclass(frozen=True)
class OnnxCount:
    """The work of one run of an ONNX model.

    `counts` is what has a price; `uncounted` is arithmetic that has none, and `moved`
    is no arithmetic. Every node is in one of them.
    """

    name: str
    counts: Mapping[str, OperationCount]
    """by part of the model: embeddings, layer0, …, as its names tell"""
    weight_bytes: int
    """of all weights, once"""
    activation_bytes: int
    """of all real numbers that are computed, once; what is only moved is not"""
    uncounted: Mapping[str, tuple[int, int]]
    """by operator: how many nodes, and how many numbers they give"""
    moved: Mapping[str, int]
    """by operator: how many nodes that move, choose or compare, or compute indices"""

    @property
    def total(self) -> OperationCount:
        """The work of all parts together."""
        return sum(self.counts.values(), OperationCount())


def count_onnx(path: str | Path, tokens: int, batch: int = 1) -> OnnxCount:
    """Count the operations of a model on `batch` texts of `tokens` tokens each.

    MACs of MatMul, Gemm, Conv and attention, also fused (ONNX's Attention, and
    com.microsoft's Attention and MultiHeadAttention); norms, also where they are
    written out; softmax, GELU, erf, tanh and their like; additions; table look-ups.
    A padded token counts as any other.

    Raises:
        InputError: the file is missing or no ONNX file, has control flow, an input that
            is not (batch, tokens), or a shape that depends on the data; or `tokens` or
            `batch` is not positive.
    """
    if min(tokens, batch) < 1:
        raise InputError(f"{path}: {batch} texts of {tokens} tokens; both must be > 0")
    return _count(path, read_onnx(path), tokens, batch)


def count_onnx_sentences(path: str | Path, lengths: Sequence[int]) -> TeacherWork:
    """Count texts of these many tokens each, none padded, as `report` prices them.

    Raises:
        InputError: as `count_onnx`; or there is no text.
    """
    if not lengths:
        raise InputError(f"{path}: no texts to count")
    if min(lengths) < 1:
        raise InputError(f"{path}: a text of {min(lengths)} tokens; must be > 0")
    model = read_onnx(path)
    total: dict[str, OperationCount] = {}
    for tokens, times in Counter(lengths).items():
        for name, count in _count(path, model, tokens, 1).counts.items():
            total[name] = total.get(name, OperationCount()) + count * times
    mean = sum(lengths) / len(lengths)
    return TeacherWork(Path(path).name, total, len(lengths), mean)


# --- counting ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Tally:
    counts: dict[str, OperationCount] = field(default_factory=dict)
    uncounted: dict[str, tuple[int, int]] = field(default_factory=dict)
    moved: Counter[str] = field(default_factory=Counter)


def _count(
    path: str | Path, model: onnx.ModelProto, tokens: int, batch: int
) -> OnnxCount:
    try:
        return _counted(Path(path).name, model, tokens, batch)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except RAISED as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(
            f"{path}: a damaged ONNX graph ({words}); export the model again"
        ) from error


def _counted(name: str, model: onnx.ModelProto, tokens: int, batch: int) -> OnnxCount:
    tensors = infer_shapes(model, batch=batch, tokens=tokens)
    norms = find_norms(model.graph)
    tally = _Tally()
    computed = 0
    part = OTHER
    for node in model.graph.node:
        part = part_of(node) or part
        computed += _add(tally, Call(node, tensors), norms, part)
    weights = [(each.data_type, prod(each.dims)) for each in model.graph.initializer]
    return OnnxCount(
        name,
        MappingProxyType(tally.counts),
        sum(_bytes(*each) for each in weights),
        computed,
        MappingProxyType(tally.uncounted),
        MappingProxyType(dict(tally.moved)),
    )


def _add(tally: _Tally, call: Call, norms: Norms, part: str) -> int:
    """Count a node; return the bytes of real numbers that it computes."""
    node, tensors = call.node, call.tensors
    kind = node.op_type if not node.domain else f"{node.domain}.{node.op_type}"
    first = node.output[0] if node.output else ""
    rule = rule_of(node)
    if kind == "Gather" and node.input[0] in tensors.weights and tensors.is_real(first):
        _add_count(tally, part, OperationCount(lookups=call.out))
    elif not tensors.is_real(first) or node.op_type in MOVES:
        tally.moved[kind] += 1
        return 0
    elif first in norms.inside:
        return 0  # the norm counts as one
    elif first in norms.ends:
        _add_count(tally, part, OperationCount(norm_elements=call.out))
    elif rule is not None:
        _add_count(tally, part, rule(call))
    else:
        nodes, numbers = tally.uncounted.get(kind, (0, 0))
        tally.uncounted[kind] = (nodes + 1, numbers + call.out)
    return _bytes(tensors.kinds.get(first, onnx.TensorProto.FLOAT), call.out)


def _add_count(tally: _Tally, part: str, count: OperationCount) -> None:
    tally.counts[part] = tally.counts.get(part, OperationCount()) + count


def _bytes(kind: int, numbers: int) -> int:
    return int(helper.tensor_dtype_to_np_dtype(kind).itemsize) * numbers


def part_of(node: onnx.NodeProto) -> str | None:
    """Return the part of a model that a node belongs to, as far as names tell.

    Exporters write where a node comes from into its name, or into its metadata; else
    the names of its weights tell.
    """
    scopes = [each.value for each in node.metadata_props if "name_scopes" in each.key]
    for text in (*scopes, node.name, *node.input):
        if found := _LAYER.search(text):
            return f"layer{found[1]}"
        for part, pattern in _PARTS:
            if pattern.search(text):
                return part
    return None
