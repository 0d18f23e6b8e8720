"""One more freedom where weights have few bits: a scale that is no power of two.

A neuron fires the same if its weights and its threshold are multiplied by one number.
Eight bits leave that at a power of two, so that dyadic weights stay exact; of weights
that are 0 or one number, such as ternary ones, fewer bits would then miss by up to a
half. So below eight bits a population is multiplied by the factor from 1 to 2 at which
rounding changes its weights least; by 1 if nothing is better.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spikewright.export.passes.neuron_registers import Floats
from spikewright.export.passes.rounding import Quantization
from spikewright.export.passes.units import (
    Arriving,
    choose_unit,
    finest_unit,
    squared_error,
)
from spikewright.loihi import WEIGHT_BITS, weight_limit
from spikewright.nodes import FloatArray, SpikingNeurons

STEPS = 32
"""factors from 1 to 2 that are tried, beside those that suit the largest weights"""
SAMPLE = 2**13
"""weights of a projection that decide"""
_BELOW = 1.0 - 2.0**-40
"""a largest weight may land a little below its integer, never above"""


def stretched(node: Floats, factor: float) -> Floats:
    """Multiply what a neuron compares its potential with by `factor`."""
    if not isinstance(node, SpikingNeurons):
        return node
    drop = None if node.drop is None else node.drop * factor
    return replace(node, threshold=node.threshold * factor, drop=drop)


def best_factor(arriving: Sequence[Arriving], choices: Quantization) -> float:
    """Return the factor at which rounding changes the weights of a population least.

    By the squared errors of all weights that have fewer than eight bits.
    """
    known = [_known(each) for each in arriving if each.bits < WEIGHT_BITS]
    found = [each for each in known if each.largest]
    return min(
        (1.0, *_factors(found)),
        key=lambda factor: sum(_change(each, factor, choices) for each in found),
    )


@dataclass(frozen=True, eq=False)
class _Known:
    """What is looked at of a projection."""

    name: str
    weight: FloatArray
    """a sample of the weights, and the largest magnitude"""
    share: float
    """weights that one of the sample stands for"""
    limit: int
    largest: float


def _known(arriving: Arriving) -> _Known:
    weight = arriving.synapses.weight.reshape(-1)
    largest = max(float(weight.max(initial=0)), -float(weight.min(initial=0)))
    limit = weight_limit(weight, arriving.bits)
    taken = weight
    if len(weight) > SAMPLE:
        taken = weight[np.random.default_rng(0).integers(0, len(weight), SAMPLE)]
    sample = np.append(taken, largest).astype(np.float64)
    share = arriving.times * len(weight) / max(1, len(taken))
    return _Known(arriving.name, sample, share, limit, largest)


def _factors(found: Sequence[_Known]) -> Iterator[float]:
    """Yield factors from 1 to 2."""
    for each in found:
        yield 2 * math.frexp(each.limit / each.largest)[0] * _BELOW
    if found:
        yield from (2.0 ** (step / STEPS) for step in range(1, STEPS))


def _change(each: _Known, factor: float, choices: Quantization) -> float:
    """Return the squared error of a projection's weights if they are multiplied."""
    weight = each.weight * factor
    unit = choose_unit(each.name, weight, each.limit, choices)
    assert unit is not None  # noqa: S101 - the largest is not 0
    top = finest_unit(each.largest * factor, each.limit)
    error = squared_error(each.name, weight, (unit, top), each.limit, choices)
    return each.share * error * (math.ldexp(1.0, top) / factor) ** 2
