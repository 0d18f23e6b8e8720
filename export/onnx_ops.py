"""How much work each ONNX operator is, of tensors whose shapes are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any, TypeAlias

import onnx

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.export.onnx_shapes import Tensors, attributes
from spikewright.values import Shape


@dataclass(frozen=True)
class Call:
    """A node and the tensors around it."""

    node: onnx.NodeProto
    tensors: Tensors

    def given(self, index: int) -> bool:
        """Say whether there is such an input."""
        return index < len(self.node.input) and bool(self.node.input[index])

    def shape(self, index: int) -> Shape:
        """Return the shape of an input.

        Raises:
            InputError: it does not follow from the shapes of the inputs.
        """
        return self._known(self.node.input[index])

    @property
    def out(self) -> int:
        """How many numbers the first output has."""
        return prod(self._known(self.node.output[0]))

    @property
    def options(self) -> Mapping[str, Any]:
        """The attributes of the node."""
        return attributes(self.node)

    def _known(self, name: str) -> Shape:
        if name not in self.tensors.shapes:
            raise InputError(
                f"node '{self.node.name}' ({self.node.op_type}): the shape of '{name}' "
                "does not follow from batch and tokens; export the model without "
                "operators whose shape depends on the data, or with a fixed size"
            )
        return self.tensors.shapes[name]


Rule: TypeAlias = Callable[[Call], OperationCount]

# --- products ------------------------------------------------------------------------


def _matmul(call: Call) -> OperationCount:
    first = call.shape(0)
    inner = first[-2] if call.options.get("transA") and len(first) > 1 else first[-1]
    return OperationCount(macs=call.out * inner)


def _gemm(call: Call) -> OperationCount:
    inner = call.shape(0)[0 if call.options.get("transA") else -1]
    has_bias = call.given(2)
    return OperationCount(macs=call.out * inner, additions=call.out * has_bias)


def _fused_gemm(call: Call) -> OperationCount:
    """com.microsoft: a Gemm, and the function that is applied to what it gives."""
    named = call.options.get("activation", b"").decode()
    rule = RULES.get("Gelu" if call.node.op_type == "GemmFastGelu" else named)
    after = OperationCount() if rule is None else rule(call)
    return _gemm(call) + after


def _conv(call: Call) -> OperationCount:
    """Every output sees the source channels of its group, over the kernel."""
    macs = call.out * prod(call.shape(1)[1:])
    return OperationCount(macs=macs, additions=call.out * call.given(2))


def _conv_transpose(call: Call) -> OperationCount:
    """Every input reaches the target channels of its group, over the kernel."""
    macs = prod(call.shape(0)) * prod(call.shape(1)[1:])
    return OperationCount(macs=macs, additions=call.out * call.given(2))


# --- attention -----------------------------------------------------------------------


def _scores(
    pairs: int, key: int, value: int, *, masks: int = 0, biases: int = 0
) -> OperationCount:
    """Count softmax(q k + mask) v: `pairs` of a query with a key, of all heads."""
    return OperationCount(
        macs=pairs * (key + value),
        exp_elements=pairs,
        additions=pairs * masks + biases,
    )


def _attention(call: Call) -> OperationCount:
    """ONNX's Attention: q, k, v as (batch, heads, tokens, size), or heads flattened."""
    query, key, value = (call.shape(index) for index in range(3))
    if len(query) == 4:
        batch, heads, tokens, size = query
        seen, value_size = key[2], value[3]
    else:
        batch, tokens, width = query
        heads = call.options["q_num_heads"]
        size, seen = width // heads, key[1]
        value_size = value[2] // call.options["kv_num_heads"]
    if call.given(4):
        seen += call.shape(4)[2]  # keys of former calls
    return _scores(
        batch * heads * tokens * seen, size, value_size, masks=int(call.given(3))
    )


def _fused_attention(call: Call) -> OperationCount:
    """com.microsoft.Attention: the projections of q, k and v, and the attention."""
    batch, tokens, width = call.shape(0)
    columns, heads = call.shape(1)[1], call.options["num_heads"]
    sizes = call.options.get("qkv_hidden_sizes") or [columns // 3] * 3
    pairs = batch * heads * tokens**2
    projected = batch * tokens * columns
    inside = _scores(
        pairs,
        sizes[0] // heads,
        sizes[2] // heads,
        masks=int(call.given(3)) + int(call.given(5)),
        biases=projected * call.given(2),
    )
    return OperationCount(macs=projected * width) + inside


def _multi_head(call: Call) -> OperationCount:
    """com.microsoft.MultiHeadAttention: q (batch, tokens, width), k and v alike."""
    if len(call.node.input) < 3 or len(call.shape(0)) != 3:
        raise InputError(
            f"node '{call.node.name}': MultiHeadAttention with packed inputs; allowed: "
            "query, key and value on their own; export without packing"
        )
    heads = call.options["num_heads"]
    batch, tokens, width = call.shape(0)
    key, value = call.shape(1), call.shape(2)
    seen = key[2] if len(key) == 4 else key[1]
    value_size = value[3] if len(value) == 4 else value[2] // heads
    every = prod(call.shape(0)) + prod(key) + prod(value)
    return _scores(
        batch * heads * tokens * seen,
        width // heads,
        value_size,
        masks=int(call.given(4)) + int(call.given(5)),
        biases=every * call.given(3),
    )


# --- elements ------------------------------------------------------------------------


def _norm(call: Call) -> OperationCount:
    return OperationCount(norm_elements=call.out)


def _skip_norm(call: Call) -> OperationCount:
    """com.microsoft: the norm of input + skip, and + bias, the input behind beta."""
    bias = 3 if "Simplified" in call.node.op_type else 4
    sums = 1 + call.given(bias)
    return OperationCount(norm_elements=call.out, additions=call.out * sums)


def _embedding_norm(call: Call) -> OperationCount:
    """com.microsoft: words and positions, and types if there are any, then a norm."""
    tables = 2 + call.given(4)
    return OperationCount(
        lookups=tables * call.out,
        additions=(tables - 1) * call.out,
        norm_elements=call.out,
    )


def _exponential(call: Call) -> OperationCount:
    return OperationCount(exp_elements=call.out)


def _biased_gelu(call: Call) -> OperationCount:
    return OperationCount(exp_elements=call.out, additions=call.out * call.given(1))


def _sum(call: Call) -> OperationCount:
    return OperationCount(additions=call.out * (len(call.node.input) - 1))


def _reduction(call: Call) -> OperationCount:
    return OperationCount(additions=max(prod(call.shape(0)) - call.out, 0))


def _average_pool(call: Call) -> OperationCount:
    return OperationCount(additions=call.out * (prod(call.options["kernel_shape"]) - 1))


_EXPONENTIALS = (
    *("Exp", "Log", "Erf", "Tanh", "Sigmoid", "Softplus", "Gelu", "Mish", "Swish"),
    *("Softmax", "LogSoftmax", "Sin", "Cos", "Elu", "Celu", "Selu", "QuickGelu"),
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
        "MultiHeadAttention": _multi_head,
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
        **dict.fromkeys(_EXPONENTIALS, _exponential),
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


def rule_of(node: onnx.NodeProto) -> Rule | None:
    """Return how to count a node of real numbers, or None."""
    if node.op_type == "Attention":
        return _attention if node.domain in {"", "ai.onnx"} else _fused_attention
    return RULES.get(node.op_type)
