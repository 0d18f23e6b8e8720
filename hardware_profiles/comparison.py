"""The work of a student and of its teacher, priced side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spikewright.counts import OperationCount
from spikewright.hardware_profiles.constant import Evidence, weakest
from spikewright.hardware_profiles.energy import EnergyReport, estimate_energy
from spikewright.hardware_profiles.profile import HardwareProfile, load_profile
from spikewright.hardware_profiles.teacher import TeacherWork

ELSEWHERE = (("cmos45", "fp32"), ("cmos45", "int8"))
"""where the teacher is priced if a profile has no price for a MAC"""

SYNAPTIC = ("synops", "graded_synops", "macs")


@dataclass(frozen=True)
class StudentWork:
    """Operations of a student over some samples."""

    counts: Mapping[str, OperationCount]
    """by node, all samples together"""
    rows: Mapping[str, str]
    """the row of the report that each node belongs to"""
    samples: int
    idle_updates: int = 0
    """neuron updates of a lone sample while it fills and drains the chip"""


@dataclass(frozen=True)
class Row:
    """One layer of the student."""

    name: str
    count: OperationCount
    """in all samples together"""

    @property
    def spike_rate(self) -> float | None:
        """Spikes per neuron and step; None where no neuron is updated."""
        updates = self.count.updates_active + self.count.updates_inactive
        return self.count.spikes / updates if updates else None


@dataclass(frozen=True)
class Comparison:
    """One price of the student's sample against one price of the teacher's sentence."""

    student: EnergyReport
    teacher: EnergyReport

    @property
    def ratio(self) -> float | None:
        """Energy of the student over that of the teacher, None if one is unknown."""
        if self.unknown or not self.teacher.total_j:
            return None
        return self.student.total_j / self.teacher.total_j

    @property
    def unknown(self) -> tuple[str, ...]:
        """Synaptic operations without a price: they disable the ratio."""
        unpriced = {*self.student.unpriced, *self.teacher.unpriced}
        return tuple(each for each in SYNAPTIC if each in unpriced)

    @property
    def evidence(self) -> Evidence | None:
        """Grade of the weakest cost used on either side."""
        grades = (self.student.evidence, self.teacher.evidence)
        return weakest(grade for grade in grades if grade)

    @property
    def is_elsewhere(self) -> bool:
        """Whether the teacher is priced on another profile than the student."""
        return self.student.profile != self.teacher.profile


def group_rows(student: StudentWork) -> tuple[Row, ...]:
    """Add up the nodes of each row, in the order in which the rows appear."""
    grouped: dict[str, OperationCount] = {}
    for node, count in student.counts.items():
        name = student.rows.get(node, node)
        grouped[name] = grouped.get(name, OperationCount()) + count
    return tuple(Row(name, count) for name, count in grouped.items())


def price_teacher(
    teacher: TeacherWork, profile: HardwareProfile, arithmetic: str
) -> list[EnergyReport]:
    """Price on the same arithmetic if it has a price for MACs, else `ELSEWHERE`."""
    if "macs" in profile.costs(arithmetic):
        return [_price(teacher, profile, arithmetic)]
    return [_price(teacher, load_profile(name), other) for name, other in ELSEWHERE]


def _price(
    teacher: TeacherWork, profile: HardwareProfile, arithmetic: str
) -> EnergyReport:
    return estimate_energy(
        teacher.counts, profile, arithmetic=arithmetic, samples=teacher.sentences
    )
