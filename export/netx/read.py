"""One layer of a netx file after the other, from groups of HDF5 to integer layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from spikewright.errors import GraphError, UnsupportedNodeError
from spikewright.export.netx.fields import (
    check_bias,
    check_said,
    check_weights,
    read_bias,
    read_delay,
    read_kernel,
    read_matrix,
    read_neurons,
    read_pair,
    read_shape,
)
from spikewright.export.netx.file import check_fields, integer, opened_layers, word
from spikewright.export.netx.layers import (
    MAX_NEURONS,
    UNIT,
    ConvLayer,
    CubaNeurons,
    DenseLayer,
    InputLayer,
    Layer,
    Layers,
)
from spikewright.loihi import DECAY_ONE, MAX_THRESHOLD
from spikewright.nodes import IntArray, Shape

_FLAT = ("type", "shape")
_DENSE = (*_FLAT, "neuron", "weight", "bias", "delay", "inFeatures", "outFeatures")
_CONV = (
    *(*_FLAT, "neuron", "weight", "bias", "delay", "inChannels", "outChannels"),
    *("kernelSize", "stride", "padding", "dilation", "groups"),
)
_FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "input": frozenset({*_FLAT, "neuron", "weight", "bias"}),
        "flatten": frozenset(_FLAT),
        "dense": frozenset(_DENSE),
        "dense_rec": frozenset({*_DENSE, "weight_rec"}),
        "conv": frozenset(_CONV),
    }
)
"""the layers that netx builds in Lava, and what they may hold"""
_READOUT = CubaNeurons(DECAY_ONE, 0, MAX_THRESHOLD)
"""behind a dense layer without neurons: v is the sum of all input. lava-dl lets the
current sum it up (iDecay 0, vDecay 4096), to the same v"""


def read_layers(path: Path, num_layers: int | None = None) -> Layers:
    """Read the first layers of a netx file, or all; flattening is left to the shapes.

    A layer has the number that it has in the file: `layer3`.

    Raises:
        InputError: the file is missing, damaged or no netx file.
        GraphError: a layer is malformed, or does not fit the one before it.
        UnsupportedNodeError: a layer or neuron is of a kind that is not supported.
    """
    layers: Layers = {}
    arriving: Shape | None = None
    with opened_layers(path) as groups:
        for index, group in enumerate(groups[:num_layers]):
            name = f"layer{index}"
            kind = _kind(name, group)
            if kind == "flatten" or (kind in _FLATTENING and _is_bare(layers)):
                arriving = _flat(name, arriving)
            if kind != "flatten":
                layer = _PARSERS[kind](name, group, arriving)
                if isinstance(layer, DenseLayer) and not layers:
                    layers["input"] = InputLayer(layer.weight.shape[1:])
                layers[name] = layer
                arriving = layer.shape
    _check_order(layers)
    return layers


def _kind(name: str, group: Any) -> str:
    kind = word(name, group, "type") if hasattr(group, "keys") else "a value"
    if kind not in _FIELDS:
        raise UnsupportedNodeError(
            name, f"a layer of type '{kind[:60]}'", "read_netx", [*_FIELDS]
        )
    check_fields(name, group, _FIELDS[kind])
    return kind


def _is_bare(layers: Layers) -> bool:
    """Say whether so far there is but a shape: netx takes its values as they come."""
    last = list(layers.values())[-1:]
    return any(isinstance(each, InputLayer) and each.neurons is None for each in last)


def _flat(name: str, arriving: Shape | None) -> Shape:
    if arriving is None:
        raise GraphError(f"'{name}': nothing to flatten; begin with an input layer")
    return (math.prod(arriving),)


def _check_order(layers: Layers) -> None:
    if not layers or (len(layers) == 1 and _is_bare(layers)):
        raise GraphError(
            "a network without neurons; allowed: one layer of them or more"
        )
    *before, last = layers
    for name in before:
        neurons = layers[name].neurons
        if neurons is not None and neurons.is_silent:
            raise GraphError(
                f"'{name}': threshold {neurons.threshold} is out of reach, so nothing "
                f"gets to '{last}'; allowed: below {MAX_THRESHOLD} up to the last layer"
            )


# --- layers --------------------------------------------------------------------------


def _input(name: str, group: Any, arriving: Shape | None) -> InputLayer:
    if arriving is not None:
        raise GraphError(f"'{name}': an input layer after others; allowed: first only")
    shape = read_shape(name, group)
    if len(shape) not in {1, 3}:
        raise GraphError(
            f"'{name}': shape {shape}; allowed: (neurons,) or (channels, rows, columns)"
        )
    if "neuron" not in group:
        return InputLayer(shape)
    neurons = read_neurons(name, group, 1)
    if neurons.i_decay != DECAY_ONE:
        raise GraphError(
            f"'{name}': iDecay is {neurons.i_decay} in an input layer; allowed: "
            f"{DECAY_ONE}, because lava-dl drives its voltage in Lava, but its current "
            "in training, and only then are they one"
        )
    weight = integer(name, group, "weight") if "weight" in group else UNIT
    bias = integer(name, group, "bias") if "bias" in group else 0
    check_bias(name, np.array([weight, bias]))
    return InputLayer(shape, neurons, weight, bias)


def _dense(name: str, group: Any, arriving: Shape | None) -> DenseLayer:
    targets = math.prod(read_shape(name, group))
    weight = read_matrix(name, group, "weight", targets)
    sources = weight.shape[1]
    if arriving is not None and arriving != (sources,):
        raise GraphError(
            f"'{name}': weights for {sources} sources, but {arriving} arrive; a dense "
            "layer takes one flat axis: correct the weight, or put a flatten layer "
            "before it"
        )
    check_said(name, group, {"inFeatures": (sources,), "outFeatures": (targets,)})
    recurrent = _recurrent(name, group, targets)
    check_weights(name, weight, *([] if recurrent is None else [recurrent]))
    bias = read_bias(name, group, targets)
    neurons = _READOUT
    if "neuron" in group:
        neurons = read_neurons(name, group, targets)
    elif bias.any():
        raise GraphError(f"'{name}': a bias without neurons; allowed: none; add them")
    delay = read_delay(name, group, weight.shape)
    return DenseLayer(neurons, weight, bias, recurrent, delay)


def _recurrent(name: str, group: Any, targets: int) -> IntArray | None:
    if "weight_rec" not in group:
        return None
    recurrent = read_matrix(name, group, "weight_rec", targets)
    if recurrent.shape != (targets, targets) or "delay" in group:
        raise GraphError(
            f"'{name}': weight_rec of shape {recurrent.shape}"
            f"{' and a delay' * ('delay' in group)}; allowed: {(targets, targets)} "
            "without a delay, for which lava-dl itself forgets the exponent of weights"
        )
    return recurrent


def _conv(name: str, group: Any, arriving: Shape | None) -> ConvLayer:
    if arriving is None or len(arriving) != 3:
        raise GraphError(
            f"'{name}': a conv layer takes (channels, rows, columns), got "
            f"{arriving or 'no shape'}; begin with an input layer that has a shape"
        )
    for field, wanted in (("delay", False), ("neuron", True)):
        if (field in group) != wanted:
            raise GraphError(
                f"'{name}': a conv layer with{'out' * wanted} a {field}, which lava-dl "
                f"does not build; {'add' if wanted else 'train without'} it"
            )
    weight = read_kernel(name, group)
    check_weights(name, weight)
    layer = ConvLayer(
        read_neurons(name, group, len(weight)),
        weight,
        read_bias(name, group, len(weight)),
        arriving,
        read_pair(name, group, "stride", 1),
        read_pair(name, group, "padding", 0),
        read_pair(name, group, "dilation", 1),
        integer(name, group, "groups"),
    )
    _check_conv(name, group, layer)
    return layer


def _check_conv(name: str, group: Any, layer: ConvLayer) -> None:
    targets, own, *kernel = layer.weight.shape
    channels = layer.source[0]
    if layer.groups < 1 or targets % layer.groups or own * layer.groups != channels:
        raise GraphError(
            f"'{name}': {layer.groups} groups of {own} source channels for {channels} "
            f"channels that arrive and {targets} targets; correct groups or weight"
        )
    if min(layer.shape) < 1 or math.prod(layer.shape) > MAX_NEURONS:
        raise GraphError(
            f"'{name}': would have the shape {layer.shape}; allowed: lengths of 1 or "
            f"more, {MAX_NEURONS} neurons in all; correct the kernel"
        )
    found = {
        "shape": layer.shape,
        "inChannels": (channels,),
        "outChannels": (targets,),
        "kernelSize": tuple(kernel),
    }
    check_said(name, group, found)


_PARSERS: Mapping[str, Callable[[str, Any, Shape | None], Layer]] = MappingProxyType(
    {"input": _input, "dense": _dense, "dense_rec": _dense, "conv": _conv}
)
_FLATTENING = ("dense", "dense_rec")
