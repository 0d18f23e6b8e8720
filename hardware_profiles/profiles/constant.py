"""A physical constant of some hardware, and why anyone should believe it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias, get_args

from spikewright.counts import OperationCount
from spikewright.hardware_profiles.profiles.errors import FieldError, suggest

Unit: TypeAlias = Literal["J", "J/bit", "W", "W/Hz", "s", "bit", "1"]
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
Statistic: TypeAlias = Literal[
    "marginal", "operating-point", "minimum", "maximum", "unstated"
]
"""what one more event costs; total over events at one point of work; the least and
the most that was published, the truth lies on one side; unstated: nobody says"""
Evidence: TypeAlias = Literal["primary", "quoted", "reviewed", "secondary", "assumed"]
Term: TypeAlias = Literal[
    "arithmetic",
    "weight access",
    "state access",
    "routing within a tile",
    "routing between tiles",
    "leakage",
    "activation access",
    "synchronization",
    "idle",
    "active updates",
    "inactive updates",
    "residual additions",
    "bias additions",
]

UNITS: tuple[Unit, ...] = get_args(Unit)
EVIDENCE: tuple[Evidence, ...] = get_args(Evidence)
"""from strong to weak: the source itself was read; a third party quotes it verbatim
with page and table; a peer-reviewed third party prints it; any other third party;
nobody, the author of the profile assumes it"""
TERMS: tuple[Term, ...] = get_args(Term)
"""what a constant may include; idle: clocks that run without an event; residual
additions: an event adds into the register of its neuron, whatever way it came"""
OPERATIONS = tuple(field.name for field in fields(OperationCount))
"""what can happen, and so can have a price"""
_WORDS: Mapping[str, tuple[str, ...]] = {
    "unit": UNITS,
    "kind": get_args(Kind),
    "statistic": get_args(Statistic),
    "evidence": EVIDENCE,
}


@dataclass(frozen=True)
class Constant:
    """A number with unit, range, kind and source.

    Raises:
        ProfileError: a number is negative or not finite, a word is none of those
            allowed, the source is empty, the range does not hold the value, or goes
            to the wrong side of a published minimum or maximum.
    """

    value: float
    unit: Unit
    kind: Kind
    statistic: Statistic
    evidence: Evidence
    source: str
    includes: tuple[Term, ...] = ()
    low: float | None = None
    high: float | None = None
    node: str = ""
    """process, if it is not that of the profile"""
    supply_v: float | None = None
    """None: its source does not say"""
    table: str = ""
    """table, figure or page of the source"""
    quote: str = ""
    """words of the source"""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high", "supply_v"):
            _check_number(name, getattr(self, name))
        for name, allowed in _WORDS.items():
            _check_word(name, getattr(self, name), allowed)
        for term in self.includes:
            _check_word("includes", term, TERMS)
        if repeated := sorted({t for t in self.includes if self.includes.count(t) > 1}):
            raise FieldError(("includes",), f" names '{repeated[0]}' twice")
        if not self.source.strip():
            raise FieldError(("source",), " is empty; say where the number is from")
        _check_range(self)

    @property
    def lowest(self) -> float:
        """Lower end of the range, the value itself if none is published."""
        return self.value if self.low is None else self.low

    @property
    def highest(self) -> float:
        """Upper end of the range, the value itself if none is published."""
        return self.value if self.high is None else self.high

    @property
    def may_be_lower(self) -> bool:
        """Whether the truth may lie below the value, as far as anyone published."""
        return self.lowest < self.value or self.statistic == "maximum"


Constants: TypeAlias = Mapping[str, Constant]
"""by name"""
Costs: TypeAlias = Constants
"""joules, by operation"""


def weakest(grades: Iterable[Evidence]) -> Evidence | None:
    """Return the weakest of `grades`, None if there are none."""
    return max(grades, key=EVIDENCE.index, default=None)


def _check_number(name: str, number: float | None) -> None:
    if number is not None and not (math.isfinite(number) and number >= 0):
        raise FieldError(
            (name,), f" = {number}; must be a finite number, never negative"
        )


def _check_word(name: str, got: str, allowed: tuple[str, ...]) -> None:
    if got not in allowed:
        raise FieldError((name,), f" '{got}' is unknown; {suggest(got, allowed)}")


def _check_range(constant: Constant) -> None:
    """Refuse a range beside the value, or beyond a published minimum or maximum."""
    value, low, high = constant.value, constant.lowest, constant.highest
    if low > value:
        raise FieldError(
            ("low",), f" = {low} is above the value {value}: outside its range"
        )
    if high < value:
        raise FieldError(
            ("high",), f" = {high} is below the value {value}: outside its range"
        )
    if constant.statistic == "minimum" and low < value:
        raise FieldError(("low",), f" = {low} is below the published minimum {value}")
    if constant.statistic == "maximum" and high > value:
        raise FieldError(("high",), f" = {high} is above the published maximum {value}")
