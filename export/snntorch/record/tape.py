"""What a module does with its sample, written down call by call.

Not torch.fx: its symbolic trace has no shapes, so the usual `for step in
range(x.size(0))`, `x.view(x.size(0), -1)` and lists of states stop it. Here the forward
really runs, on the sample, and a `TorchFunctionMode` writes down every call that a
signal goes through; shapes are numbers, loops unroll by themselves, and what no signal
reaches (parameters, masks, zeros) is computed and becomes a constant. A forward that
asks for the value of a signal cannot be exported, and is told so.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import snntorch
import torch
from torch import nn

from spikewright.export.snntorch.record.layers import Delay

_SIMPLE = (int, float, complex, str, slice, np.generic, torch.dtype, torch.device)
RANDOM = {
    *("rand", "randn", "randint", "randperm", "bernoulli", "normal", "multinomial"),
    *("poisson", "rand_like", "randn_like", "randint_like", "rrelu"),
    *("normal_", "uniform_", "random_", "bernoulli_", "exponential_"),
}
"""functions that give something else each time"""

_SPELLINGS = {
    **{name: "add" for name in ("add_", "__add__", "__radd__", "__iadd__")},
    **{name: "sub" for name in ("sub_", "__sub__", "__isub__", "subtract")},
    **{name: "mul" for name in ("mul_", "__mul__", "__rmul__", "__imul__", "multiply")},
    **{name: "div" for name in ("div_", "__truediv__", "__itruediv__", "divide")},
    **{"rsub": "__rsub__", "true_divide": "div", "neg_": "neg", "negative": "neg"},
    **{"concat": "cat", "concatenate": "cat", "__matmul__": "matmul", "mm": "matmul"},
}


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor that depends on an input."""

    shape: tuple[int, ...]
    """with the samples of the batch, and the steps where it has them"""


@dataclass(frozen=True, eq=False)
class Argument(Value):
    """A tensor that the module was called with."""

    name: str


@dataclass(frozen=True, eq=False)
class Call(Value):
    """What a function or a layer gave."""

    name: str
    """of the function or of the layer's class"""
    run: Callable[..., Any]
    args: tuple[Any, ...]
    """Values, plain tensors, numbers; also in lists"""
    kwargs: dict[str, Any]
    path: str
    """of the layer, or of the module whose forward called the function"""
    layer: nn.Module | None = None
    turn: int = 0
    """how many times the layer was called before"""


@dataclass(frozen=True, eq=False)
class Item(Value):
    """One of the tensors that a call gave."""

    source: Call
    index: int


@dataclass(frozen=True, eq=False)
class Stale(Value):
    """A view of a tensor that has since been written to."""


@dataclass(frozen=True, eq=False)
class Tape:
    """One forward."""

    arguments: Mapping[str, Argument]
    returned: Any
    """Values and whatever else, in the structure that the forward returned"""
    calls: Sequence[Call]
    """in the order in which they were made"""
    reset: frozenset[str] = frozenset()
    """paths of the neurons whose own states the forward sets before it calls them"""


def is_stateful(layer: nn.Module | None) -> bool:
    """Say whether a layer remembers its last call."""
    return isinstance(layer, snntorch.SpikingNeuron | Delay)


def op(call: Call) -> str:
    """Return the name under which a call is known, whatever its spelling."""
    return _SPELLINGS.get(call.name, call.name)


def inner(held: Any) -> Iterator[Value]:
    """Yield the Values in arguments, also those in lists and dicts."""
    if isinstance(held, Value):
        yield held
    elif isinstance(held, dict | list | tuple):
        for each in held.values() if isinstance(held, dict) else held:
            yield from inner(each)


def with_values(held: Any, of: Callable[[Value], Any]) -> Any:
    """Return arguments with something else in the place of every Value."""
    if isinstance(held, Value):
        return of(held)
    if isinstance(held, list | tuple):
        made = [with_values(each, of) for each in held]
        return tuple(made) if isinstance(held, tuple) else made
    if isinstance(held, dict):
        return {key: with_values(each, of) for key, each in held.items()}
    return held


def bound(call: Call) -> dict[str, Any]:
    """Return what the call of a layer was given, by the names of its parameters."""
    names = _parameters(type(call.layer))
    given = {**dict(zip(names, call.args, strict=False)), **call.kwargs}
    return {name: given[name] for name in names if name in given}


def taken(call: Call) -> Any:
    """Return the first of what the call of a layer was given: its input."""
    return next(iter(bound(call).values()))


def _parameters(kind: type[Any]) -> list[str]:
    """Return the names of what the forward of a class takes, in order."""
    return list(inspect.signature(kind.forward).parameters)[1:]


def is_equal(one: Any, other: Any) -> bool:
    """Compare constants: arrays by value, the rest as Python does; objects by type."""
    if type(one) is not type(other):
        both = (int, float)
        return isinstance(one, both) and isinstance(other, both) and one == other
    if isinstance(one, torch.Tensor):
        return one is other or torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return not isinstance(one, _SIMPLE) or bool(one == other)
