"""The door of ONNX files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
from engine import Door, Maker, Way
from mutate import damage, texts
from onnx import TensorProto, helper, numpy_helper

from spikewright.export.onnx.count import count_onnx

TOKENS = 3
_SIZES = (-1, 0, 1, 4, 9, 2**20, 2**31, 2**40, 2**62)


def _model() -> onnx.ModelProto:
    """Return a net with a look-up, a product, a norm, a softmax and a shape."""
    weights = {
        "table": np.zeros((9, 4), np.float32),
        "w": np.zeros((4, 4), np.float32),
        "g": np.ones(4, np.float32),
        "to": np.array([0, -1, 4], np.int64),
        "axes": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["x"], name="/emb/Gather"),
        helper.make_node("MatMul", ["x", "w"], ["h"], name="/layer.0/MatMul"),
        helper.make_node("Add", ["h", "g"], ["a"]),
        helper.make_node("Reshape", ["a", "to"], ["b"]),
        helper.make_node("LayerNormalization", ["b", "g", "g"], ["n"], axis=-1),
        helper.make_node("Transpose", ["n"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["n", "t"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"], axis=-1),
        helper.make_node("ReduceMean", ["p", "axes"], ["m"]),
        helper.make_node(
            "Constant", [], ["c"], value=numpy_helper.from_array(np.ones(1))
        ),
        helper.make_node("Twice", ["m"], ["y"], domain="own"),
    ]
    inside = [
        helper.make_node("Exp", ["a"], ["b"]),
        helper.make_node("Exp", ["b"], ["c"]),
    ]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    twice = helper.make_function("own", "Twice", ["a"], ["c"], inside, opsets[:1])
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "tokens"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(v, k) for k, v in weights.items()]
    graph = helper.make_graph(nodes, "g", [ids], [out], tensors)
    return helper.make_model(graph, opset_imports=opsets, functions=[twice])


def _outside(dice: Random, model: Any) -> None:
    tensor = dice.choice(model.graph.initializer)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    places = ("../../etc/passwd", "/etc/passwd", "", ".", "w.bin", "a/../../b", "\\x")
    said = {"location": dice.choice(places), "offset": "-1", "length": str(2**62)}
    for key in dice.sample(list(said), dice.randrange(1, 4)):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, said[key]


def _dims(dice: Random, model: Any) -> None:
    tensor = dice.choice(model.graph.initializer)
    tensor.dims[dice.randrange(len(tensor.dims))] = dice.choice(_SIZES)


def _values(dice: Random, model: Any) -> None:
    tensor = dice.choice([x for x in model.graph.initializer if x.data_type == 7])
    values = np.array(
        [dice.choice(_SIZES) for _ in range(dice.choice((0, 1, 3)))], np.int64
    )
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _types(dice: Random, model: Any) -> None:
    dice.choice(model.graph.initializer).data_type = dice.randrange(-1, 30)


def _nodes(dice: Random, model: Any) -> None:
    node = dice.choice(model.graph.node)
    kinds = ("Loop", "If", "Conv", "Gemm", "Tile", "Expand", "ConstantOfShape", "Range")
    more = ("Einsum", "Slice", "Split", "Where", "Concat", "Unsqueeze", "Pad", "Gather")
    node.op_type = dice.choice(
        (*kinds, *more, dice.choice(list(model.graph.node)).op_type)
    )


def _wires(dice: Random, model: Any) -> None:
    names = [each for node in model.graph.node for each in (*node.input, *node.output)]
    node = dice.choice([x for x in model.graph.node if x.input])
    strange = dice.choice(texts()[:12]).encode("utf-8", "replace").decode()
    node.input[dice.randrange(len(node.input))] = dice.choice((*names, "", strange))
    if dice.random() < 0.3:
        node.output[0] = dice.choice(names)


def _attributes(dice: Random, model: Any) -> None:
    node = dice.choice(model.graph.node)
    name = dice.choice(("axis", "perm", "axes", "transA", "equation", "kernel_shape"))
    del node.attribute[:]
    size = dice.choice(_SIZES)
    value = dice.choice((size, [size] * 3, 0.5, "ij,jk->ik", [], [0, 0, 0]))
    if value != []:
        node.attribute.append(helper.make_attribute(name, value))


def _inputs(dice: Random, model: Any) -> None:
    if not model.graph.input:
        return  # taken away before
    shape = model.graph.input[0].type.tensor_type.shape
    if dice.random() < 0.3:
        del model.graph.input[:]
    elif shape.dim:
        dice.choice(shape.dim).dim_value = dice.choice(_SIZES)


def _recursion(dice: Random, model: Any) -> None:
    """Let a function call itself, or two that double at each call."""
    function = model.functions[0]
    call = helper.make_node("Twice", ["a"], ["b"], domain="own")
    function.node[0].CopyFrom(call)
    function.opset_import.append(helper.make_opsetid("own", 1))


def _doubling(dice: Random, model: Any) -> None:
    """Let thirty functions each call the next one twice."""
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    for level in range(dice.choice((3, 30))):
        inner = f"F{level + 1}"
        calls = [
            helper.make_node(inner, ["a"], ["b"], domain="own"),
            helper.make_node(inner, ["b"], ["c"], domain="own"),
        ]
        made = helper.make_function("own", f"F{level}", ["a"], ["c"], calls, opsets)
        model.functions.append(made)
    exps = [helper.make_node("Exp", ["a"], ["c"])]
    last = helper.make_function("own", inner, ["a"], ["c"], exps, opsets)
    model.functions.append(last)
    model.graph.node[-1].op_type = "F0"


_CHANGES = (
    *(_outside, _dims, _dims, _values, _types, _nodes, _wires, _attributes, _inputs),
    *(_recursion, _doubling, _nodes, _wires, _attributes),
)


def _open() -> Maker:
    texts()
    plain = _model()
    content = plain.SerializeToString()

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        path = folder / "x.onnx"
        if dice.random() < 0.4:
            path.write_bytes(damage(dice, content, [content]))
        else:
            made = onnx.ModelProto()
            made.CopyFrom(plain)
            for _ in range(dice.choice((1, 1, 2, 3))):
                dice.choice(_CHANGES)(dice, made)
            path.write_bytes(made.SerializeToString())
        return [("count_onnx", lambda: count_onnx(path, TOKENS))]

    return make


DOORS = (Door("onnx", 12, _open),)
