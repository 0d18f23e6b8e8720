"""The shape of every tensor of an ONNX graph, for one size of its inputs.

Node by node, each with ONNX's own inference. Shapes that are computed inside the graph
need values, so what is small and follows from the shapes is computed along the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.shape_inference import InferenceError, infer_node_outputs

from spikewright.errors import InputError
from spikewright.values import Shape

SMALL = 4096
"""values of a tensor that may be computed along the way"""
STANDARD = ("", "ai.onnx")
_FLOATS = frozenset(
    {
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.FLOAT16,
        onnx.TensorProto.BFLOAT16,
        onnx.TensorProto.DOUBLE,
    }
)
_RANDOM = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "Multinomial"}
)
RAISED = (
    AttributeError,
    IndexError,
    InferenceError,
    KeyError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    onnx.checker.ValidationError,
)
"""what ONNX's inference and reference raise on nodes that they cannot take, and we on
damaged ones (measured by fuzzing)"""


@dataclass(frozen=True)
class Tensors:
    """What is known of the tensors of a graph."""

    shapes: dict[str, Shape] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    """ONNX's number of the element type"""
    values: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    weights: frozenset[str] = frozenset()
    """names of the initializers"""

    def is_real(self, name: str) -> bool:
        """Say whether a tensor holds real numbers; of unknown type, it does."""
        return self.kinds.get(name, onnx.TensorProto.FLOAT) in _FLOATS

    def add(self, name: str, kind: int, shape: Shape | None) -> None:
        """Note the type of a tensor, and its shape if that is known."""
        self.kinds[name] = kind
        if shape is not None:
            self.shapes[name] = shape


def infer_shapes(model: onnx.ModelProto, *, batch: int, tokens: int) -> Tensors:
    """Return what follows from inputs of (batch, tokens) each.

    Raises:
        InputError: an input has other axes, or was fixed to another size.
    """
    tensors = Tensors(weights=frozenset(each.name for each in model.graph.initializer))
    for each in model.graph.initializer:
        tensors.add(each.name, each.data_type, tuple(each.dims))
        is_here = each.data_location != onnx.TensorProto.EXTERNAL
        if is_here and prod(each.dims) <= SMALL:
            tensors.values[each.name] = numpy_helper.to_array(each)
    for each in model.graph.input:
        if each.name not in tensors.weights:
            _add_input(tensors, each, (batch, tokens))
    versions = {each.domain: each.version for each in model.opset_import}
    version = versions.get("", versions.get("ai.onnx", 1))
    for node in model.graph.node:
        rule = _CONTRIBUTED.get(node.op_type)
        if node.domain in STANDARD and onnx.defs.has(node.op_type):
            _infer(tensors, node, version)
        elif rule is not None:
            _add_contributed(tensors, node, rule)
    return tensors


def _add_input(tensors: Tensors, value: onnx.ValueInfoProto, wanted: Shape) -> None:
    axes = value.type.tensor_type.shape.dim
    fixed = [axis.dim_value or None for axis in axes]
    fits = len(axes) == 2 and all(
        got in {None, want} for got, want in zip(fixed, wanted, strict=True)
    )
    if not fits:
        raise InputError(
            f"input '{value.name}' has the axes {fixed} (None: any length), wanted "
            f"{list(wanted)}; allowed: (batch, tokens); export the model with such "
            "inputs, of any length"
        )
    tensors.add(value.name, value.type.tensor_type.elem_type, wanted)


# --- standard operators --------------------------------------------------------------


def _infer(tensors: Tensors, node: onnx.NodeProto, version: int) -> None:
    """Add the outputs of a node as far as its inputs tell."""
    inputs = [name for name in node.input if name]
    known = {name: _type_of(tensors, name) for name in inputs if name in tensors.kinds}
    if len(known) < len(set(inputs)):
        return
    given = {
        name: numpy_helper.from_array(tensors.values[name], name)
        for name in inputs
        if name in tensors.values
    }
    try:
        schema = onnx.defs.get_schema(node.op_type, version, "")
        opsets = [helper.make_opsetid("", version)]
        found = infer_node_outputs(schema, node, known, given, opset_imports=opsets)
    except (*RAISED, onnx.defs.SchemaError):
        return
    for name, kind in found.items():
        if kind.HasField("tensor_type"):
            tensors.add(name, kind.tensor_type.elem_type, _shape(kind.tensor_type))
    _compute(tensors, node, version)


def _type_of(tensors: Tensors, name: str) -> onnx.TypeProto:
    return helper.make_tensor_type_proto(tensors.kinds[name], tensors.shapes.get(name))


def _shape(kind: onnx.TypeProto.Tensor) -> Shape | None:
    axes = kind.shape.dim
    is_known = kind.HasField("shape") and all(
        axis.HasField("dim_value") for axis in axes
    )
    return tuple(axis.dim_value for axis in axes) if is_known else None


def _compute(tensors: Tensors, node: onnx.NodeProto, version: int) -> None:
    """Compute the values of small outputs whose inputs are known."""
    inputs, outputs = [[n for n in names if n] for names in (node.input, node.output)]
    sizes = [prod(tensors.shapes.get(name, (SMALL + 1,))) for name in outputs]
    is_shape = node.op_type in {"Shape", "Size"} and inputs[0] in tensors.shapes
    if node.op_type in _RANDOM or max(sizes, default=SMALL + 1) > SMALL:
        return
    if is_shape:
        tensors.values[outputs[0]] = _of_shape(node, tensors.shapes[inputs[0]])
    elif all(name in tensors.values for name in inputs):
        found = _evaluate(tensors, node, inputs, version)
        tensors.values.update(zip(outputs, found, strict=False))


def _of_shape(node: onnx.NodeProto, shape: Shape) -> npt.NDArray[np.int64]:
    if node.op_type == "Size":
        return np.array(prod(shape), dtype=np.int64)
    options = attributes(node)
    return np.array(shape[options.get("start", 0) : options.get("end")], dtype=np.int64)


def _evaluate(
    tensors: Tensors, node: onnx.NodeProto, inputs: Sequence[str], version: int
) -> list[npt.NDArray[Any]]:
    """Return the outputs of a node by ONNX's reference; nothing if it cannot."""
    described = [
        helper.make_tensor_value_info(name, tensors.kinds[name], tensors.shapes[name])
        for name in dict.fromkeys(inputs)
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    graph = helper.make_graph([node], "one", described, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])
    given = {name: tensors.values[name] for name in inputs}
    try:
        with np.errstate(all="ignore"):
            found = ReferenceEvaluator(model).run(None, given)
    except RAISED:
        return []
    return [np.asarray(each) for each in found]


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the options of a node by name."""
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


# --- fused operators (com.microsoft) -------------------------------------------------


def _as_first(shapes: Sequence[Shape], _: Mapping[str, Any]) -> Shape:
    return shapes[0]


def _attention(shapes: Sequence[Shape], options: Mapping[str, Any]) -> Shape:
    batch, tokens = shapes[0][:2]
    sizes = options.get("qkv_hidden_sizes") or [shapes[1][1] // 3] * 3
    return batch, tokens, sizes[2]


def _multi_head(shapes: Sequence[Shape], _: Mapping[str, Any]) -> Shape:
    batch, tokens = shapes[0][:2]
    value = shapes[2]
    return batch, tokens, value[1] * value[3] if len(value) == 4 else value[-1]


def _embedding(shapes: Sequence[Shape], _: Mapping[str, Any]) -> Shape:
    return (*shapes[0], shapes[2][-1])


def _rows(shapes: Sequence[Shape], options: Mapping[str, Any]) -> Shape:
    first, second = shapes[:2]
    rows = first[1:] if options.get("transA") else first[:-1]
    return (*rows, second[0] if options.get("transB") else second[1])


def _product(shapes: Sequence[Shape], options: Mapping[str, Any]) -> Shape:
    first, second = shapes[:2]
    rows = first[-1] if options.get("transA") else first[-2]
    columns = second[-2] if options.get("transB") else second[-1]
    return (*np.broadcast_shapes(first[:-2], second[:-2]), rows, columns)


def _quantized_rows(shapes: Sequence[Shape], options: Mapping[str, Any]) -> Shape:
    return _rows((shapes[0], shapes[3]), options)


def _quantized_sum(shapes: Sequence[Shape], _: Mapping[str, Any]) -> Shape:
    return tuple(np.broadcast_shapes(shapes[0], shapes[3]))


_Rule = Callable[[Sequence[Shape], Mapping[str, Any]], Shape]
_CONTRIBUTED: Mapping[str, _Rule] = MappingProxyType(
    {
        "Attention": _attention,
        "MultiHeadAttention": _multi_head,
        "EmbedLayerNormalization": _embedding,
        "FusedMatMul": _product,
        "FusedGemm": _rows,
        "GemmFastGelu": _rows,
        "MatMulIntegerToFloat": _product,
        "DynamicQuantizeMatMul": _product,
        "QGemm": _quantized_rows,
        "QLinearAdd": _quantized_sum,
        "QLinearMul": _quantized_sum,
        **dict.fromkeys(
            (
                "SkipLayerNormalization",
                "SkipSimplifiedLayerNormalization",
                "SimplifiedLayerNormalization",
                "FastGelu",
                "BiasGelu",
                "Gelu",
                "QuickGelu",
                "QLinearSoftmax",
                "QLinearSigmoid",
            ),
            _as_first,
        ),
    }
)


def _add_contributed(tensors: Tensors, node: onnx.NodeProto, rule: _Rule) -> None:
    """Add the first output of a fused node, and the sum that a skip hands on."""
    shapes = [tensors.shapes.get(name, ()) for name in node.input]
    try:
        shape = rule(shapes, attributes(node))
    except (IndexError, TypeError, ValueError):
        return
    real = [
        name for name in node.input if name in tensors.kinds and tensors.is_real(name)
    ]
    kind = tensors.kinds[real[0]] if real else onnx.TensorProto.FLOAT
    if node.op_type.startswith("QLinear") or (
        node.op_type == "QGemm" and len(node.input) == 9
    ):  # the last input is the result's zero point, which has its type
        kind = tensors.kinds.get(node.input[-1], onnx.TensorProto.UINT8)
    for name in (*node.output[:1], *node.output[3:4]):
        tensors.add(name, kind, shape)
