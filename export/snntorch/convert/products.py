"""Matrix products of spikes with spikes: attention, written in torch.

Queries, keys and values lie as (heads channels, tokens) in the graph, and in torch as
(tokens, channels) or (heads, tokens, channels), the last two axes transposed or not.
What is multiplied, and how it is spelled (see `attention.orders`):

    (q @ kᵀ) @ v, q @ (kᵀ @ v)   whole, exactly, in the order that takes fewer bytes
    q @ kᵀ, kᵀ @ v               a count for two tokens, or for two channels
    s @ v, q @ s                 where s are spikes that a neuron made of such counts
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.attention.orders import (
    Contexts,
    Order,
    Scores,
    add_counts,
    add_product,
    add_weighted,
    one_tap,
)
from spikewright.export.attention.size import (
    MAX_BYTES,
    AttentionSize,
    AttentionTooLargeError,
    choose_order,
    size_before,
    size_behind,
    size_of,
)
from spikewright.export.snntorch.convert.maps import scaled
from spikewright.export.snntorch.convert.signal import Signal, Source, in_order
from spikewright.export.snntorch.convert.sketch import Sketch
from spikewright.export.snntorch.convert.sums import Lowering
from spikewright.export.snntorch.record.tape import Call, Value, inner, op
from spikewright.values import IntArray, NumberArray, Shape

PRODUCTS = ("matmul", "bmm")
Sizes: TypeAlias = tuple[int | None, int | None, int | None]
"""heads, tokens, channels of a head"""
_SAME = ("to", "float", "double", "contiguous", "clone", "detach")


@dataclass
class _Wires:
    """Adds the nodes of a product to a sketch."""

    sketch: Sketch

    def add(self, name: str, node: n.Node, *sources: str) -> str:
        """Add a node and what flows into it; return the name that it got."""
        own = self.sketch.name(name)
        senders = tuple(Source(each, 0, False) for each in sources)
        self.sketch.add(own, node, Signal(senders, in_order(()), ()))
        return own


@dataclass(frozen=True)
class _Operand:
    """Spikes of a node, and how they lie."""

    node: str
    axes: str
    """tc or ct: tokens and channels, as torch has them; tt: scores; cc: contexts"""
    sizes: Sizes


def product_of_signals(lowering: Lowering, call: Call) -> Signal:
    """Return the matrix product of spikes with spikes, or of three of them.

    Raises:
        AttentionTooLargeError: it would take too many bytes.
        GraphError: the factors are no spikes, or no product of attention.
    """
    three = _three_factors(call)
    if three is None:
        return _of_two(lowering, call)
    factors, factor = three
    made = _of_three(lowering, call, factors)
    if factor == 1:
        return made
    name = lowering.name(call, "scale")
    return scaled(lowering.sketch, name, made, np.array(factor))


# --- three factors -------------------------------------------------------------------


def _three_factors(call: Call) -> tuple[list[Value], float] | None:
    """Return a, b, c of (a @ b) @ c or a @ (b @ c), and by what that is scaled."""
    left, right = call.args[:2]
    for held, others in ((left, (right,)), (right, (left,))):
        found, factor = _peeled(held)
        if isinstance(found, Call) and op(found) in PRODUCTS:
            pair = list(found.args[:2])
            if all(isinstance(each, Value) for each in pair):
                return [*pair, *others] if held is left else [*others, *pair], factor
    return None


def _peeled(held: Any) -> tuple[Any, float]:
    """Return what a value is a multiple of, and the factor."""
    factor = 1.0
    while isinstance(held, Call) and (held.layer is None or _is_idle(held.layer)):
        number = _number(held)
        if op(held) in _SAME or held.layer is not None:
            held = held.args[0]
        elif op(held) in ("mul", "div") and number is not None:
            factor *= number if op(held) == "mul" else 1.0 / number
            held = next(inner(list(held.args[:2])))
        else:
            break
    return held, factor


def _is_idle(layer: nn.Module) -> bool:
    """Say whether a layer gives what it takes."""
    is_off = isinstance(layer, nn.Dropout) and not layer.training
    return is_off or isinstance(layer, nn.Identity)


def _number(call: Call) -> float | None:
    """Return the one number that a value is multiplied with, or divided by."""
    given = call.args[:2]
    left, right = given if len(given) == 2 else (None, None)
    if op(call) == "div" and not isinstance(left, Value):
        return None
    held = right if isinstance(left, Value) else left
    if isinstance(held, torch.Tensor) and held.numel() == 1:
        held = held.item()
    if call.kwargs or not isinstance(held, int | float) or held == 0:
        return None
    return float(held)


def _of_three(lowering: Lowering, call: Call, factors: list[Value]) -> Signal:
    q, k, v = (_operand(lowering, call, each) for each in factors)
    if (q.axes, k.axes, v.axes) != ("tc", "ct", "tc"):
        raise _no_attention(call)
    tokens, channels, heads = _sizes(call, q, k, v)
    order = choose_order(tokens, channels, 1)
    _check_size(call, size_of(order, copies=heads))
    prefix, wires = lowering.name(call, "attention"), _Wires(lowering.sketch)
    if heads == 1:
        total = add_product(wires, order, prefix, q.node, k.node, v.node)
        return _tokens_first([total], order, heads, call)
    totals = []
    for head in range(heads):
        own, part = f"{prefix}_head{head}", _part(order, head, heads)
        picks = [
            wires.add(f"{own}_{name}", one_tap(part, tokens), each.node)
            for name, each in (("q", q), ("k", k), ("v", v))
        ]
        total = add_product(wires, order, own, *picks)
        totals.append(wires.add(f"{own}_place", one_tap(part.T, tokens), total))
    return _tokens_first(totals, order, heads, call)


def _part(order: Order, head: int, heads: int) -> NumberArray:
    """Return the map from all channels to those of a head."""
    size = order.channels
    return np.eye(size, size * heads, head * size, dtype=np.float32)


# --- two factors ---------------------------------------------------------------------

_ORDERS: Mapping[tuple[str, str], type[Contexts | Scores]] = {
    ("ct", "tc"): Contexts,
    ("tc", "ct"): Scores,
    ("tc", "cc"): Contexts,
    ("tt", "tc"): Scores,
}
"""which order has the product of two operands in it"""


def _of_two(lowering: Lowering, call: Call) -> Signal:
    left, right = (_operand(lowering, call, each) for each in call.args[:2])
    kind = _ORDERS.get((left.axes, right.axes))
    if kind is None:
        raise _no_attention(call)
    order = kind(*_sizes(call, left, right))
    prefix, wires = lowering.name(call, "product"), _Wires(lowering.sketch)
    if right.axes == "cc" or left.axes == "tt":
        _check_size(call, size_behind(order, 1))
        made, third = (right, left) if right.axes == "cc" else (left, right)
        total = add_weighted(wires, order, prefix, [made.node], third.node)
        return _tokens_first([total], order, order.heads, call)
    _check_size(call, size_before(order))
    count = add_counts(wires, order, prefix, left.node, right.node)
    places = in_order(order.counts).reshape(call.shape[1:])
    return Signal((Source(count),), places, order.counts)


# --- operands ------------------------------------------------------------------------


def _operand(lowering: Lowering, call: Call, held: Value) -> _Operand:
    """Return spikes and how they lie.

    Raises:
        GraphError: they are no spikes, or lie in no way that is known.
    """
    signal = lowering.signal(held)
    if not signal.is_spikes or signal.is_lagging:
        raise GraphError(
            f"module '{call.path}': '{call.name}' multiplies two signals, and NIR has "
            "no node for that; allowed: products of two or three neurons' spikes, sent "
            "at this step; put a neuron behind each factor"
        )
    if signal.places.ndim not in (2, 3):
        raise _no_attention(call)
    node = signal.sources[0].node
    for axes, shape, sizes, places in _layouts(signal.places.shape):
        if signal.shape == shape and np.array_equal(signal.places.reshape(-1), places):
            return _Operand(node, axes, sizes)
    raise _no_attention(call)


def _layouts(given: Shape) -> Iterator[tuple[str, Shape, Sizes, IntArray]]:
    """Yield the ways in which an operand can lie, for torch's shape.

    By name: the shape in the graph, (heads, tokens, channels) as far as they are known,
    and the places in a row.
    """
    heads, rows, columns = (1, *given)[-3:]
    straight = np.arange(heads * rows * columns)
    moved = np.swapaxes(straight.reshape(heads, columns, rows), 1, 2).reshape(-1)
    yield "tc", (heads * columns, rows), (heads, rows, columns), moved
    yield "ct", (heads * rows, columns), (heads, columns, rows), straight
    if rows == columns:
        yield "tt", (heads, rows**2), (heads, rows, None), straight
        yield "cc", (heads * rows**2, 1), (heads, None, rows), straight


def _sizes(call: Call, *held: _Operand) -> tuple[int, int, int]:
    """Return tokens, channels of a head, and heads, on which operands must agree."""
    heads, tokens, channels = (
        {size for size in sizes if size is not None}
        for sizes in zip(*(each.sizes for each in held), strict=True)
    )
    if any(len(each) != 1 for each in (heads, tokens, channels)):
        raise _no_attention(call)
    return tokens.pop(), channels.pop(), heads.pop()


def _tokens_first(nodes: list[str], order: Order, heads: int, call: Call) -> Signal:
    """Return what nodes send in sum, (heads channels, tokens), with torch's axes."""
    shape = (heads * order.channels, order.tokens)
    by_head = in_order((heads, order.channels, order.tokens))
    places = np.swapaxes(by_head, 1, 2).reshape(call.shape[1:])
    return Signal(tuple(Source(each) for each in nodes), places, shape)


# --- refusals ------------------------------------------------------------------------


def _check_size(call: Call, size: AttentionSize) -> None:
    if size.dense_bytes > MAX_BYTES:
        where = f"module '{call.path}', {call.name}"
        raise AttentionTooLargeError(where, size, MAX_BYTES)


def _no_attention(call: Call) -> GraphError:
    return GraphError(
        f"module '{call.path}': '{call.name}' multiplies two signals that do not lie "
        "as attention has them; allowed: q @ kᵀ, kᵀ @ v, both times the third, and "
        "those of spikes made of them, of (samples, tokens, channels) or (samples, "
        "heads, tokens, channels); see docs/attention.md"
    )
