"""The lines of a run's report: what it all means, and what is not in it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from spikewright.hardware_profiles.prices.accounting import NONE, Accounting
from spikewright.hardware_profiles.prices.break_even import DAMPFHOFFER, BreakEven
from spikewright.hardware_profiles.prices.comparison import Comparison
from spikewright.hardware_profiles.prices.full_comparison import FullComparison
from spikewright.hardware_profiles.prices.full_energy import FullEnergy
from spikewright.hardware_profiles.prices.latency import Latency, energy_delay_js
from spikewright.hardware_profiles.prices.presets import PresetFigure
from spikewright.hardware_profiles.prices.terms import Missing
from spikewright.hardware_profiles.profiles.constant import OPERATIONS
from spikewright.hardware_profiles.profiles.sections import PRICED
from spikewright.hardware_profiles.reports.early_exit import NO_ANSWERS
from spikewright.hardware_profiles.reports.run import RunReport
from spikewright.hardware_profiles.text.layout import amount, joules

_OUTSIDE = (
    "outside every figure: tokenizer{lookup} of the student on the host, transport of "
    "spikes to and from the chip, the accumulators of the Output, updates of bias "
    "lines, axonal delay lines, loading of weights"
)
_MOST = 3
"""constants of a tornado that are shown"""


# --- what moves a ratio ---------------------------------------------------------------


def tornado_lines(report: RunReport) -> list[str]:
    """Name the constants that move each ratio, or the student's energy, most."""
    lines = []
    for full in report.full:
        for swing in full.swings[:_MOST] if full.student.lines else ():
            ends = (swing.at_low, swing.at_high)
            shown = (f"{e:.3g}" if full.ratio is not None else joules(e) for e in ends)
            lines.append(
                f"{full.name}: {' to '.join(shown)} by {', '.join(swing.places)}"
            )
    return lines


# --- rates ---------------------------------------------------------------------------


def break_even_lines(report: RunReport) -> list[str]:
    """Say for each accounting below which rate the student wins, and where it is."""
    lines = []
    for full in report.full:
        if full.line is not None and full.breaks:
            solved = next(iter(full.breaks.values()))
            reuse = (
                f"weight reuse {float(full.accounting.weight_reuse):g} of the student, "
                f"{float(solved.baseline.accounting.teacher_weight_reuse):g} of the "
                "baseline"
            )
            rate = f"measured rate {float(full.line.rate):.2%}"
            each = "; ".join(
                f"{baseline.title}: {_outcome(solved)}"
                for baseline, solved in full.breaks.items()
            )
            lines.append(f"{full.name}, {rate}, {reuse}. {each}")
        elif full.student.lines:
            lines.append(f"{full.name}: {full.why_no_rate}")
    if any(each.breaks for each in report.full):
        low, high = DAMPFHOFFER
        lines.append(
            "of what is priced on both sides, each constant at its value; spikes per "
            "synapse and sample: "
            f"{low:g} to {high:g} is where Dampfhoffer et al. (2023) see spiking "
            "networks compete"
        )
    return lines


def _outcome(solved: BreakEven) -> str:
    if solved.rate is None:
        return "no rate wins"
    if not math.isfinite(solved.rate) or solved.rate > 1:
        return "every rate wins"
    verdict = "wins" if solved.wins else "loses"
    return (
        f"{verdict}, break-even at {solved.rate:.2%}, "
        f"{solved.spikes_per_synapse:.2g} spikes a synapse"
    )


# --- column A ------------------------------------------------------------------------


def column_a_lines(report: RunReport) -> list[str]:
    """Return a line for each arithmetic and each preset."""
    pairs = [pair for column in report.column_a for pair in column.comparisons]
    lines = [_ratio_line(pair) for pair in pairs if pair.student.lines]
    return [*lines, *(preset_line(each) for each in report.presets)]


def _ratio_line(pair: Comparison) -> str:
    student, teacher = pair.student, pair.teacher
    if pair.ratio is None:
        unknown = ", ".join(pair.unknown) or "all that happened"
        return f"{student.label}: no ratio, since {unknown} has no price or costs 0 J"
    least = "at least " if student.is_lower_bound else ""
    where = f" on {teacher.label}" if pair.is_elsewhere else ""
    # More of the teacher would lower the ratio, whatever the student's bound.
    is_open = any(each in PRICED for each in teacher.unpriced)
    bound = "" if is_open else least
    return (
        f"{student.label}: {least}{joules(student.total_j)} / "
        f"{joules(teacher.total_j)}{where} = {bound}{pair.ratio:.3g}; "
        f"evidence: {pair.evidence}"
    )


def preset_line(figure: PresetFigure) -> str:
    """Write what a preset makes of both, and which of MAC and FLOP it counts."""
    sides = []
    for name, column in (("student", figure.student), ("teacher", figure.teacher)):
        if column is not None:
            unit = "operation" if name == "student" else column.unit
            counted = f"{amount(float(column.operations))} {unit}s"
            energy_j = column.energy_j
            priced = "" if energy_j is None else f" = {joules(energy_j)}"
            sides.append(f"{name} {counted}{priced}")
    ratio = "" if figure.ratio is None else f", ratio {figure.ratio:.3g}"
    return f"{figure.preset.name}: {', '.join(sides)}{ratio}. {figure.preset.factor}"


# --- time ----------------------------------------------------------------------------


def time_lines(report: RunReport) -> list[str]:
    """Return latency, throughput and energy x delay where constants exist."""
    return [
        _time(each, each.latency) for each in report.full if each.latency is not None
    ]


def _time(full: FullComparison, latency: Latency) -> str:
    sample_s, throughput_hz = latency.sample_s, latency.throughput_hz
    if sample_s is None or throughput_hz is None:
        return f"{full.profile.name}: no latency, it has no time of an event"
    delay = energy_delay_js(full.student.total_j, latency)
    missing = f"; without {', '.join(latency.disabled)}" if latency.disabled else ""
    return (
        f"{full.profile.name}: {sample_s:.3g} s a sample, {throughput_hz:.4g} samples "
        f"a second, set by {latency.bound}; energy x delay {delay:.3g} J s{missing}"
    )


# --- accounting, left out ------------------------------------------------------------


def accounting_lines(report: RunReport) -> list[str]:
    """Return every choice of every accounting that was used."""
    used = {each.accounting.name: each.accounting for each in report.full}
    for full in report.full:
        used.setdefault(full.teacher.accounting.name, full.teacher.accounting)
    return [f"{name}: {shown_choices(each)}" for name, each in used.items()]


def shown_choices(accounting: Accounting) -> str:
    """Write every choice; those that are none by name alone, at the end."""
    chosen, none = [], []
    for line in list(accounting.lines())[1:]:
        name, _, value = line.partition(" = ")
        if value == NONE:
            none.append(name)
        else:
            chosen.append(line)
    last = [f"none: {', '.join(none)}"] if none else []
    return "; ".join([*chosen, *last])


def left_out_lines(report: RunReport) -> list[str]:
    """Return what happened and is in no figure of column B, and what never is."""
    lines = [
        f"not counted: '{node}': {why}" for node, why in report.counted.run.uncounted
    ]
    lines += [
        f"not counted in the teacher: {what}: {why}"
        for what, why in report.teacher.uncounted
    ]
    for full in report.full:
        if full.student.lines:
            lines += _missing(f"{full.name}, student", full.student)
            lines += _outside(f"{full.name}, student", full.student)
    teachers = {each.teacher.label: each.teacher for each in report.full}
    for figure in teachers.values():
        lines += _missing(f"{figure.label} by {figure.accounting.name}", figure)
    lines += _no_early_exit(report)
    if report.idle_updates:
        lines.append(
            f"student: {amount(report.idle_updates)} more updates of idle neurons if a "
            "sample runs alone, while it fills and drains the chip; samples in a row "
            "share them"
        )
    total = report.counted.run.total()
    lookup = "" if total.embedding_bits_read else " and embedding lookup"
    return [*lines, _OUTSIDE.format(lookup=lookup)]


def _no_early_exit(report: RunReport) -> Iterable[str]:
    if report.no_answers:
        yield f"{NO_ANSWERS}: {report.no_answers}"
    if report.early is not None:
        for name, why in report.early.no_energy.items():
            yield f"{name}, energy of fewer steps: {why}"


def _missing(title: str, figure: FullEnergy) -> Iterable[str]:
    what = ", ".join(missing_words(each) for _, each in figure.missing)
    return [f"{title}: {what}"] if what else []


def _outside(title: str, figure: FullEnergy) -> Iterable[str]:
    what = ", ".join(
        f"{missing_words(each)}, since {each.why}" for _, each in figure.outside
    )
    return [f"{title}, outside the figure by choice: {what}"] if what else []


def missing_words(missing: Missing) -> str:
    """Write what is missing: how often what happened; power has no number."""
    words = missing.operation.replace("_", " ")
    is_counted = missing.operation in OPERATIONS or missing.amount != 1
    return f"{amount(float(missing.amount))} {words}" if is_counted else words
