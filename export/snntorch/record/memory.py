"""What must not be lost sight of while a forward runs: states and constants."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from spikewright.errors import GraphError
from spikewright.export.snntorch.record.float64 import Function, name_of, writes
from spikewright.export.snntorch.record.twin import STATES

KEEPS_VALUES = {"requires_grad_", "detach_", "squeeze_", "unsqueeze_", "t_"}
"""functions that write to a tensor, but not to its numbers"""


@dataclass(frozen=True)
class _Held:
    """A tensor of a neuron, as it was."""

    tensor: torch.Tensor
    version: int

    def is_same(self, other: torch.Tensor) -> bool:
        """Say whether another tensor is this one, or equals it."""
        if other is self.tensor:
            return version_of(other) == self.version
        return torch.equal(other, self.tensor)


@dataclass
class HiddenStates:
    """What neurons hold, and what a forward does to it behind their backs."""

    reset: set[str] = field(default_factory=set)
    """paths of the neurons whose states are set to rest around their only call"""
    _left: dict[str, dict[str, _Held]] = field(default_factory=dict)
    """by path: states and parameters, as the last call left them"""

    def note(self, path: str, layer: nn.Module) -> None:
        """Remember what a neuron holds at rest, or behind a call."""
        self._left[path] = {
            name: _Held(each, version_of(each)) for name, each in _held(layer).items()
        }

    def check(self, path: str, layer: nn.Module, turn: int, *, is_hidden: bool) -> None:
        """Check that a neuron still holds what its last call left.

        Args:
            path: of the neuron.
            layer: the neuron.
            turn: how often it was called before.
            is_hidden: it keeps its states itself, so that they count, too.

        Raises:
            GraphError: something else was written to it between two steps.
        """
        left, found = self._left.get(path, {}), _held(layer)
        for name, value in found.items():
            is_state = name in STATES
            if turn == 0:
                if is_state and name in left and value is not left[name].tensor:
                    self.reset.add(path)
            elif (is_hidden or not is_state) and not (
                name in left and left[name].is_same(value)
            ):
                raise _changed(path, turn, name, is_state=is_state)

    def check_end(self, path: str, layer: nn.Module, turns: int) -> None:
        """Check that the states of a single step are there for the next.

        Raises:
            GraphError: something else was written to them.
        """
        for name, value in _held(layer).items():
            left = self._left[path].get(name)
            if turns != 1 or name not in STATES or left is None or left.is_same(value):
                continue
            if torch.any(value):
                raise _changed(path, turns, name, is_state=True)
            self.reset.add(path)


def _held(layer: nn.Module) -> dict[str, torch.Tensor]:
    own = {**layer._buffers, **layer._parameters}
    return {name: value for name, value in own.items() if value is not None}


def _changed(path: str, turn: int, name: str, *, is_state: bool) -> GraphError:
    if is_state:
        return GraphError(
            f"neuron '{path}', step {turn}: its state {name} is not what the step "
            "before left; a graph carries states as they are; reset neurons before the "
            "loop over steps, and change no state in it"
        )
    return GraphError(
        f"neuron '{path}', step {turn}: its {name} is another than at the step before; "
        "a graph does the same at every step; set it before the forward"
    )


@dataclass(frozen=True)
class _Copy:
    """What a tensor held at one of its versions."""

    tensor: weakref.ref[torch.Tensor]
    version: int
    values: torch.Tensor


class Constants:
    """Constants as they are when they are used: what is written later does not count.

    Parameters are not copied: they are most of the memory, and a forward does not write
    to them.
    """

    def __init__(self) -> None:
        self._copies: dict[int, _Copy] = {}

    def kept(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a tensor's values, one copy for each time it was written to."""
        if isinstance(tensor, nn.Parameter):
            return tensor
        version = version_of(tensor)
        known = self._copies.get(id(tensor))
        if known is not None and known.tensor() is tensor and known.version == version:
            return known.values
        made = tensor.detach().clone()
        self._copies[id(tensor)] = _Copy(weakref.ref(tensor), version, made)
        return made


class Weights:
    """The parameters of a module, to which its forward must not write."""

    def __init__(self, module: nn.Module) -> None:
        self._memory = {_memory(each) for each in module.parameters()}

    def check(self, func: Function, args: tuple[Any, ...], place: str) -> None:
        """Check that a function is not about to write to one.

        Raises:
            GraphError: it is.
        """
        target, name = args[0] if args else None, name_of(func)
        is_set = name == "__set__" and "data" in str(getattr(func, "__self__", ""))
        if not (isinstance(target, torch.Tensor) and (is_set or writes(name))):
            return
        is_kept = name in KEEPS_VALUES or not target.numel()
        if not is_kept and _memory(target) in self._memory:
            raise GraphError(
                f"forward of module '{place}' writes to a parameter ({name}), but the "
                "weights of a graph are fixed; write to it before the export"
            )


def _memory(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage().data_ptr())


def version_of(tensor: torch.Tensor) -> int:
    """Return how often a tensor was written to."""
    return -1 if tensor.is_inference() else tensor._version


def copied(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments that a forward may write to."""
    return {
        name: value.clone() if isinstance(value, torch.Tensor) else value
        for name, value in arguments.items()
    }
