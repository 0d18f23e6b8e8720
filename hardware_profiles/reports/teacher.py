"""The report of a teacher alone: MACs, FLOPs by every convention, bytes, joules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from spikewright.errors import InputError
from spikewright.hardware_profiles.prices.baselines import Baseline
from spikewright.hardware_profiles.reports.all_figures import (
    full_figures,
    teacher_figure,
)
from spikewright.hardware_profiles.reports.facts import choices, side, teacher_facts
from spikewright.hardware_profiles.reports.figures import Figure, energy_figure
from spikewright.hardware_profiles.reports.report import Report
from spikewright.hardware_profiles.reports.run import Wanted
from spikewright.hardware_profiles.reports.teacher_document import teacher_document
from spikewright.hardware_profiles.reports.teacher_prices import (
    TeacherPrices,
    bytes_of,
    price_alone,
)
from spikewright.hardware_profiles.teachers.flops import CONVENTIONS
from spikewright.hardware_profiles.teachers.shape import TransformerShape


def report_teacher(
    baselines: Sequence[Baseline],
    shape: TransformerShape | None,
    tokens: int,
    wanted: Wanted,
) -> Report:
    """Price a teacher on its own, on a text of so many tokens.

    Args:
        baselines: the teacher in the format that was asked for, then in others.
        shape: its sizes; None if it is known as a file only.
        tokens: of the text.
        wanted: profiles, accountings and presets.

    Raises:
        InputError: there is no baseline, or no preset of those wanted prices teachers.
        ProfileError: a profile lacks what its accounting names.
    """
    if not baselines:
        raise InputError("a report needs a teacher")
    teacher = price_alone(baselines, shape, tokens, wanted)
    missing = (
        f"{name}, {term}: {each.operation} unpriced: {each.why}"
        for name, figure in teacher.full.items()
        for term, each in figure.missing
    )
    uncounted = (f"uncounted: {a}: {b}" for a, b in baselines[0].work.uncounted)
    return Report(
        teacher_document(teacher, tokens),
        tuple(_figures(teacher)),
        _facts(teacher, wanted, tokens),
        tuple(dict.fromkeys((*uncounted, *teacher.without, *missing))),
    )


# --- figures -------------------------------------------------------------------------


def _figures(teacher: TeacherPrices) -> Iterator[Figure]:
    first = teacher.baselines[0].work
    total = sum(each.macs for each in first.counts.values())
    yield Figure("teacher/macs", "MACs of a text", "MAC", total / first.sentences)
    for name, title, bits in bytes_of(teacher.baselines[0]):
        yield Figure(f"teacher/{name}", title, "byte", bits / 8)
    for name, (count, column) in teacher.conventions.items():
        convention = CONVENTIONS[name]
        title = f"{convention.unit}s: {convention.title}"
        yield Figure(f"flops/{name}/count", title, convention.unit, float(count))
        priced = f"{title}, 4.6 pJ each"
        yield energy_figure(f"flops/{name}/energy", priced, column.lines, 1)
    for price in teacher.column_a.values():
        yield teacher_figure(price)
    for preset, column in teacher.presets.values():
        name = f"preset/{preset.name}/teacher"
        if column.lines:
            lines = column.lines
            figure = energy_figure(name, preset.title, lines, first.sentences)
            yield replace(figure, because=(preset.factor, f"source: {preset.source}"))
        else:
            counted = float(column.operations)
            yield Figure(name, preset.title, column.unit, counted)
    for name, priced_in_full in teacher.full.items():
        place, _, form = name.rpartition("/")
        samples = priced_in_full.work.samples
        yield from full_figures(f"full/{place}/teacher/{form}", priced_in_full, samples)


def _facts(teacher: TeacherPrices, wanted: Wanted, tokens: int) -> dict[str, object]:
    return {
        "samples": teacher.baselines[0].work.sentences,
        "tokens": tokens,
        "teacher": teacher_facts(teacher.baselines[0].work),
        "profiles": [
            {"name": each.name, "title": each.title, "why_no_joules": None}
            for each in wanted.profiles
        ],
        "comparisons": [
            {
                "name": name,
                "choices": choices(figure.accounting),
                "teacher": side(figure),
            }
            for name, figure in teacher.full.items()
        ],
    }
