"""What arrives at a population, as one of the maps that a netx layer has.

A drive (one number for all neurons, of an input layer), a kernel, or a matrix with a
delay for each weight. Weights are still real numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from spikewright.errors import GraphError
from spikewright.export.netx.chain import Link, Ways
from spikewright.export.passes.compose import MAX_DENSE, scale_rows
from spikewright.export.passes.gains import row_gains
from spikewright.linear import to_matrix, to_sparse
from spikewright.loihi import DECAY_ONE, MAX_DELAY
from spikewright.nodes import (
    ConvSynapses,
    DiagonalSynapses,
    FloatArray,
    IntArray,
    Integrators,
    NumberArray,
    QuantizedIntegrators,
    QuantizedNeurons,
    Shape,
    SpikingNeurons,
    Synapses,
    TokenSynapses,
)
from spikewright.values import Value

_NOW: IntArray = np.zeros((1, 1), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Map(Value):
    """The weights into a population, and its bias, of neurons or of channels."""

    weight: FloatArray
    """one number of a drive; of a kernel (targets, sources, rows, columns); else
    (targets, sources)"""
    bias: FloatArray
    """one number of a drive; (targets,)"""
    kernel: ConvSynapses | None = None
    """where, and how far apart: a kernel of this geometry"""
    recurrent: FloatArray | None = None
    delay: IntArray = field(default_factory=lambda: _NOW)
    """steps: (targets, sources), where 1 stands for all of them"""

    @property
    def is_drive(self) -> bool:
        """Say whether it is what an input layer has."""
        return self.weight.ndim == 0


def map_of(link: Link, *, is_first: bool) -> Map:
    """Return the map into a population; a drive only into the first.

    Raises:
        GraphError: it would be too large a matrix, has two delays between the same
            neurons, loops with a delay, or a bias that starts late.
    """
    gains = _gains(link)
    bias = _bias(link) * gains.reshape(-1)
    ways = _scaled(link.ways, gains, prod(link.source))
    if is_first and not link.loops:
        drive = _drive(link, ways, bias)
        if drive is not None and _current_lasts_a_step(link):
            return drive
    if not link.loops:
        kernel = _kernel(link, ways, bias)
        if kernel is not None:
            return kernel
    return _matrix(link, ways, _scaled(link.loops, gains, prod(link.shape)), bias)


def _gains(link: Link) -> FloatArray:
    """Return factors on what reaches each neuron, so that all have one threshold."""
    if isinstance(link.neurons, SpikingNeurons | Integrators):
        return row_gains(link.name, link.neurons)
    return np.ones(link.shape)


def _scaled(ways: Ways, gains: FloatArray, size: int) -> list[tuple[Synapses, int]]:
    return [(scale_rows(synapses, gains, size), lag) for synapses, lag in ways]


def decays(link: Link) -> tuple[NumberArray, NumberArray]:
    """Return decays of current and voltage, of each neuron, in the graph's own terms.

    What a float neuron keeps, but what an integer neuron loses, of 4096.
    """
    node = link.neurons
    match node:
        case SpikingNeurons() | Integrators():
            found = (node.current_decay, node.decay)
        case QuantizedNeurons() | QuantizedIntegrators():
            found = (np.asarray(node.du), np.asarray(node.dv))
        case None:
            found = (np.zeros(()), np.zeros(()))
    current, voltage = (np.broadcast_to(each, link.shape) for each in found)
    return current, voltage


def _current_lasts_a_step(link: Link) -> bool:
    is_integer = isinstance(link.neurons, QuantizedNeurons | QuantizedIntegrators)
    return bool(np.all(decays(link)[0] == (DECAY_ONE if is_integer else 0)))


# --- bias ----------------------------------------------------------------------------


def _bias(link: Link) -> FloatArray:
    """Return the constant that netx adds to the voltage.

    Through a current that keeps `alpha` it arrives as b, and from the next step on as
    b - alpha b (see `fold_connections`).

    Raises:
        GraphError: it is not such a constant from the first step on.
    """
    zero = np.zeros(prod(link.shape))
    left = {lag: values for lag, values in link.bias.items() if np.any(values)}
    bias = left.pop(0, zero)
    if isinstance(link.neurons, SpikingNeurons | Integrators):
        kept = np.broadcast_to(link.neurons.current_decay, link.shape).reshape(-1)
        after = left.pop(1, zero)
        is_constant = np.allclose(after, -kept * bias, rtol=1e-9, atol=0.0)
    else:
        is_constant = not np.any(bias) or _current_lasts_a_step(link)
    if left or not is_constant:
        raise GraphError(
            f"node '{link.name}': has a constant input that is no bias of its voltage: "
            "it passes a synaptic current or a Delay, or the neurons start elsewhere "
            "than at 0; netx has none of these; leave this network in NIR"
        )
    return bias


# --- drive and kernel ----------------------------------------------------------------


def _drive(
    link: Link, ways: Sequence[tuple[Synapses, int]], bias: FloatArray
) -> Map | None:
    """Return the one number of all neurons, if it is one."""
    if len(ways) != 1 or ways[0][1] or not isinstance(ways[0][0], DiagonalSynapses):
        return None
    weight = _real(ways[0][0]).reshape(-1)
    alike = (weight, bias, *decays(link))
    if any(np.any(each != each.flat[0]) for each in alike):
        return None
    return Map(weight[0].reshape(()), bias[0].reshape(()))


def _kernel(
    link: Link, ways: Sequence[tuple[Synapses, int]], bias: FloatArray
) -> Map | None:
    """Return the sum of kernels of one geometry, if netx can say them."""
    size = prod(link.source)
    kernels = [_as_kernel(synapses, size) for synapses, _ in ways]
    first = kernels[0]
    if first is None or any(lag for _, lag in ways):
        return None
    if any(each is None or _geometry(each) != _geometry(first) for each in kernels):
        return None
    channels = len(first.weight)
    by_channel = [each.reshape(channels, -1) for each in (bias, *decays(link))]
    is_even = all(before == after for before, after in first.padding)
    if not is_even or any(np.any(each != each[:, :1]) for each in by_channel):
        return None
    weight = sum(_real(each) for each in kernels if each is not None)
    return Map(np.asarray(weight), by_channel[0][:, 0], first)


def _as_kernel(synapses: Synapses, size: int) -> ConvSynapses | None:
    """Return synapses that all places share as a kernel; tokens are one row."""
    match synapses:
        case ConvSynapses():
            return synapses
        case TokenSynapses(weight, exponent):
            channels = weight.shape[2]
            taps = np.moveaxis(weight, 0, 2)[:, :, np.newaxis]
            shape = (channels, 1, size // channels)
            return ConvSynapses(taps, shape, exponent=exponent)
        case _:
            return None


def _geometry(kernel: ConvSynapses) -> tuple[object, ...]:
    options = (kernel.stride, kernel.padding, kernel.dilation, kernel.groups)
    return (kernel.weight.shape, kernel.shape, *options)


def _real(synapses: Synapses) -> FloatArray:
    return synapses.weight.astype(np.float64) * 2.0**synapses.exponent


# --- matrices ------------------------------------------------------------------------


def _matrix(
    link: Link,
    ways: Sequence[tuple[Synapses, int]],
    loops: Sequence[tuple[Synapses, int]],
    bias: FloatArray,
) -> Map:
    weight, delay = _written_out(link, ways, link.source)
    recurrent = None
    if loops:
        recurrent, late = _written_out(link, loops, link.shape)
        if late.any() or delay.any():
            raise GraphError(
                f"node '{link.name}': a loop, and a delay of "
                f"{max(late.max(), delay.max())} steps; allowed in netx: one or the "
                "other, and loops of one step; leave this network in NIR"
            )
    return Map(weight, bias, recurrent=recurrent, delay=delay)


def _written_out(
    link: Link, ways: Sequence[tuple[Synapses, int]], source: Shape
) -> tuple[FloatArray, IntArray]:
    """Return a matrix (targets, sources), and the delay of its weights."""
    shape = (prod(link.shape), prod(source))
    if prod(shape) > MAX_DENSE:
        raise GraphError(
            f"node '{link.name}': {shape[0]} x {shape[1]} weights one by one; allowed: "
            f"{MAX_DENSE}; a kernel would do, without delays, with as many zeros on "
            "either side, and one bias and decay for a channel"
        )
    weight, delay = np.zeros(shape), np.full(shape, -1)
    for synapses, lag in ways:
        _check_delay(link, lag)
        listed = to_sparse(synapses, shape[1])
        one = to_matrix(listed, _real(listed)).toarray()
        if np.any((one != 0) & (delay >= 0) & (delay != lag)):
            raise GraphError(
                f"node '{link.name}': two synapses between the same neurons, with "
                "different delays; netx has one delay for each; leave this network in "
                "NIR"
            )
        delay[one != 0] = lag
        weight += one
    return weight, _shortest(delay)


def _check_delay(link: Link, lag: int) -> None:
    if not 0 <= lag <= MAX_DELAY:
        raise GraphError(
            f"node '{link.name}': a delay of {lag} steps; allowed: 0 to {MAX_DELAY}; "
            "put a relay population between"
        )


def _shortest(delay: IntArray) -> IntArray:
    """Return delays as one number, one a target, one a source, or all.

    -1 stands where there is no weight.
    """
    found = delay >= 0
    if np.all(delay[found] == delay.max()):
        return np.full((1, 1), max(int(delay.max()), 0), dtype=np.int64)
    for axis in (1, 0):
        whole = delay.max(axis=axis, keepdims=True)
        if np.all((delay == whole) | ~found):
            delay = whole
            break
    shortest: IntArray = np.maximum(delay, 0).astype(np.int64)
    return shortest
