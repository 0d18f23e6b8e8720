"""The arithmetic of a proof: every floating number of a forward is float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

CASTS = {"float", "double", "half", "bfloat16", "to", "type", "type_as", "cpu", "cuda"}
"""functions that may change the type of a number, or where it is"""
_SEES = {"data", "detach", "__set__"}
"""functions that give, or change, the memory of their first argument"""
_EMPTY = {"empty", "empty_like", "new_empty", "empty_strided"}
_HALVES = (torch.float16, torch.bfloat16)

Function = Callable[..., Any]


class Float64(TorchFunctionMode):
    """Calls torch's functions on float64 numbers, except inside of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.paused = False
        self.places: list[str] = []
        """paths of the modules whose forward is running, outermost first"""
        self._lent: dict[tuple[int, ...], torch.Tensor] = {}

    def __torch_function__(
        self,
        func: Function,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call `func`; called by torch for each of its functions."""
        if self.paused:
            return func(*args, **(kwargs or {}))
        return self.call(func, args, kwargs or {})

    def call(
        self, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call `func` on float64 numbers; casts to other floating types do nothing."""
        name = name_of(func)
        made = func(*widened(args, name), **widened(kwargs))
        if name in _EMPTY:
            made.zero_()  # the same each time
        if name in CASTS and isinstance(made, torch.Tensor):
            return _cast(args[0], made)
        return made if writes(name) or _is_view(made, args) else widened(made)

    @property
    def place(self) -> str:
        """Path of the module whose forward is running."""
        return self.places[-1] if self.places else ""

    def lend(self, weight: torch.Tensor) -> torch.Tensor:
        """Return a weight in float64, until the next of its shape is asked for."""
        shape = tuple(weight.shape)
        if shape not in self._lent:
            self._lent[shape] = torch.empty(shape, dtype=torch.float64)
        return self._lent[shape].copy_(weight)

    def return_lent(self) -> None:
        """Free the memory in which weights were lent."""
        self._lent.clear()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Let a layer run its own forward."""
        before, self.paused = self.paused, True
        try:
            yield
        finally:
            self.paused = before


def name_of(func: Function) -> str:
    """Return the name of a torch function; of an attribute, its own."""
    name = str(getattr(func, "__name__", type(func).__name__))
    owner = getattr(func, "__self__", None)
    return str(getattr(owner, "__name__", name)) if name == "__get__" else name


def wide(tensor: torch.Tensor) -> torch.Tensor:
    """Return floating numbers as float64 on the CPU, cut off from their history."""
    near = tensor.detach().cpu()
    return near.double() if near.is_floating_point() else near


def widened(held: Any, writer: str = "") -> Any:
    """Return arguments with float64 tensors; not the one that `writer` writes to.

    Nor one of which it gives the memory, to which something else may write.
    """
    if isinstance(held, torch.Tensor):
        is_narrow = held.is_floating_point() and held.dtype != torch.float64
        return held.double() if is_narrow else held
    if type(held) in (list, tuple):
        made = [widened(each) for each in held]
        keeps = writes(writer) or writer in _SEES
        made[:1] = held[:1] if keeps else made[:1]
        return type(held)(made)
    if type(held) is dict:
        return {key: widened(each) for key, each in held.items()}
    return held


def _is_view(made: Any, args: tuple[Any, ...]) -> bool:
    """Say whether a result is the memory of the first argument, such as `w.data`."""
    first = args[0] if args else None
    if not (isinstance(made, torch.Tensor) and isinstance(first, torch.Tensor)):
        return False
    return made.untyped_storage().data_ptr() == first.untyped_storage().data_ptr()


def writes(name: str) -> bool:
    """Say whether a function writes to its first argument."""
    return name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))


def _cast(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Undo a cast from floating to floating numbers; integers become float64."""
    if after.dtype in _HALVES or not after.is_floating_point():
        return after
    return before if before.is_floating_point() else after.double()
