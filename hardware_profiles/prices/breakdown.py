"""The work of a run in parts: by layer, population, token, step or sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

import numpy as np

from spikewright.counting import row_of_nodes
from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.graph import Graph
from spikewright.hardware_profiles.prices.run_work import BARRIERS
from spikewright.run_counts import RunCounts

By: TypeAlias = Literal["layer", "population", "token", "step", "sample"]
BYS: tuple[By, ...] = get_args(By)
Parts: TypeAlias = Mapping[str, OperationCount]
WITHOUT = "without a token"
"""work that belongs to no token position"""
PADDING = "padding"


@dataclass(frozen=True)
class Breakdown:
    """Counts of a run by parts, which add up to its total."""

    by: By
    parts: Parts
    """of all samples together, or of a sample each"""
    samples: int
    """that each part is of"""
    within: Parts = field(default_factory=dict)
    """what is in the parts as well, and is shown apart"""

    def label(self, part: str) -> str:
        """Name a part for people: `step 3`, and layers as they are."""
        is_number = self.by in ("token", "step", "sample") and part.isdecimal()
        return f"{self.by} {part}" if is_number else part


def break_down(graph: Graph, run: RunCounts, by: By) -> Breakdown:
    """Split the counts of a run.

    layer: a population with the synapses that lead to it; population: populations and
    synapses apart; token: positions in the text, of which padding is told apart.

    Raises:
        InputError: by token, and no work of the graph belongs to a token.
    """
    samples = 1 if by == "sample" else run.samples
    parts = _SPLITS[by](graph, run)
    padding = sum(run.padding.values(), OperationCount())
    within = {PADDING: padding} if any(asdict(padding).values()) else {}
    if by == "sample":
        return Breakdown(by, parts, samples)
    return Breakdown(by, parts, samples, within)


def _barriers(run: RunCounts) -> OperationCount:
    return OperationCount(barriers=run.samples * run.steps)


def _by_layer(graph: Graph, run: RunCounts) -> dict[str, OperationCount]:
    rows, found = row_of_nodes(graph), dict[str, OperationCount]()
    for node, count in run.totals().items():
        row = rows[node]
        found[row] = found.get(row, OperationCount()) + count
    return {**found, BARRIERS: _barriers(run)}


def _by_population(_: Graph, run: RunCounts) -> dict[str, OperationCount]:
    return {**run.totals(), BARRIERS: _barriers(run)}


def _by_token(_: Graph, run: RunCounts) -> dict[str, OperationCount]:
    if not run.tokens:
        raise InputError(
            "--by token: no work of this network can be told by token; "
            "use --by layer, population, step or sample"
        )
    found: dict[int, dict[str, int]] = {}
    for fields in run.tokens.values():
        for key, values in fields.items():
            for token, value in enumerate(values.tolist()):
                sums = found.setdefault(token, {})
                sums[key] = sums.get(key, 0) + value
    parts = {str(each): OperationCount(**found[each]) for each in sorted(found)}
    placed = sum(parts.values(), OperationCount())
    return {**parts, WITHOUT: run.total() + placed * -1}


def _by_step(_: Graph, run: RunCounts) -> dict[str, OperationCount]:
    sums = {"barriers": np.full(run.steps, run.samples, dtype=np.int64)}
    for name in run.counts:
        for key, values in run.by_step(name).items():
            sums[key] = sums[key] + values if key in sums else values
    return {
        str(step): OperationCount(**{k: int(v[step]) for k, v in sums.items()})
        for step in range(run.steps)
    }


def _by_sample(_: Graph, run: RunCounts) -> dict[str, OperationCount]:
    return {str(each): count for each, count in enumerate(run.by_sample())}


_SPLITS: Mapping[By, Callable[[Graph, RunCounts], dict[str, OperationCount]]] = (
    MappingProxyType(
        {
            "layer": _by_layer,
            "population": _by_population,
            "token": _by_token,
            "step": _by_step,
            "sample": _by_sample,
        }
    )
)
