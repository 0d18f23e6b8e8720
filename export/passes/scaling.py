"""What the integers of a population are worth: one scale, one exponent a projection.

A population counts in units of 2**-bits, each of its projections in units of 2**unit,
so its exponent is unit + bits. The unit follows from the weights of the projection; the
bits are the most that leave every register its room. A unit is never below 2**-bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spikewright.bounds import Sums, signed_sums, spread, weight_rows
from spikewright.errors import GraphError
from spikewright.export.passes.rounding import Quantization, round_synapses
from spikewright.export.passes.units import Projection, finest_unit
from spikewright.loihi import MAX_EXPONENT, MAX_THRESHOLD, WEIGHT_BITS
from spikewright.nodes import SparseSynapses, Synapses

FINEST_BITS = 1000
"""2**1000 is still a float64, and so is 2**-1000"""


@dataclass(frozen=True, eq=False)
class _Rounded:
    """A projection in integers of 2**unit."""

    synapses: Synapses
    unit: int
    sums: Sums
    """of its rows, in these integers"""


@dataclass(frozen=True, eq=False)
class Fit:
    """The integer synapses of a population, and its scale."""

    synapses: Mapping[str, Synapses]
    bits: int
    """scale = 2**bits"""


def fit(
    name: str,
    projections: Sequence[Projection],
    constants: Sequence[float],
    has_room: Callable[[int, Sums], bool],
    size: int,
    choices: Quantization,
) -> Fit:
    """Return the integers at the largest power-of-two scale under which all fits.

    Args:
        name: of the population, for errors.
        projections: what arrives.
        constants: threshold and drop, which 17 bits must hold.
        has_room: says whether the registers hold all states at a scale of 2**bits, for
            sums of the input (`size`,) in its integers; never for less with more input.
        size: neurons of the population.
        choices: how to round.

    Raises:
        GraphError: all weights of a projection would round to 0.
    """
    first = [_round(each, each.unit or 0, choices) for each in projections]
    bits = _most_bits(projections, constants)
    while not has_room(bits, _sums(projections, first, bits, size)):
        bits -= 1
    while True:
        rounded = [
            each if each.unit >= -bits else _round(projection, -bits, choices)
            for projection, each in zip(projections, first, strict=True)
        ]
        _refuse_lost_weights(name, projections, rounded, bits)
        if has_room(bits, _sums(projections, rounded, bits, size)):
            return Fit(_with_exponents(projections, rounded, bits), bits)
        bits -= 1


def _most_bits(projections: Sequence[Projection], constants: Sequence[float]) -> int:
    """Return the bits that exponents and 17-bit registers allow; 0 if they set none.

    Integers of fewer bits are stored at the upper end of eight, which is an exponent.
    """
    most = [
        MAX_EXPONENT + WEIGHT_BITS - each.bits - each.unit
        for each in projections
        if each.unit is not None
    ]
    most += [-finest_unit(each, MAX_THRESHOLD) for each in constants if each > 0]
    return min(*most, FINEST_BITS) if most else 0


def _round(projection: Projection, unit: int, choices: Quantization) -> _Rounded:
    synapses = round_synapses(
        projection.name, projection.synapses, unit, projection.limit, choices
    )
    return _Rounded(synapses, unit, signed_sums(synapses))


def _sums(
    projections: Sequence[Projection], rounded: Sequence[_Rounded], bits: int, size: int
) -> Sums:
    """Return the sums of the input in integers of 2**-bits, (size,).

    Of a projection that must be rounded anew, at a coarser unit, a lower bound: each
    weight may lose one new unit, and may have won one old one.
    """
    above, below = np.zeros((2, size))
    for projection, each in zip(projections, rounded, strict=True):
        lost = 2 * _longest_row(projection.synapses) if each.unit < -bits else 0
        high, low = (
            np.maximum(np.ldexp(rows, each.unit + bits) - lost, 0.0)
            for rows in each.sums
        )
        above += projection.times * spread(high, size)
        below += projection.times * spread(low, size)
    return above, below


def _longest_row(synapses: Synapses) -> int:
    if isinstance(synapses, SparseSynapses):
        return int(np.bincount(synapses.targets).max(initial=0))
    return int(weight_rows(synapses)[:1].size)


def _refuse_lost_weights(
    name: str,
    projections: Sequence[Projection],
    rounded: Sequence[_Rounded],
    bits: int,
) -> None:
    for projection, each in zip(projections, rounded, strict=True):
        if projection.unit is not None and not np.any(each.sums):
            raise lost(name, f"every weight of '{projection.name}'", bits)


def lost(name: str, what: str, bits: int) -> GraphError:
    """Say that something of a population would vanish at its scale."""
    return GraphError(
        f"node '{name}': {what} would round to 0 at the scale 2**{bits} that its "
        "largest weights, threshold or states allow; bring what arrives at the "
        "population to one order of magnitude"
    )


def _with_exponents(
    projections: Sequence[Projection], rounded: Sequence[_Rounded], bits: int
) -> dict[str, Synapses]:
    return {
        projection.name: _shifted(
            each.synapses, 0 if projection.unit is None else each.unit + bits
        )
        for projection, each in zip(projections, rounded, strict=True)
    }


def _shifted(synapses: Synapses, exponent: int) -> Synapses:
    """Give integers their exponent; what a register does not hold goes into them."""
    beyond = max(0, exponent - MAX_EXPONENT)
    if not beyond:
        return replace(synapses, exponent=exponent)
    return replace(synapses, weight=synapses.weight << beyond, exponent=MAX_EXPONENT)
