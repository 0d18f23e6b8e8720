"""Run a module and write down what it does."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from spikewright.errors import GraphError
from spikewright.export.snntorch.record.float64 import (
    CASTS,
    Float64,
    Function,
    name_of,
    widened,
    writes,
)
from spikewright.export.snntorch.record.memory import (
    KEEPS_VALUES,
    Constants,
    HiddenStates,
    Weights,
    copied,
    version_of,
)
from spikewright.export.snntorch.record.places import dim_of, one_index
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
)
from spikewright.export.snntorch.record.twice import check_same, other_numbers
from spikewright.export.snntorch.record.twin import Forward, Twin

_ASKS = {
    *("item", "__bool__", "__float__", "__int__", "__index__", "__complex__"),
    *("tolist", "numpy", "__array__", "equal", "allclose", "is_nonzero"),
}
_MAKES = {
    *("zeros_like", "ones_like", "empty_like", "full_like", "new_zeros", "new_ones"),
    *("new_empty", "new_full", "new_tensor"),
}
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
    check_same(tape, _recorded(twin, other_numbers(arguments)))
    return tape


def _recorded(twin: Twin, arguments: Mapping[str, Any]) -> Tape:
    twin.rest()
    recorder, given = _Recorder(Weights(twin.module)), copied(arguments)
    named = {
        name: recorder.know(tensor, Argument(tuple(tensor.shape), name))
        for name, tensor in given.items()
        if isinstance(tensor, torch.Tensor)
    }
    neurons = {p: m for p, m in twin.module.named_modules() if is_stateful(m)}
    for path, each in neurons.items():
        recorder.states.note(path, each)
    returned = twin.run(given, recorder, recorder.layer)
    for path, each in neurons.items():
        recorder.states.check_end(path, each, recorder.turns(path))
    tape = Tape(
        named, recorder.seen(returned), recorder.calls, frozenset(recorder.states.reset)
    )
    recorder.release()
    return tape


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

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self._weights = weights
        self.calls: list[Call] = []
        self.states = HiddenStates()
        self._constants = Constants()
        self._known: dict[int, _Known] = {}
        self._turns: dict[str, int] = {}

    def release(self) -> None:
        """Give back what only a run needs: the layers of the tape keep the recorder."""
        self.return_lent()
        self.states, self._constants = HiddenStates(), Constants()

    def turns(self, path: str) -> int:
        """Return how often a layer was called."""
        return self._turns.get(path, 0)

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
            return known.value if known else self._constants.kept(held)
        if isinstance(held, Mapping):
            return {key: self.seen(each) for key, each in held.items()}
        if isinstance(held, tuple) and hasattr(held, "_fields"):
            return dict(zip(held._fields, map(self.seen, held), strict=True))
        if is_dataclass(held) and not isinstance(held, type):
            return {f.name: self.seen(getattr(held, f.name)) for f in fields(held)}
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
        turn, is_alone = self._turns.get(path, 0), len(args) + len(kwargs) == 1
        if is_stateful(layer):
            self.states.check(path, layer, turn, is_hidden=is_alone)
        before = _version(args)
        made = plain(*args, **kwargs)
        if is_stateful(layer):
            self.states.note(path, layer)
        if is_stateful(layer) or any(inner([seen, named])):
            self._turns[path] = turn + 1
            if not _is_untouched(made, args, before):
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
                "the branch or the check, and encode inputs outside of forward"
            )
        self._weights.check(func, args, self.place)
        before = _version(args)
        made = super().call(func, args, kwargs)
        if name == "__setitem__":
            self._write_row(args, seen)
        elif _is_untouched(made, args, before) and name not in RANDOM:
            return made
        elif (has_signal and name not in _MAKES) or name in RANDOM:
            self._note_function(func, name, seen, named, made)
        return made

    def _note_function(
        self, func: Function, name: str, seen: Any, named: Any, made: Any
    ) -> None:
        is_cast = name in CASTS and isinstance(made, torch.Tensor)
        if is_cast and made.dtype not in (torch.float32, torch.float64):
            name = f"{name} {made.dtype}"
        call = Call(_shape(made), name, func, seen, named, self.place)
        self._note(call, made, as_items=isinstance(made, list | tuple))
        if writes(name):
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
        if name in KEEPS_VALUES or not isinstance(written, torch.Tensor):
            return
        memory = written.untyped_storage().data_ptr()
        for known in list(self._known.values()):
            tensor = known.tensor()
            if tensor is not None and tensor is not written:
                if tensor.untyped_storage().data_ptr() == memory:
                    known.value = Stale(known.value.shape)

    def _write_row(self, args: tuple[Any, ...], seen: tuple[Any, ...]) -> None:
        """Note `rows[step] = signal` as the stack of all rows written so far.

        Also `rows[:, step]`, along another axis.
        """
        rows, place, signal = args[0], args[1], seen[2]
        known = self._known.get(id(rows))
        if not isinstance(signal, Value) and known is None:
            return
        self._outdate(rows, "__setitem__")
        before, chosen = known.value if known else None, one_index(rows, place)
        if chosen is None or not (before is None or _is_stack(before, chosen[0])):
            self.know(rows, Stale(tuple(rows.shape)))
            return
        axis, index = chosen
        rest = before.args[0] if isinstance(before, Call) else None
        held = list(rows.clone().unbind(axis) if rest is None else rest)
        held[index] = signal
        shape, kwargs = tuple(rows.shape), {"dim": axis}
        call = Call(shape, "stack", torch.stack, (held,), kwargs, self.place)
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


def _is_stack(value: Value, axis: int) -> bool:
    """Say whether a value is rows that were written one by one along an axis."""
    if not isinstance(value, Call) or value.name != "stack":
        return False
    return dim_of(value) % len(value.shape) == axis


def _version(args: tuple[Any, ...]) -> int:
    """Return how often the first argument was written to."""
    first = args[0] if args else None
    return version_of(first) if isinstance(first, torch.Tensor) else -1


def _is_untouched(made: Any, args: tuple[Any, ...], before: int) -> bool:
    """Say whether a call gave its first argument itself, and did not write to it.

    Identity and Dropout do so, and flatten, float or contiguous if nothing is to do.
    """
    is_same = bool(args) and made is args[0] and isinstance(made, torch.Tensor)
    return is_same and before >= 0 and version_of(made) == before
