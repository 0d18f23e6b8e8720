"""What the JSON form of a report holds besides its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from spikewright.counts import OperationCount
from spikewright.hardware_profiles.placement.capacity import Capacity
from spikewright.hardware_profiles.prices.accounting import Accounting
from spikewright.hardware_profiles.prices.break_even import RateLine
from spikewright.hardware_profiles.prices.breakdown import Breakdown
from spikewright.hardware_profiles.prices.full_comparison import FullComparison
from spikewright.hardware_profiles.prices.full_energy import FullEnergy
from spikewright.hardware_profiles.prices.terms import Missing, TermName
from spikewright.hardware_profiles.reports.all_figures import run_figures
from spikewright.hardware_profiles.reports.document import run_document
from spikewright.hardware_profiles.reports.early_exit import early_exit_facts
from spikewright.hardware_profiles.reports.lines import left_out_lines
from spikewright.hardware_profiles.reports.placement import placement_pictures
from spikewright.hardware_profiles.reports.report import Report
from spikewright.hardware_profiles.reports.run import RunReport
from spikewright.hardware_profiles.reports.verdict import caveats
from spikewright.hardware_profiles.teachers.operations import TeacherWork

Facts = dict[str, object]


def finish_run(report: RunReport) -> Report:
    """Return the report of a run in all its formats."""
    return Report(
        run_document(report),
        run_figures(report),
        _run_facts(report),
        tuple(dict.fromkeys(report.gaps())),
        placement_pictures(report.counted.capacities.values()),
    )


def _run_facts(report: RunReport) -> Facts:
    run, wanted = report.counted.run, report.wanted
    return {
        "samples": run.samples,
        "steps": run.steps,
        "draw": asdict(wanted.draw),
        "student": {
            "name": report.counted.name,
            "counts": _counts(run.totals()),
            "padding": _counts(run.padding),
            "peaks": run.peaks,
            "uncounted": _pairs(run.uncounted),
            "idle_updates": report.idle_updates,
        },
        "teacher": teacher_facts(report.teacher),
        "profiles": [
            {
                "name": each.name,
                "title": each.title,
                "why_no_joules": report.priceless.get(each.name),
            }
            for each in wanted.profiles
        ],
        "capacity": {
            chip: _capacity(each) for chip, each in report.counted.capacities.items()
        },
        "breakdown": {
            name: _breakdown(each) for name, each in report.breakdown.items()
        },
        "comparisons": [_comparison(report, each) for each in report.full],
        "early_exit": early_exit_facts(report.early) if report.early else None,
        "left_out": left_out_lines(report),
    }


def teacher_facts(teacher: TeacherWork) -> Facts:
    """Return what was counted of a teacher."""
    return {
        "name": teacher.name,
        "sentences": teacher.sentences,
        "mean_tokens": teacher.mean_tokens,
        "counts": _counts(teacher.counts),
        "macs_by_type": dict(teacher.macs_by_type),
        "parameter_bits": teacher.parameter_bits,
        "assumptions": list(teacher.assumptions),
        "uncounted": _pairs(teacher.uncounted),
    }


def _counts(counts: Mapping[str, OperationCount]) -> dict[str, dict[str, int]]:
    """Return what happened; what did not is left out."""
    return {
        name: {key: n for key, n in asdict(count).items() if n}
        for name, count in counts.items()
    }


def _pairs(uncounted: tuple[tuple[str, str], ...]) -> list[Facts]:
    return [{"what": what, "why": why} for what, why in uncounted]


def _capacity(capacity: Capacity) -> Facts:
    placement = capacity.placement
    violations = () if placement is None else placement.violations
    return {
        "fits": capacity.fits,
        "says": str(capacity),
        "cores": None if placement is None else len(placement.cores),
        "chips": None if placement is None else placement.chips,
        "violations": [str(each) for each in violations],
    }


def _breakdown(down: Breakdown) -> Facts:
    return {
        "by": down.by,
        "samples": down.samples,
        "parts": _counts(down.parts),
        "within": _counts(down.within),
    }


def _comparison(report: RunReport, full: FullComparison) -> Facts:
    baseline = next(iter(full.baselines))
    return {
        "profile": full.profile.name,
        "accounting": full.accounting.name,
        "choices": choices(full.accounting),
        "student": side(full.student),
        "teacher": {"format": baseline.name, **side(full.teacher)},
        "teacher_choices": choices(full.teacher.accounting),
        "is_elsewhere": full.is_elsewhere,
        "ratio": full.ratio,
        "caveats": list(caveats(report, full)),
        "rate_line": _rate_line(full.line),
        "why_no_break_even": full.why_no_rate,
        "break_even": {
            each.name: {
                "baseline": each.title,
                "no_rate_wins": solved.rate is None,
                "wins": solved.wins,
            }
            for each, solved in full.breaks.items()
        },
        "tornado": [
            {
                "places": list(each.places),
                "at_low": each.at_low,
                "at_high": each.at_high,
            }
            for each in full.swings
        ],
    }


def _rate_line(line: RateLine | None) -> Facts | None:
    """Return the student's energy over its rate, as `plots.break_even` draws it."""
    if line is None:
        return None
    return {
        "fixed_j": line.fixed_j,
        "slope_j": line.slope_j,
        "shared_j": line.reused_j,
        "measured": float(line.rate),
        "steps": line.steps,
    }


def choices(accounting: Accounting) -> list[str]:
    """Return every choice of an accounting in words."""
    return list(accounting.lines())


def side(figure: FullEnergy) -> Facts:
    """Return what is known of a side besides its joules."""
    return {
        "profile": figure.profile,
        "arithmetic": figure.arithmetic,
        "evidence": figure.evidence,
        "is_lower_bound": figure.is_lower_bound,
        "is_partial": figure.is_partial,
        "disabled": list(figure.disabled),
        "missing": [_gone(term, each) for term, each in figure.missing],
        "outside": [_gone(term, each) for term, each in figure.outside],
    }


def _gone(term: TermName, missing: Missing) -> Facts:
    return {"term": term, "operation": missing.operation, "why": missing.why}
