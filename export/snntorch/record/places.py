"""Which part of a tensor a call takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from spikewright.export.snntorch.record.tape import Call, Item, Value, op

_WHOLE = (torch.int64, torch.int32, torch.int16, torch.uint8)


@dataclass(frozen=True)
class Place:
    """One place along one axis of a tensor."""

    source: Value
    axis: int
    index: int


def place_of(call: Call, value: Any = None) -> Place | None:
    """Return which place a call takes, if it takes one place along one axis."""
    source = call.args[0] if call.args else None
    if not isinstance(source, Value):
        return None
    if op(call) == "unbind" and isinstance(value, Item):
        return Place(source, unbound(call)[0], value.index)
    if op(call) == "select" and len(call.args) == 3:
        axis, index = int(call.args[1]) % len(source.shape), int(call.args[2])
        return Place(source, axis, index % source.shape[axis])
    if op(call) != "__getitem__":
        return None
    chosen = one_index(source, call.args[1])
    return None if chosen is None else Place(source, *chosen)


def one_index(source: Value | torch.Tensor, given: Any) -> tuple[int, int] | None:
    """Read `[t]`, `[:, t]` or `[..., t]` as axis and index, if it is one of them."""
    place = [_whole(each) for each in (given if type(given) is tuple else (given,))]
    if not all(type(each) is int or each in (slice(None), ...) for each in place):
        return None
    rest = len(source.shape) - (len(place) - (... in place))
    full: list[Any] = []
    for each in place:
        full += [slice(None)] * rest if each is ... else [each]
    chosen = [(i, each) for i, each in enumerate(full) if each != slice(None)]
    if len(chosen) != 1:
        return None
    axis, index = chosen[0]
    return axis, index % source.shape[axis]


def _whole(index: Any) -> Any:
    """Return a whole number that a tensor or numpy holds as Python's."""
    if isinstance(index, torch.Tensor):
        is_number = index.ndim == 0 and index.dtype in _WHOLE
        return int(index) if is_number else None
    return int(index) if isinstance(index, np.integer) else index


def order_of_axes(moved: Call) -> list[int]:
    """Return, for each axis that a move gives, which it was before."""
    marked = torch.empty(tuple(range(2, 2 + len(moved.args[0].shape))))
    made = moved.run(marked, *moved.args[1:], **moved.kwargs)
    return [size - 2 for size in made.shape]


def unbound(call: Call) -> tuple[int, int]:
    """Return along which axis a tensor is taken apart, and into how many."""
    shape = call.args[0].shape
    axis = dim_of(call) % len(shape)
    return axis, shape[axis]


def dim_of(call: Call) -> int:
    """Return the `dim` of a call, which is 0 unless it says so."""
    return int(call.kwargs.get("dim", call.args[1] if len(call.args) > 1 else 0))
