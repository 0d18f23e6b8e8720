"""Column A: a student and its teacher priced side by side, compute only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.hardware_profiles.prices.energy import EnergyReport, estimate_energy
from spikewright.hardware_profiles.profiles.constant import Evidence, weakest
from spikewright.hardware_profiles.profiles.profile import HardwareProfile, load_profile
from spikewright.hardware_profiles.teachers.operations import TeacherWork
from spikewright.hardware_profiles.text.layout import (
    Columns,
    amount,
    joules,
    markdown_table,
)

ELSEWHERE = (("cmos45", "fp32"), ("cmos45", "int8"))
"""where the teacher is priced if a profile has no price for a MAC"""

SYNAPTIC = ("synops", "graded_synops", "macs")


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

    @property
    def verdict(self) -> str:
        """The ratio with its evidence, or why there is none; never one alone."""
        if self.unknown:
            return f"no ratio: no price for {', '.join(self.unknown)}"
        if self.ratio is None:
            return "no ratio: the teacher's energy is 0"
        bound = "at least " if self.student.is_lower_bound else ""
        return f"student / teacher = {bound}{self.ratio:.4g}, evidence: {self.evidence}"

    def to_markdown(self) -> str:
        """Write a table of all operations, then the verdict and what has no price."""
        columns = _columns(self.student, self.teacher)
        lines = [markdown_table(columns), "", self.verdict]
        for side, report in (("student", self.student), ("teacher", self.teacher)):
            if report.left_out:
                lines.append(f"- {side}, left out: {', '.join(report.left_out)}")
            if report.unpriced:
                lines.append(f"- {side}, no price: {', '.join(report.unpriced)}")
        return "\n".join(lines)


@dataclass(frozen=True)
class ColumnA:
    """Compute only: both on every arithmetic, in joules of one sample."""

    student: tuple[EnergyReport, ...]
    """one for each profile and arithmetic"""
    comparisons: tuple[Comparison, ...]


def compare(student: EnergyReport, teacher: EnergyReport) -> Comparison:
    """Set the energy of a student's sample against that of a teacher's sentence.

    Raises:
        InputError: a side has no operation that was counted.
    """
    for side, report in (("student", student), ("teacher", teacher)):
        if not report.lines and not report.unpriced:
            raise InputError(f"compare: no operation of the {side} was counted")
    return Comparison(student, teacher)


def column_a(
    counts: Mapping[str, OperationCount],
    teacher: TeacherWork,
    profiles: Sequence[HardwareProfile],
    *,
    samples: int,
) -> ColumnA:
    """Price both on every arithmetic of every profile.

    Where a profile has no price for a MAC, the teacher is priced on `cmos45`, and the
    comparison says so.

    Args:
        counts: of the student, by node, all samples together.
        teacher: counted too.
        profiles: to price on.
        samples: of the student.

    Raises:
        InputError: there is no profile, no sample, or nothing that was counted.
    """
    if not profiles or not counts:
        missing = "counted operations" if profiles else "profile"
        raise InputError(f"cannot compare without any {missing}")
    reports, comparisons = [], []
    for profile in profiles:
        for arithmetic in profile.arithmetics:
            report = estimate_energy(
                counts, profile, arithmetic=arithmetic, samples=samples
            )
            reports.append(report)
            priced = price_teacher(teacher, profile, arithmetic)
            comparisons += [Comparison(report, each) for each in priced]
    return ColumnA(tuple(reports), tuple(comparisons))


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


def _columns(student: EnergyReport, teacher: EnergyReport) -> Columns:
    sides = (student, teacher)
    names = dict.fromkeys(line.operation for side in sides for line in side.lines)
    columns = [("of one sample", *names, "total")]
    for label, side in zip(("student", "teacher"), sides, strict=True):
        found = {line.operation: line for line in side.lines}
        lines = [found.get(name) for name in names]
        counts = [amount(float(line.amount)) if line else "" for line in lines]
        energies = [joules(line.energy_j) if line else "" for line in lines]
        columns.append((f"{label}: operations", *counts, ""))
        columns.append((f"{label}: {side.label}", *energies, joules(side.total_j)))
    return columns
