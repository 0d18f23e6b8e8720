"""The student against its teacher: a row a layer, totals, ratios, what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.hardware_profiles.comparison import (
    Comparison,
    Row,
    StudentWork,
    group_rows,
    price_teacher,
)
from spikewright.hardware_profiles.energy import EnergyReport, estimate_energy
from spikewright.hardware_profiles.layout import (
    amount,
    joules,
    markdown_table,
    text_table,
    wrap,
)
from spikewright.hardware_profiles.profile import HardwareProfile
from spikewright.hardware_profiles.teacher import TeacherWork

WIDTH = 100
"""columns of a terminal"""
_OUTSIDE = (
    "outside every figure: tokenizer and embedding lookup of the student on the host, "
    "transport of spikes to and from the chip, the accumulators of the Output, axonal "
    "delay lines, the barrier between steps, idle time"
)
_FLOPS = (
    "papers that charge a MAC for each FLOP print twice the teacher's energy; "
    "here a MAC is charged once"
)


@dataclass(frozen=True)
class ComparisonReport:
    """What a student costs beside its teacher; all energies are of one sample."""

    rows: tuple[Row, ...]
    samples: int
    student: tuple[EnergyReport, ...]
    """one for each profile and arithmetic; energies by row"""
    teacher: TeacherWork
    comparisons: tuple[Comparison, ...]
    idle_updates: int = 0
    """of a lone sample, in no figure"""

    @property
    def total(self) -> OperationCount:
        """All operations of the student, in all samples together."""
        return sum((row.count for row in self.rows), OperationCount())

    def to_dict(self) -> dict[str, object]:
        """Return everything as JSON can hold it; counts are those of all samples."""
        return {
            "samples": self.samples,
            "rows": [_row_dict(row, self.student) for row in self.rows],
            "student": [_energy_dict(each) for each in self.student],
            "teacher": {
                "name": self.teacher.name,
                "sentences": self.teacher.sentences,
                "mean_tokens": self.teacher.mean_tokens,
                "counts": {k: asdict(v) for k, v in self.teacher.counts.items()},
            },
            "comparisons": [_comparison_dict(each) for each in self.comparisons],
            "left_out": _left_out_lines(self),
        }

    def to_table(self) -> str:
        """Return a table and its explanations as plain text, 100 columns wide."""
        table = text_table(_columns(self), WIDTH)
        parts = [
            [title + ":", *(f"  {line}" for line in lines)]
            for title, lines in _sections(self).items()
        ]
        wrapped = ["\n".join(wrap(line, WIDTH) for line in part) for part in parts]
        return "\n\n".join([wrap(_heading(self), WIDTH), table, *wrapped])

    def to_markdown(self) -> str:
        """Return a table and its explanations as Markdown."""
        table = markdown_table(_columns(self))
        parts = [
            "\n".join([f"**{title}**", "", *(f"- {line}" for line in lines)])
            for title, lines in _sections(self).items()
        ]
        return "\n\n".join([_heading(self), table, *parts]) + "\n"


def compare(
    student: StudentWork, teacher: TeacherWork, profiles: Sequence[HardwareProfile]
) -> ComparisonReport:
    """Price both on every arithmetic of every profile.

    Where a profile has no price for a MAC, the teacher is priced on `cmos45`, and the
    report says so.

    Raises:
        InputError: there is no profile, no sample, or nothing that was counted.
    """
    if not profiles or not student.counts:
        missing = "counted operations" if profiles else "profile"
        raise InputError(f"cannot compare without any {missing}")
    rows = group_rows(student)
    by_row = {row.name: row.count for row in rows}
    reports, comparisons = [], []
    for profile in profiles:
        for arithmetic in profile.arithmetics:
            report = estimate_energy(
                by_row, profile, arithmetic=arithmetic, samples=student.samples
            )
            reports.append(report)
            priced = price_teacher(teacher, profile, arithmetic)
            comparisons += [Comparison(report, each) for each in priced]
    return ComparisonReport(
        rows,
        student.samples,
        tuple(reports),
        teacher,
        tuple(comparisons),
        student.idle_updates,
    )


# --- the table -----------------------------------------------------------------------


def _columns(report: ComparisonReport) -> list[list[str]]:
    """Columns from heading to total; graded synops and MACs only if there are any."""
    total, samples = report.total, report.samples
    columns = [["layer", *(row.name for row in report.rows), "total"]]
    lines = (*report.rows, Row("total", total))
    columns.append(["spike rate", *(_rate(row) for row in lines[:-1]), ""])
    work = {
        "synops": [row.count.synops for row in lines],
        "graded synops": [row.count.graded_synops for row in lines],
        "MACs": [row.count.macs for row in lines],
        "neuron updates": [
            row.count.updates_active + row.count.updates_inactive for row in lines
        ],
    }
    for title, counts in work.items():
        if counts[-1] or title in ("synops", "neuron updates"):
            columns.append([title, *(amount(each / samples) for each in counts)])
    for price in report.student:
        energies = [price.energy_j[row.name] for row in report.rows]
        columns.append([price.label, *map(joules, [*energies, price.total_j])])
    return columns


def _rate(row: Row) -> str:
    return "" if row.spike_rate is None else f"{row.spike_rate:.4f}"


# --- the lines below it --------------------------------------------------------------


def _heading(report: ComparisonReport) -> str:
    return f"Student, operations and energy of one sample (mean of {report.samples}):"


def _sections(report: ComparisonReport) -> dict[str, list[str]]:
    return {
        "Teacher": _teacher_lines(report),
        "Student / teacher": [_ratio_line(each) for each in report.comparisons],
        "Evidence": _evidence_lines(report),
        "Left out": _left_out_lines(report),
    }


def _teacher_lines(report: ComparisonReport) -> list[str]:
    teacher = report.teacher
    macs = sum(count.macs for count in teacher.counts.values()) / teacher.sentences
    priced = ", ".join(
        f"{joules(each.total_j)} {each.label}" for each in _teachers(report)
    )
    size = f"{teacher.mean_tokens:g} tokens"
    if teacher.sentences > 1:
        size = f"{teacher.mean_tokens:.1f} tokens (mean of {teacher.sentences})"
    return [f"{teacher.name}, {size}: {amount(macs)} MACs, {priced}", _FLOPS]


def _ratio_line(comparison: Comparison) -> str:
    student, teacher = comparison.student, comparison.teacher
    if comparison.ratio is None:
        unknown = ", ".join(map(_words, comparison.unknown)) or "all that happened"
        return f"{student.label}: no ratio, since {unknown} has no price or costs 0 J"
    least = "at least " if student.is_lower_bound else ""
    where = f" on {teacher.label}" if comparison.is_elsewhere else ""
    why = f"; not like for like, {student.profile} prices no MAC" if where else ""
    return (
        f"{student.label}: {least}{joules(student.total_j)} / "
        f"{joules(teacher.total_j)}{where} = {least}{comparison.ratio:.3g}; "
        f"evidence: {comparison.evidence}{why}"
    )


def _evidence_lines(report: ComparisonReport) -> list[str]:
    return [
        f"{each.label}: "
        + "; ".join(
            f"{_words(name)} {joules(cost.value)} "
            f"({cost.statistic}, {cost.kind}, {cost.evidence})"
            for name, cost in each.used.items()
        )
        for each in report.student
    ]


def _left_out_lines(report: ComparisonReport) -> list[str]:
    """Name what happened without a price, and what no price includes."""
    student = _share((_unpriced(each), each.label) for each in report.student)
    teacher = _share((_unpriced(each), each.label) for each in _teachers(report))
    terms = _share((", ".join(each.left_out), each.label) for each in report.student)
    return [
        *(f"student, {labels}: no price for {text}" for text, labels in student),
        *(f"teacher, {labels}: no price for {text}" for text, labels in teacher),
        *(f"{labels}: no part of any price is {text}" for text, labels in terms),
        *_idle_lines(report.idle_updates),
        _OUTSIDE,
    ]


def _idle_lines(updates: int) -> list[str]:
    if not updates:
        return []
    return [
        f"student: {amount(updates)} more updates of idle neurons if a sample runs "
        "alone, while it fills and drains the chip; samples in a row share them"
    ]


def _unpriced(report: EnergyReport) -> str:
    return ", ".join(
        f"{amount(count / report.samples)} {_words(name)}"
        for name, count in report.unpriced.items()
    )


def _share(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Join the labels of equal texts; an empty text says nothing."""
    labels: dict[str, list[str]] = {}
    for text, label in pairs:
        labels.setdefault(text, []).append(label)
    return [(text, ", ".join(names)) for text, names in labels.items() if text]


def _teachers(report: ComparisonReport) -> list[EnergyReport]:
    return list(
        {each.teacher.label: each.teacher for each in report.comparisons}.values()
    )


def _words(operation: str) -> str:
    return operation.replace("_", " ")


# --- JSON ----------------------------------------------------------------------------


def _row_dict(row: Row, prices: Sequence[EnergyReport]) -> dict[str, object]:
    return {
        "name": row.name,
        "spike_rate": row.spike_rate,
        "counts": asdict(row.count),
        "energy_j": {each.label: each.energy_j[row.name] for each in prices},
    }


def _energy_dict(report: EnergyReport) -> dict[str, object]:
    return {
        "profile": report.profile,
        "arithmetic": report.arithmetic,
        "total_j": report.total_j,
        "is_lower_bound": report.is_lower_bound,
        "evidence": report.evidence,
        "costs": {name: asdict(cost) for name, cost in report.used.items()},
        "unpriced": dict(report.unpriced),
        "not_included": list(report.left_out),
    }


def _comparison_dict(comparison: Comparison) -> dict[str, object]:
    student, teacher = comparison.student, comparison.teacher
    return {
        "student": student.label,
        "student_j": student.total_j,
        "student_is_lower_bound": student.is_lower_bound,
        "teacher": teacher.label,
        "teacher_j": teacher.total_j,
        "teacher_unpriced": dict(teacher.unpriced),
        "teacher_priced_elsewhere": comparison.is_elsewhere,
        "student_over_teacher": comparison.ratio,
        "evidence": comparison.evidence,
    }
