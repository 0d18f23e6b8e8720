"""The operations of a run: by node, field, sample and step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spikewright.counts import OperationCount
from spikewright.errors import CountError, InputError
from spikewright.nodes import IntArray

PEAKS = ("synops", "spikes", "packets")
"""fields of which the largest value of one step counts"""


@dataclass(frozen=True, eq=False)
class RunCounts:
    """Exact counts of a run. They add, sample by sample, and know no joules.

    Fields that never occur at a node are left out.
    """

    samples: int
    steps: int
    counts: Mapping[str, Mapping[str, IntArray]]
    """node -> field of `OperationCount` -> (samples, steps)"""
    tokens: Mapping[str, Mapping[str, IntArray]]
    """node -> field -> (tokens,), over all samples, where tokens can be told"""
    padding: Mapping[str, OperationCount]
    """the part of `totals()` that padding tokens caused; empty without lengths"""
    uncounted: tuple[tuple[str, str], ...]
    """(node, what is missing and why)"""

    @property
    def barriers(self) -> IntArray:
        """(samples, steps): one synchronization of all cores a step."""
        return np.broadcast_to(np.int64(1), (self.samples, self.steps))

    def totals(self) -> dict[str, OperationCount]:
        """Add up samples and steps, by node; barriers belong to no node."""
        return {
            name: OperationCount(**{k: int(v.sum()) for k, v in fields.items()})
            for name, fields in self.counts.items()
        }

    def total(self) -> OperationCount:
        """Add up everything, barriers included."""
        barriers = OperationCount(barriers=self.samples * self.steps)
        return sum(self.totals().values(), barriers)

    def by_step(self, node: str) -> dict[str, IntArray]:
        """Return each field of a node by step, (steps,).

        Raises:
            InputError: no such node was counted.
        """
        fields = self._fields(self.counts, node)
        return {key: values.sum(axis=0) for key, values in fields.items()}

    def by_sample(self) -> tuple[OperationCount, ...]:
        """Return all operations of each sample, barriers included."""
        sums: dict[str, IntArray] = {
            "barriers": np.full(self.samples, self.steps, dtype=np.int64)
        }
        for fields in self.counts.values():
            for key, values in fields.items():
                sums[key] = sums.get(key, np.int64(0)) + values.sum(axis=1)
        return tuple(
            OperationCount(**{key: int(each[sample]) for key, each in sums.items()})
            for sample in range(self.samples)
        )

    def by_token(self, node: str) -> Mapping[str, IntArray]:
        """Return each field of a node by token position, (tokens,).

        Raises:
            InputError: no such node was counted, or its tokens cannot be told.
        """
        self._fields(self.counts, node)
        return self._fields(self.tokens, node)

    def _fields(
        self, found: Mapping[str, Mapping[str, IntArray]], node: str
    ) -> Mapping[str, IntArray]:
        if node not in found:
            what = "counts" if found is self.counts else "token positions"
            raise InputError(
                f"no {what} of node '{node}'; there are some of "
                f"{', '.join(found) or 'none'}"
            )
        return found[node]

    @property
    def peaks(self) -> dict[str, dict[str, int]]:
        """The largest synops, spikes and packets in one step of one sample, by node."""
        return {
            name: {key: int(fields[key].max()) for key in PEAKS if key in fields}
            for name, fields in self.counts.items()
            if any(key in fields for key in PEAKS)
        }

    def refuse_uncounted(self) -> None:
        """Raise `CountError` if anything could not be counted."""
        if self.uncounted:
            listed = "; ".join(f"'{name}': {why}" for name, why in self.uncounted)
            raise CountError(f"not all work could be counted: {listed}")


def join_counts(parts: Iterable[RunCounts]) -> RunCounts:
    """Join counts of the same graph along the samples.

    Raises:
        InputError: there are none, or they are of different graphs or steps.
    """
    every = list(parts)
    if not every:
        raise InputError("no counts to join; give those of one batch at least")
    first = every[0]
    for other in every[1:]:
        _refuse_other(first, other)
    return RunCounts(
        sum(each.samples for each in every),
        first.steps,
        {
            name: {
                key: np.concatenate([each.counts[name][key] for each in every])
                for key in fields
            }
            for name, fields in first.counts.items()
        },
        _added([each.tokens for each in every]),
        {
            name: sum((each.padding[name] for each in every), OperationCount())
            for name in first.padding
        },
        tuple(dict.fromkeys(entry for each in every for entry in each.uncounted)),
    )


def _refuse_other(first: RunCounts, other: RunCounts) -> None:
    def outline(each: RunCounts) -> object:
        fields = {name: set(found) for name, found in each.counts.items()}
        return each.steps, fields, set(each.padding)

    if outline(first) != outline(other):
        raise InputError(
            "counts of different graphs, steps or options cannot be joined; count all "
            "parts in the same way"
        )


def _added(
    parts: Sequence[Mapping[str, Mapping[str, IntArray]]],
) -> dict[str, dict[str, IntArray]]:
    return {
        name: {
            key: np.sum([each[name][key] for each in parts], axis=0) for key in fields
        }
        for name, fields in parts[0].items()
    }
