"""The report of a teacher alone, for people."""

from __future__ import annotations

from collections.abc import Iterator

from spikewright.hardware_profiles.prices.full_energy import FullEnergy
from spikewright.hardware_profiles.prices.preset_files import load_preset
from spikewright.hardware_profiles.prices.presets import ColumnFigure
from spikewright.hardware_profiles.prices.terms import TERM_NAMES
from spikewright.hardware_profiles.reports.lines import missing_words, shown_choices
from spikewright.hardware_profiles.reports.teacher_prices import (
    BASES,
    TeacherPrices,
    bytes_of,
)
from spikewright.hardware_profiles.reports.verdict import priced, unpriced_parts
from spikewright.hardware_profiles.teachers.flops import CONVENTIONS
from spikewright.hardware_profiles.text.document import Document, Section
from spikewright.hardware_profiles.text.layout import amount, joules

_PRINTED = ("macs", "electra")
"""conventions behind 51.40 mJ and 103.3 mJ for a BERT-base at 128 tokens"""


def teacher_document(teacher: TeacherPrices, tokens: int) -> Document:
    """Return the report as a heading and sections."""
    work = teacher.baselines[0].work
    macs = sum(each.macs for each in work.counts.values()) / work.sentences
    sections = (
        Section("Verdict", list(_verdict(teacher))),
        Section(
            "MACs and FLOPs, and 4.6 pJ for each", _titles(teacher), _table(teacher)
        ),
        Section(
            f"Bytes, in {teacher.baselines[0].title}",
            [
                f"{title}: {amount(b / 8)}B"
                for _, title, b in bytes_of(teacher.baselines[0])
            ],
        ),
        Section(
            "Column A, compute only",
            [
                f"{price.label}: {joules(price.total_j)}; evidence: {price.evidence}"
                for price in teacher.column_a.values()
            ]
            + [
                f"{preset.name}: {_millijoules(column)}. {preset.factor}"
                for preset, column in teacher.presets.values()
            ],
        ),
        Section("Column B, full accounting, by term", (), _terms(teacher)),
        Section("Accounting", _accountings(teacher)),
        Section("Left out", [*_left_out(teacher), *teacher.without]),
    )
    heading = f"Teacher {work.name}, {tokens} tokens: {amount(macs)} MACs"
    return Document(heading, tuple(s for s in sections if s.lines or s.columns))


def _verdict(teacher: TeacherPrices) -> Iterator[str]:
    for name in _PRINTED:
        if name in teacher.conventions:
            count, column = teacher.conventions[name]
            convention = CONVENTIONS[name]
            yield (
                f"{count / 1e9:.4f} G{convention.unit} ({convention.title}) x 4.6 pJ = "
                f"{_millijoules(column)}"
            )
    if teacher.conventions:
        yield load_preset(BASES["FLOP"]).factor
    for name, figure in teacher.full.items():
        yield (
            f"{name}: {priced(figure)} in full accounting{unpriced_parts(figure)}; "
            f"evidence: {figure.evidence}"
        )


def _millijoules(column: ColumnFigure) -> str:
    if column.energy_j is None:
        return f"{amount(float(column.operations))} {column.unit}s, without joules"
    return f"{column.energy_j * 1e3:.2f} mJ"


def _table(teacher: TeacherPrices) -> list[list[str]]:
    found = teacher.conventions
    if not found:
        return []
    return [
        ["convention", *found],
        ["G", *(f"{count / 1e9:.4f}" for count, _ in found.values())],
        ["unit", *(CONVENTIONS[name].unit for name in found)],
        ["energy", *(_millijoules(column) for _, column in found.values())],
    ]


def _titles(teacher: TeacherPrices) -> list[str]:
    return [f"{name}: {CONVENTIONS[name].title}" for name in teacher.conventions]


def _terms(teacher: TeacherPrices) -> list[list[str]]:
    if not teacher.full:
        return []
    names = [
        name
        for name in TERM_NAMES
        if any(f.terms[name].lines or f.terms[name].missing for f in _fulls(teacher))
    ]
    columns = [["term", *names, "total"]]
    for name, figure in teacher.full.items():
        profile, _, rest = name.partition("/")
        cells = [_cell(figure, each) for each in names]
        columns.append([f"{profile} {rest}", *cells, joules(figure.total_j)])
    return columns


def _fulls(teacher: TeacherPrices) -> list[FullEnergy]:
    return list(teacher.full.values())


def _cell(figure: FullEnergy, name: str) -> str:
    found = {str(key): term for key, term in figure.terms.items()}[name]
    if found.energy_j is None:
        return "unpriced"
    return joules(found.energy_j) if found.lines else "-"


def _accountings(teacher: TeacherPrices) -> list[str]:
    used = {each.accounting.name: each.accounting for each in _fulls(teacher)}
    return [f"{name}: {shown_choices(each)}" for name, each in used.items()]


def _left_out(teacher: TeacherPrices) -> Iterator[str]:
    for what, why in teacher.baselines[0].work.uncounted:
        yield f"not counted: {what}: {why}"
    for name, figure in teacher.full.items():
        if figure.missing:
            yield f"{name}: {', '.join(missing_words(m) for _, m in figure.missing)}"
