"""Integer layers into a QUANTIZED graph: what lava-dl builds of them in Lava."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from spikewright.errors import GraphError
from spikewright.export.netx.layers import (
    UNIT,
    ConvLayer,
    DenseLayer,
    InputLayer,
    Layer,
    Layers,
    bias_of,
    has_no_current,
    per_neuron,
)
from spikewright.graph import Edge, Graph, Stage
from spikewright.linear import to_sparse
from spikewright.loihi import (
    DECAY_ONE,
    MAX_DELAY,
    MAX_EXPONENT,
    STATE_BITS,
    common_zeros,
    weight_limit,
)
from spikewright.nodes import (
    BiasLine,
    DenseSynapses,
    DiagonalSynapses,
    Input,
    IntArray,
    Node,
    Output,
    QuantizedIntegrators,
    QuantizedNeurons,
    Synapses,
)

LINE = "bias_line"
STRIDE = MAX_DELAY + 1
"""steps from one bias line to the next: the longest delay, and the synapse's own"""
OUTPUT = "output"


@dataclass(frozen=True, eq=False)
class _Joint:
    """Synapses of a layer, and where they start."""

    source: str
    name: str
    synapses: Synapses
    delay: int = 0
    """axonal, in steps"""


def to_quantized(
    layers: Layers, *, dt_s: float, scale: Mapping[str, float] | None = None
) -> Graph:
    """Return the network as integers; all values as they are in the layers.

    The Input is binary; if it has neurons, a value of 1 drives them with its weight.
    A last layer with a threshold out of reach sends its voltage, all others spikes.

    Args:
        layers: from the input on.
        dt_s: length of a step.
        scale: by layer, integers to 1.0 of a float graph; None: lava-dl's own, 64.

    Raises:
        GraphError: a bias would pass through a synaptic current that decays.
    """
    chain = with_source(layers)
    arrival = {name: time for time, name in enumerate(chain)}
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    for source, name in pairwise(chain):
        for joint in _joints(name, layers[name], source, arrival[name]):
            nodes[joint.name] = joint.synapses
            edges += [
                Edge(joint.source, joint.name, joint.delay),
                Edge(joint.name, name),
            ]
        nodes[name] = _population(layers[name], (scale or {}).get(name, float(UNIT)))
    sources = {edge.source for edge in edges}
    lines = {name: start for name, start in _lines(chain).items() if name in sources}
    first: dict[str, Node] = {name: BiasLine() for name in lines}
    first[chain[0]] = Input(next(iter(layers.values())).shape)
    arrival |= {OUTPUT: arrival[chain[-1]]} | lines
    output = _output(nodes[chain[-1]])
    edges.append(Edge(chain[-1], OUTPUT))
    return Graph(
        {**first, **nodes, OUTPUT: output}, tuple(edges), Stage.QUANTIZED, dt_s, arrival
    )


def _lines(chain: Sequence[str]) -> dict[str, int]:
    """Return the bias lines that layers may need, and when each starts."""
    return {_line(time): time // STRIDE * STRIDE for time in range(len(chain))}


def _line(time: int) -> str:
    return f"{LINE}_{time // STRIDE + 1}" if time >= STRIDE else LINE


def with_source(layers: Layers) -> list[str]:
    """Return the names of the populations, that of the Input first."""
    first = next(iter(layers.values()))
    return list(layers) if first.neurons is None else [_unused(layers), *layers]


def _unused(layers: Layers) -> str:
    return next(name for name in ("input", "values", "samples") if name not in layers)


def _output(last: Node) -> Output:
    """Return the Output of spikes, or of voltages in units of the float graph."""
    assert isinstance(last, QuantizedNeurons | QuantizedIntegrators)  # noqa: S101
    is_graded = isinstance(last, QuantizedIntegrators)
    return Output(last.shape, 2.0**-STATE_BITS / last.scale if is_graded else 1.0)


# --- populations ---------------------------------------------------------------------


def _population(layer: Layer, scale: float) -> QuantizedNeurons | QuantizedIntegrators:
    neurons = layer.neurons
    assert neurons is not None  # noqa: S101 - a bare input layer is no population
    dv = per_neuron(neurons.v_decay, layer.shape)
    du = per_neuron(neurons.i_decay, layer.shape)
    if neurons.is_silent:
        return QuantizedIntegrators(layer.shape, dv, scale, du)
    return QuantizedNeurons(layer.shape, dv, neurons.threshold, scale, du)


# --- synapses ------------------------------------------------------------------------


def _joints(name: str, layer: Layer, source: str, time: int) -> Iterator[_Joint]:
    match layer:
        case InputLayer(shape, _, weight):
            drive = np.full(shape, weight)
            for part in _parts(f"{name}_weight", DiagonalSynapses(drive)):
                yield replace(part, source=source)
        case DenseLayer():
            yield from _dense(name, layer, source)
        case ConvLayer():
            for part in _parts(f"{name}_weight", layer.synapses(layer.weight)):
                yield replace(part, source=source)
    yield from _bias(name, layer, time)


def _dense(name: str, layer: DenseLayer, source: str) -> Iterator[_Joint]:
    """Yield the joints of a dense layer: one for each delay, and its loop."""
    delay = np.broadcast_to(layer.delay, layer.weight.shape)
    steps = np.unique(delay[layer.weight != 0]) if layer.weight.any() else [0]
    for each in steps:
        label = f"{name}_weight"
        synapses: Synapses = DenseSynapses(layer.weight)
        if len(steps) > 1:
            masked = np.where(delay == each, layer.weight, 0)
            label = f"{label}_after_{each}"
            synapses = to_sparse(DenseSynapses(masked), masked.shape[1])
        for part in _parts(label, synapses):
            yield replace(part, source=source, delay=int(each))
    if layer.recurrent is not None:
        for part in _parts(f"{name}_recurrent", DenseSynapses(layer.recurrent)):
            yield replace(part, source=name)


def _bias(name: str, layer: Layer, time: int) -> Iterator[_Joint]:
    bias = bias_of(layer)
    if not bias.any():
        return
    assert layer.neurons is not None  # noqa: S101 - no bias without neurons
    if not has_no_current(layer.neurons):
        raise GraphError(
            f"'{name}': a bias beside a synaptic current that decays (iDecay below "
            f"{DECAY_ONE}): it acts on the voltage alone, and integers cannot bring it "
            "there through synapses; allowed: no bias, or no memory of the current"
        )
    for part in _parts(f"{name}_bias", DenseSynapses(bias.reshape(-1, 1))):
        yield replace(part, source=_line(time - 1), delay=(time - 1) % STRIDE)


def _parts(name: str, synapses: Synapses) -> Iterator[_Joint]:
    """Split synapses into such that fit 8 bits and add up to them; mostly it is one."""
    for index, (weight, exponent) in enumerate(split(synapses.weight)):
        label = f"{name}_{index + 1}" if index else name
        yield _Joint("", label, replace(synapses, weight=weight, exponent=exponent))


def split(weight: IntArray) -> Iterator[tuple[IntArray, int]]:
    """Yield 8-bit integers and exponents whose sum is `weight`.

    Both signs at once hold 127, and even weights twice that. The few of -256 that
    lava-dl makes, and biases of 13 bits, need a second part.
    """
    rest = weight.astype(np.int64)
    while True:
        limit, largest = weight_limit(rest), int(np.abs(rest).max())
        whole = min(common_zeros(rest), MAX_EXPONENT)
        exponent = next(e for e in range(64) if largest >> e <= limit)
        if whole < exponent and largest >> whole <= 2 * limit:
            exponent = whole  # what is above the limit becomes a part of its own
        part = np.clip(np.sign(rest) * (np.abs(rest) >> exponent), -limit, limit)
        yield part.astype(np.int16), exponent
        rest = rest - (part << exponent)
        if not rest.any():
            return
