"""What integers of a projection are worth: a power of two that suits its weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from spikewright.bounds import chunks
from spikewright.errors import GraphError
from spikewright.export.passes.rounding import Quantization, rounded_chunks
from spikewright.loihi import weight_limit
from spikewright.nodes import NumberArray, Synapses

CANDIDATES = 8
"""units that `mse` compares: from the one that saturates nothing, downwards"""


@dataclass(frozen=True, eq=False)
class Arriving:
    """Real synapses on their way into a population, its gains multiplied in."""

    name: str
    synapses: Synapses
    times: int
    """edges that lead into these synapses"""
    bits: int
    """that a weight is given"""


@dataclass(frozen=True, eq=False)
class Projection(Arriving):
    """The same, and how its integers count."""

    limit: int
    """the largest integer weight"""
    unit: int | None
    """with integers of 2**unit the weights fill these bits; None: all weights are 0"""


def arrive(name: str, synapses: Synapses, times: int, bits: int) -> Arriving:
    """Return synapses whose weights are to have `bits` bits.

    Raises:
        GraphError: 1 bit cannot hold weights of both signs.
    """
    if not weight_limit(synapses.weight, bits):
        raise GraphError(
            f"synapses '{name}': have weights of both signs, which 1 bit cannot hold; "
            "with 2 bits (--weight-bits 2) they may be -1, 0 and 1, or give each sign "
            "synapses of its own"
        )
    return Arriving(name, synapses, times, bits)


def project(arriving: Arriving, factor: float, choices: Quantization) -> Projection:
    """Choose the unit in which a projection is counted, multiplied by `factor`."""
    name, synapses = arriving.name, arriving.synapses
    if factor != 1:
        weight = synapses.weight.astype(np.float64) * factor
        synapses = replace(synapses, weight=weight)
    limit = weight_limit(synapses.weight, arriving.bits)
    return Projection(
        name,
        synapses,
        arriving.times,
        arriving.bits,
        limit,
        choose_unit(name, synapses.weight, limit, choices),
    )


def choose_unit(
    name: str, weight: NumberArray, limit: int, choices: Quantization
) -> int | None:
    """Return the power of two that the largest integer `limit` calls for.

    None if all weights are 0.
    """
    largest = max(float(weight.max(initial=0)), -float(weight.min(initial=0)))
    if largest == 0:
        return None
    top = finest_unit(largest, limit)
    match choices.scale:
        case "max":
            return top
        case "percentile":
            return _percentile_unit(weight, limit, top, choices.percentile)
        case "mse":
            units = range(top, top - CANDIDATES, -1)
            return min(
                units,
                key=lambda unit: squared_error(
                    name, weight, (unit, top), limit, choices
                ),
            )


def finest_unit(largest: float, limit: int) -> int:
    """Return the smallest k with largest <= limit * 2**k; exact."""
    mantissa, power = math.frexp(largest)
    bits = limit.bit_length()
    return power - bits + (mantissa > limit / (1 << bits))


def _percentile_unit(
    weight: NumberArray, limit: int, top: int, percentile: float
) -> int:
    """Return the smallest unit at which `percentile` % of the weights fit."""
    count = int(np.count_nonzero(weight))
    # the product of a decimal may exceed a whole number in its last bit
    allowed = count - max(1, math.ceil(round(count * percentile / 100, 6)))
    unit = top
    while _count_beyond(weight, math.ldexp(limit, unit - 1)) <= allowed:
        unit -= 1
    return unit


def _count_beyond(weight: NumberArray, largest: float) -> int:
    """Count the weights whose magnitude is above `largest`."""
    return sum(
        int(np.count_nonzero(np.abs(block) > largest))
        for _, block in chunks(weight.reshape(-1))
    )


def squared_error(
    name: str,
    weight: NumberArray,
    units: tuple[int, int],
    limit: int,
    choices: Quantization,
) -> float:
    """Return the squared error of integers of 2**unit, in units of 2**top."""
    unit, top = units
    return sum(
        float(np.square(np.ldexp(integers, unit - top) - np.ldexp(block, -top)).sum())
        for _, block, integers in rounded_chunks(name, weight, unit, limit, choices)
    )
