"""Whether all steps of a forward do the same."""

from __future__ import annotations

from typing import Any

import torch

from spikewright.export.snntorch.record.steps import Step, Steps
from spikewright.export.snntorch.record.tape import (
    Argument,
    Call,
    Item,
    Value,
    inner,
    is_equal,
    is_stateful,
    op,
    with_values,
)


class Likeness:
    """Compares values of one step with values of another."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._same: set[tuple[int, int, int, int]] = set()
        self.absent: set[int] = set()
        """ids of values of an earlier step that are 0 at the first, biases and all"""

    def is_same(self, one: Any, i: int, other: Any, j: int) -> bool:
        """Say whether `one` is to step i what `other` is to step j.

        What neurons sent before step 0 is 0: if i is 0, it may be so in `other`.
        """
        one, other = self._steps.resolved(one), self._steps.resolved(other)
        if not (isinstance(one, Value) or isinstance(other, Value)):
            return is_equal(one, other)
        key = (id(one), i, id(other), j)
        if key in self._same:
            return True
        if self._agree(one, i, other, j) or (i == 0 and self._at_rest(one, other, j)):
            self._same.add(key)
            return True
        return False

    def _agree(self, one: Any, i: int, other: Any, j: int) -> bool:
        match one, other:
            case (Argument(), Argument()):
                return one is other
            case (Step(), Step()):
                place = (one.source.name, one.axis, one.index - i)
                return place == (other.source.name, other.axis, other.index - j)
            case (Item(), Item()) if is_stateful(one.source.layer):
                ours, theirs = one.source, other.source
                place = (ours.path, one.index, ours.turn - i)
                return place == (theirs.path, other.index, theirs.turn - j)
            case (Item(), Item()):
                same_item = one.index == other.index
                return same_item and self._calls_agree(one.source, i, other.source, j)
            case (Call(), Call()):
                return self._calls_agree(one, i, other, j)
            case _:
                return False

    def _calls_agree(self, one: Call, i: int, other: Call, j: int) -> bool:
        if (op(one), one.path, one.layer) != (op(other), other.path, other.layer):
            return False
        held = [one.args, one.kwargs], [other.args, other.kwargs]
        return self._held_agree(held[0], i, held[1], j)

    def _held_agree(self, one: Any, i: int, other: Any, j: int) -> bool:
        if isinstance(one, list | tuple) and isinstance(other, list | tuple):
            return len(one) == len(other) and all(
                self._held_agree(a, i, b, j) for a, b in zip(one, other, strict=True)
            )
        if isinstance(one, dict) and isinstance(other, dict):
            return one.keys() == other.keys() and all(
                self._held_agree(one[key], i, other[key], j) for key in one
            )
        return self.is_same(one, i, other, j)

    # --- the first step --------------------------------------------------------------

    def _at_rest(self, first: Any, later: Any, j: int) -> bool:
        """Say whether `first` is what `later` gives while neurons have sent nothing.

        Or what it gives if `later` was made at the step before, and is not there yet.
        """
        if isinstance(later, Call) and op(later) == "add" and len(later.args) == 2:
            left, right = later.args
            for rest, kept in ((left, right), (right, left)):
                if isinstance(rest, Value) and self.is_same(first, 0, kept, j):
                    silent = self._silent(rest, j)
                    if silent is not None:
                        self._note_absent(rest, silent)
                        return True
        silent = self._silent(later, j)
        if silent is None or not isinstance(first, torch.Tensor):
            return False
        if not torch.any(first):  # states may start as zeros of any shape
            self._note_absent(later, silent)
            return True
        return is_equal(first, torch.as_tensor(silent))

    def _note_absent(self, value: Any, silent: Any) -> None:
        if torch.any(torch.as_tensor(silent)):
            self.absent.add(id(self._steps.resolved(value)))

    def _silent(self, value: Any, j: int) -> Any:
        """Return a value with 0 for what came before step j; None if more is in it."""
        value = self._steps.resolved(value)
        if not isinstance(value, Value):
            return value
        call = value.source if isinstance(value, Item) else value
        before = (isinstance(value, Step) and value.index < j) or (
            isinstance(call, Call) and is_stateful(call.layer) and call.turn < j
        )
        if before:
            return torch.zeros(value.shape, dtype=torch.float64)
        if not isinstance(call, Call) or is_stateful(call.layer):
            return None
        operands = {id(v): self._silent(v, j) for v in inner([call.args, call.kwargs])}
        if any(each is None for each in operands.values()):
            return None
        held = with_values((call.args, call.kwargs), lambda each: operands[id(each)])
        made = call.run(*held[0], **held[1])
        return made[value.index] if isinstance(value, Item) else made
