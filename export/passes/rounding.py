"""How real weights become integers: the choices, and the rounding itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np

from spikewright.bounds import StateRange, chunks
from spikewright.errors import InputError
from spikewright.loihi import WEIGHT_BITS
from spikewright.nodes import BiasLine, FloatArray, Node, NumberArray, Synapses

Rounding: TypeAlias = Literal["nearest", "zero", "stochastic"]
Scale: TypeAlias = Literal["max", "percentile", "mse"]


@dataclass(frozen=True, eq=False)
class Quantization:
    """How to choose and round integers.

    Raises:
        InputError: a choice that there is not.
    """

    rounding: Rounding = "nearest"
    """to the nearest integer (ties to even), towards zero, or up with the probability
    of the fraction: on average right"""
    scale: Scale = "max"
    """what fills the bits of a projection: its largest weight, so that nothing
    saturates; `percentile` % of its weights; or what makes the squared error least"""
    weight_bits: int = WEIGHT_BITS
    """of a weight, 1 to 8; biases keep 8. With both signs one of them is the sign"""
    percentile: float = 99.9
    """of the weights that are not 0; the others may saturate at the largest integer"""
    seed: int = 0
    """of stochastic rounding"""
    calibration: Mapping[str, StateRange] | None = None
    """what the states of the TIMED graph reach on sample inputs (`measure_ranges`), by
    population and Output; with one bit of margin it stands for the worst input"""

    def __post_init__(self) -> None:
        _check_choice("rounding", self.rounding, get_args(Rounding))
        _check_choice("scale", self.scale, get_args(Scale))
        if not 0 < self.percentile <= 100:
            raise InputError(
                f"percentile {self.percentile:g}: must be above 0 and at most 100; "
                "99.9 lets one weight in a thousand saturate"
            )
        if not 1 <= self.weight_bits <= WEIGHT_BITS:
            raise InputError(
                f"weight bits {self.weight_bits}: must be 1 to {WEIGHT_BITS}; 2 hold "
                "-1, 0 and 1"
            )
        if self.seed < 0:
            raise InputError(f"seed {self.seed}: must be 0 or more")


def _check_choice(what: str, got: str, allowed: tuple[str, ...]) -> None:
    if got not in allowed:
        raise InputError(f"{what} '{got}': must be one of {', '.join(allowed)}")


def bits_of(source: Node, weight_bits: int) -> int:
    """Return the bits of weights from `source`; biases are few, and keep all."""
    return WEIGHT_BITS if isinstance(source, BiasLine) else weight_bits


DEFAULT = Quantization()
"""nearest integers, nothing saturates, room for the worst input"""


def rounded_chunks(
    name: str, weight: NumberArray, unit: int, limit: int, choices: Quantization
) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
    """Yield slices of the flattened weights, what they hold, and their integers.

    Args:
        name: of the projection. Stochastic draws depend on it, on the seed and on the
            place of a weight, on nothing else.
        weight: real weights.
        unit: an integer is worth 2**unit.
        limit: no integer goes beyond; weights that would saturate there.
        choices: how to round.
    """
    rng = np.random.default_rng([choices.seed, *name.encode()])
    for place, each in chunks(weight.reshape(-1)):
        block = each.astype(np.float64, copy=False)
        integers = _rounded(np.ldexp(block, -unit), choices.rounding, rng)
        yield place, block, np.clip(integers, -limit, limit, out=integers)


def _rounded(
    values: FloatArray, rounding: Rounding, rng: np.random.Generator
) -> FloatArray:
    match rounding:
        case "nearest":
            return np.rint(values)
        case "zero":
            return np.trunc(values)
        case "stochastic":
            whole = np.floor(values)
            return whole + (rng.random(values.shape) < values - whole)


def round_synapses(
    name: str, synapses: Synapses, unit: int, limit: int, choices: Quantization
) -> Synapses:
    """Return the synapses with weights in int16, each worth 2**unit; exponent 0."""
    weight = np.empty(synapses.weight.shape, dtype=np.int16)
    flat = weight.reshape(-1)
    for place, _, integers in rounded_chunks(
        name, synapses.weight, unit, limit, choices
    ):
        flat[place] = integers
    weight.setflags(write=False)  # so that the node takes it over without a copy
    return replace(synapses, weight=weight, exponent=0)
