"""What the tensors of an ONNX graph are for: weights, signals, or neither."""

from __future__ import annotations

from dataclasses import dataclass, field

import onnx
from onnx import TensorProto, helper

from spikewright.export.onnx.shapes import Tensors

_STORED = frozenset(
    {TensorProto.INT8, TensorProto.UINT8, TensorProto.INT4, TensorProto.UINT4}
)
"""integers that quantized weights are stored in; biases have INT32"""
_HALF_BYTES = frozenset({TensorProto.INT4, TensorProto.UINT4})
_COPIES = frozenset(
    {
        *("Cast", "DequantizeLinear", "Identity", "Reshape", "Squeeze", "Transpose"),
        "Unsqueeze",
    }
)
"""operators that give a weight again, as it is or in another type"""
_MEASURES = frozenset({"Shape", "Size"})


@dataclass(frozen=True)
class Roles:
    """What tensors are for. Indices, masks and shapes are in neither."""

    weights: dict[str, int] = field(default_factory=dict)
    """stored numbers, and copies of them -> ONNX's number of the type they are in"""
    signals: set[str] = field(default_factory=set)
    """what was looked up or computed of the text, single numbers left out"""

    def stored_bits(self, name: str) -> int:
        """Return the bits in which a number of a weight is stored."""
        return bits_of(self.weights[name])


def bits_of(kind: int) -> int:
    """Return the bits of a number of an element type of ONNX."""
    if kind in _HALF_BYTES:
        return 4
    return 8 * int(helper.tensor_dtype_to_np_dtype(kind).itemsize)


def type_name(kind: int) -> str:
    """Return the name of an element type, as numpy has it."""
    return str(helper.tensor_dtype_to_np_dtype(kind).name)


def find_roles(graph: onnx.GraphProto, tensors: Tensors) -> Roles:
    """Follow weights through their copies, and signals from the tables on."""
    roles = Roles()
    for each in graph.initializer:
        if tensors.is_real(each.name) or each.data_type in {
            *_STORED,
            TensorProto.INT32,
        }:
            roles.weights[each.name] = each.data_type
    for node in graph.node:
        if node.output and node.op_type not in _MEASURES:
            _add(roles, node, tensors)
    return roles


def _add(roles: Roles, node: onnx.NodeProto, tensors: Tensors) -> None:
    first = node.output[0]
    is_fed = any(name in roles.signals for name in node.input)
    if is_fed or is_lookup(node, tensors, roles) or "EmbedLayer" in node.op_type:
        named = [name for name in node.output if name]
        roles.signals.update(n for n in named if tensors.shapes.get(n) != ())
    elif node.op_type == "Constant" and tensors.is_real(first):
        roles.weights[first] = tensors.kinds.get(first, TensorProto.FLOAT)
    elif node.op_type in _COPIES and node.input[0] in roles.weights:
        roles.weights[first] = roles.weights[node.input[0]]


def is_lookup(node: onnx.NodeProto, tensors: Tensors, roles: Roles) -> bool:
    """Say whether a node looks rows up in a table of weights."""
    if node.op_type != "Gather" or node.input[0] not in roles.weights:
        return False
    is_table = len(tensors.shapes.get(node.input[0], ())) > 1
    stored = roles.weights[node.input[0]]
    return tensors.is_real(node.output[0]) or (is_table and stored in _STORED)
