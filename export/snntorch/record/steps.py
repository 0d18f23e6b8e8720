"""The steps of a forward: what belongs to which.

A loop unrolls on the tape. Every neuron is called once a step, so a call's turn is its
step; a tensor that is indexed by all steps along an axis has steps there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from spikewright.errors import GraphError
from spikewright.export.snntorch.record.places import (
    Place,
    dim_of,
    order_of_axes,
    place_of,
    unbound,
)
from spikewright.export.snntorch.record.tape import (
    RANDOM,
    Argument,
    Call,
    Item,
    Stale,
    Tape,
    Value,
    inner,
    is_stateful,
    op,
    taken,
    with_values,
)

_ELEMENTWISE = {
    *("add", "sub", "mul", "div", "neg", "__rsub__", "detach", "clone", "contiguous"),
    *("requires_grad_", "to", "float", "double", "type_as", "cpu", "cuda"),
    *("dropout", "Dropout", "Identity"),
}
"""functions and layers that take each number on its own"""
_OVER_THE_LAST_AXIS = {"linear", "Linear"}
_MOVED = {"transpose", "movedim", "moveaxis", "swapaxes", "swapdims", "permute", "t"}


@dataclass(frozen=True, eq=False)
class Step(Value):
    """What an argument holds at one step, along one of its axes."""

    source: Argument
    axis: int
    index: int


@dataclass(eq=False)
class Steps:
    """A tape, seen as steps."""

    tape: Tape
    count: int = 1
    """steps of one forward"""
    turns: dict[str, list[Call]] = field(default_factory=dict)
    """by path: the calls of each layer that has a state"""
    _slices: dict[tuple[int, int, int], Any] = field(default_factory=dict)
    _chosen: dict[tuple[int, int], set[int]] = field(default_factory=dict)
    """places that are taken along an axis of a tensor"""

    def __post_init__(self) -> None:
        for call in self.tape.calls:
            if is_stateful(call.layer):
                self.turns.setdefault(call.path, []).append(call)
            found = place_of(call)
            if found:
                key = (id(found.source), found.axis)
                self._chosen.setdefault(key, set()).add(found.index)
            elif op(call) == "unbind":
                axis, length = unbound(call)
                self._chosen[id(call.args[0]), axis] = set(range(length))

    def resolved(self, value: Any) -> Any:
        """Return a value itself, or for one step of a sequence what that step holds."""
        call = value.source if isinstance(value, Item) else value
        if not isinstance(call, Call) or is_stateful(call.layer):
            return value
        found = place_of(call, value)
        if found and self._is_time(found):
            return self.resolved(self.at(found.source, found.axis, found.index))
        return value

    def _is_time(self, place: Place) -> bool:
        """Say whether places along an axis are steps; along axis 0 they always are."""
        steps = set(range(self.count))
        found = self._chosen.get((id(place.source), place.axis))
        return place.axis == 0 or (self.count > 1 and found == steps)

    def at(self, value: Any, axis: int, index: int) -> Any:
        """Return what a sequence holds at one step.

        Raises:
            GraphError: it is not known which part of the sequence belongs to the step.
        """
        key = (id(value), axis, index)
        if key not in self._slices:
            self._slices[key] = self._slice(self.resolved(value), axis, index)
        return self._slices[key]

    def _slice(self, value: Any, axis: int, index: int) -> Any:
        if isinstance(value, torch.Tensor):
            return value.select(axis, index)
        shape = value.shape[:axis] + value.shape[axis + 1 :]
        if isinstance(value, Argument):
            return Step(shape, value, axis, index % value.shape[axis])
        if isinstance(value, Call) and op(value) == "stack":
            return _row(value, axis, index)
        if isinstance(value, Call) and op(value) in _MOVED:
            return self._slice_moved(value, axis, index)
        if not isinstance(value, Call) or not _commutes(value, axis):
            raise _no_steps(value)

        def part(each: Value) -> Any:
            own = axis - (len(value.shape) - len(each.shape))
            return each if own < 0 else self.at(each, own, index)

        args, kwargs = with_values((value.args, value.kwargs), part)
        args = tuple(_constant_part(each, value, axis, index) for each in args)
        name, run, path = value.name, value.run, value.path
        return Call(shape, name, run, args, kwargs, path, value.layer)

    def _slice_moved(self, value: Call, axis: int, index: int) -> Any:
        """Return one step of a tensor whose axes were moved: they are moved back.

        Only where the other axes then lie as before.
        """
        order = order_of_axes(value)
        rest = [each for each in order if each != order[axis]]
        if rest != sorted(rest):
            raise _no_steps(value)
        return self.at(value.args[0], order[axis], index)

    def time_axis(self, value: Any) -> int | None:
        """Return along which axis a value holds the steps, if it does."""
        value = self.resolved(value)
        if not isinstance(value, Call) or is_stateful(value.layer):
            return None
        if op(value) == "stack":
            return dim_of(value) % len(value.shape)
        if op(value) in _MOVED:
            axis = self.time_axis(value.args[0])
            return None if axis is None else order_of_axes(value).index(axis)
        if op(value) in _ELEMENTWISE | _OVER_THE_LAST_AXIS:
            for each in inner([value.args, value.kwargs]):
                axis = self.time_axis(each)
                if axis is not None:
                    return axis + len(value.shape) - len(each.shape)
        return None

    def operands(self, value: Any) -> list[Any]:
        """Return what a value is made of at its own step; not the states of neurons."""
        call = value.source if isinstance(value, Item) else value
        if not isinstance(call, Call):
            return []
        held = taken(call) if is_stateful(call.layer) else [call.args, call.kwargs]
        return [self.resolved(each) for each in inner(held)]

    def reached(self, roots: list[Any]) -> Iterator[Value]:
        """Yield every value that the roots are made of, at all steps, each once."""
        waiting = [self.resolved(root) for root in reversed(roots)]
        done: set[int] = set()
        while waiting:
            value = waiting.pop()
            if isinstance(value, Value) and id(value) not in done:
                done.add(id(value))
                yield value
                waiting.extend(reversed(self.operands(value)))


# --- parts of sequences --------------------------------------------------------------


def _row(stack: Call, axis: int, index: int) -> Any:
    if dim_of(stack) % len(stack.shape) != axis:
        raise GraphError(
            f"module '{stack.path}' stacks steps along axis {dim_of(stack)} and takes "
            f"them apart along axis {axis}; use one axis"
        )
    return stack.args[0][index]


def _commutes(call: Call, axis: int) -> bool:
    """Say whether a call treats every place along an axis alike, on its own."""
    if op(call) in _ELEMENTWISE:
        return True
    return op(call) in _OVER_THE_LAST_AXIS and axis != len(call.shape) - 1


def _constant_part(held: Any, call: Call, axis: int, index: int) -> Any:
    """Return the part of a constant operand that belongs to a step."""
    if not isinstance(held, torch.Tensor) or op(call) in _OVER_THE_LAST_AXIS:
        return held
    own = axis - (len(call.shape) - held.ndim)
    if own < 0:
        return held
    return held.select(own, 0 if held.shape[own] == 1 else index)


def _no_steps(value: Any) -> GraphError:
    if isinstance(value, Stale):
        return stale()
    call = value.source if isinstance(value, Item) else value
    name, path = (call.name, call.path) if isinstance(call, Call) else ("", "")
    if name in RANDOM:
        return GraphError(
            f"module '{path}': '{name}' is random, so a graph cannot give what it "
            "gives; draw spikes outside of forward, and give them as the input"
        )
    return GraphError(
        f"module '{path}': '{name}' works on many steps at once, and what belongs to "
        "one step cannot be told; call it inside the loop, on one step"
    )


def stale() -> GraphError:
    """Return the error for a view that does not see what was written."""
    return GraphError(
        "a view of a tensor is used after the tensor was written to in place; write "
        "the result as a new tensor"
    )
