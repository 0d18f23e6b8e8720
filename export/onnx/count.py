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

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.export.onnx.call import Call
from spikewright.export.onnx.file import read_onnx
from spikewright.export.onnx.integers import QUANTIZERS, is_integer_arithmetic
from spikewright.export.onnx.norms import Norms, find_norms
from spikewright.export.onnx.ops import MOVES, is_in_place, rule_of
from spikewright.export.onnx.roles import bits_of, find_roles, is_lookup
from spikewright.export.onnx.shapes import RAISED, infer_shapes
from spikewright.hardware_profiles.teachers.operations import TeacherWork

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
    macs_by_type: Mapping[str, int]
    """by the types that are multiplied; a weight has the type that it is stored in"""
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
    com.microsoft's Attention and MultiHeadAttention) or of integers; norms, also where
    they are written out; softmax, GELU, erf, tanh and their like; additions; divisions
    of signals; table look-ups. A padded token counts as any other.

    Bits are those of the types in the graph: of a weight for each MAC that uses it, of
    what is looked up, and of the signals that a node reads and writes. Biases, masks
    and functions of single elements are applied where their input is made, and move
    nothing; nor does what is not counted.

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
    by_type: Counter[str] = Counter()
    for tokens, times in Counter(lengths).items():
        counted = _count(path, model, tokens, 1)
        for name, count in counted.counts.items():
            total[name] = total.get(name, OperationCount()) + count * times
        for kinds, macs in counted.macs_by_type.items():
            by_type[kinds] += macs * times
    return TeacherWork(
        counted.name,
        total,
        len(lengths),
        sum(lengths) / len(lengths),
        dict(by_type),
        8 * counted.weight_bytes,
        ("every number as wide as the graph says",),
        tuple(_said(*each) for each in counted.uncounted.items()),
    )


def _said(operator: str, found: tuple[int, int]) -> tuple[str, str]:
    return operator, f"{found[0]} nodes of an operator that has no count"


# --- counting ------------------------------------------------------------------------


@dataclass
class _Tally:
    """What was counted so far."""

    counts: dict[str, OperationCount] = field(default_factory=dict)
    by_type: Counter[str] = field(default_factory=Counter)
    uncounted: dict[str, tuple[int, int]] = field(default_factory=dict)
    moved: Counter[str] = field(default_factory=Counter)
    bits: int = 0
    """of all numbers that were computed"""

    def add(self, part: str, call: Call, count: OperationCount) -> None:
        """Add the work of a node."""
        self.counts[part] = self.counts.get(part, OperationCount()) + count
        self.by_type.update(call.multiplied(count))


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
    roles = find_roles(model.graph, tensors)
    norms = find_norms(model.graph)
    tally = _Tally()
    part = OTHER
    for node in model.graph.node:
        part = part_of(node) or part
        _add(tally, Call(node, tensors, roles), norms, part)
    stored = ((each.data_type, prod(each.dims)) for each in model.graph.initializer)
    return OnnxCount(
        name,
        MappingProxyType(tally.counts),
        -(-sum(bits_of(kind) * numbers for kind, numbers in stored) // 8),
        MappingProxyType(dict(tally.by_type)),
        tally.bits // 8,
        MappingProxyType(tally.uncounted),
        MappingProxyType(dict(tally.moved)),
    )


def _add(tally: _Tally, call: Call, norms: Norms, part: str) -> None:
    """Count a node."""
    node = call.node
    kind = node.op_type if not node.domain else f"{node.domain}.{node.op_type}"
    first = node.output[0] if node.output else ""
    if _is_moved(call, first):
        tally.moved[kind] += 1
        return
    if first in norms.inside:
        return  # the norm counts as one
    tally.bits += call.written
    count = _work(call, is_norm=first in norms.ends)
    if count is None:
        nodes, numbers = tally.uncounted.get(kind, (0, 0))
        tally.uncounted[kind] = (nodes + 1, numbers + call.out)
    else:
        tally.add(part, call, count)


def _is_moved(call: Call, first: str) -> bool:
    """Say whether a node computes no numbers: it moves them, or works on indices."""
    node, tensors, roles = call.node, call.tensors, call.roles
    if is_lookup(node, tensors, roles) or is_integer_arithmetic(node.op_type):
        return False
    if node.op_type in QUANTIZERS:
        return first in roles.weights
    return node.op_type in MOVES or not tensors.is_real(first)


def _work(call: Call, *, is_norm: bool) -> OperationCount | None:
    """Return the work of a node and the bits that it moves; None if it has no count."""
    written = OperationCount(activation_bits_written=call.written)
    if is_lookup(call.node, call.tensors, call.roles):
        bits = call.out * call.roles.stored_bits(call.node.input[0])
        found = OperationCount(lookups=call.out, embedding_bits_read=bits)
        return found + written
    if is_norm:
        found = OperationCount(
            norm_elements=call.out, activation_bits_read=call.written
        )
        return found + written
    rule = rule_of(call)
    if rule is None:
        return None
    if is_in_place(call):
        return rule(call)
    return rule(call) + written + OperationCount(activation_bits_read=call.read)


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
