"""The second run of a forward, on other numbers: what is constant stays the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from spikewright.errors import GraphError
from spikewright.export.snntorch.record.tape import Call, Tape, Value, is_equal

_FIXED = 0.5
"""what would be the same again"""


def other_numbers(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of which every number is another, and spikes are spikes."""
    return {
        name: _others(value) if isinstance(value, torch.Tensor) else value
        for name, value in arguments.items()
    }


def _others(value: torch.Tensor) -> torch.Tensor:
    """Return 1 - x; whole numbers, which may be places in a table, change places."""
    if not value.is_floating_point():
        return value.flip(tuple(range(value.ndim)))
    return torch.where(value == _FIXED, 2 * _FIXED, 1 - value)


def check_same(one: Tape, other: Tape) -> None:
    """Check that the same was done twice, with the same constants."""
    for ours, theirs in zip(one.calls, other.calls, strict=False):
        same = (ours.name, ours.path) == (theirs.name, theirs.path)
        held = [ours.args, ours.kwargs], [theirs.args, theirs.kwargs]
        if not (same and _is_alike(*held)):
            raise _changes(ours)
    if len(one.calls) != len(other.calls) or not _is_alike(
        one.returned, other.returned
    ):
        raise GraphError(
            "forward does something else when it runs again on other numbers; a graph "
            "does always the same; do not decide by the values of signals"
        )


def _is_alike(one: Any, other: Any) -> bool:
    """Compare arguments of two runs; Values have their own place in each."""
    if isinstance(one, Value) or isinstance(other, Value):
        return type(one) is type(other) and one.shape == other.shape
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_is_alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            _is_alike(one[key], other[key]) for key in one
        )
    return is_equal(one, other)


def _changes(call: Call) -> GraphError:
    return GraphError(
        f"module '{call.path}': '{call.name}' takes a tensor that looks constant, but "
        "is another when forward runs again on other numbers; allowed: parameters, and "
        "what torch's functions make of signals; keep states in neurons, layers where "
        "the module knows them (no plain lists), and use no autograd functions of your "
        "own"
    )
