"""The spike rate at which a student costs as much as its baseline.

    E(r) = A r + B,   r* = (E_baseline - B) / A,   spikes per synapse = r* T

All populations keep the shape of their measured rates: each count that follows the
spikes is scaled alike. If B >= E_baseline, no rate wins. With temporal reuse the weight
reads grow as 1 - (1 - r)^T instead, and r* is found by bisection.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.hardware_profiles.prices.full_energy import FullEnergy, full_energy
from spikewright.hardware_profiles.prices.terms import total_j
from spikewright.hardware_profiles.profiles.constant import Constant
from spikewright.hardware_profiles.profiles.profile import HardwareProfile

DAMPFHOFFER = (0.15, 1.38)
"""spikes per synapse and inference up to which a spiking network competes: Dampfhoffer
et al., IEEE TETCI 2023, as third parties quote it"""
YAN = 0.057
"""rate at T = 5: Yan, Bai and Wong, arXiv 2409.08290, v4, abstract"""
SYNAPTIC = ("synops", "synops_zero", "graded_synops", "graded_levels", "macs")
"""without a price for these there is no total to compare"""
_HALVINGS = 60


@dataclass(frozen=True)
class RateLine:
    """The student's energy over its spike rate, in joules of one sample."""

    figure: FullEnergy
    """at the measured rate"""
    rate: Fraction
    """measured, spikes per source neuron and step"""
    steps: int
    fixed_j: float
    """B: what is left without any spike"""
    reused_j: float
    """weight reads at the measured rate, if they are shared over the steps, else 0"""

    @property
    def slope_j(self) -> float:
        """A: joules for each unit of rate, without what is shared over the steps."""
        moving = self.figure.total_j - self.fixed_j - self.reused_j
        return moving / float(self.rate)

    def energy_j(self, rate: float) -> float:
        """Return the energy at another rate."""
        shared = 0.0
        if self.reused_j:
            measured = _fired(float(self.rate), self.steps)
            shared = self.reused_j * _fired(rate, self.steps) / measured
        return self.fixed_j + self.slope_j * rate + shared


@dataclass(frozen=True)
class BreakEven:
    """A student against one baseline."""

    line: RateLine
    baseline: FullEnergy
    rate: float | None
    """r*: below it the student wins; None: no rate wins; above 1: every rate wins"""

    @property
    def spikes_per_synapse(self) -> float | None:
        """r* T, beside Dampfhoffer's 0.15 to 1.38."""
        return None if self.rate is None else self.rate * self.line.steps

    @property
    def wins(self) -> bool:
        """Whether the student wins at its measured rate."""
        return self.rate is not None and self.line.rate < self.rate

    def __str__(self) -> str:
        """Say at which rate the student wins, and where it stands."""
        accounting = self.line.figure.accounting
        reuse = (
            f"weight reuse {float(accounting.weight_reuse):g} of the student, "
            f"{float(self.baseline.accounting.teacher_weight_reuse):g} of the baseline"
        )
        measured = f"measured {float(self.line.rate):.2%}"
        if self.rate is None:
            return f"{self.baseline.label}: no rate wins ({reuse}; {measured})"
        if self.rate > 1:
            return f"{self.baseline.label}: every rate wins ({reuse}; {measured})"
        verdict = "wins" if self.wins else "loses"
        return (
            f"{self.baseline.label}: wins below a rate of {self.rate:.2%}, "
            f"{self.spikes_per_synapse:.3g} spikes per synapse ({reuse}); "
            f"{measured}: {verdict}"
        )


def rate_line(
    figure: FullEnergy, profile: HardwareProfile, *, steady: Collection[str]
) -> RateLine:
    """Split a student's energy into what follows its rate and what does not.

    Args:
        figure: the student at its measured rate.
        profile: where it was priced.
        steady: nodes whose events do not follow the rate: see `steady_nodes`.

    Raises:
        InputError: the student's rate is unknown or 0, its events have no price, or a
            node is unknown.
    """
    work = figure.work
    if not work.rate:
        raise InputError(
            f"work '{work.name}': break-even needs a measured spike rate above 0, got "
            f"{work.rate}"
        )
    _refuse_unpriced(figure)
    if unknown := [each for each in steady if each not in work.counts]:
        raise InputError(f"work '{work.name}': no node '{unknown[0]}' was counted")
    silent = replace(work, counts=silenced(work.counts, steady))
    rest = full_energy(silent, profile, figure.arithmetic, figure.accounting)
    reused = 0.0
    if figure.accounting.temporal_reuse:
        reused = _weight_reads_j(figure) - _weight_reads_j(rest)
    return RateLine(figure, work.rate, work.steps, rest.total_j, reused)


def break_even(line: RateLine, baseline: FullEnergy) -> BreakEven:
    """Solve for the rate at which both cost the same.

    Raises:
        InputError: the baseline was not priced, or the student costs the same at
            every rate.
    """
    _refuse_unpriced(baseline)
    margin_j = baseline.total_j - line.fixed_j
    if margin_j <= 0:
        return BreakEven(line, baseline, None)
    if line.reused_j:
        return BreakEven(line, baseline, _bisect(line, baseline.total_j))
    if not line.slope_j > 0:
        raise InputError(f"{line.figure.label}: costs the same at every spike rate")
    return BreakEven(line, baseline, margin_j / line.slope_j)


def compute_only_spikes_per_synapse(
    mac: Constant, accumulate: Constant, *, gamma: float
) -> float:
    """Return r* T of bare arithmetic: e_MAC (1 - gamma) / e_AC.

    Raises:
        InputError: `gamma`, the share of zero activations, is not in [0, 1), or an
            accumulate is free.
    """
    if not 0 <= gamma < 1:
        raise InputError(f"gamma = {gamma}; a share of zeros is in 0 to below 1")
    if not accumulate.value:
        raise InputError("an accumulate of 0 J breaks even at no rate")
    return mac.value * (1 - gamma) / accumulate.value


def silenced(
    counts: Mapping[str, OperationCount], steady: Collection[str]
) -> dict[str, OperationCount]:
    """Return the counts that are left if nothing spikes: every update is inactive."""
    return {
        name: count if name in steady else _silent(count)
        for name, count in counts.items()
    }


def _silent(count: OperationCount) -> OperationCount:
    has_events = bool(count.synops or count.graded_levels)
    return replace(
        count,
        synops=0,
        synops_zero=0,
        graded_synops=0 if count.graded_levels else count.graded_synops,
        graded_levels=0,
        updates_active=0,
        updates_inactive=count.updates_active + count.updates_inactive,
        spikes=0,
        weight_bits_read=0 if has_events else count.weight_bits_read,
        packets=0,
        hops_ew=0,
        hops_ns=0,
    )


def _refuse_unpriced(figure: FullEnergy) -> None:
    """Refuse a side whose events or MACs have no price: its total says too little."""
    for _, each in figure.missing:
        if each.operation in SYNAPTIC:
            raise InputError(
                f"{figure.label}: no break-even, since {each.operation} is not priced: "
                f"{each.why}"
            )
    if not figure.total_j > 0:
        raise InputError(f"{figure.label}: costs 0 J, so nothing can break even")


def _weight_reads_j(figure: FullEnergy) -> float:
    lines = figure.terms["weight memory"].lines
    return total_j(line for line in lines if line.operation == "weight_bits_read")


def _fired(rate: float, steps: int) -> float:
    """Return the share of sources that fire at all."""
    return -math.expm1(steps * math.log1p(-rate)) if rate < 1 else 1.0


def _bisect(line: RateLine, wanted_j: float) -> float:
    if line.energy_j(1.0) <= wanted_j:
        return math.inf
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if line.energy_j(middle) < wanted_j:
            low = middle
        else:
            high = middle
    return low
