"""The figures of a report by name. Names are stable: scripts may rely on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from urllib.parse import quote

from spikewright.hardware_profiles.prices.breakdown import PADDING, Breakdown
from spikewright.hardware_profiles.prices.charges import Pricing, charge_counts
from spikewright.hardware_profiles.prices.comparison import Comparison
from spikewright.hardware_profiles.prices.energy import EnergyReport, arithmetic_lines
from spikewright.hardware_profiles.prices.full_comparison import FullComparison
from spikewright.hardware_profiles.prices.full_energy import FullEnergy
from spikewright.hardware_profiles.prices.presets import ColumnFigure, PresetFigure
from spikewright.hardware_profiles.prices.terms import Line, Missing
from spikewright.hardware_profiles.reports.early_exit import early_exit_figures
from spikewright.hardware_profiles.reports.figures import Figure, energy_figure, slug
from spikewright.hardware_profiles.reports.rate_figures import (
    rate_figures,
    spread_figures,
    time_figures,
)
from spikewright.hardware_profiles.reports.run import RunReport

COMPONENTS = {
    "synapses": (
        *("synops", "synops_zero", "graded_synops", "graded_levels"),
        *("macs", "macs_zero"),
    ),
    "neurons": (
        *("updates_active", "updates_inactive"),
        *("residual_additions", "bias_additions"),
    ),
    "events": ("spikes", "packets", "hops_ew", "hops_ns"),
}
"""parts of column A -> operations"""


def run_figures(report: RunReport) -> tuple[Figure, ...]:
    """Return every figure of a report, the most general first."""
    found = [*_capacity(report), *_column_a(report)]
    for preset in report.presets:
        found += preset_figures(preset, report.counted.run.samples)
    for each in report.full:
        found += _full(each)
        found += rate_figures(each)
    for each in report.full:
        found += _parts_of(report, each)
    if report.early is not None:
        found += early_exit_figures(report.early)
    named = {each.name: each for each in found}  # profiles share arithmetics, latency
    return tuple(named.values())


def _capacity(report: RunReport) -> Iterator[Figure]:
    for chip, capacity in report.counted.capacities.items():
        placement = capacity.placement
        for what in ("cores", "chips"):
            value = None
            if placement is not None and capacity.fits:
                value = len(placement.cores) if what == "cores" else placement.chips
            title = f"{what} of {chip}"
            yield Figure(
                f"capacity/{chip}/{what}", title, "1", value, because=(str(capacity),)
            )


# --- column A ------------------------------------------------------------------------


def _column_a(report: RunReport) -> Iterator[Figure]:
    for column in report.column_a:
        for price in column.student:
            base = f"student/{price.profile}/{price.arithmetic}"
            yield from _arithmetic(base, price)
        for pair in column.comparisons:
            yield teacher_figure(pair.teacher)
        for pair in column.comparisons:
            yield _ratio(pair)


def _arithmetic(base: str, price: EnergyReport) -> Iterator[Figure]:
    where = f"student, arithmetic of {price.label}"
    yield energy_figure(f"{base}/total", where, price.lines, price.samples)
    groups: dict[str, list[Line]] = {}
    for line in price.lines:
        groups.setdefault(component(line.operation), []).append(line)
    for name, lines in groups.items():
        title = f"{where}: {name}"
        yield energy_figure(f"{base}/{name}", title, lines, price.samples)


def component(operation: str) -> str:
    """Return the part of column A that an operation belongs to."""
    found = (name for name, each in COMPONENTS.items() if operation in each)
    return next(found, "other")


def teacher_figure(price: EnergyReport) -> Figure:
    """Return the figure of a teacher in column A."""
    name = f"teacher/{price.profile}/{price.arithmetic}"
    title = f"teacher, arithmetic of {price.label}"
    return energy_figure(name, title, price.lines, price.samples)


def ratio_name(pair: Comparison) -> str:
    """Return the name of a ratio in column A."""
    student, teacher = pair.student, pair.teacher
    name = f"ratio/{student.profile}/{student.arithmetic}"
    other = f"/{teacher.profile}/{teacher.arithmetic}"
    return name + (other if pair.is_elsewhere else "")


def _ratio(pair: Comparison) -> Figure:
    student, teacher = pair.student, pair.teacher
    of = (
        f"student/{student.profile}/{student.arithmetic}/total",
        f"teacher/{teacher.profile}/{teacher.arithmetic}",
    )
    why = tuple(f"{each} has no price" for each in pair.unknown)
    title = f"student over teacher, {student.label} against {teacher.label}"
    return Figure(ratio_name(pair), title, "1", pair.ratio, because=why, of=of)


def preset_figures(figure: PresetFigure, samples: int) -> Iterator[Figure]:
    """Yield what a preset makes of a student and its teacher."""
    base = f"preset/{figure.preset.name}"
    yield column_figure(f"{base}/student", figure, figure.student, samples)
    if figure.teacher is None:
        return
    yield column_figure(f"{base}/teacher", figure, figure.teacher, samples)
    if figure.ratio is not None:
        of = (f"{base}/student", f"{base}/teacher")
        title = f"student over teacher as {figure.preset.title}"
        yield Figure(f"{base}/ratio", title, "1", figure.ratio, of=of)


def column_figure(
    name: str, figure: PresetFigure, column: ColumnFigure, samples: int
) -> Figure:
    """Return a column of a preset, in joules, or in operations if it has no joules."""
    why = (figure.factor, f"source: {figure.preset.source}")
    if column.lines:
        title = figure.preset.title
        return replace(energy_figure(name, title, column.lines, samples), because=why)
    counted = float(column.operations)
    return Figure(name, figure.preset.title, column.unit, counted, because=why)


# --- column B ------------------------------------------------------------------------


def _full(full: FullComparison) -> Iterator[Figure]:
    base = f"full/{full.name}"
    samples = full.student.work.samples
    yield from full_figures(f"{base}/student", full.student, samples)
    yield from spread_figures(f"{base}/student", "total", full.spread, "J")
    for baseline, figure in full.baselines.items():
        name = f"{base}/teacher/{baseline.name}"
        yield from full_figures(name, figure, baseline.work.sentences)
    first = next(iter(full.baselines))
    of = (f"{base}/student/total", f"{base}/teacher/{first.name}/total")
    why = tuple(f"{each} has no price" for each in full.unpriced)
    title = f"student over teacher ({first.title}), {full.name}"
    yield Figure(f"{base}/ratio", title, "1", full.ratio, because=why, of=of)
    yield from spread_figures(base, "ratio", full.ratio_spread, "1")
    yield from time_figures(full)


def full_figures(name: str, figure: FullEnergy, samples: int) -> Iterator[Figure]:
    """Yield the total and each term of a full accounting."""
    accounting = tuple(f"accounting: {each}" for each in figure.accounting.lines())
    missing = _why(each for _, each in (*figure.missing, *figure.outside))
    total = energy_figure(f"{name}/total", figure.label, figure.lines, samples)
    if not figure.lines:
        total = replace(total, value=None)
    yield replace(total, because=(*accounting, *missing))
    for term, each in figure.terms.items():
        if each.lines or each.missing:
            title = f"{figure.label}: {term}"
            why = _why(each.missing)
            yield energy_figure(f"{name}/{slug(term)}", title, each.lines, samples, why)
    if figure.real_time is not None and figure.real_time_j is not None:
        counted = (t.lines for n, t in figure.terms.items() if n != "static")
        lines = [line for each in counted for line in each]
        lines += figure.real_time.lines
        title = f"{figure.label}, {figure.accounting.step_s} s a step"
        yield energy_figure(f"{name}/real_time", title, lines, samples)


def _why(missing: Iterable[Missing]) -> tuple[str, ...]:
    return tuple(
        f"not in it: {float(each.amount):g} {each.operation}: {each.why}"
        for each in missing
    )


# --- parts ---------------------------------------------------------------------------


def _parts_of(report: RunReport, full: FullComparison) -> Iterator[Figure]:
    """Yield what each part of the breakdown costs, in columns A and B."""
    down = report.breakdown[full.profile.name]
    for group, parts in ((down.by, down.parts), (PADDING, down.within)):
        for part, count in parts.items():
            path = PADDING if group == PADDING else f"{group}/{quote(part, safe='')}"
            lines = arithmetic_lines(
                count, full.profile, full.student.arithmetic, samples=down.samples
            )
            where = f"student/{full.profile.name}/{full.student.arithmetic}"
            title = f"{down.label(part)}, arithmetic of {full.student.arithmetic}"
            yield energy_figure(f"{where}/{path}", title, lines, down.samples)
            lines = part_lines(full, down, part)
            name = f"full/{full.name}/student/{path}"
            title = f"{down.label(part)}, {full.accounting.name}, without static energy"
            yield energy_figure(name, title, lines, down.samples)


def part_lines(full: FullComparison, down: Breakdown, part: str) -> tuple[Line, ...]:
    """Price a part of a breakdown as `energy_by_node` does, without static energy."""
    count = down.within[part] if part in down.within else down.parts[part]
    pricing = Pricing(full.profile, full.student.arithmetic, full.accounting)
    work = replace(
        full.student.work, counts={part: count}, samples=down.samples, parameter_bits=0
    )
    return tuple(line for term in charge_counts(pricing, work) for line in term.lines)
