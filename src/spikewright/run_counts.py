"""The operations of a run: by node, field, sample and step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

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
    most: Mapping[frozenset[str], Mapping[str, IntArray]] | None = None
    """of counts whose samples were added up, so that `counts` has one row: nodes ->
    field -> (steps,), the largest sum of these nodes in each step of a sample"""

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
        """Return all operations of each sample, barriers included.

        Raises:
            InputError: the samples were added up.
        """
        if self.most is not None:
            raise InputError("samples were added up; count again without adding them")
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
            name: {k: v for k, v in self.peak([name]).items() if k in PEAKS}
            for name, fields in self.counts.items()
            if any(key in fields for key in PEAKS)
        }

    def peak(self, nodes: Collection[str]) -> dict[str, int]:
        """Return the most of each field in one step of one sample, nodes added up.

        Raises:
            InputError: the samples were added up, and not for these nodes together.
        """
        return {key: int(each.max()) for key, each in self.fullest(nodes).items()}

    def fullest(self, nodes: Collection[str]) -> dict[str, IntArray]:
        """Return the most of each field in each step of one sample, (steps,).

        Raises:
            InputError: as `peak`.
        """
        if self.most is not None:
            if frozenset(nodes) not in self.most:
                raise InputError(
                    f"samples were added up, not for {', '.join(nodes)} together"
                )
            return dict(self.most[frozenset(nodes)])
        sums: dict[str, IntArray] = {}
        for name in nodes:
            for key, values in self.counts.get(name, {}).items():
                sums[key] = sums[key] + values if key in sums else values
        return {key: each.max(axis=0) for key, each in sums.items()}

    def added(self, groups: Iterable[Collection[str]] = ()) -> RunCounts:
        """Add the samples up: what is left is as large for one as for a million.

        Args:
            groups: of nodes whose peaks together will be asked for; each node by
                itself has its peak in any case.
        """
        every = [*([name] for name in self.counts), *groups]
        return replace(
            self,
            counts={
                name: {k: v.sum(axis=0, keepdims=True) for k, v in fields.items()}
                for name, fields in self.counts.items()
            },
            most={frozenset(nodes): self.fullest(nodes) for nodes in every},
        )

    def refuse_uncounted(self) -> None:
        """Raise `CountError` if anything could not be counted."""
        if self.uncounted:
            listed = "; ".join(f"'{name}': {why}" for name, why in self.uncounted)
            raise CountError(f"not all work could be counted: {listed}")


def join_counts(parts: Iterable[RunCounts]) -> RunCounts:
    """Join counts of the same graph along the samples.

    Counts whose samples were added up are added as they come, one in memory at a time.

    Raises:
        InputError: there are none, or they are of different graphs or steps, or the
            samples of some were added up and those of others not.
    """
    kept: list[RunCounts] = []
    for part in parts:
        if kept:
            _refuse_other(kept[0], part)
        if kept and part.most is not None:
            kept[0] = _joined([kept[0], part])
        else:
            kept.append(part)
    if not kept:
        raise InputError("no counts to join; give those of one batch at least")
    return _joined(kept) if len(kept) > 1 else kept[0]


def _joined(every: Sequence[RunCounts]) -> RunCounts:
    first = every[0]
    join = np.concatenate if first.most is None else _sum
    return RunCounts(
        sum(each.samples for each in every),
        first.steps,
        {
            name: {
                key: join([each.counts[name][key] for each in every]) for key in fields
            }
            for name, fields in first.counts.items()
        },
        _added([each.tokens for each in every]),
        {
            name: sum((each.padding[name] for each in every), OperationCount())
            for name in first.padding
        },
        tuple(dict.fromkeys(entry for each in every for entry in each.uncounted)),
        None if first.most is None else _largest([each.most or {} for each in every]),
    )


def _sum(rows: Sequence[IntArray]) -> IntArray:
    found: IntArray = np.sum(rows, axis=0)
    return found


def _largest(
    parts: Sequence[Mapping[frozenset[str], Mapping[str, IntArray]]],
) -> dict[frozenset[str], dict[str, IntArray]]:
    return {
        nodes: {
            key: np.max([each[nodes][key] for each in parts], axis=0) for key in fields
        }
        for nodes, fields in parts[0].items()
    }


def _refuse_other(first: RunCounts, other: RunCounts) -> None:
    def outline(each: RunCounts) -> object:
        fields = {name: set(found) for name, found in each.counts.items()}
        return each.steps, fields, set(each.padding), set(each.most or ())

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
