"""What rounding did to the weights of one projection."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spikewright.bounds import chunks
from spikewright.export.passes.gains import bits_lost
from spikewright.loihi import common_zeros, needed_bits, weight_limit
from spikewright.nodes import FloatArray, NumberArray, Synapses


@dataclass(frozen=True)
class ProjectionReport:
    """What became of the weights of one projection."""

    source: str
    target: str
    weights: int
    """that are not 0, before"""
    exponent: int
    bits: int
    """that its integers need, without what 2 divides of all; one is the sign if signs
    are mixed"""
    saturated: int
    """weights beyond the largest integer"""
    lost: int
    """weights that became 0"""
    largest_error: float
    """largest |error| / largest |weight|"""
    rms_error: float
    """root mean square of the errors / that of the weights"""
    gain_bits_lost: float
    """by thresholds or gains that differ; see `gains.bits_lost`"""


def weight_errors(
    ends: tuple[str, str],
    before: Synapses,
    scaled: Synapses,
    made: Synapses,
    gains: FloatArray,
    scale: float,
    bits: int,
) -> ProjectionReport:
    """Compare real weights with the integers that they became.

    Args:
        ends: the names of source and target.
        before: as they were.
        scaled: with the gains of the target multiplied in.
        made: in integers.
        gains: of the target.
        scale: of the target: its integers that are worth 1.
        bits: that a weight was given.
    """
    weight, integers = scaled.weight, made.weight
    limit = _limit(integers, weight_limit(weight, bits))
    unit = 2.0**made.exponent / scale
    largest = _largest(weight)
    total = _Errors()
    for place, block in chunks(weight.reshape(-1)):
        whole = integers.reshape(-1)[place]
        total = total.plus(block, whole, unit, limit * unit, largest or 1.0)
    return ProjectionReport(
        *ends,
        weights=int(np.count_nonzero(weight)),
        exponent=made.exponent,
        bits=needed_bits(integers),
        saturated=total.saturated,
        lost=total.lost,
        largest_error=total.largest,
        rms_error=math.sqrt(total.square / total.weight_square) if largest else 0.0,
        gain_bits_lost=bits_lost(before, gains),
    )


@dataclass(frozen=True)
class _Errors:
    """Sums over the chunks of a projection, in units of its largest weight."""

    saturated: int = 0
    lost: int = 0
    largest: float = 0.0
    square: float = 0.0
    weight_square: float = 0.0

    def plus(
        self,
        weight: FloatArray,
        integers: NumberArray,
        unit: float,
        limit: float,
        one: float,
    ) -> _Errors:
        """Add a chunk; `one` is the largest weight, so that no square underflows."""
        relative = weight / one
        error = integers * (unit / one) - relative
        return _Errors(
            self.saturated + int(np.count_nonzero(np.abs(weight) > limit)),
            self.lost + int(np.count_nonzero((weight != 0) & (integers == 0))),
            max(self.largest, float(np.abs(error).max(initial=0.0))),
            self.square + float(np.square(error).sum()),
            self.weight_square + float(np.square(relative).sum()),
        )


def _limit(integers: NumberArray, most: int) -> float:
    """Return the integer at which weights saturated; infinity if none came so far.

    That is `most`, which is odd, times a power of two that went into the integers.
    """
    largest = int(_largest(integers))
    zeros = common_zeros(np.array([largest]))
    return largest if largest >> zeros == most else math.inf


def _largest(values: NumberArray) -> float:
    return max(float(values.max(initial=0)), -float(values.min(initial=0)))
