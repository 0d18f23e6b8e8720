"""Whether the values of a node are of the types and in the ranges that its kind has.

For nodes from files: what Python code makes is checked by the type checker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from math import isfinite, prod
from types import MappingProxyType

import numpy as np

from spikewright import nodes as n
from spikewright.array_limit import check_array_bytes
from spikewright.errors import GraphError

_MOST = 2**53
_LEAST: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(
            ("stride", "dilation", "groups", "kernel", "size", "tokens"), 1
        ),
        **dict.fromkeys(("padding", "steps"), 0),
    }
)
"""field -> its smallest value; of the others the passes and executors judge"""
_AXES: Mapping[type[n.Node], int] = MappingProxyType(
    {
        n.DenseSynapses: 2,
        n.TokenSynapses: 3,
        n.ChannelSynapses: 3,
        n.ConvSynapses: 4,
        n.SparseSynapses: 1,
        n.Conv1d: 3,
        n.Conv2d: 4,
    }
)
"""how many axes a weight has"""
_OF_IMAGES = (n.ConvSynapses, n.SumPool2d, n.AvgPool2d)
"""nodes whose shape is (channels, rows, columns)"""


def _is_whole(value: object) -> bool:
    return (
        isinstance(value, int)
        and not isinstance(value, bool)
        and -_MOST <= value <= _MOST
    )


def _is_number(value: object) -> bool:
    return _is_whole(value) or (isinstance(value, float) and isfinite(value))


def _are_whole(value: object, count: int | None = None) -> bool:
    if not isinstance(value, tuple) or count not in (None, len(value)):
        return False
    return all(map(_is_whole, value))


def _is_shape(value: object) -> bool:
    return _are_whole(value) and _below(value) >= 1


def _are_pads(value: object) -> bool:
    is_two = isinstance(value, tuple) and len(value) == 2
    return is_two and all(_are_whole(each, 2) for each in value)  # type: ignore[attr-defined]


def _is_array(value: object, kinds: str = "iuf") -> bool:
    return (
        isinstance(value, np.ndarray)
        and value.dtype.kind in kinds
        and value.dtype.itemsize <= 8
        and bool(np.isfinite(value).all())
    )


def _is_per_neuron(value: object) -> bool:
    return _is_whole(value) or _is_array(value, "iu")


_FITS: Mapping[str, tuple[Callable[[object], bool], str]] = MappingProxyType(
    {
        "int": (_is_whole, "a whole number"),
        "float": (_is_number, "a finite number"),
        "Shape": (_is_shape, "a list of whole numbers of 1 or more"),
        "Pair": (lambda x: _are_whole(x, 2), "two whole numbers"),
        "Pads": (_are_pads, "two pairs of whole numbers"),
        "tuple[Pair, Pair]": (_are_pads, "two pairs of whole numbers"),
        "FloatArray": (_is_array, "an array of finite numbers"),
        "NumberArray": (_is_array, "an array of finite numbers"),
        "IntArray": (lambda x: _is_array(x, "iu"), "an array of whole numbers"),
        "PerNeuron": (_is_per_neuron, "a whole number, or an array of them"),
    }
)
"""type of a field, as it is written there -> whether a value is of it, and its name"""


def check_node_values(name: str, node: n.Node) -> None:
    """Check each field of a node.

    Raises:
        GraphError: a value is of another type or out of its range, or two do not fit.
        InputError: the signal of a node would be beyond the limit for a file.
    """
    for field in fields(node):
        value, kind = getattr(node, field.name), str(field.type)
        is_right, wanted = _FITS[kind.removesuffix(" | None")]
        if value is None and kind.endswith(" | None"):
            continue
        if not is_right(value) or _below(value) < _LEAST.get(field.name, -_MOST):
            raise GraphError(
                f"node '{name}': {field.name} of a {type(node).__name__} is "
                f"{_shown(value)}; allowed: {wanted}{_range(field.name)}; lower again"
            )
    _check_weight(name, node)
    _check_shape(name, node)


def _below(value: object) -> float:
    """Return the smallest number in a value."""
    if isinstance(value, tuple):
        return min(map(_below, value), default=1)
    if isinstance(value, np.ndarray):
        return float(value.min(initial=0))
    return float(value) if isinstance(value, int | float) else 0.0


def _range(field: str) -> str:
    return f" of {_LEAST[field]} or more" if field in _LEAST else ""


def _shown(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}, or not all finite"
    return repr(value)[:60]


def _check_weight(name: str, node: n.Node) -> None:
    weight, axes = getattr(node, "weight", None), _AXES.get(type(node))
    if axes is None or weight is None:
        return
    if weight.ndim != axes or (axes > 1 and not weight.size):
        raise GraphError(
            f"node '{name}': weight of a {type(node).__name__} has shape "
            f"{weight.shape}; allowed: {axes} axes, none of them empty; lower again"
        )
    if isinstance(node, n.SparseSynapses):
        _check_places(name, node)


def _check_places(name: str, node: n.SparseSynapses) -> None:
    for what, places, size in (
        ("targets", node.targets, node.shape[0]),
        ("sources", node.sources, node.shape[1]),
    ):
        is_inside = not places.size or 0 <= places.min() <= places.max() < size
        if places.shape != node.weight.shape or not is_inside:
            raise GraphError(
                f"node '{name}': {what} of {places.shape} synapses between "
                f"{node.shape}; allowed: one of 0 to {size - 1} for each weight; lower "
                "again"
            )


def _check_shape(name: str, node: n.Node) -> None:
    """Check the shape of a signal, and of what there is for each of its values."""
    shape: n.Shape = getattr(node, "shape", ())
    axes = 3 if isinstance(node, _OF_IMAGES) else len(shape)
    if len(shape) != axes or 0 in shape:
        raise GraphError(
            f"node '{name}': shape of a {type(node).__name__} is {shape}; allowed: "
            f"{axes} axes, none of them 0; lower again"
        )
    check_array_bytes(f"node '{name}': a signal of shape {shape}", 8 * prod(shape))
    if isinstance(node, n.MAPS):
        _check_bias(name, node)
    elif not isinstance(node, n.SYNAPSES):
        _check_alike(name, node, shape)


def _check_bias(name: str, node: n.Node) -> None:
    """Check the bias of a map, one for each target or target channel."""
    weight, bias = getattr(node, "weight", None), getattr(node, "bias", None)
    if weight is None or bias is None:
        return
    wanted = weight.shape[:-1] if isinstance(node, n.Affine) else weight.shape[:1]
    if bias.shape != wanted:
        raise GraphError(
            f"node '{name}': bias has shape {bias.shape}, but the weight needs "
            f"{wanted}; lower again"
        )


def _check_alike(name: str, node: n.Node, shape: n.Shape) -> None:
    """Check the parameters of neurons: one for all, or one for each."""
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, np.ndarray) and value.shape not in {
            (),
            shape or value.shape,
        }:
            raise GraphError(
                f"node '{name}': {field.name} has shape {value.shape}; allowed: one "
                f"number, or {shape}; lower again"
            )
