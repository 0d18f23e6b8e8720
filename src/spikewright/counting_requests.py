"""What to add up of what each population sent, and what a message counts for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from spikewright import nodes as n
from spikewright.counting_signals import (
    Levels,
    Projection,
    Reals,
    Signal,
    Sparks,
    Steady,
    Sums,
)
from spikewright.counting_sparks import spark_amounts
from spikewright.counting_sums import (
    Amount,
    Grid,
    Reading,
    Weights,
    sent_amounts,
    steady_amount,
)
from spikewright.counting_tokens import Slots, fan_outs, fan_outs_by_token
from spikewright.counting_widths import message_bits, size_of
from spikewright.nodes import IntArray

TRAFFIC = ("packets", "hops_ew", "hops_ns")
Traffic: TypeAlias = Mapping[str, IntArray]
"""one of `TRAFFIC` -> what a message of each neuron takes, (neurons,)"""
Placement: TypeAlias = Mapping[str, Traffic]
"""by population"""


@dataclass(frozen=True, eq=False)
class Request:
    """A field of a node that adds up messages of a population."""

    node: str
    field: str
    reading: Reading
    weights: Weights


# --- what is asked -------------------------------------------------------------------


def synapse_requests(
    projection: Projection, signal: Signal, slots: Slots
) -> Iterator[Request]:
    """Yield the events of synapses, at non-zero weights and at stored zeros."""
    name = projection.name
    meets, zeros = _fans(projection, slots)
    match signal:
        case Steady():
            is_graded = isinstance(projection.population, n.GRADED)
            event = "graded_synops" if is_graded else "synops"
            yield Request(name, event, Reading.ALWAYS, meets)
            zero = Reading.ALWAYS
        case Sparks() | Sums():
            yield Request(name, "synops", Reading.SENT, meets)
            zero = Reading.SENT
        case Levels():
            yield Request(name, "graded_synops", Reading.SENT, meets)
            yield Request(name, "graded_levels", Reading.LEVEL, meets)
            zero = Reading.SENT
        case Reals():
            yield from _products(name, signal, _together(meets, zeros))
            return
    if zeros.each.any():
        yield Request(name, "synops_zero", zero, zeros)


def _products(name: str, signal: Reals, stored: Weights) -> Iterator[Request]:
    yield Request(name, "macs", Reading.ALWAYS, stored)
    if signal.values is not None:
        yield Request(name, "macs_zero", Reading.ZERO, stored)


def _fans(projection: Projection, slots: Slots) -> tuple[Weights, Weights]:
    """Return the weights of events: by the token that sends, else that receives."""
    synapses, size = projection.synapses, size_of(projection.population)
    sending, receiving = slots[projection.source], slots[projection.target]
    meets, zeros = fan_outs(synapses, size)
    if (sending or 1) == 1 and (receiving or 1) > 1:
        assert receiving is not None  # noqa: S101 - it was just compared
        spreads = fan_outs_by_token(synapses, size, receiving)
        return Weights(meets, 1, spreads[0]), Weights(zeros, 1, spreads[1])
    return Weights(meets, sending or 1), Weights(zeros, sending or 1)


def _together(one: Weights, other: Weights) -> Weights:
    spread = None
    if one.spread is not None and other.spread is not None:
        spread = one.spread + other.spread
    return Weights(one.each + other.each, one.slots, spread)


def signal_requests(
    projection: Projection, signal: Signal, slots: Slots
) -> Iterator[Request]:
    """Yield the bits that synapses read: all that their source may send, each step."""
    values = signal.values if isinstance(signal, Levels | Reals) else None
    bits = message_bits(projection.population, values)
    each = Weights(
        np.full(size_of(projection.population), bits), slots[projection.source] or 1
    )
    yield Request(projection.name, "activation_bits_read", Reading.ALWAYS, each)


def population_requests(
    name: str,
    node: n.Population,
    signal: Signal,
    slots: Slots,
) -> Iterator[Request]:
    """Yield what a population sends: spikes and bits."""
    size, tokens = size_of(node), slots[name] or 1
    values = signal.values if isinstance(signal, Levels | Reals) else None
    bits = Weights(np.full(size, message_bits(node, values)), tokens)
    yield Request(name, "activation_bits_written", Reading.ALWAYS, bits)
    if isinstance(signal, Sparks | Sums) or isinstance(node, n.BiasLine):
        ones = Weights(np.ones(size, dtype=np.int64), tokens)
        yield Request(name, "spikes", _reading(signal), ones)


def traffic_requests(
    name: str, traffic: Traffic, signal: Signal, slots: Slots
) -> Iterator[Request]:
    """Yield the packets and hops that the messages of a population take."""
    for field, each in traffic.items():
        weights = Weights(
            np.asarray(each, dtype=np.int64).reshape(-1), slots[name] or 1
        )
        yield Request(name, field, _reading(signal), weights)


def _reading(signal: Signal) -> Reading:
    return Reading.ALWAYS if isinstance(signal, Steady | Reals) else Reading.SENT


# --- what is answered ----------------------------------------------------------------


def measure(
    grid: Grid, signal: Signal, requests: Sequence[Request]
) -> list[tuple[Request, Amount | None]]:
    """Answer the requests to one population; None: the trace does not tell."""
    found: list[tuple[Request, Amount | None]] = []
    for reading in Reading:
        asked = [each for each in requests if each.reading is reading]
        if not asked:
            continue
        weights = [each.weights for each in asked]
        found += zip(asked, _amounts(grid, signal, reading, weights), strict=True)
    return found


def _amounts(
    grid: Grid, signal: Signal, reading: Reading, weights: Sequence[Weights]
) -> Sequence[Amount | None]:
    if reading is Reading.ALWAYS:
        return [steady_amount(grid, each) for each in weights]
    match signal:
        case Sparks():
            return spark_amounts(grid, signal.sent, weights)
        case Sums():
            return [_of_sums(signal, each) for each in weights]
        case Levels() | Reals(values=np.ndarray()):
            assert signal.values is not None  # noqa: S101 - as the case says
            return sent_amounts(grid, signal.values, reading, weights)
        case _:
            return [None for _ in weights]


def _of_sums(signal: Sums, weights: Weights) -> Amount | None:
    """Count spikes whose neuron is unknown: only if it does not matter."""
    each = weights.each
    if each.size and each.min() != each.max():
        return None
    return Amount(signal.counts * int(each.max(initial=0)), None, 0)
