"""One of our nodes into one of NIR's."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import nir
import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError, UnsupportedNodeError
from spikewright.export.graphs.shapes import check_alike, same_pads
from spikewright.export.nir.fields import KINDS
from spikewright.export.nir.parse import DYNAMICS, RENAMED


class _Shared(np.ndarray[Any, Any]):
    """An array that `dataclasses.asdict`, as nir calls it, does not copy."""

    def __deepcopy__(self, memo: object) -> _Shared:
        return self


def to_nir(name: str, node: n.Node) -> Any:
    """Return the NIR node that `parse_node` reads back; times are float64.

    Raises:
        GraphError: NIR cannot say what the node does.
        UnsupportedNodeError: the node belongs to a later stage.
    """
    match node:
        case n.Input(shape):
            return nir.Input({"input": np.array(shape)})
        case n.Output(shape):
            return nir.Output({"output": np.array(shape)})
        case n.Affine() | n.Linear() | n.Scale() | n.Flatten():
            return _map_to_nir(name, node)
        case n.Conv1d() | n.Conv2d() | n.SumPool2d() | n.AvgPool2d():
            return _windowed_to_nir(name, node)
        case _ if type(node).__name__ in DYNAMICS:
            return _dynamics_to_nir(name, node)
        case _:
            raise UnsupportedNodeError(name, type(node).__name__, "NIR", KINDS)


def _map_to_nir(name: str, node: n.Affine | n.Linear | n.Scale | n.Flatten) -> Any:
    match node:
        case n.Affine(weight, bias):
            return nir.Affine(_shared(weight), _shared(bias))
        case n.Linear(weight):
            return nir.Linear(_shared(weight))
        case n.Scale(scale):
            return nir.Scale(_shared(scale))
        case n.Flatten(shape, target_shape):
            first, last = _flattened(name, shape, target_shape)
            return nir.Flatten({"input": np.array(shape)}, first, last)


def _shared(values: n.NumberArray) -> n.NumberArray:
    return values.view(_Shared)


def _windowed_to_nir(
    name: str, node: n.Conv1d | n.Conv2d | n.SumPool2d | n.AvgPool2d
) -> Any:
    match node:
        case n.Conv1d(weight, bias, tokens, stride, pads, dilation, groups):
            padding = _padding(name, weight.shape[2:], [pads], (stride,), (dilation,))
            one = padding if isinstance(padding, str) else padding[0]
            kernel = _shared(weight)
            return nir.Conv1d(
                tokens, kernel, stride, one, dilation, groups, _shared(bias)
            )
        case n.Conv2d(weight, bias, size, strides, both_pads, dilations, groups):
            padding = _padding(name, weight.shape[2:], both_pads, strides, dilations)
            kernel = _shared(weight)
            return nir.Conv2d(
                size, kernel, strides, padding, dilations, groups, _shared(bias)
            )
        case _:
            kind = getattr(nir, type(node).__name__)
            return kind(*map(np.array, (node.kernel, node.stride, node.padding)))


def _padding(
    name: str,
    taps: n.Shape,
    pads: list[n.Pair] | tuple[n.Pair, n.Pair],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> str | tuple[int, ...]:
    """Write pads as numbers where they are alike on both sides, else as "same"."""
    if all(before == after for before, after in pads):
        return tuple(before for before, _ in pads)
    same = [same_pads(*axis) for axis in zip(taps, dilation, strict=True)]
    if [*pads] == same and set(stride) == {1}:
        return "same"
    raise GraphError(
        f"node '{name}': NIR cannot say a padding of {[*pads]}; allowed: as many zeros "
        f"before as after, or with a stride of 1 those of 'same', {same}; use a longer "
        "kernel with weights of 0, or pad both sides"
    )


def _dynamics_to_nir(name: str, node: n.Node) -> Any:
    given: dict[str, n.NumberArray] = {
        each.name: getattr(node, each.name) for each in fields(node)
    }
    kind = type(node).__name__
    check_alike(name, kind, {field: each.shape for field, each in given.items()})
    times = {
        theirs: given.pop(ours).astype(np.float64)
        for theirs, ours in RENAMED.items()
        if ours in given
    }
    parameters = {field: _shared(each) for field, each in {**given, **times}.items()}
    return getattr(nir, kind)(**parameters)


def _flattened(name: str, shape: n.Shape, target_shape: n.Shape) -> tuple[int, int]:
    """Find which run of dimensions NIR must join to make `target_shape`."""
    for first in range(len(shape)):
        for last in range(first, len(shape)):
            joined = int(np.prod(shape[first : last + 1]))
            if (*shape[:first], joined, *shape[last + 1 :]) == target_shape:
                return first, last
    raise GraphError(
        f"node '{name}': NIR can join neighboring dimensions of {shape}, but not "
        f"reshape to {target_shape}; flatten to one dimension instead"
    )
