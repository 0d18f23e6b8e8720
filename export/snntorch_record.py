"""Run a module and write down what it does."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from spikewright.errors import GraphError
from spikewright.export.snntorch_float64 import (
    CASTS,
    Float64,
    Function,
    name_of,
    widened,
)
from spikewright.export.snntorch_tape import (
    Argument,
    Call,
    Item,
    Stale,
    Tape,
    Value,
    inner,
    is_equal,
    is_stateful,
)
from spikewright.export.snntorch_twin import Forward, Twin

_ASKS = {
    *("item", "__bool__", "__float__", "__int__", "__index__", "__complex__"),
    *("tolist", "numpy", "__array__", "equal", "allclose", "is_nonzero"),
}
_MAKES = {
    *("zeros_like", "ones_like", "empty_like", "full_like", "new_zeros", "new_ones"),
    *("new_empty", "new_full", "new_tensor"),
}
_RANDOM = {
    *("rand", "randn", "randint", "randperm", "bernoulli", "normal", "multinomial"),
    *("poisson", "rand_like", "randn_like", "randint_like", "rrelu"),
    *("normal_", "uniform_", "random_", "bernoulli_", "exponential_"),
}
_KEEPS_VALUES = {"requires_grad_", "detach_", "squeeze_", "unsqueeze_", "t_"}
_FIRST = ("input", "tensors", "self")


def record(twin: Twin, arguments: Mapping[str, Any]) -> Tape:
    """Run a module on its arguments, from rest, and write down what it does.

    It runs again on other numbers, to see that what is constant does not change.

    Raises:
        GraphError: the forward decides by the values of signals, or hides from torch
            what it does with them.
        InputError: the module cannot run.
    """
    tape = _recorded(twin, arguments)
    others = {
        name: 1 - value
        if isinstance(value, torch.Tensor) and value.is_floating_point()
        else value
        for name, value in arguments.items()
    }
    _check_same(tape, _recorded(twin, others))
    return tape


def _recorded(twin: Twin, arguments: Mapping[str, Any]) -> Tape:
    twin.rest()
    recorder = _Recorder()
    named = {
        name: recorder.know(tensor, Argument(tuple(tensor.shape), name))
        for name, tensor in arguments.items()
        if isinstance(tensor, torch.Tensor)
    }
    returned = twin.run(arguments, recorder, recorder.layer)
    return Tape(named, recorder.seen(returned), recorder.calls)


# --- the second run ------------------------------------------------------------------


def _check_same(one: Tape, other: Tape) -> None:
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
        "what torch's functions make of signals; keep states in neurons, and use no "
        "autograd functions of your own"
    )


# --- the recorder --------------------------------------------------------------------


@dataclass
class _Known:
    """A tensor and what it is; forgotten when the tensor dies, and its id with it."""

    tensor: weakref.ref[torch.Tensor]
    value: Value


def _forget(known: dict[int, _Known], key: int, died: weakref.ref[Any]) -> None:
    if key in known and known[key].tensor is died:
        del known[key]


class _Recorder(Float64):
    """Writes calls down while they happen."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._known: dict[int, _Known] = {}
        self._turns: dict[str, int] = {}

    def know(self, tensor: torch.Tensor, value: Any) -> Any:
        """Remember what a tensor is; return `value`."""
        key = id(tensor)
        forget = partial(_forget, self._known, key)
        self._known[key] = _Known(weakref.ref(tensor, forget), value)
        return value

    def seen(self, held: Any) -> Any:
        """Return what a forward holds with Values for the tensors that are known."""
        if isinstance(held, torch.Tensor):
            known = self._known.get(id(held))
            return known.value if known else held
        if isinstance(held, Mapping):
            return {key: self.seen(each) for key, each in held.items()}
        if isinstance(held, tuple) and hasattr(held, "_fields"):
            return dict(zip(held._fields, map(self.seen, held), strict=True))
        if isinstance(held, list | tuple):
            made = [self.seen(each) for each in held]
            return tuple(made) if isinstance(held, tuple) else made
        return held

    def layer(
        self,
        path: str,
        layer: nn.Module,
        plain: Forward,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Run a layer and write it down as one call."""
        seen, named = self.seen(args), self.seen(kwargs)
        made = plain(*args, **kwargs)
        if is_stateful(layer) or any(inner([seen, named])):
            turn = self._turns.get(path, 0)
            self._turns[path] = turn + 1
            name, shape = type(layer).__name__, _shape(made)
            call = Call(shape, name, plain, seen, named, path, layer, turn)
            self._note(call, made, as_items=is_stateful(layer))
        return made

    def call(
        self, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run a function and write it down if a signal goes in."""
        name = name_of(func)
        args, kwargs = _positional(widened(args, name), widened(kwargs))
        seen, named = self.seen(args), self.seen(kwargs)
        has_signal = any(inner([seen, named]))
        if has_signal and name in _ASKS:
            raise GraphError(
                f"forward of module '{self.place}' asks for the value of a signal "
                f"({name}), so what runs depends on the data; a graph cannot; remove "
                "the branch or the check"
            )
        made = super().call(func, args, kwargs)
        if name == "__setitem__":
            self._write_row(args, seen)
        elif (has_signal and name not in _MAKES) or name in _RANDOM:
            self._note_function(func, name, seen, named, made)
        return made

    def _note_function(
        self, func: Function, name: str, seen: Any, named: Any, made: Any
    ) -> None:
        if name in CASTS and made.dtype not in (torch.float32, torch.float64):
            name = f"{name} {made.dtype}"
        call = Call(_shape(made), name, func, seen, named, self.place)
        self._note(call, made, as_items=isinstance(made, list | tuple))
        if name.endswith("_") and not name.startswith("__"):
            self._outdate(made, name)

    def _note(self, call: Call, made: Any, *, as_items: bool) -> None:
        """Remember what a call gave: one tensor, or each of several."""
        self.calls.append(call)
        if isinstance(made, torch.Tensor):
            self.know(made, Item(call.shape, call, 0) if as_items else call)
        elif isinstance(made, list | tuple):
            for index, each in enumerate(made):
                if isinstance(each, torch.Tensor):
                    self.know(each, Item(tuple(each.shape), call, index))

    def _outdate(self, written: Any, name: str) -> None:
        """Mark all views of a tensor that was written to in place."""
        if name in _KEEPS_VALUES or not isinstance(written, torch.Tensor):
            return
        memory = written.untyped_storage().data_ptr()
        for known in list(self._known.values()):
            tensor = known.tensor()
            if tensor is not None and tensor is not written:
                if tensor.untyped_storage().data_ptr() == memory:
                    known.value = Stale(known.value.shape)

    def _write_row(self, args: tuple[Any, ...], seen: tuple[Any, ...]) -> None:
        """Note `rows[step] = signal` as the stack of all rows written so far."""
        rows, place, signal = args[0], args[1], seen[2]
        known = self._known.get(id(rows))
        if not isinstance(signal, Value) and known is None:
            return
        stack = known.value if known else None
        is_stack = isinstance(stack, Call) and stack.name == "stack"
        if type(place) is not int or not (stack is None or is_stack):
            self.know(rows, Stale(tuple(rows.shape)))
            return
        before = stack.args[0] if isinstance(stack, Call) else rows.clone().unbind(0)
        held = list(before)
        held[place] = signal
        shape = tuple(rows.shape)
        call = Call(shape, "stack", torch.stack, (held,), {}, self.place)
        self._note(call, rows, as_items=False)


def _positional(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments with the operands in front, by place."""
    kept = dict(kwargs)
    for name in _FIRST:
        if not args and name in kept:
            args = (kept.pop(name),)
    if len(args) == 1 and "other" in kept:
        args = (*args, kept.pop("other"))
    return args, kept


def _shape(made: Any) -> tuple[int, ...]:
    return tuple(made.shape) if isinstance(made, torch.Tensor) else ()
