"""The fields of a layer in a netx file: shapes, neurons, weights, biases, delays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from spikewright.errors import GraphError, UnsupportedNodeError
from spikewright.export.netx.file import check_fields, integer, integers, word
from spikewright.export.netx.layers import (
    MAX_BIAS,
    MAX_NEURONS,
    CubaNeurons,
    weight_range,
)
from spikewright.loihi import DECAY_ONE, MAX_DELAY, MAX_THRESHOLD
from spikewright.nodes import IntArray, Pair, PerNeuron, Shape

NEURONS = ("CUBA", "LOIHI")
_BUILT: Mapping[str, int] = MappingProxyType(
    {"refDelay": 1, "gradedSpike": 0, "wgtExp": 0, "weight_exp": 0}
)
"""fields that lava-dl writes and does not read -> the value that it builds in Lava"""
_TRAINING = ("theta", "scaleRho", "tauRho", "messageBits")
"""fields that change no spike: of the surrogate gradient, and the width of messages"""
_NEURON = frozenset({"type", "iDecay", "vDecay", "vThMant", *_BUILT, *_TRAINING})


def read_shape(name: str, group: Any) -> Shape:
    """Return the shape that a layer says it has.

    Raises:
        GraphError: a length is not positive, or there are too many neurons.
    """
    lengths = tuple(int(each) for each in integers(name, group, "shape").reshape(-1))
    if min(lengths) < 1 or math.prod(lengths) > MAX_NEURONS:
        raise GraphError(
            f"'{name}': shape {lengths[:4]}; allowed: lengths of 1 or more, "
            f"{MAX_NEURONS} neurons in all"
        )
    return lengths


def check_said(name: str, group: Any, found: Mapping[str, tuple[int, ...]]) -> None:
    """Compare what a layer says of its sizes, if it does, with its weights.

    Raises:
        GraphError: two sizes differ.
    """
    for field, wanted in found.items():
        if field in group:
            said = tuple(integers(name, group, field).reshape(-1).tolist())
            if said not in {wanted, wanted[:1] * (len(set(wanted)) == 1)}:
                raise GraphError(
                    f"'{name}': says {field} {list(said)[:4]}, but its weights say "
                    f"{list(wanted)}; export the network again"
                )


# --- neurons -------------------------------------------------------------------------


def read_neurons(name: str, layer: Any, length: int) -> CubaNeurons:
    """Return the neurons of a layer; their decays may differ between `length` of them.

    Raises:
        GraphError: a register is missing or does not fit, or there is something that
            lava-dl does not build in Lava.
        UnsupportedNodeError: neurons of another type.
    """
    where, group = f"{name} neuron", layer["neuron"]
    kind = word(where, group, "type") if hasattr(group, "keys") else "none"
    if kind not in NEURONS:
        raise UnsupportedNodeError(
            name, f"a neuron of type '{kind[:60]}'", "read_netx", NEURONS
        )
    check_fields(where, group, _NEURON)
    for field, allowed in _BUILT.items():
        if field in group and integer(where, group, field) != allowed:
            raise GraphError(
                f"'{where}': {field} is {integer(where, group, field)}; allowed: "
                f"{allowed}, which is all that lava-dl builds in Lava; train without it"
            )
    threshold = integer(where, group, "vThMant")
    if threshold < 0:
        raise GraphError(f"'{where}': vThMant is {threshold}; allowed: 0 or more")
    decays = (_decay(where, group, field, length) for field in ("iDecay", "vDecay"))
    i_decay, v_decay = decays
    return CubaNeurons(i_decay, v_decay, min(threshold, MAX_THRESHOLD))


def _decay(where: str, group: Any, field: str, length: int) -> PerNeuron:
    decay = integers(where, group, field).reshape(-1)
    if decay.min() < 0 or decay.max() > DECAY_ONE:
        raise GraphError(
            f"'{where}': {field} from {decay.min()} to {decay.max()}; allowed: 0 to "
            f"{DECAY_ONE}"
        )
    if np.all(decay == decay[0]):
        return int(decay[0])
    if decay.size != length:
        raise GraphError(
            f"'{where}': {decay.size} values of {field}; allowed: 1 or {length}"
        )
    return decay


# --- weights -------------------------------------------------------------------------


def read_matrix(name: str, group: Any, field: str, targets: int) -> IntArray:
    """Return weights (targets, sources); a flat list is such a matrix, row by row.

    Raises:
        GraphError: they do not go with the number of targets.
    """
    weight = integers(name, group, field)
    if weight.ndim == 1 and weight.size % targets == 0:
        weight = weight.reshape(targets, -1)
    if weight.ndim != 2 or len(weight) != targets:
        raise GraphError(
            f"'{name}': {field} of shape {weight.shape}; allowed: ({targets}, "
            "sources), for its shape says how many targets there are"
        )
    return weight


def read_kernel(name: str, group: Any) -> IntArray:
    """Return weights (targets, sources / groups, rows, columns).

    Raises:
        GraphError: they have other axes; a fifth of length 1 is lava-dl's time.
    """
    weight = integers(name, group, "weight")
    if weight.shape[4:] == (1,):
        weight = weight.reshape(weight.shape[:4])
    if weight.ndim != 4:
        raise GraphError(
            f"'{name}': weight of shape {weight.shape}; allowed: (target channels, "
            "source channels / groups, rows, columns)"
        )
    return weight


def check_weights(name: str, *weights: IntArray) -> None:
    """Check that 8 bits hold the weights of a layer; lava-dl would clip in silence.

    Raises:
        GraphError: they do not.
    """
    least = min(int(each.min()) for each in weights)
    most = max(int(each.max()) for each in weights)
    low, high = weight_range(weights)
    if not low <= least <= most <= high:
        raise GraphError(
            f"'{name}': weights from {least} to {most}; allowed: {low} to {high}, what "
            "8 bits hold; scale weights, bias and threshold down together"
        )


def read_bias(name: str, group: Any, length: int) -> IntArray:
    """Return a bias for each neuron, or for each channel; 0 if there is none.

    Raises:
        GraphError: there are too many, or one does not fit 13 bits.
    """
    if "bias" not in group:
        return np.zeros(length, dtype=np.int64)
    bias = integers(name, group, "bias").reshape(-1)
    check_bias(name, bias)
    if bias.size not in {1, length}:
        raise GraphError(
            f"'{name}': {bias.size} biases; allowed: 1 or {length}, of neurons or of "
            "channels"
        )
    spread: IntArray = np.broadcast_to(bias, (length,))
    return spread


def check_bias(name: str, bias: IntArray) -> None:
    """Check that 13 bits hold biases, or the weight that drives an input layer.

    Raises:
        GraphError: they do not.
    """
    worst = int(np.abs(bias).max())
    if worst > MAX_BIAS:
        raise GraphError(
            f"'{name}': a bias or input weight of magnitude {worst}; allowed: "
            f"{MAX_BIAS}, which 13 bits hold"
        )


def read_delay(name: str, group: Any, shape: tuple[int, ...]) -> IntArray:
    """Return steps of delay; a list of them is one a target, else one a source.

    Args:
        name: of the layer.
        group: its fields.
        shape: (targets, sources).

    Raises:
        GraphError: they do not go with the weights, or are too long.
    """
    if "delay" not in group:
        return np.zeros((1, 1), dtype=np.int64)
    delay = integers(name, group, "delay")
    if delay.min() < 0 or delay.max() > MAX_DELAY:
        raise GraphError(
            f"'{name}': delays from {delay.min()} to {delay.max()} steps; allowed: 0 "
            f"to {MAX_DELAY}"
        )
    targets, sources = shape
    if delay.size > 1 and delay.shape not in {(targets,), (sources,), shape}:
        raise GraphError(
            f"'{name}': delays of shape {delay.shape}; allowed: ({targets},) for "
            f"targets, ({sources},) for sources, or {shape}"
        )
    if np.all(delay == delay.flat[0]):
        return delay.reshape(-1)[:1].reshape(1, 1)
    if delay.shape == (targets,):
        return delay.reshape(-1, 1)
    return delay.reshape(1, -1) if delay.ndim == 1 else delay


def read_pair(name: str, group: Any, field: str, least: int) -> Pair:
    """Return an option for rows and columns; one number stands for both.

    Raises:
        GraphError: it is not one number or two, of `least` or more.
    """
    given = [int(each) for each in integers(name, group, field).reshape(-1)]
    if len(given) > 2 or min(given) < least or max(given) > MAX_NEURONS:
        raise GraphError(
            f"'{name}': {field} is {given[:4]}; allowed: one number or two, "
            f"{least} or more"
        )
    return given[0], given[-1]
