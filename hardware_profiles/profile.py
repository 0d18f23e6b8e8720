"""Hardware profiles: what an operation costs, and why anyone should believe it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import combinations
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from spikewright.counts import OperationCount
from spikewright.errors import ProfileError

Kind: TypeAlias = Literal[
    "measured", "simulated", "synthesized", "fitted", "derived", "scaled", "vendor"
]
Statistic: TypeAlias = Literal["marginal", "operating-point", "minimum", "maximum"]
Evidence: TypeAlias = Literal["primary", "quoted", "reviewed", "secondary", "assumed"]
Term: TypeAlias = Literal[
    "arithmetic", "weight access", "state access", "routing", "leakage"
]

EVIDENCE: tuple[Evidence, ...] = get_args(Evidence)
"""from strong to weak: the source itself was read; a third party quotes it verbatim
with page and table; a peer-reviewed third party prints it; any other third party;
nobody, the author of the profile assumes it"""
TERMS: tuple[Term, ...] = get_args(Term)
"""what the energy of an operation may include"""
OPERATIONS = tuple(field.name for field in fields(OperationCount))
_GROUPS: Mapping[str, str] = {
    "synops": "synapses",
    "graded_synops": "synapses",
    "macs": "dense arithmetic",
    "updates_active": "neuron updates",
    "updates_inactive": "neuron updates",
    "spikes": "spikes",
}
"""operations that share no event: a term priced in two groups is charged twice"""


@dataclass(frozen=True)
class Cost:
    """Energy of one operation, with its source.

    Raises:
        ProfileError: an energy is negative or not finite, a word is none of those
            allowed, the source is empty, or the range does not hold the energy.
    """

    energy_j: float
    kind: Kind
    statistic: Statistic
    evidence: Evidence
    source: str
    includes: tuple[Term, ...]
    low_j: float | None = None
    high_j: float | None = None

    def __post_init__(self) -> None:
        for name in ("energy_j", "low_j", "high_j"):
            _check_energy(name, getattr(self, name))
        _check_word("kind", self.kind, get_args(Kind))
        _check_word("statistic", self.statistic, get_args(Statistic))
        _check_word("evidence", self.evidence, EVIDENCE)
        for term in self.includes:
            _check_word("includes", term, TERMS)
        if not self.source.strip():
            raise ProfileError("source is empty; say where the number is from")
        low_j = self.energy_j if self.low_j is None else self.low_j
        high_j = self.energy_j if self.high_j is None else self.high_j
        if not low_j <= self.energy_j <= high_j:
            raise ProfileError(
                f"energy_j = {self.energy_j} is outside its range {low_j} to {high_j}"
            )


Costs: TypeAlias = Mapping[str, Cost]


@dataclass(frozen=True)
class HardwareProfile:
    """The costs of a chip or a process node, for each arithmetic that it can do.

    An operation without a cost is unknown, and stays out of every total by name.

    Raises:
        ProfileError: there is no arithmetic, an operation is none of
            `OperationCount`, or two operations charge for the same thing.
    """

    name: str
    title: str
    node: str
    """process and supply voltage"""
    arithmetics: Mapping[str, Costs]
    """costs by operation, by arithmetic"""
    notes: tuple[str, ...]
    """what is unknown or absent, and what was decided"""

    def __post_init__(self) -> None:
        if not self.arithmetics:
            raise ProfileError(f"profile '{self.name}': prices no arithmetic")
        for arithmetic, costs in self.arithmetics.items():
            where = f"profile '{self.name}', arithmetic '{arithmetic}'"
            for operation in costs:
                _check_word(f"{where}: operation", operation, OPERATIONS)
            _check_overlaps(where, costs)
        frozen = {k: MappingProxyType(dict(v)) for k, v in self.arithmetics.items()}
        object.__setattr__(self, "arithmetics", MappingProxyType(frozen))

    def costs(self, arithmetic: str) -> Costs:
        """Return the costs of one arithmetic.

        Raises:
            ProfileError: the profile does not price it.
        """
        _check_word(f"profile '{self.name}': arithmetic", arithmetic, self.arithmetics)
        return self.arithmetics[arithmetic]


def weakest(grades: list[Evidence]) -> Evidence:
    """Return the weakest of `grades`."""
    return max(grades, key=EVIDENCE.index)


def _check_energy(name: str, value: float | None) -> None:
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise ProfileError(f"{name} = {value}; joules are finite and never negative")


def _check_word(
    name: str, got: str, allowed: tuple[str, ...] | Mapping[str, object]
) -> None:
    if got not in allowed:
        raise ProfileError(f"{name} '{got}' is unknown; allowed: {', '.join(allowed)}")


def _check_overlaps(where: str, costs: Costs) -> None:
    """Refuse two groups of operations that both include the same term.

    The accumulation of a synapse and the arithmetic of a neuron are different work.
    """
    for (one, cost), (two, other) in combinations(costs.items(), 2):
        shared = (set(cost.includes) & set(other.includes)) - {"arithmetic"}
        if shared and _GROUPS.get(one, "dense") != _GROUPS.get(two, "dense"):
            raise ProfileError(
                f"{where}: {one} and {two} both include {', '.join(sorted(shared))}, "
                "which would be charged twice; keep it in one of them"
            )
