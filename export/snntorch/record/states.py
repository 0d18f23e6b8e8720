"""The states of neurons: they start at 0 and are carried as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import snntorch
import torch
from torch import nn

from spikewright.errors import GraphError
from spikewright.export.snntorch.record.steps import Steps
from spikewright.export.snntorch.record.tape import Argument, Call, Item, bound, op

_SENDS: Mapping[type[nn.Module], tuple[str, ...]] = {
    snntorch.Leaky: ("spk", "mem"),
    snntorch.Lapicque: ("spk", "mem"),
    snntorch.RLeaky: ("spk", "mem"),
    snntorch.Synaptic: ("spk", "syn", "mem"),
    snntorch.RSynaptic: ("spk", "syn", "mem"),
    snntorch.Alpha: ("spk", "syn_exc", "syn_inh", "mem"),
}
"""what the neurons return, in order"""
_PASSES_ON = {"detach", "clone", "contiguous", "to", "requires_grad_", "float"}


def sends(layer: nn.Module | None) -> tuple[str, ...]:
    """Return the names of what a layer with a state gives, in order."""
    for kind, names in _SENDS.items():
        if isinstance(layer, kind):
            return names
    return ("spk",)


@dataclass(frozen=True)
class States:
    """How a forward handles the states of its neurons."""

    arguments: Mapping[str, tuple[str, int]]
    """argument -> (path, place in what is returned) of the state that it holds"""
    is_reset: bool
    """every forward sets the states to zero by itself, so it is a whole sample"""


def check_states(steps: Steps) -> States:
    """Find out who keeps the states.

    Raises:
        GraphError: a state does not start at 0, or is changed between two steps.
    """
    arguments: dict[str, tuple[str, int]] = {}
    is_reset = steps.count > 1 or bool(steps.tape.reset)
    for path, calls in steps.turns.items():
        for call in calls:
            for name, given in list(bound(call).items())[1:]:
                if name not in sends(call.layer):
                    continue  # a neuron that is refused later, by its name
                place = sends(call.layer).index(name)
                kept = _stripped(steps.resolved(given))
                if isinstance(kept, Argument) and call.turn == 0:
                    arguments[kept.name] = (path, place)
                elif isinstance(kept, torch.Tensor) and call.turn == 0:
                    is_reset = True
                    _check_zero(path, name, kept)
                elif kept is not None:
                    _check_own(call, name, kept, place)
    return States(arguments, is_reset)


def _stripped(value: Any) -> Any:
    while isinstance(value, Call) and op(value) in _PASSES_ON and value.args:
        value = value.args[0]
    return value


def _check_zero(path: str, name: str, value: torch.Tensor) -> None:
    if torch.any(value):
        raise GraphError(
            f"neuron '{path}': its state {name} starts at values other than 0; a graph "
            "starts from rest; start from zeros, or add a bias"
        )


def _check_own(call: Call, name: str, value: Any, place: int) -> None:
    own = (call.path, call.turn - 1, place)
    if not isinstance(value, Item) or own != (
        value.source.path,
        value.source.turn,
        value.index,
    ):
        raise GraphError(
            f"neuron '{call.path}', step {call.turn}: its state {name} is not what it "
            "returned at the step before; a graph carries states as they are; pass it "
            "on unchanged"
        )
