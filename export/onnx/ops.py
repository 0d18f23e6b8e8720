"""How much work each ONNX operator is, of tensors whose shapes are known."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from types import MappingProxyType

from spikewright.counts import OperationCount
from spikewright.export.onnx.attention import attention, fused_attention, multi_head
from spikewright.export.onnx.call import Call, Rule, exponential, softmax
from spikewright.export.onnx.integers import INTEGER_RULES

# --- products ------------------------------------------------------------------------


def _matmul(call: Call) -> OperationCount:
    first = call.shape(0)
    inner = first[-2] if call.options.get("transA") and len(first) > 1 else first[-1]
    return call.product(call.out * inner)


def _gemm(call: Call) -> OperationCount:
    inner = call.shape(0)[0 if call.options.get("transA") else -1]
    return call.product(call.out * inner, call.out * call.given(2))


def _fused_gemm(call: Call) -> OperationCount:
    """com.microsoft: a Gemm, and the function that is applied to what it gives."""
    named = call.options.get("activation", b"").decode()
    rule = RULES.get("Gelu" if call.node.op_type == "GemmFastGelu" else named)
    after = OperationCount() if rule is None else rule(call)
    return _gemm(call) + after


def _conv(call: Call) -> OperationCount:
    """Every output sees the source channels of its group, over the kernel."""
    macs = call.out * prod(call.shape(1)[1:])
    return call.product(macs, call.out * call.given(2))


def _conv_transpose(call: Call) -> OperationCount:
    """Every input reaches the target channels of its group, over the kernel."""
    macs = prod(call.shape(0)) * prod(call.shape(1)[1:])
    return call.product(macs, call.out * call.given(2))


# --- elements ------------------------------------------------------------------------


def _norm(call: Call) -> OperationCount:
    return OperationCount(norm_elements=call.out)


def _skip_norm(call: Call) -> OperationCount:
    """com.microsoft: the norm of input + skip, and + bias, the input behind beta."""
    bias = 3 if "Simplified" in call.node.op_type else 4
    return OperationCount(
        norm_elements=call.out,
        residual_additions=call.out,
        bias_additions=call.out * call.given(bias),
    )


def _embedding_norm(call: Call) -> OperationCount:
    """com.microsoft: words and positions, and types if there are any, then a norm."""
    tables = [name for name in call.node.input[2:5] if name]
    bits = sum(call.roles.stored_bits(name) for name in tables)
    return OperationCount(
        lookups=len(tables) * call.out,
        embedding_bits_read=bits * call.out,
        residual_additions=(len(tables) - 1) * call.out,
        norm_elements=call.out,
    )


def _division(call: Call) -> OperationCount:
    return OperationCount(divisions=call.out)


def _biased_gelu(call: Call) -> OperationCount:
    biases = call.out * call.given(1)
    return OperationCount(exp_elements=call.out, bias_additions=biases)


def _sum(call: Call) -> OperationCount:
    """Count what is added: a weight is a bias, anything else a residual."""
    sums = len(call.node.input) - 1
    biases = min(sums, sum(name in call.roles.weights for name in call.node.input))
    return OperationCount(
        residual_additions=call.out * (sums - biases), bias_additions=call.out * biases
    )


def _reduction(call: Call) -> OperationCount:
    return OperationCount(residual_additions=max(prod(call.shape(0)) - call.out, 0))


def _average_pool(call: Call) -> OperationCount:
    sums = call.out * (prod(call.options["kernel_shape"]) - 1)
    return OperationCount(residual_additions=sums)


_EXPONENTIALS = (
    *("Exp", "Log", "Erf", "Tanh", "Sigmoid", "Softplus", "Gelu", "Mish", "Swish"),
    *("Sin", "Cos", "Elu", "Celu", "Selu", "QuickGelu"),
)
_NORMS = (
    *("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"),
    *("BatchNormalization", "InstanceNormalization", "GroupNormalization"),
    *("LpNormalization", "MeanVarianceNormalization"),
)
RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "MatMul": _matmul,
        "FusedMatMul": _matmul,
        "Gemm": _gemm,
        "FusedGemm": _fused_gemm,
        "GemmFastGelu": _fused_gemm,
        "Conv": _conv,
        "ConvTranspose": _conv_transpose,
        "MultiHeadAttention": multi_head,
        "EmbedLayerNormalization": _embedding_norm,
        "SkipLayerNormalization": _skip_norm,
        "SkipSimplifiedLayerNormalization": _skip_norm,
        "FastGelu": _biased_gelu,
        "BiasGelu": _biased_gelu,
        "Add": _sum,
        "Sub": _sum,
        "Sum": _sum,
        "ReduceSum": _reduction,
        "ReduceMean": _reduction,
        "GlobalAveragePool": _reduction,
        "AveragePool": _average_pool,
        "Softmax": softmax,
        "LogSoftmax": exponential,
        **dict.fromkeys(_EXPONENTIALS, exponential),
        **dict.fromkeys(_NORMS, _norm),
    }
)
"""operators that are counted; `Attention` depends on its domain"""
MOVES = frozenset(
    {
        *("Identity", "Constant", "ConstantOfShape", "Shape", "Size", "Reshape"),
        *("Transpose", "Squeeze", "Unsqueeze", "Flatten", "Concat", "Split", "Slice"),
        *("Gather", "GatherElements", "GatherND", "Scatter", "ScatterElements"),
        *("ScatterND", "Expand", "Tile", "Cast", "CastLike", "Where", "Pad", "Trilu"),
        *("Dropout", "DepthToSpace", "SpaceToDepth", "ReverseSequence", "OneHot"),
    }
)
"""operators that only move or choose numbers"""


_SUMS = frozenset({"Add", "Sub", "Sum"})
_IN_PLACE = frozenset({*_EXPONENTIALS, "FastGelu", "BiasGelu", "QLinearSigmoid"})


def rule_of(call: Call) -> Rule | None:
    """Return how to count a node of numbers, or None.

    A division by a stored number is a scale, and has no count.
    """
    node = call.node
    if node.op_type == "Attention":
        return attention if node.domain in {"", "ai.onnx"} else fused_attention
    if node.op_type == "Div" and len(call.signals) == 2:
        return _division
    return INTEGER_RULES.get(node.op_type) or RULES.get(node.op_type)


def is_in_place(call: Call) -> bool:
    """Say whether a node is done where its input is made, so that nothing moves.

    Biases, masks, and functions of single elements are.
    """
    is_bias = call.node.op_type in {*_SUMS, "QLinearAdd"} and len(call.signals) < 2
    return is_bias or call.node.op_type in _IN_PLACE
