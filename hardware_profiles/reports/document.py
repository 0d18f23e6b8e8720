"""A run's report for people: verdict, fit, parts, terms, rates, what is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spikewright.counts import OperationCount
from spikewright.hardware_profiles.prices.breakdown import Breakdown
from spikewright.hardware_profiles.prices.energy import arithmetic_lines
from spikewright.hardware_profiles.prices.full_comparison import FullComparison
from spikewright.hardware_profiles.prices.full_energy import FullEnergy
from spikewright.hardware_profiles.prices.terms import TERM_NAMES, total_j
from spikewright.hardware_profiles.reports.all_figures import part_lines
from spikewright.hardware_profiles.reports.early_exit import early_exit_section
from spikewright.hardware_profiles.reports.lines import (
    accounting_lines,
    break_even_lines,
    column_a_lines,
    left_out_lines,
    time_lines,
    tornado_lines,
)
from spikewright.hardware_profiles.reports.run import RunReport
from spikewright.hardware_profiles.reports.verdict import verdict_lines
from spikewright.hardware_profiles.text.document import Document, Section
from spikewright.hardware_profiles.text.layout import Columns, amount, joules

_MANY = 3
"""comparisons beyond which parts are shown in column B alone"""


def run_document(report: RunReport) -> Document:
    """Return the report as a heading and sections."""
    sections = (
        Section("Verdict", verdict_lines(report)),
        Section("Fit", _fit_lines(report)),
        *_breakdowns(report),
        *_terms(report),
        Section("What moves the ratio most", tornado_lines(report)),
        Section("Break-even", break_even_lines(report)),
        *([early_exit_section(report.early)] if report.early else []),
        Section("Column A, compute only, as papers count", column_a_lines(report)),
        Section("Time", time_lines(report)),
        Section("Accounting", accounting_lines(report)),
        Section("Left out", left_out_lines(report)),
    )
    found = tuple(each for each in sections if each.lines or each.columns)
    return Document(_heading(report), found)


def _heading(report: RunReport) -> str:
    samples = report.counted.run.samples
    return f"Student, operations and energy of one sample (mean of {samples})"


def _fit_lines(report: RunReport) -> list[str]:
    capacities = report.counted.capacities.items()
    return [f"{chip}: {capacity}" for chip, capacity in capacities]


# --- parts ---------------------------------------------------------------------------


def _breakdowns(report: RunReport) -> Iterator[Section]:
    """Yield one table of parts; counts are those without a placement."""
    if not report.full:
        return
    first = report.full[0].profile.name
    down = report.breakdown[first]
    columns = [*_work_columns(down)]
    for each in report.full:
        own = report.breakdown[each.profile.name]
        if each.student.lines:
            found = list(_energy_columns(own, each))
            columns += found[1:] if len(report.full) > _MANY else found
    notes = [
        f"of this, {part}: {_work(count, down.samples)}"
        for part, count in down.within.items()
        if count.synops or count.updates_active or count.updates_inactive
    ]
    yield Section(f"By {down.by}", notes, columns)


def _work(count: OperationCount, samples: int) -> str:
    updates = count.updates_active + count.updates_inactive
    return (
        f"{amount(count.synops / samples)} synops, {amount(updates / samples)} updates"
    )


def _work_columns(down: Breakdown) -> Iterator[list[str]]:
    """Yield what each part did; graded synops and MACs only if there are any."""
    parts = {
        part: count
        for part, count in down.parts.items()
        if _happened(count) or down.by != "layer"
    }
    total = sum(down.parts.values(), OperationCount())
    samples = down.samples
    yield [down.by, *map(down.label, parts), _total_title(down)]
    yield ["spike rate", *map(_rate, parts.values()), ""]
    counts = [*parts.values(), total]
    yield ["synops", *(amount(each.synops / samples) for each in counts)]
    if total.graded_synops:
        graded = (amount(each.graded_synops / samples) for each in counts)
        yield ["graded synops", *graded]
    if total.macs:
        yield ["MACs", *(amount(each.macs / samples) for each in counts)]
    updates = (each.updates_active + each.updates_inactive for each in counts)
    yield ["neuron updates", *(amount(each / samples) for each in updates)]


def _happened(count: OperationCount) -> bool:
    """Say whether a part is more than a sender of a few bits."""
    return count != OperationCount(barriers=count.barriers)


def _total_title(down: Breakdown) -> str:
    return "all samples" if down.by == "sample" else "total"


def _rate(count: OperationCount) -> str:
    updates = count.updates_active + count.updates_inactive
    return f"{count.spikes / updates:.4f}" if updates else ""


def _energy_columns(down: Breakdown, full: FullComparison) -> Iterator[list[str]]:
    """Yield column A and column B of the parts."""
    parts = [
        part
        for part, count in down.parts.items()
        if _happened(count) or down.by != "layer"
    ]
    arithmetic, samples = full.student.arithmetic, down.samples
    every = sum(down.parts.values(), OperationCount())
    counts = [*(down.parts[part] for part in parts), every]
    alone = [
        arithmetic_lines(each, full.profile, arithmetic, samples=samples)
        for each in counts
    ]
    yield [
        f"{full.profile.name} A: {arithmetic}",
        *(joules(total_j(each)) for each in alone),
    ]
    priced = [joules(total_j(part_lines(full, down, part))) for part in parts]
    lines = [line for part in parts for line in part_lines(full, down, part)]
    yield [
        f"{full.profile.name} B: {full.accounting.name}",
        *priced,
        joules(total_j(lines)),
    ]


# --- terms ---------------------------------------------------------------------------


def _terms(report: RunReport) -> Iterator[Section]:
    """Yield one table: a row a term of column B, student and teacher side by side."""
    figures: list[tuple[str, FullEnergy]] = []
    for each in report.full:
        if each.student.lines:
            figures.append((f"{each.profile.name} student", each.student))
        elsewhere = each.teacher.profile if each.is_elsewhere else each.profile.name
        title = f"{elsewhere} {next(iter(each.baselines)).name}_teacher"
        if (title, each.teacher.total_j) not in ((t, f.total_j) for t, f in figures):
            figures.append((title, each.teacher))
    if not figures:
        return
    names = [n for n in TERM_NAMES if any(_is_there(f, n) for _, f in figures)]
    columns: Columns = [
        ["term", *names, "total"],
        *([title, *_term_cells(figure, names)] for title, figure in figures),
    ]
    note = "-: did not happen, or is within the price of events"
    yield Section("Column B, full accounting, by term", (note,), columns)


def _is_there(figure: FullEnergy, name: str) -> bool:
    return any(n == name and (t.lines or t.missing) for n, t in figure.terms.items())


def _term_cells(figure: FullEnergy, names: Sequence[str]) -> Iterator[str]:
    for name, term in figure.terms.items():
        if name in names:
            energy_j = term.energy_j
            nothing = "-" if not term.lines else joules(energy_j or 0.0)
            yield "unpriced" if energy_j is None else nothing
    yield joules(figure.total_j)
