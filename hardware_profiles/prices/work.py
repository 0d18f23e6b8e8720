"""What a full accounting prices: the counts of a run and where it ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from spikewright.counts import OperationCount
from spikewright.errors import InputError, LimitsExceededError
from spikewright.hardware_profiles.placement.place import Placement


@dataclass(frozen=True, kw_only=True)
class Work:
    """Counted operations of a student or a teacher; None is unknown, never a default.

    Raises:
        InputError: samples, steps, cores or chips are not positive, or the rate is
            outside 0 to 1.
    """

    name: str
    counts: Mapping[str, OperationCount]
    """by node, of all samples together"""
    samples: int
    steps: int
    """of one sample; 1 for a teacher"""
    is_teacher: bool
    rate: Fraction | None = None
    """spikes per source neuron and step"""
    cores: int | None = None
    """allocated by a placement"""
    chips: int | None = None
    latency_s: float | None = None
    """of one sample"""
    parameter_bits: int | None = None
    """stored weights"""

    def __post_init__(self) -> None:
        for name in ("samples", "steps", "cores", "chips"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"work '{self.name}': {name} is {value}, must be > 0")
        if self.rate is not None and not 0 <= self.rate <= 1:
            raise InputError(f"work '{self.name}': rate {self.rate} is not in 0 to 1")

    @property
    def total(self) -> OperationCount:
        """Add up all nodes."""
        return sum(self.counts.values(), OperationCount())


def on_placement(work: Work, placement: Placement) -> Work:
    """Return `work` on the cores and chips of a placement: the gate of capacity.

    Raises:
        LimitsExceededError: the placement breaks a limit of its chip.
    """
    if placement.violations:
        raise LimitsExceededError(
            f"work '{work.name}' does not fit its chip, so its energy there is not "
            f"priced: {placement.violations[0]}"
            + _others(len(placement.violations) - 1)
        )
    return replace(work, cores=len(placement.cores), chips=placement.chips)


def _others(more: int) -> str:
    return f" (and {more} more limits broken)" if more else ""
