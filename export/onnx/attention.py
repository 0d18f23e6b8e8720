"""How much work attention is, where it is one operator of an ONNX graph."""

from __future__ import annotations

from math import prod

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.export.onnx.call import Call


def attention(call: Call) -> OperationCount:
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


def fused_attention(call: Call) -> OperationCount:
    """com.microsoft.Attention: the projections of q, k and v, and the attention."""
    batch, tokens, width = call.shape(0)
    columns, heads = call.shape(1)[1], call.options["num_heads"]
    sizes = call.options.get("qkv_hidden_sizes") or [columns // 3] * 3
    projected = batch * tokens * columns
    biases = projected * call.given(2)
    return call.product(projected * width, biases) + _scores(
        batch * heads * tokens**2,
        sizes[0] // heads,
        sizes[2] // heads,
        masks=int(call.given(3)) + int(call.given(5)),
    )


def multi_head(call: Call) -> OperationCount:
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
    scores = _scores(
        batch * heads * tokens * seen,
        width // heads,
        value_size,
        masks=int(call.given(4)) + int(call.given(5)),
    )
    return scores + OperationCount(bias_additions=every * call.given(3))


def _scores(pairs: int, key: int, value: int, *, masks: int) -> OperationCount:
    """Count softmax(q k + mask) v: `pairs` of a query with a key, of all heads."""
    return OperationCount(
        macs=pairs * (key + value),
        exp_elements=pairs,
        divisions=pairs,
        residual_additions=pairs * masks,
    )
