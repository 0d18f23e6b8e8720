"""What an operation costs, and why anyone should believe it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias, get_args

from spikewright.counts import OperationCount
from spikewright.errors import ProfileError

Kind: TypeAlias = Literal[
    "measured",
    "simulated",
    "synthesized",
    "fitted",
    "derived",
    "scaled",
    "vendor",
    "unstated",
]
"""how the number was found; unstated: its source does not say"""
Statistic: TypeAlias = Literal["marginal", "operating-point", "minimum", "maximum"]
Evidence: TypeAlias = Literal["primary", "quoted", "reviewed", "secondary", "assumed"]
Term: TypeAlias = Literal[
    "arithmetic",
    "weight access",
    "state access",
    "routing within a tile",
    "routing between tiles",
    "leakage",
]

EVIDENCE: tuple[Evidence, ...] = get_args(Evidence)
"""from strong to weak: the source itself was read; a third party quotes it verbatim
with page and table; a peer-reviewed third party prints it; any other third party;
nobody, the author of the profile assumes it"""
TERMS: tuple[Term, ...] = get_args(Term)
"""what the energy of an operation may include"""
OPERATIONS = tuple(field.name for field in fields(OperationCount))


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
        check_word("kind", self.kind, get_args(Kind))
        check_word("statistic", self.statistic, get_args(Statistic))
        check_word("evidence", self.evidence, EVIDENCE)
        for term in self.includes:
            check_word("includes", term, TERMS)
        if not self.source.strip():
            raise ProfileError("source is empty; say where the number is from")
        low_j = self.energy_j if self.low_j is None else self.low_j
        high_j = self.energy_j if self.high_j is None else self.high_j
        if not low_j <= self.energy_j <= high_j:
            raise ProfileError(
                f"energy_j = {self.energy_j} is outside its range {low_j} to {high_j}"
            )


Costs: TypeAlias = Mapping[str, Cost]
"""by operation"""


def weakest(grades: Iterable[Evidence]) -> Evidence | None:
    """Return the weakest of `grades`, None if there are none."""
    return max(grades, key=EVIDENCE.index, default=None)


def check_word(
    name: str, got: str, allowed: tuple[str, ...] | Mapping[str, object]
) -> None:
    """Raise `ProfileError` unless `got` is among `allowed`."""
    if got not in allowed:
        raise ProfileError(f"{name} '{got}' is unknown; allowed: {', '.join(allowed)}")


def _check_energy(name: str, value: float | None) -> None:
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise ProfileError(f"{name} = {value}; joules are finite and never negative")
