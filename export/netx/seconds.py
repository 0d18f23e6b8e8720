"""Integer layers into a CONTINUOUS graph: seconds and real numbers, as NIR has them.

Weights, biases and thresholds are in units of lava-dl's float networks, 1 / 64, and a
decay of d / 4096 is a time constant of 4096 / d steps. All of them are exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import prod

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.netx.layers import (
    UNIT,
    ConvLayer,
    CubaNeurons,
    DenseLayer,
    InputLayer,
    Layer,
    Layers,
    bias_of,
    has_no_current,
    per_neuron,
)
from spikewright.export.netx.quantized import OUTPUT, with_source
from spikewright.graph import Edge, Graph, Stage
from spikewright.loihi import DECAY_ONE

Named = tuple[str, n.Node]


def to_continuous(layers: Layers, *, dt_s: float) -> Graph:
    """Return the network in seconds, for steps of `dt_s`.

    An input layer with neurons becomes a Scale and LIF; a last layer with a threshold
    out of reach becomes LI, CubaLI or I.

    Raises:
        GraphError: a current never decays, or neurons without a leak have a bias that
            nothing before them can carry.
    """
    chain = with_source(layers)
    first = next(iter(layers.values()))
    nodes: dict[str, n.Node] = {chain[0]: n.Input(first.shape)}
    edges: list[Edge] = []
    shape = first.shape
    for source, name in pairwise(chain):
        layer = layers[name]
        population = _population(name, layer, dt_s)
        for way in _ways(name, layer, shape, dt_s):
            nodes |= dict(way)
            stops = [source, *(stop for stop, _ in way), name]
            edges += [Edge(*pair) for pair in pairwise(stops)]
        nodes[name] = population
        if isinstance(layer, DenseLayer) and layer.recurrent is not None:
            nodes[f"{name}_recurrent"] = n.Linear(_real(layer.recurrent))
            edges += [
                Edge(name, f"{name}_recurrent"),
                Edge(f"{name}_recurrent", name),
            ]
        shape = layer.shape
    nodes[OUTPUT] = n.Output(shape)
    edges.append(Edge(chain[-1], OUTPUT))
    unique = tuple(dict.fromkeys(edges))
    return Graph(nodes, unique, Stage.CONTINUOUS)


def _real(integers: n.IntArray) -> n.FloatArray:
    return integers.astype(np.float64) / UNIT


# --- what leads to a population ------------------------------------------------------


def _ways(
    name: str, layer: Layer, arriving: n.Shape, dt_s: float
) -> Iterator[list[Named]]:
    """Yield the chains of maps that lead into a layer; one, but for its delays."""
    match layer:
        case InputLayer(shape, _, weight):
            drive = n.Scale(np.full(shape, weight / UNIT))
            yield [] if weight == UNIT else [(f"{name}_weight", drive)]
        case ConvLayer():
            yield [(f"{name}_weight", _kernel(layer))]
        case DenseLayer():
            flat = n.Flatten(arriving, (prod(arriving),))
            flatten = [(f"{name}_flat", flat)] if len(arriving) > 1 else []
            for way in _dense(name, layer, dt_s):
                yield [*flatten, *way]


def _kernel(layer: ConvLayer) -> n.Conv2d:
    (top, left), (_, rows, columns) = layer.padding, layer.source
    bias = layer.bias if _carries_bias(layer) else np.zeros_like(layer.bias)
    return n.Conv2d(
        _real(layer.weight),
        _real(bias),
        (rows, columns),
        layer.stride,
        ((top, top), (left, left)),
        layer.dilation,
        layer.groups,
    )


def _dense(name: str, layer: DenseLayer, dt_s: float) -> Iterator[list[Named]]:
    targets, sources = layer.weight.shape
    weight, delay = _real(layer.weight), layer.delay
    label = f"{name}_weight"
    if not delay.any():
        linear = n.Linear(weight)
        carries = _carries_bias(layer) and layer.bias.any()
        map_ = n.Affine(weight, _real(layer.bias)) if carries else linear
        yield [(label, map_)]
    elif delay.shape[1] == 1:
        waits = _wait(np.broadcast_to(delay.reshape(-1), (targets,)), dt_s)
        yield [(label, n.Linear(weight)), (f"{name}_delay", waits)]
    elif delay.shape[0] == 1:
        waits = _wait(delay.reshape(-1), dt_s)
        yield [(f"{name}_delay", waits), (label, n.Linear(weight))]
    else:
        for each in np.unique(delay[layer.weight != 0]):
            waits = _wait(np.full(sources, each), dt_s)
            masked = n.Linear(np.where(delay == each, weight, 0.0))
            yield [(f"{name}_delay_{each}", waits), (f"{label}_after_{each}", masked)]


def _wait(steps: n.IntArray, dt_s: float) -> n.Delay:
    return n.Delay(steps.astype(np.float64) * dt_s)


def _carries_bias(layer: Layer) -> bool:
    """Say whether the map before the neurons can carry their bias, as it does in NIR.

    Not through a current that decays, nor through a delay: the bias starts at once.
    """
    is_late = isinstance(layer, DenseLayer) and bool(layer.delay.any())
    is_map = not isinstance(layer, InputLayer)
    assert layer.neurons is not None  # noqa: S101 - a bare input layer leads nowhere
    return is_map and not is_late and has_no_current(layer.neurons)


# --- populations ---------------------------------------------------------------------


def _population(name: str, layer: Layer, dt_s: float) -> n.Node:
    neurons = layer.neurons
    assert neurons is not None  # noqa: S101 - a bare input layer is no population
    shape = layer.shape
    threshold = np.full(shape, neurons.threshold / UNIT)
    zero = np.zeros(shape)
    v_decay = _spread(neurons.v_decay, shape)
    bias = zero if _carries_bias(layer) else _real(bias_of(layer)).reshape(shape)
    _check_leak(name, v_decay, neurons, bias)
    if not v_decay.any():  # adds up its input for ever
        r = np.full(shape, 1.0 / dt_s)
        return n.I(r) if neurons.is_silent else n.IF(r, threshold, zero)
    steps = DECAY_ONE / v_decay
    tau_s, v_leak = steps * dt_s, bias * steps
    if has_no_current(neurons):
        if neurons.is_silent:
            return n.LI(tau_s, steps, v_leak)
        return n.LIF(tau_s, steps, v_leak, threshold, zero)
    w_in = DECAY_ONE / _spread(neurons.i_decay, shape)
    if neurons.is_silent:
        return n.CubaLI(w_in * dt_s, tau_s, steps, v_leak, w_in)
    return n.CubaLIF(w_in * dt_s, tau_s, steps, v_leak, threshold, zero, w_in)


def _spread(values: n.PerNeuron, shape: n.Shape) -> n.FloatArray:
    return np.broadcast_to(per_neuron(values, shape), shape).astype(np.float64)


def _check_leak(
    name: str, v_decay: n.FloatArray, neurons: CubaNeurons, bias: n.FloatArray
) -> None:
    """Refuse what has no time constant: NIR's IF has no current and no bias."""
    if not np.all(np.asarray(neurons.i_decay) > 0):
        raise GraphError(
            f"'{name}': iDecay 0, a current that never decays; NIR has none; allowed: "
            f"1 to {DECAY_ONE}; convert it to integers (.npz) instead"
        )
    if v_decay.all():
        return
    if v_decay.any() or not has_no_current(neurons) or bias.any():
        raise GraphError(
            f"'{name}': vDecay 0, neurons without a leak; NIR has them only for a "
            "whole layer, without a current (iDecay 4096) and without a bias of their "
            "own, as of an input layer or beside delays; convert it to integers (.npz) "
            "instead"
        )
