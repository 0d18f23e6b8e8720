"""Joules from counts, for student and teacher alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction

from spikewright.counts import OperationCount
from spikewright.errors import InputError, ProfileError
from spikewright.hardware_profiles.prices.terms import Line, is_floor, total_j
from spikewright.hardware_profiles.profiles.constant import (
    TERMS,
    Costs,
    Evidence,
    Term,
    weakest,
)
from spikewright.hardware_profiles.profiles.profile import HardwareProfile


@dataclass(frozen=True)
class EnergyReport:
    """Estimated energy of one sample, and what the estimate leaves out."""

    profile: str
    arithmetic: str
    samples: int
    lines: tuple[Line, ...]
    """of all nodes together, an operation each"""
    energy_j: Mapping[str, float]
    """of one sample, the mean over all, by node"""
    used: Costs
    """the costs of the operations that occurred"""
    unpriced: Mapping[str, int]
    """operations that occurred and have no cost, in all samples together"""

    @property
    def label(self) -> str:
        """Profile and arithmetic."""
        return f"{self.profile} {self.arithmetic}"

    @property
    def total_j(self) -> float:
        """Energy of one sample."""
        return total_j(self.lines)

    @property
    def evidence(self) -> Evidence | None:
        """Grade of the weakest cost used; None if nothing was priced."""
        return weakest(cost.evidence for cost in self.used.values())

    @property
    def is_lower_bound(self) -> bool:
        """Whether a cost used is a published minimum, and none may be lower."""
        return is_floor(self.lines)

    @property
    def left_out(self) -> tuple[Term, ...]:
        """What no cost used includes."""
        included = {term for cost in self.used.values() for term in cost.includes}
        return tuple(term for term in TERMS if term not in included)


def estimate_energy(
    counts: Mapping[str, OperationCount],
    profile: HardwareProfile,
    *,
    samples: int,
    arithmetic: str | None = None,
) -> EnergyReport:
    """Price the operations of `samples` samples: joules = count x joules each.

    Args:
        counts: by node, of all samples together.
        profile: to price on.
        samples: that were counted.
        arithmetic: of the profile; it need not be said if there is only one.

    Raises:
        ProfileError: the profile does not price this arithmetic, or has several.
        InputError: `samples` is not positive.
    """
    if samples < 1:
        raise InputError(f"energy of {samples} samples; needs at least one")
    arithmetic = arithmetic or _only_arithmetic(profile)
    costs = profile.costs(arithmetic)
    lines = {
        name: arithmetic_lines(each, profile, arithmetic, samples=samples)
        for name, each in counts.items()
    }
    total = sum(counts.values(), OperationCount())
    happened = {operation: n for operation, n in asdict(total).items() if n}
    return EnergyReport(
        profile.name,
        arithmetic,
        samples,
        arithmetic_lines(total, profile, arithmetic, samples=samples),
        {name: total_j(each) for name, each in lines.items()},
        {each: costs[each] for each in happened if each in costs},
        {each: n for each, n in happened.items() if each not in costs},
    )


def _only_arithmetic(profile: HardwareProfile) -> str:
    if len(profile.arithmetics) != 1:
        raise ProfileError(
            f"{profile.name}: prices {', '.join(profile.arithmetics) or 'none'}; say "
            "which arithmetic, one of a profile that has some"
        )
    return next(iter(profile.arithmetics))


def arithmetic_lines(
    count: OperationCount, profile: HardwareProfile, arithmetic: str, *, samples: int
) -> tuple[Line, ...]:
    """Price what happened in `samples` samples: a line for each operation with a cost.

    Raises:
        ProfileError: the profile does not price this arithmetic.
    """
    costs, amounts = profile.costs(arithmetic), asdict(count)
    return tuple(
        Line(
            name,
            Fraction(amounts[name], samples),
            (),
            costs[name],
            f"{profile.name}.arithmetics.{arithmetic}.{name}",
        )
        for name in amounts
        if amounts[name] and name in costs
    )
