"""One NIR node, as its file has it, into one of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError, UnsupportedNodeError
from spikewright.export.graphs.shapes import same_pads
from spikewright.export.nir.fields import KINDS
from spikewright.export.nir.values import Values

DYNAMICS: Mapping[str, Callable[..., n.Node]] = MappingProxyType(
    {
        "LIF": n.LIF,
        "IF": n.IF,
        "LI": n.LI,
        "I": n.I,
        "CubaLIF": n.CubaLIF,
        "CubaLI": n.CubaLI,
        "Threshold": n.Threshold,
        "Delay": n.Delay,
    }
)
"""kinds whose fields are ours but for `RENAMED`"""
RENAMED: Mapping[str, str] = MappingProxyType(
    {
        "tau": "tau_s",
        "tau_syn": "tau_syn_s",
        "tau_mem": "tau_mem_s",
        "delay": "delay_s",
    }
)
"""NIR's name of what is in seconds -> ours"""


def parse_node(
    name: str, kind: str, values: Values, arriving: n.Shape | None = None
) -> n.Node:
    """Return our counterpart of a NIR node.

    Args:
        name: its name, for errors.
        kind: its kind in NIR, such as "LIF".
        values: its fields.
        arriving: the shape of what is sent to it, where its own fields leave it open.

    Raises:
        GraphError: a parameter is out of range, or does not fit another.
        UnsupportedNodeError: the node is of a kind that is not supported.
    """
    if kind not in _PARSERS:
        raise UnsupportedNodeError(name, kind, "NIR", KINDS)
    return _PARSERS[kind](name, kind, values, arriving)


# --- dynamics ------------------------------------------------------------------------


def _dynamics(name: str, kind: str, values: Values, _: n.Shape | None) -> n.Node:
    for field in RENAMED:
        if field in values:
            _check_time(name, field, _array(values, field))
    given = {RENAMED.get(field, field): value for field, value in values.items()}
    if "v_threshold" in values:
        given.setdefault("v_reset", np.zeros(_array(values, "v_threshold").shape))
    if kind in {"CubaLIF", "CubaLI"}:
        w_in = cast(n.FloatArray, values.get("w_in", np.ones(())))
        given["w_in"] = w_in if w_in.shape else np.full(_array(values, "r").shape, w_in)
    return DYNAMICS[kind](**given)


def _check_time(name: str, field: str, values: n.FloatArray) -> None:
    if field == "delay" and values.min() < 0:
        raise GraphError(
            f"node '{name}': delay is {values.min()}; allowed: 0 or above; correct it"
        )
    if field != "delay" and values.min() <= 0:
        raise GraphError(
            f"node '{name}': {field}, a time constant {values.min()} s; allowed: above "
            "0; a neuron without a leak is an IF or I node"
        )


# --- ends and maps -------------------------------------------------------------------


def _end(name: str, kind: str, values: Values, _: n.Shape | None) -> n.Node:
    shape = _whole(values, "shape")
    return n.Input(shape) if kind == "Input" else n.Output(shape)


def _matrix(name: str, kind: str, values: Values, _: n.Shape | None) -> n.Node:
    weight = _array(values, "weight")
    if kind == "Linear":
        return n.Linear(weight)
    return n.Affine(weight, _bias(name, values, weight.shape[:-1]))


def _scale(name: str, kind: str, values: Values, _: n.Shape | None) -> n.Node:
    return n.Scale(_array(values, "scale"))


def _bias(name: str, values: Values, shape: n.Shape) -> n.FloatArray:
    bias = _array(values, "bias")
    if bias.shape != shape:
        raise GraphError(
            f"node '{name}': bias has shape {bias.shape}, but the weight needs "
            f"{shape}; correct the bias"
        )
    return bias


def _convolution(
    name: str, kind: str, values: Values, arriving: n.Shape | None
) -> n.Conv1d | n.Conv2d:
    weight = _array(values, "weight")
    bias = _bias(name, values, weight.shape[:1])
    axes = weight.ndim - 2
    stride, dilation = (
        _at_least(name, values, field, 1, axes) for field in ("stride", "dilation")
    )
    (groups,) = _at_least(name, values, "groups", 1, 1)
    if weight.shape[0] % groups:
        raise GraphError(
            f"node '{name}': {weight.shape[0]} target channels cannot be split into "
            f"{groups} groups; correct groups or weight"
        )
    size = _size(name, kind, values, arriving)
    pads = _pads(name, values, weight.shape[2:], stride, dilation)
    if axes == 1:
        (tokens,), (step,), (gap,) = size, stride, dilation
        return n.Conv1d(weight, bias, tokens, step, pads[0], gap, groups)
    return n.Conv2d(
        weight,
        bias,
        _pair(size),
        _pair(stride),
        (pads[0], pads[1]),
        _pair(dilation),
        groups,
    )


def _size(
    name: str, kind: str, values: Values, arriving: n.Shape | None
) -> tuple[int, ...]:
    """Return the lengths a kernel slides over, as the file says or as they arrive."""
    axes = int(kind[-2])
    if "input_shape" not in values:
        return _arriving(name, kind, arriving, axes + 1)[1:]
    size = _at_least(name, values, "input_shape", 1, axes)
    if len(_whole(values, "input_shape")) != axes:
        raise GraphError(
            f"node '{name}': input_shape is {size[0]}; allowed: (rows, columns); "
            "export the model again"
        )
    return size


def _pads(
    name: str,
    values: Values,
    taps: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> list[n.Pair]:
    """Return the zeros before and after, along each axis of a kernel."""
    padding = values["padding"]
    if not isinstance(padding, str):
        return [(pad, pad) for pad in _at_least(name, values, "padding", 0, len(taps))]
    if padding == "valid":
        return [(0, 0) for _ in taps]
    if padding != "same":
        raise GraphError(
            f"node '{name}': padding is '{padding}'; allowed: whole numbers, 'same' "
            "or 'valid'; export the model again"
        )
    if set(stride) != {1}:
        raise GraphError(
            f"node '{name}': padding 'same' with a stride of {max(stride)}; allowed: "
            "stride 1, as in torch; give the padding as a number"
        )
    return [same_pads(*axis) for axis in zip(taps, dilation, strict=True)]


def _pool(
    name: str, kind: str, values: Values, arriving: n.Shape | None
) -> n.SumPool2d | n.AvgPool2d:
    shape = _arriving(name, kind, arriving, 3)
    kernel, stride, padding = (
        _pair(_at_least(name, values, field, least, 2))
        for field, least in (("kernel_size", 1), ("stride", 1), ("padding", 0))
    )
    pool = n.SumPool2d if kind == "SumPool2d" else n.AvgPool2d
    return pool(shape, kernel, stride, padding)


def _flatten(
    name: str, kind: str, values: Values, arriving: n.Shape | None
) -> n.Flatten:
    given = cast(n.Shape | None, values.get("input_type", arriving))
    shape = _arriving(name, kind, given, None)
    start, end = (_whole(values, field)[0] for field in ("start_dim", "end_dim"))
    first, last = (dim + len(shape) * (dim < 0) for dim in (start, end))
    if not 0 <= first <= last < len(shape):
        raise GraphError(
            f"node '{name}': joins dimensions {start} to {end} of shape {shape}; "
            f"allowed: 0 to {len(shape) - 1} in order, or counted from the end by "
            "negative numbers, and without the batch; correct start_dim or end_dim"
        )
    joined = int(np.prod(shape[first : last + 1]))
    return n.Flatten(shape, (*shape[:first], joined, *shape[last + 1 :]))


def _arriving(
    name: str, kind: str, shape: n.Shape | None, dimensions: int | None
) -> n.Shape:
    """Return the shape that arrives; `dimensions` of them, where that matters."""
    if shape is None or dimensions not in {None, len(shape)}:
        raise GraphError(
            f"node '{name}': a {kind} takes {dimensions} dimensions, but shape {shape} "
            "arrives; correct what is before it"
        )
    return shape


# --- fields --------------------------------------------------------------------------


def _array(values: Values, field: str) -> n.FloatArray:
    return cast(n.FloatArray, values[field])


def _whole(values: Values, field: str) -> tuple[int, ...]:
    return cast(tuple[int, ...], values[field])


def _at_least(
    name: str, values: Values, field: str, least: int, axes: int
) -> tuple[int, ...]:
    """Return an option for each axis; one number stands for all."""
    given = _whole(values, field)
    if min(given) < least:
        raise GraphError(
            f"node '{name}': {field} is {min(given)}; allowed: {least} or above; "
            "correct it"
        )
    return given * axes if len(given) == 1 else given


def _pair(values: tuple[int, ...]) -> n.Pair:
    first, second = values
    return first, second


_PARSERS: Mapping[str, Callable[[str, str, Values, n.Shape | None], n.Node]] = (
    MappingProxyType(
        {
            "Input": _end,
            "Output": _end,
            "Affine": _matrix,
            "Linear": _matrix,
            "Scale": _scale,
            "Conv1d": _convolution,
            "Conv2d": _convolution,
            "SumPool2d": _pool,
            "AvgPool2d": _pool,
            "Flatten": _flatten,
            **dict.fromkeys(DYNAMICS, _dynamics),
        }
    )
)
