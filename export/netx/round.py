"""A chain of populations into integer layers: exactly where it can, rounded where not.

netx shifts no sums, so weights are 8-bit integers as they are, and even ones up to 254
if both signs occur. A population counts in units of 2**-bits. The networks of lava-dl
have 6 bits, and whatever fits that to the last digit goes back to the same integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spikewright.errors import GraphError
from spikewright.export.netx.chain import Chain, Link
from spikewright.export.netx.layers import (
    MAX_BIAS,
    UNIT,
    ConvLayer,
    CubaNeurons,
    DenseLayer,
    InputLayer,
    Layer,
    Layers,
    weight_range,
)
from spikewright.export.netx.maps import Map, map_of
from spikewright.export.passes.neuron_registers import registers_of
from spikewright.export.passes.units import finest_unit
from spikewright.loihi import DECAY_ONE, MAX_THRESHOLD
from spikewright.nodes import (
    FloatArray,
    IntArray,
    Integrators,
    PerNeuron,
    QuantizedIntegrators,
    QuantizedNeurons,
    Shape,
    SpikingNeurons,
)

UNIT_BITS = UNIT.bit_length() - 1
_GRADED = (Integrators, QuantizedIntegrators)
_INTEGER = (QuantizedNeurons, QuantizedIntegrators)


@dataclass(frozen=True, eq=False)
class Rounded:
    """A netx network, and what its integers are worth."""

    layers: Layers
    scale: Mapping[str, float]
    """by layer: integers to 1.0 of the graph"""
    error: Mapping[str, float]
    """by layer: the largest change of a weight, as a share of the largest weight"""


def to_layers(chain: Chain) -> Rounded:
    """Return the layers of a netx file that does what a chain does.

    Raises:
        GraphError: something has no place in a netx layer, or does not fit its
            integers; or there is no population.
    """
    if not chain.links:
        raise GraphError(f"'{chain.name}': a network without neurons; add a layer")
    _refuse_numbers(chain)
    maps = [map_of(link, is_first=not i) for i, link in enumerate(chain.links)]
    layers: Layers = {}
    if not maps[0].is_drive:
        layers[chain.name] = InputLayer(_image(chain.shape))
    scale: dict[str, float] = {}
    error: dict[str, float] = {}
    for link, each in zip(chain.links, maps, strict=True):
        bits = _bits(link, each)
        layers[link.name] = _layer(link, each, bits)
        scale[link.name] = 2.0**bits
        if isinstance(link.neurons, _INTEGER):
            scale[link.name] = link.neurons.scale
        error[link.name] = _error(each.weight, bits)
    return Rounded(layers, scale, error)


def _refuse_numbers(chain: Chain) -> None:
    for link, after in pairwise(chain.links):
        if isinstance(link.neurons, _GRADED):
            raise GraphError(
                f"node '{link.name}': sends numbers (LI or I) to '{after.name}'; netx "
                "has them only at the end; put a spiking neuron there"
            )


# --- the scale -----------------------------------------------------------------------


def _bits(link: Link, each: Map) -> int:
    """Return the bits of a layer: lava-dl's own if they lose nothing, else the most.

    Integers stay as they are, with 0.

    Raises:
        GraphError: integers do not fit; or threshold, bias or all weights would be 0.
    """
    has_integers = isinstance(link.neurons, _INTEGER)
    numbers = {**_weights(each), "bias": each.bias, "threshold": _threshold(link)}
    limits = _limits(each)
    bits = 0 if has_integers else UNIT_BITS
    wrong = [k for k, v in numbers.items() if not _fits(v, limits[k], bits)]
    if not wrong:
        return bits
    if has_integers:
        raise GraphError(
            f"node '{link.name}': {wrong[0]} from {numbers[wrong[0]].min():g} to "
            f"{numbers[wrong[0]].max():g}; allowed: whole numbers from "
            f"{limits[wrong[0]][0]} to {limits[wrong[0]][1]}, as netx shifts no sums; "
            "convert the NIR file instead, whose numbers are rounded to fit"
        )
    bits = min(
        -finest_unit(float(np.abs(values).max()), _symmetric(limits[what]))
        for what, values in numbers.items()
        if np.any(values)
    )
    for what, values in numbers.items():
        _refuse_lost(link, what, values, bits)
    return bits


def _weights(each: Map) -> dict[str, FloatArray]:
    loop = {} if each.recurrent is None else {"recurrent weights": each.recurrent}
    return {"weights": each.weight, **loop}


def _threshold(link: Link) -> FloatArray:
    """Return the one threshold of a population; 0 if it has none."""
    match link.neurons:
        case SpikingNeurons(threshold=threshold):
            return np.array([float(threshold.max())])
        case QuantizedNeurons(vth=vth):
            return np.array([float(vth)])
        case _:
            return np.zeros(1)


def _limits(each: Map) -> dict[str, tuple[int, int]]:
    """Return the least and the largest integer of all that a layer has."""
    bias = (-MAX_BIAS, MAX_BIAS)
    weights = bias if each.is_drive else weight_range([*_weights(each).values()])
    return {
        **dict.fromkeys(_weights(each), weights),
        "bias": bias,
        "threshold": (0, MAX_THRESHOLD - 1),
    }


def _fits(values: FloatArray, limits: tuple[int, int], bits: int) -> bool:
    """Say whether numbers are whole at a scale of 2**bits, and within their limits."""
    scaled = np.ldexp(values, bits)
    low, high = limits
    return bool(
        np.all((scaled == np.rint(scaled)) & (low <= scaled) & (scaled <= high))
    )


def _symmetric(limits: tuple[int, int]) -> int:
    """Return the largest magnitude on both sides: 254 of mixed signs, else 255."""
    low, high = limits
    return min(-low, high) if low < 0 < high else min(max(-low, high), MAX_THRESHOLD)


def _refuse_lost(link: Link, what: str, values: FloatArray, bits: int) -> None:
    if np.any(values) and not np.any(np.rint(np.ldexp(values, bits))):
        raise GraphError(
            f"node '{link.name}': {what} of at most {np.abs(values).max():g} would "
            f"round to 0 at the scale 2**{bits} that the largest of weights, bias and "
            "threshold allows; bring them to one order of magnitude"
        )


# --- the integers --------------------------------------------------------------------


def _layer(link: Link, each: Map, bits: int) -> Layer:
    neurons = _neurons(link, each, bits)
    bias = np.rint(np.ldexp(each.bias, bits)).astype(np.int64)
    if each.is_drive:
        drive = int(np.rint(np.ldexp(each.weight, bits)))
        return InputLayer(_image(link.shape), neurons, drive, int(bias))
    weight, *loop = (_whole(one, bits) for one in _weights(each).values())
    if each.kernel is None:
        return DenseLayer(neurons, weight, bias, loop[0] if loop else None, each.delay)
    kernel = each.kernel
    padding = (kernel.padding[0][0], kernel.padding[1][0])
    options = (kernel.stride, padding, kernel.dilation, kernel.groups)
    return ConvLayer(neurons, weight, bias, kernel.shape, *options)


def _image(shape: Shape) -> Shape:
    """Return tokens (channels, length) as an image of one row."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


def _whole(weight: FloatArray, bits: int) -> IntArray:
    """Round weights; those that need 9 bits, as of mixed signs above 127, to even."""
    scaled = np.ldexp(weight, bits)
    is_mixed = scaled.min() < 0 < scaled.max()
    is_whole = bool(np.all(scaled == np.rint(scaled)))
    step = 2 if is_mixed and not is_whole and np.abs(scaled).max() > 127 else 1
    whole: IntArray = (step * np.rint(scaled / step)).astype(np.int64)
    return whole


def _error(weight: FloatArray, bits: int) -> float:
    if not np.any(weight):
        return 0.0
    change = np.ldexp(_whole(weight, bits).astype(np.float64), -bits) - weight
    return float(np.abs(change).max() / np.abs(weight).max())


def _neurons(link: Link, each: Map, bits: int) -> CubaNeurons:
    """Return the registers of a population; of one that sends numbers, out of reach.

    Raises:
        GraphError: a soft reset, which netx does not have; a decay would round to 1
            or 0; neurons have a bias or a start of their own.
    """
    node = link.neurons
    if node is None:
        return CubaNeurons(DECAY_ONE, DECAY_ONE, MAX_THRESHOLD)
    if isinstance(node, SpikingNeurons | Integrators):
        node = registers_of(link.name, node)(bits)
    du, dv = (_by_channel(value, link.shape, each) for value in (node.du, node.dv))
    if isinstance(node, QuantizedIntegrators):
        return CubaNeurons(du, dv, MAX_THRESHOLD)
    if node.drop is not None:
        raise GraphError(
            f"node '{link.name}': a soft reset (reset by subtraction); netx resets to "
            '0 only; train with reset_mechanism="zero"'
        )
    return CubaNeurons(du, dv, node.vth)


def _by_channel(values: PerNeuron, shape: Shape, each: Map) -> PerNeuron:
    """Return one register for all, or those of neurons or channels."""
    if isinstance(values, int):
        return values
    count = 1 if each.kernel is None else len(each.weight)
    spread = np.broadcast_to(values, shape)
    if each.kernel is None:
        return spread.reshape(-1)
    return spread.reshape(count, -1)[:, 0]
