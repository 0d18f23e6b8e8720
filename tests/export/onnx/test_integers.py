"""Operators on quantized numbers, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from spikewright.errors import InputError  # noqa: E402
from spikewright.export.onnx.count import count_onnx  # noqa: E402

TOKENS = 5
SCALE, ZERO = np.float32(0.5), np.int8(0)


def node(kind, inputs, outputs="y", domain="", **options):
    return helper.make_node(
        kind, inputs.split(","), outputs.split(","), name=kind, domain=domain, **options
    )


def int8(*shape):
    return np.zeros(shape, np.int8)


@pytest.fixture
def count(tmp_path):
    """Count a graph on `q`, 5 tokens x 8 numbers of int8, from an int8 table."""

    def counted(*nodes, **weights):
        lookup = node("Gather", "table,ids", "q")
        given = {"table": int8(50, 8), "s": SCALE, "z": ZERO, **weights}
        tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in given.items()]
        ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", "t"])
        out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        graph = helper.make_graph([lookup, *nodes], "g", [ids], [out], tensors)
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
        onnx.save_model(
            helper.make_model(graph, opset_imports=opsets), tmp_path / "x.onnx"
        )
        return count_onnx(tmp_path / "x.onnx", TOKENS)

    return counted


def work(found):
    """Fields without the look-up of 40 numbers of 8 bits."""
    total = vars(found.total)
    assert (total["lookups"], total["embedding_bits_read"]) == (40, 320)
    left = {"lookups": 0, "embedding_bits_read": 0}
    left["activation_bits_written"] = total["activation_bits_written"] - 320
    return {name: value for name, value in (total | left).items() if value}


def test_a_table_of_int8_is_looked_up(count):
    found = count(node("DequantizeLinear", "q,s,z"))
    assert work(found) == {}
    assert found.uncounted == {"DequantizeLinear": (1, 40)}


def test_weights_that_are_dequantized_are_fetched_as_they_are_stored(count):
    found = count(
        node("DequantizeLinear", "q,s,z", "x"),
        node("DequantizeLinear", "w,s,z", "wide"),
        node("MatMul", "x,wide"),
        w=int8(8, 3),
    )
    # 5 x 8 x 3 MACs of float32 activations
    assert work(found) == {
        "macs": 120,
        "weight_bits_read": 8 * 120,
        "activation_bits_read": 32 * 40,
        "activation_bits_written": 32 * 15,
    }
    assert found.macs_by_type == {"float32 x int8": 120}
    assert found.moved == {"DequantizeLinear": 1}  # of the weight


def test_a_product_of_integers_has_32_bits(count):
    found = count(node("MatMulInteger", "q,w"), w=int8(8, 3))
    assert work(found) == {
        "macs": 120,
        "weight_bits_read": 8 * 120,
        "activation_bits_read": 8 * 40,
        "activation_bits_written": 32 * 15,
    }
    assert found.macs_by_type == {"int8 x int8": 120}


def test_a_product_that_rounds_again_has_8_bits(count):
    found = count(node("QLinearMatMul", "q,s,z,w,s,z,s,z"), w=int8(8, 3))
    assert work(found) == {
        "macs": 120,
        "weight_bits_read": 8 * 120,
        "activation_bits_read": 8 * 40,
        "activation_bits_written": 8 * 15,
    }


def test_a_product_that_rounds_its_input_multiplies_integers(count):
    found = count(
        node("DequantizeLinear", "q,s,z", "x"),
        node("DynamicQuantizeMatMul", "x,w,s,z,b", domain="com.microsoft"),
        w=int8(8, 3),
        b=np.zeros(3, np.float32),
    )
    assert (found.total.macs, found.total.bias_additions) == (120, 15)
    assert found.macs_by_type == {"uint8 x int8": 120}


def test_a_gemm_of_integers_has_its_bias_inside(count):
    found = count(
        node("Squeeze", "q,first", "rows"),
        node("QGemm", "rows,s,z,w,s,z,b,s,z", domain="com.microsoft", transB=1),
        first=np.array([0]),
        w=int8(3, 8),
        b=np.zeros(3, np.int32),
    )
    assert work(found) == {
        "macs": 120,
        "bias_additions": 15,
        "weight_bits_read": 8 * 120,
        "activation_bits_read": 8 * 40,
        "activation_bits_written": 8 * 15,
    }


@pytest.mark.parametrize("kind", ["ConvInteger", "QLinearConv"])
def test_a_convolution_of_integers(count, kind):
    inputs = "c,w" if kind == "ConvInteger" else "c,s,z,w,s,z,s,z,b"
    found = count(
        node("Transpose", "q", "c", perm=[0, 2, 1]),
        node(kind, inputs, group=2, strides=[2]),
        w=int8(6, 4, 3),
        b=np.zeros(6, np.int32),
    )
    # (5 - 3) // 2 + 1 = 2 places x 6 channels, each 4 x 3 MACs and perhaps a bias
    assert found.total.macs == 144
    assert found.total.bias_additions == (12 if kind == "QLinearConv" else 0)


def test_sums_of_integers_are_biases_or_residuals(count):
    bias = node("QLinearAdd", "q,s,z,b,s,z,s,z", domain="com.microsoft")
    assert work(count(bias, b=int8(8))) == {"bias_additions": 40}
    residual = node("QLinearAdd", "q,s,z,q,s,z,s,z", domain="com.microsoft")
    assert work(count(residual)) == {
        "residual_additions": 40,
        "activation_bits_read": 8 * 80,
        "activation_bits_written": 8 * 40,
    }


def test_functions_of_integers(count):
    softmax = node("QLinearSoftmax", "q,s,z,s,z", domain="com.microsoft", opset=20)
    assert work(count(softmax)) == {
        "exp_elements": 40,
        "divisions": 40,
        "activation_bits_read": 8 * 40,
        "activation_bits_written": 8 * 40,
    }
    sigmoid = node("QLinearSigmoid", "q,s,z,s,z", domain="com.microsoft")
    assert work(count(sigmoid)) == {"exp_elements": 40}
    scaled = count(node("QLinearMul", "q,s,z,q,s,z,s,z", domain="com.microsoft"))
    assert work(scaled) == {}
    assert scaled.uncounted == {"com.microsoft.QLinearMul": (1, 40)}


def test_types_that_contradict_each_other_are_refused_by_name(count):
    with pytest.raises(InputError, match="the shape of 'x' does not follow"):
        count(
            node("DequantizeLinear", "q,s,unsigned", "x"),
            node("Gelu", "x"),
            unsigned=np.uint8(0),
        )
