"""Run a module in float64, and keep what its neurons and its forward send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import nn

from spikewright.export.snntorch.record.body import Body, Place, Returned
from spikewright.export.snntorch.record.float64 import Float64
from spikewright.export.snntorch.record.memory import copied
from spikewright.export.snntorch.record.tape import is_stateful
from spikewright.export.snntorch.record.twin import Forward, Twin

Array = npt.NDArray[Any]
Arguments = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Run:
    """What a module took and gave, all (steps, samples, *torch's shape)."""

    inputs: Mapping[str, Array]
    """by argument"""
    spikes: Mapping[str, Array]
    """by path"""
    outputs: Mapping[str, Array]
    """by name; only the last step where forward returns no other"""
    stays_high: Mapping[str, int]
    """by path: the first step at which a v was above its threshold after its reset"""


def run_module(twin: Twin, body: Body, forwards: Sequence[Arguments]) -> Run:
    """Run forwards from rest, each from the states that the one before left.

    Raises:
        InputError: the module cannot run these arguments.
    """
    twin.rest()
    spikes: dict[str, list[torch.Tensor]] = {path: [] for path in body.neurons}
    high: dict[str, int] = {}
    returned: list[Any] = []

    def listen(
        path: str, layer: nn.Module, plain: Forward, args: Any, kwargs: Any
    ) -> Any:
        made = plain(*args, **kwargs)
        if is_stateful(layer) and path in spikes:
            sent = made[0] if isinstance(made, tuple) else made
            if torch.any(getattr(layer, "reset", torch.zeros(()))):
                high.setdefault(path, len(spikes[path]))
            spikes[path].append(sent.to(torch.uint8))  # a copy: forward may write to it
        return made

    mode = Float64()
    for arguments in forwards:
        states = {
            name: _found(returned[-1], place)
            for name, place in body.state_places.items()
            if returned
        }
        given = copied({**arguments, **states})
        returned.append(twin.run(given, mode, listen))
    return Run(
        {name: _inputs(body, name, forwards) for name in body.arguments},
        {path: torch.stack(each).numpy() for path, each in spikes.items()},
        {each.name: _output(each, returned) for each in body.outputs},
        high,
    )


def _found(returned: Any, place: Place) -> Any:
    for key in place:
        is_field = isinstance(key, str) and not isinstance(returned, Mapping)
        returned = getattr(returned, str(key)) if is_field else returned[key]
    return returned


def _inputs(body: Body, name: str, forwards: Sequence[Arguments]) -> Array:
    """Return what an argument held at each step; the same at all, if it has none."""
    axis, steps = body.arguments[name], body.steps.count
    given = [each[name] for each in forwards]
    if axis is None:
        parts = [each.expand(steps, *each.shape) for each in given]
    else:
        parts = [each.movedim(axis, 0)[:steps] for each in given]
    values: Array = torch.cat(parts).double().numpy()
    return values


def _output(each: Returned, returned: Sequence[Any]) -> Array:
    parts = []
    for whole in returned:
        found = _found(whole, each.place)
        made = torch.stack(found) if isinstance(found, list) else found
        parts.append(made[None] if each.axis is None else made.movedim(each.axis, 0))
    values: Array = torch.cat(parts).numpy()
    return values
