"""The one step that a graph repeats, found in a forward and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from spikewright.errors import GraphError
from spikewright.export.snntorch.record.alike import Likeness
from spikewright.export.snntorch.record.states import States, check_states
from spikewright.export.snntorch.record.steps import Step, Steps, stale
from spikewright.export.snntorch.record.tape import (
    Argument,
    Call,
    Item,
    Stale,
    Tape,
    Value,
    is_stateful,
    taken,
)

Place = tuple[int | str, ...]
"""where in the structure that a forward returns"""
Wanted = Sequence[int | str] | None


@dataclass(frozen=True)
class Returned:
    """One of the signals that a forward returns."""

    name: str
    place: Place
    value: Any
    """at the last step, or the sequence of all"""
    axis: int | None
    """along which axis the steps are stacked; None: only the last step is returned"""


@dataclass(frozen=True)
class Body:
    """One step of a forward."""

    steps: Steps
    outputs: tuple[Returned, ...]
    """at the last step"""
    neurons: Mapping[str, Call]
    """by path: the call at the last step of each layer with a state that is used"""
    state_places: Mapping[str, Place]
    """arguments that hold states -> where the forward returns the new ones"""
    arguments: Mapping[str, int | None]
    """the arguments that are signals -> the axis of the steps, if they have one"""
    is_reset: bool
    """every forward sets the states to zero by itself, so it is a whole sample"""
    absent: frozenset[int]
    """ids of values that were made at the step before, and are 0 at the first"""

    @property
    def last(self) -> int:
        """The step that stands for all."""
        return self.steps.count - 1


def find_body(tape: Tape, wanted: Wanted) -> Body:
    """Find the step that a forward repeats.

    Args:
        tape: one forward.
        wanted: which of the returned values to keep, by place or key; all by default.

    Raises:
        GraphError: the steps are not all alike, states are not carried as they are, or
            an argument is not used or used in two ways.
    """
    steps = Steps(tape)
    steps.count = _count(steps, tape.returned)
    states = check_states(steps)
    returned = _returned(steps, tape.returned, states, wanted)
    values = list(
        steps.reached([part for each in returned for part in _all(steps, each)])
    )
    if any(isinstance(value, Stale) for value in values):
        raise stale()
    neurons = _used_neurons(steps, values)
    absent = _check_alike(steps, returned, neurons)
    arguments = _arguments(values, states)
    _check_remembers(steps, states, [*arguments.values(), *(r.axis for r in returned)])
    _check_used(tape, {*arguments, *states.arguments})
    last = steps.count - 1
    outputs = tuple(
        Returned(each.name, each.place, _all(steps, each)[last], each.axis)
        for each in returned
    )
    places = _state_places(tape.returned, states)
    return Body(steps, outputs, neurons, places, arguments, states.is_reset, absent)


def _count(steps: Steps, returned: Any) -> int:
    counts = {path: len(calls) for path, calls in steps.turns.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"'{path}' {count}x" for path, count in counts.items())
        raise GraphError(
            f"forward calls its neurons a different number of times ({listed}); each "
            "call is a step, for a neuron keeps one state; give every place in the "
            "network a neuron of its own, and call all of them at every step"
        )
    return max(counts.values(), default=_stacked(steps, returned))


def _stacked(steps: Steps, returned: Any) -> int:
    """Return how many steps are stacked in what a forward without neurons returns."""
    for _, value in _leaves(returned, ()):
        axis = steps.time_axis(value) if isinstance(value, Value) else None
        if axis is not None:
            return int(value.shape[axis])
    return 1


def _check_remembers(steps: Steps, states: States, axes: Sequence[int | None]) -> None:
    """Refuse a single step that starts from rest each time, unless it is a loop."""
    is_loop = steps.count > 1 or any(axis is not None for axis in axes)
    if states.is_reset and not is_loop:
        raise GraphError(
            "forward does one step and sets its neurons to rest before it, so they "
            "never remember; a graph's do; loop over the steps in forward, or reset "
            "outside of it (states that come in and go out must be arguments)"
        )


def _used_neurons(steps: Steps, values: Sequence[Value]) -> dict[str, Call]:
    used = {
        value.source.path
        for value in values
        if isinstance(value, Item) and is_stateful(value.source.layer)
    }
    return {path: calls[-1] for path, calls in steps.turns.items() if path in used}


# --- what is returned ----------------------------------------------------------------


def _all(steps: Steps, each: Returned) -> list[Any]:
    """Return a value at every step; the same each time if it has no steps."""
    if each.axis is None:
        return [steps.resolved(each.value)] * steps.count
    length = each.value.shape[each.axis]
    if length != steps.count:
        raise GraphError(
            f"{each.name}: holds {length} steps, but the neurons are called "
            f"{steps.count} times; return one value for each step"
        )
    return [
        steps.resolved(steps.at(each.value, each.axis, t)) for t in range(steps.count)
    ]


def _returned(
    steps: Steps, held: Any, states: States, wanted: Wanted
) -> list[Returned]:
    """Return the signals among what a forward returns, but for new states."""
    found = list(_signals(steps, held, ()))
    kept = [
        (place, value)
        for place, value in found
        if wanted is None or (place and place[0] in wanted)
        if not _is_state(value, states)
    ]
    if not kept:
        places = ", ".join(str(place[0]) for place, _ in found if place)
        raise GraphError(
            f"forward returns no signal{'' if wanted is None else f' at {[*wanted]}'}; "
            f"allowed: {places or 'one, that a layer gives'}; choose others, or return "
            "what a layer gives"
        )
    return [
        Returned(_name(place, len(kept)), place, value, steps.time_axis(value))
        for place, value in kept
    ]


def _name(place: Place, count: int) -> str:
    if count == 1:
        return "output"
    name = "_".join(map(str, place))
    return name if name[:1].isalpha() else f"output_{name}"


def _signals(steps: Steps, held: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Yield what is returned; a list with a value for each step is one sequence."""
    if isinstance(held, list) and len(held) == steps.count > 1:
        shape = (steps.count, *held[0].shape)
        yield place, Call(shape, "stack", torch.stack, (held,), {}, "")
    elif isinstance(held, dict):
        for key, each in held.items():
            yield from _signals(steps, each, (*place, key))
    elif isinstance(held, list | tuple):
        for index, each in enumerate(held):
            yield from _signals(steps, each, (*place, index))
    elif isinstance(held, Value):
        yield place, held


def _is_state(value: Any, states: States) -> bool:
    """Say whether a value is the new state for an argument, and no spikes."""
    return (
        isinstance(value, Item)
        and value.index > 0
        and (value.source.path, value.index) in states.arguments.values()
    )


def _state_places(returned: Any, states: States) -> dict[str, Place]:
    """Find where a forward returns the new values of the states that it takes."""
    where = {
        (value.source.path, value.index): place
        for place, value in _leaves(returned, ())
        if isinstance(value, Item) and is_stateful(value.source.layer)
    }
    for name, state in states.arguments.items():
        if state not in where:
            raise GraphError(
                f"argument '{name}' is a state of neuron '{state[0]}', but forward "
                "does not return its new value; return it too, or let the neuron keep "
                "its state (init_hidden=True)"
            )
    return {name: where[state] for name, state in states.arguments.items()}


def _leaves(held: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Yield all that a forward returns, with its place."""
    if isinstance(held, dict):
        for key, each in held.items():
            yield from _leaves(each, (*place, key))
    elif isinstance(held, list | tuple):
        for index, each in enumerate(held):
            yield from _leaves(each, (*place, index))
    else:
        yield place, held


# --- the same at every step ----------------------------------------------------------


def _check_alike(
    steps: Steps, returned: Sequence[Returned], neurons: Mapping[str, Call]
) -> frozenset[int]:
    """Check it, and return the ids of what is late and 0 at the first step."""
    last, likeness = steps.count - 1, Likeness(steps)
    every = {
        f"what neuron '{p}' takes": list(map(taken, steps.turns[p])) for p in neurons
    }
    every |= {f"'{r.name}'": _all(steps, r) for r in returned if r.axis is not None}
    for t in range(last):
        for what, values in every.items():
            if not likeness.is_same(values[t], t, values[last], last):
                raise GraphError(
                    f"{what} is made in another way at step {t} than at step {last}; a "
                    "graph does the same at every step, with 0 for what neurons sent "
                    "before the first; do the same at each step of the loop, and give "
                    "every place in the network a neuron of its own"
                )
    return frozenset(likeness.absent)


# --- arguments -----------------------------------------------------------------------


def _arguments(values: Sequence[Value], states: States) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for value in values:
        if isinstance(value, Argument | Step):
            whole = value if isinstance(value, Argument) else value.source
            axis = None if isinstance(value, Argument) else value.axis
            if whole.name in states.arguments:
                raise GraphError(
                    f"argument '{whole.name}' is a state of neuron "
                    f"'{states.arguments[whole.name][0]}', and something else uses it "
                    "too; use what the neuron returns"
                )
            if found.setdefault(whole.name, axis) != axis:
                raise GraphError(
                    f"argument '{whole.name}' is used step by step and also as a "
                    "whole; use one step at a time"
                )
    return found


def _check_used(tape: Tape, used: set[str]) -> None:
    for name in tape.arguments:
        if name not in used:
            raise GraphError(
                f"argument '{name}' does not reach what forward returns; leave it out "
                "of the sample"
            )
