"""Integer layers into a netx file: the groups and fields that lava-dl itself writes."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spikewright.export.netx.layers import (
    ConvLayer,
    CubaNeurons,
    DenseLayer,
    InputLayer,
    Layer,
    Layers,
)
from spikewright.nodes import PerNeuron, Shape

Fields = dict[str, Any]


def write_layers(layers: Layers, path: Path) -> None:
    """Write layers, and a flatten layer where an image meets a dense layer.

    The same layers give the same bytes.
    """
    with h5py.File(path, "w", libver="earliest") as file:
        for index, fields in enumerate(_groups(layers)):
            group = file.create_group(f"layer/{index}")
            for name, value in fields.items():
                group.create_dataset(name, data=value)


def _groups(layers: Layers) -> Iterator[Fields]:
    """Yield the fields of each layer; an input of one flat axis needs none."""
    arriving: Shape = ()
    for layer in layers.values():
        is_flat = isinstance(layer, InputLayer) and len(layer.shape) == 1
        if len(arriving) > 1 and isinstance(layer, DenseLayer):
            yield {"type": _word("flatten"), "shape": np.array([prod(arriving)])}
        if not (is_flat and layer.neurons is None):
            yield _fields(layer)
        arriving = layer.shape


def _word(text: str) -> Any:
    return np.array([text], dtype="S10")


def _fields(layer: Layer) -> Fields:
    match layer:
        case InputLayer():
            fields = _input(layer)
        case DenseLayer():
            fields = _dense(layer)
        case ConvLayer():
            fields = _conv(layer)
    if layer.neurons is not None:
        neurons = _neurons(layer.neurons)
        fields |= {f"neuron/{name}": value for name, value in neurons.items()}
    return fields


def _input(layer: InputLayer) -> Fields:
    fields = {"type": _word("input"), "shape": np.array(layer.shape)}
    if layer.neurons is None:
        return fields
    driven = {"weight": np.float32(layer.weight), "bias": np.float32(layer.bias)}
    return fields | driven


def _dense(layer: DenseLayer) -> Fields:
    targets, sources = layer.weight.shape
    fields: Fields = {
        "type": _word("dense" if layer.recurrent is None else "dense_rec"),
        "shape": np.array([targets]),
        "inFeatures": sources,
        "outFeatures": targets,
        "weight": layer.weight.astype(np.float32),
    }
    if layer.recurrent is not None:
        fields["weight_rec"] = layer.recurrent.astype(np.float32)
    if layer.bias.any():
        fields["bias"] = layer.bias.astype(np.float32)
    if layer.delay.any():
        fields["delay"] = _delay(layer)
    return fields


def _delay(layer: DenseLayer) -> Any:
    """Return delays as netx tells them apart: by their number, targets first."""
    targets, sources = layer.weight.shape
    delay = layer.delay.astype(np.float32)
    if delay.size == 1:
        return np.repeat(delay.reshape(-1), targets)
    if delay.shape == (targets, 1) or (delay.shape[0] == 1 and targets != sources):
        return delay.reshape(-1)
    return np.broadcast_to(delay, layer.weight.shape)


def _conv(layer: ConvLayer) -> Fields:
    channels, own = layer.weight.shape[:2]
    fields: Fields = {
        "type": _word("conv"),
        "shape": np.array(layer.shape),
        "inChannels": own * layer.groups,
        "outChannels": channels,
        "kernelSize": np.array(layer.weight.shape[2:]),
        "stride": np.array(layer.stride),
        "padding": np.array(layer.padding),
        "dilation": np.array(layer.dilation),
        "groups": layer.groups,
        "weight": layer.weight.astype(np.float32),
    }
    if layer.bias.any():
        fields["bias"] = layer.bias.astype(np.float32)
    return fields


def _neurons(neurons: CubaNeurons) -> Fields:
    return {
        "type": np.bytes_("CUBA"),
        "iDecay": _register(neurons.i_decay),
        "vDecay": _register(neurons.v_decay),
        "vThMant": neurons.threshold,
        "refDelay": 1,
        "gradedSpike": False,
    }


def _register(values: PerNeuron) -> Any:
    return values if isinstance(values, int) else np.asarray(values)
