"""Joules from counts, for student and teacher alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.hardware_profiles.constant import (
    TERMS,
    Costs,
    Evidence,
    Term,
    weakest,
)
from spikewright.hardware_profiles.profile import HardwareProfile


@dataclass(frozen=True)
class EnergyReport:
    """Estimated energy of one sample, and what the estimate leaves out."""

    profile: str
    arithmetic: str
    samples: int
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
        """Energy of one sample, the sum over nodes."""
        return math.fsum(self.energy_j.values())

    @property
    def evidence(self) -> Evidence | None:
        """Grade of the weakest cost used; None if nothing was priced."""
        return weakest(cost.evidence for cost in self.used.values())

    @property
    def is_lower_bound(self) -> bool:
        """Whether a cost used is a published minimum."""
        return any(cost.statistic == "minimum" for cost in self.used.values())

    @property
    def left_out(self) -> tuple[Term, ...]:
        """What no cost used includes."""
        included = {term for cost in self.used.values() for term in cost.includes}
        return tuple(term for term in TERMS if term not in included)


def estimate_energy(
    counts: Mapping[str, OperationCount],
    profile: HardwareProfile,
    *,
    arithmetic: str,
    samples: int,
) -> EnergyReport:
    """Price the operations of `samples` samples: joules = count x joules each.

    Raises:
        ProfileError: the profile does not price this arithmetic.
        InputError: `samples` is not positive.
    """
    if samples < 1:
        raise InputError(f"energy of {samples} samples; needs at least one")
    costs = profile.costs(arithmetic)
    energy_j = {name: _energy_j(each, costs) / samples for name, each in counts.items()}
    total = asdict(sum(counts.values(), OperationCount()))
    happened = {operation: n for operation, n in total.items() if n}
    used = {operation: costs[operation] for operation in happened if operation in costs}
    unpriced = {
        operation: n for operation, n in happened.items() if operation not in costs
    }
    return EnergyReport(profile.name, arithmetic, samples, energy_j, used, unpriced)


def _energy_j(count: OperationCount, costs: Costs) -> float:
    amounts = asdict(count)
    return math.fsum(amounts[name] * cost.value for name, cost in costs.items())
