"""The lines of an energy figure: a count, what it is multiplied by, a constant."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias, get_args

from spikewright.hardware_profiles.profiles.constant import Constant
from spikewright.hardware_profiles.text.layout import amount, joules

TermName: TypeAlias = Literal[
    "arithmetic",
    "weight memory",
    "state",
    "activations",
    "events",
    "network",
    "norms",
    "sync",
    "static",
]
SECONDS = "seconds a sample"
"""meaning of the factor that turns power into energy"""
TERM_NAMES: tuple[TermName, ...] = get_args(TermName)


@dataclass(frozen=True)
class Factor:
    """What a count is multiplied by before its constant, and why."""

    value: Fraction
    meaning: str


@dataclass(frozen=True)
class Line:
    """Energy of one operation: amount x factors x constant."""

    operation: str
    """a field of `OperationCount`, or `chips`, `cores`, `parameter_bits`"""
    amount: Fraction
    """in one sample, the mean over all"""
    factors: tuple[Factor, ...]
    constant: Constant
    place: str
    """where the constant stands: profile and key"""

    @property
    def times(self) -> Fraction:
        """What the constant is multiplied by, exactly."""
        return math.prod((each.value for each in self.factors), start=self.amount)

    @property
    def energy_j(self) -> float:
        """Joules of one sample."""
        return float(self.times) * self.constant.value

    def __str__(self) -> str:
        """Write count x factors x constant = joules, and the source."""
        factors = "".join(
            f" x {float(each.value):.4g} ({each.meaning})" for each in self.factors
        )
        each = self.constant
        return (
            f"{amount(float(self.amount))} {self.operation}{factors} x "
            f"{each.value:.4g} {each.unit} ({self.place}; {each.statistic}, "
            f"{each.kind}, evidence: {each.evidence}; {each.source}) = "
            f"{joules(self.energy_j)}"
        )


@dataclass(frozen=True)
class Missing:
    """Work that happened and is in no line."""

    operation: str
    amount: Fraction
    why: str
    is_outside: bool = False
    """the accounting puts it outside the figure: it is no gap of the figure"""


@dataclass(frozen=True)
class Term:
    """One term of the full accounting, itemized."""

    name: TermName
    lines: tuple[Line, ...] = ()
    missing: tuple[Missing, ...] = ()
    outside: tuple[Missing, ...] = ()
    """what another machine does, by choice of the accounting"""

    @property
    def is_disabled(self) -> bool:
        """Whether work of this term happened and none of it has a constant."""
        return bool(self.missing) and not self.lines

    @property
    def energy_j(self) -> float | None:
        """Joules of one sample; None if disabled, never 0 instead."""
        return None if self.is_disabled else total_j(self.lines)


Priced: TypeAlias = Mapping[TermName, Term]


def total_j(lines: Iterable[Line]) -> float:
    """Add up the energies of lines."""
    return math.fsum(line.energy_j for line in lines)


def is_floor(lines: Iterable[Line]) -> bool:
    """Say whether a published minimum is among the constants, and none may be lower."""
    constants = {line.constant for line in lines}
    has_minimum = any(each.statistic == "minimum" for each in constants)
    return has_minimum and not any(each.may_be_lower for each in constants)


def merge_terms(parts: Iterable[Term]) -> dict[TermName, Term]:
    """Join the lines of terms of the same name, in the order of `TERM_NAMES`."""
    found = list(parts)
    return {name: _merged(name, found) for name in TERM_NAMES}


def _merged(name: TermName, parts: Iterable[Term]) -> Term:
    own = [each for each in parts if each.name == name]
    return Term(
        name,
        tuple(line for each in own for line in each.lines),
        tuple(missing for each in own for missing in each.missing),
        tuple(outside for each in own for outside in each.outside),
    )


def all_lines(terms: Priced) -> Iterator[Line]:
    """Yield the lines of all terms in order."""
    for term in terms.values():
        yield from term.lines
