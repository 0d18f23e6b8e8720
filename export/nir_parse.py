"""One NIR node into one of ours, and back."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from spikewright import nodes as n
from spikewright.errors import GraphError, UnsupportedNodeError
from spikewright.export.nir_check import FIELDS

_EXACT = 2**53  # the largest integer up to which float64 holds every integer


def parse_node(name: str, node: object) -> n.Node:
    """Return our counterpart of a NIR node, with values as float64.

    Raises:
        GraphError: a parameter is not finite or out of range, or does not fit another.
        UnsupportedNodeError: the node is of a kind or uses an option not supported.
    """
    match node:
        case nir.Input():
            return n.Input(_shape(name, node.input_type["input"]))
        case nir.Output():
            return n.Output(_shape(name, node.output_type["output"]))
        case nir.LIF() | nir.IF() | nir.LI() | nir.I() | nir.Threshold() | nir.Delay():
            return _parse_dynamic(name, node)
        case nir.Affine() | nir.Linear() | nir.Conv1d() | nir.Scale() | nir.Flatten():
            return _parse_map(name, node)
        case _:
            raise UnsupportedNodeError(name, type(node).__name__, "NIR", [*FIELDS])


def _parse_map(name: str, node: Any) -> n.Node:
    match node:
        case nir.Affine():
            weight, bias = _numbers(name, "weight", node.weight), node.bias
            return n.Affine(weight, _bias(name, bias, weight.shape[:-1]))
        case nir.Linear():
            return n.Linear(_numbers(name, "weight", node.weight))
        case nir.Conv1d():
            return _parse_conv1d(name, node)
        case nir.Scale():
            return n.Scale(_numbers(name, "scale", node.scale))
        case _:
            return n.Flatten(
                _shape(name, node.input_type["input"]),
                _shape(name, node.output_type["output"]),
            )


def _parse_conv1d(name: str, node: Any) -> n.Conv1d:
    weight = _numbers(name, "weight", node.weight)
    (tokens,) = _shape(name, np.ravel(node.input_shape))
    if weight.shape[2] > tokens:
        raise GraphError(
            f"node '{name}': {weight.shape[2]} taps do not fit into {tokens} tokens; "
            "use fewer taps or more tokens"
        )
    return n.Conv1d(weight, _bias(name, node.bias, weight.shape[:1]), tokens)


def _parse_dynamic(name: str, node: Any) -> n.Node:
    def get(field: str) -> n.FloatArray:
        return _numbers(name, field, getattr(node, field))

    match node:
        case nir.LIF():
            tau_s, r, v_leak = _tau_s(name, node), get("r"), get("v_leak")
            return n.LIF(tau_s, r, v_leak, get("v_threshold"), get("v_reset"))
        case nir.IF():
            return n.IF(get("r"), get("v_threshold"), get("v_reset"))
        case nir.LI():
            return n.LI(_tau_s(name, node), get("r"), get("v_leak"))
        case nir.I():
            return n.I(get("r"))
        case nir.Threshold():
            return n.Threshold(get("threshold"))
        case _:
            return n.Delay(_at_least_zero(name, "delay", get("delay")))


def _tau_s(name: str, node: Any) -> n.FloatArray:
    tau_s = _numbers(name, "tau", node.tau)
    if tau_s.min() <= 0:
        raise GraphError(
            f"node '{name}': time constant {tau_s.min()} s; allowed: above 0; "
            "a decay of 1 is an IF or I node"
        )
    return tau_s


def _at_least_zero(name: str, field: str, values: n.FloatArray) -> n.FloatArray:
    if values.min() < 0:
        raise GraphError(
            f"node '{name}': {field} is {values.min()}; allowed: 0 or above; correct it"
        )
    return values


def _numbers(name: str, field: str, values: object) -> n.FloatArray:
    """Return finite float64 values, equal to those given."""
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise GraphError(
            f"node '{name}': {field} is of type {array.dtype}; allowed: integer or "
            "floating point; convert it"
        )
    exact: n.FloatArray = array.astype(np.float64)
    if not np.isfinite(exact).all():
        raise GraphError(
            f"node '{name}': {field} holds {_first_strange(exact)}; allowed: finite "
            "numbers; look for a training that diverged or a decay of 1"
        )
    if array.dtype.kind in "iu" and np.abs(exact).max(initial=0) >= _EXACT:
        raise GraphError(
            f"node '{name}': {field} holds integers of 2**53 or more, which float64 "
            "cannot hold exactly; rescale them"
        )
    return exact


def _first_strange(values: n.FloatArray) -> str:
    place = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
    return f"{values[place]} at {list(place)}"


def _bias(name: str, values: object, shape: n.Shape) -> n.FloatArray:
    bias = _numbers(name, "bias", values)
    if bias.shape != shape:
        raise GraphError(
            f"node '{name}': bias has shape {bias.shape}, but the weight needs "
            f"{shape}; correct the bias"
        )
    return bias


def _shape(name: str, values: object) -> n.Shape:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iu" or not array.size:
        raise GraphError(
            f"node '{name}': shape is {values}; allowed: a list of one or more integers"
        )
    if array.min() < 1:
        raise GraphError(
            f"node '{name}': shape is {array.tolist()}; allowed: lengths of 1 or more"
        )
    return tuple(int(length) for length in array)


def to_nir(name: str, node: n.Node) -> Any:
    """Return the NIR node that `parse_node` reads back; time constants as float64.

    Raises:
        GraphError: NIR cannot say what the node does.
        UnsupportedNodeError: the node belongs to a later stage.
    """
    match node:
        case n.Input(shape):
            return nir.Input({"input": np.array(shape)})
        case n.Output(shape):
            return nir.Output({"output": np.array(shape)})
        case n.Affine() | n.Linear() | n.Conv1d() | n.Scale() | n.Flatten():
            return _map_to_nir(name, node)
        case n.LIF() | n.IF() | n.LI() | n.I() | n.Threshold() | n.Delay():
            return _dynamic_to_nir(node)
        case _:
            raise UnsupportedNodeError(name, type(node).__name__, "NIR", [*FIELDS])


def _map_to_nir(
    name: str, node: n.Affine | n.Linear | n.Conv1d | n.Scale | n.Flatten
) -> Any:
    match node:
        case n.Affine(weight, bias):
            return nir.Affine(weight, bias)
        case n.Linear(weight):
            return nir.Linear(weight)
        case n.Conv1d(weight, bias, tokens):
            return nir.Conv1d(tokens, weight, 1, 0, 1, 1, bias)
        case n.Scale(scale):
            return nir.Scale(scale)
        case n.Flatten(shape, target_shape):
            first, last = _flattened(name, shape, target_shape)
            return nir.Flatten({"input": np.array(shape)}, first, last)


def _dynamic_to_nir(
    node: n.LIF | n.IF | n.LI | n.I | n.Threshold | n.Delay,
) -> Any:
    match node:
        case n.LIF(tau_s, r, v_leak, v_threshold, v_reset):
            return nir.LIF(_float64(tau_s), r, v_leak, v_threshold, v_reset)
        case n.IF(r, v_threshold, v_reset):
            return nir.IF(r, v_threshold, v_reset)
        case n.LI(tau_s, r, v_leak):
            return nir.LI(_float64(tau_s), r, v_leak)
        case n.I(r):
            return nir.I(r)
        case n.Threshold(threshold):
            return nir.Threshold(threshold)
        case n.Delay(delay_s):
            return nir.Delay(_float64(delay_s))


def _float64(values: npt.NDArray[Any]) -> n.FloatArray:
    return values.astype(np.float64)


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
