"""How much work operators on quantized numbers are, whose results may be integers."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from types import MappingProxyType

from spikewright.counts import OperationCount
from spikewright.export.onnx.call import FACTORS, Call, Rule, exponential, softmax

QUANTIZERS = frozenset({"DequantizeLinear", "DynamicQuantizeLinear", "QuantizeLinear"})
"""scale and round: listed as uncounted, but for weights, which are stored once"""
_BIASES: Mapping[str, int] = MappingProxyType(
    {
        "DynamicQuantizeMatMul": 4,
        "MatMulIntegerToFloat": 6,
        "QGemm": 6,
        "QLinearConv": 8,
    }
)
"""which input is the bias"""


def _product(call: Call) -> OperationCount:
    first = call.shape(0)
    inner = first[-2] if call.options.get("transA") else first[-1]
    return call.product(call.out * inner, _biases(call))


def _convolution(call: Call) -> OperationCount:
    kernel = call.shape(FACTORS.get(call.node.op_type, (0, 1))[1])
    return call.product(call.out * prod(kernel[1:]), _biases(call))


def _biases(call: Call) -> int:
    place = _BIASES.get(call.node.op_type)
    return call.out if place is not None and call.given(place) else 0


def _sum(call: Call) -> OperationCount:
    if call.weight is not None:
        return OperationCount(bias_additions=call.out)
    return OperationCount(residual_additions=call.out)


INTEGER_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "MatMulInteger": _product,
        "QLinearMatMul": _product,
        "MatMulIntegerToFloat": _product,
        "DynamicQuantizeMatMul": _product,
        "QGemm": _product,
        "ConvInteger": _convolution,
        "QLinearConv": _convolution,
        "QLinearAdd": _sum,
        "QLinearSoftmax": softmax,
        "QLinearSigmoid": exponential,
    }
)


def is_integer_arithmetic(operator: str) -> bool:
    """Say whether an operator computes quantized numbers, counted or not."""
    return operator in INTEGER_RULES or operator.startswith("QLinear")
