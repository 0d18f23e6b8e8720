"""Sums and products of signals with signals and constants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.snntorch.convert.maps import flattened, scaled
from spikewright.export.snntorch.convert.pools import spread_tokens
from spikewright.export.snntorch.convert.signal import (
    AxesError,
    Signal,
    Source,
    per_sample,
    same_layout,
    summed,
)
from spikewright.export.snntorch.convert.sketch import Sketch
from spikewright.export.snntorch.record.tape import Call, Value
from spikewright.values import FloatArray

AND_THRESHOLD = 1.5


class Lowering(Protocol):
    """What is needed of the export in progress."""

    sketch: Sketch

    def signal(self, value: Any) -> Signal:
        """Return a value as a signal of the graph."""

    def signals(self, values: list[Any]) -> list[Signal]:
        """Return values that are combined number by number, so that they lie alike."""

    def name(self, call: Call, kind: str) -> str:
        """Reserve a name for a node that stands for a function."""


# --- sums ----------------------------------------------------------------------------


def add(lowering: Lowering, call: Call) -> Signal:
    """Return left + alpha right."""
    return _sum(lowering, call, 1.0, float(call.kwargs.get("alpha", 1)))


def subtract(lowering: Lowering, call: Call) -> Signal:
    """Return left - alpha right."""
    return _sum(lowering, call, 1.0, -float(call.kwargs.get("alpha", 1)))


def subtract_from(lowering: Lowering, call: Call) -> Signal:
    """Return right - alpha left."""
    return _sum(lowering, call, -float(call.kwargs.get("alpha", 1)), 1.0)


def _sum(lowering: Lowering, call: Call, *factors: float) -> Signal:
    """Add two operands, each times a factor; at least one is a signal."""
    pairs = list(zip(call.args[:2], factors, strict=True))
    chosen = [(each, factor) for each, factor in pairs if isinstance(each, Value)]
    parts = lowering.signals([each for each, _ in chosen])
    parts = [
        _times(lowering, call, part, np.array(factor))
        for part, (_, factor) in zip(parts, chosen, strict=True)
    ]
    if len(parts) == 2:
        return _merged(lowering, call, _alike(lowering, call, parts))
    constant, factor = next(e for e in pairs if not isinstance(e[0], Value))
    return parts[0].plus(_operand(call, constant, parts[0]) * factor)


def _merged(lowering: Lowering, call: Call, parts: list[Signal]) -> Signal:
    """Sum signals; a source that comes several times passes a Scale."""
    total = summed(parts)
    counts: dict[tuple[str, int], int] = {}
    for each in total.sources:
        key = (each.node, each.lag)
        counts[key] = counts.get(key, 0) + 1
    sources: list[Source] = []
    for (node, lag), count in counts.items():
        if count == 1:
            sources += [s for s in total.sources if (s.node, s.lag) == (node, lag)]
            continue
        repeated = Signal((Source(node, lag, False),), total.places, total.shape)
        made = _times(lowering, call, repeated, np.array(float(count)))
        sources += made.sources
    return replace(total, sources=tuple(sources))


def _alike(lowering: Lowering, call: Call, parts: list[Signal]) -> list[Signal]:
    """Return two signals of one shape and layout; one may be spread over tokens."""
    whole = tuple(call.shape[1:])
    for index, part in enumerate(parts):
        if part.places.shape != whole:
            name = lowering.name(call, "spread")
            parts[index] = spread_tokens(lowering.sketch, name, part, whole)
    if len(whole) == 1 and parts[0].shape != parts[1].shape:
        name = lowering.name(call, "")
        parts = [flattened(lowering.sketch, name, each) for each in parts]
    if not same_layout(parts):
        raise AxesError(
            f"module '{call.path}': '{call.name}' meets two signals of {whole} whose "
            "axes lie differently in the graph; transpose neither or both"
        )
    return parts


# --- products ------------------------------------------------------------------------


def multiply(lowering: Lowering, call: Call) -> Signal:
    """Return a signal times a constant, or the AND of two spikes."""
    left, right = call.args[:2]
    if isinstance(left, Value) and isinstance(right, Value):
        return _coincidence(lowering, call, [left, right])
    held, factor = (left, right) if isinstance(left, Value) else (right, left)
    signal = lowering.signal(held)
    return _times(lowering, call, signal, _operand(call, factor, signal))


def divide(lowering: Lowering, call: Call) -> Signal:
    """Return a signal divided by a constant."""
    held, divisor = call.args[:2]
    if isinstance(divisor, Value) or call.kwargs:
        raise GraphError(
            f"module '{call.path}': '{call.name}' divides by a signal or rounds, and "
            "NIR has no node for that; divide by a constant"
        )
    signal = lowering.signal(held)
    values = _operand(call, divisor, signal)
    if np.any(values == 0):
        raise GraphError(f"module '{call.path}': divides by 0; correct the divisor")
    return _times(lowering, call, signal, 1.0 / values)


def negate(lowering: Lowering, call: Call) -> Signal:
    """Return -x."""
    return _times(lowering, call, lowering.signal(call.args[0]), np.array(-1.0))


def _times(
    lowering: Lowering, call: Call, signal: Signal, factor: FloatArray
) -> Signal:
    if np.all(factor == 1):
        return signal
    return scaled(lowering.sketch, lowering.name(call, "scale"), signal, factor)


def _operand(call: Call, held: Any, signal: Signal) -> FloatArray:
    """Return a constant operand; it must not widen the signal."""
    shape = signal.places.shape
    values = per_sample(held, len(shape), f"module '{call.path}', {call.name}")
    if np.broadcast_shapes(values.shape, shape) != shape:
        raise GraphError(
            f"module '{call.path}': '{call.name}' of a signal {shape} and a constant "
            f"{values.shape} repeats the signal; repeat it by a linear layer"
        )
    return values


def _coincidence(lowering: Lowering, call: Call, held: list[Any]) -> Signal:
    """Return the AND of two spikes: their sum is above 1.5 where both are 1."""
    parts = lowering.signals(held)
    if not all(part.is_spikes for part in parts):
        raise GraphError(
            f"module '{call.path}': '{call.name}' multiplies two signals, and NIR has "
            "no node for that; allowed: the product of two neurons' spikes, which is "
            "their AND; put a neuron behind each factor"
        )
    both = summed(_alike(lowering, call, parts))
    if len({(each.node, each.lag) for each in both.sources}) == 1:
        return parts[0]
    name = lowering.name(call, "and")
    lowering.sketch.add(name, n.Threshold(np.full(both.shape, AND_THRESHOLD)), both)
    return replace(both, sources=(Source(name),), is_spikes=True)
