"""The verdict of a run's report: what a sample costs, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from spikewright.hardware_profiles.prices.full_comparison import FullComparison
from spikewright.hardware_profiles.prices.full_energy import FullEnergy
from spikewright.hardware_profiles.prices.uncertainty import Spread
from spikewright.hardware_profiles.profiles.constant import weakest
from spikewright.hardware_profiles.reports.run import RunReport
from spikewright.hardware_profiles.text.layout import amount, joules


def verdict_lines(report: RunReport) -> list[str]:
    """Say what a sample costs against the teacher, where, and how sure that is."""
    return [
        _teacher(report),
        *(_verdict(report, each) for each in report.full),
        *(f"{name}: no joules, {why}" for name, why in report.priceless.items()),
    ]


def _teacher(report: RunReport) -> str:
    teacher = report.teacher
    macs = sum(each.macs for each in teacher.counts.values()) / teacher.sentences
    mean = f" (mean of {teacher.sentences})" if teacher.sentences > 1 else ""
    tokens = f"{teacher.mean_tokens:.4g} tokens{mean}"
    return f"teacher: {teacher.name}, {tokens}, {amount(macs)} MACs"


def _verdict(report: RunReport, full: FullComparison) -> str:
    student, teacher = full.student, full.teacher
    baseline = next(iter(full.baselines))
    where = f" on {teacher.profile}" if full.is_elsewhere else ""
    theirs = f"{priced(teacher)} of the teacher in {baseline.title}{where}"
    if "synops" in full.unpriced or not student.lines:
        return (
            f"{full.profile.name}: no joules of the student, {_why(student)}; {theirs}"
        )
    ours = f"{priced(student)}{_range(full.spread, joules)}{unpriced_parts(student)}"
    start = f"{full.profile.name} ({full.accounting.name}): {ours} against {theirs}"
    if full.ratio is None:
        return f"{start}; no ratio, since {', '.join(full.unpriced)} has no price"
    shown = _range(full.ratio_spread, lambda ratio: f"{ratio:.3g}")
    grade = weakest(x.evidence for x in (student, teacher) if x.evidence)
    ratio = f"{_bound(full)}{full.ratio:.3g}{shown}"
    return "; ".join(
        [start, f"ratio {ratio}", f"evidence {grade}", *caveats(report, full)]
    )


def priced(figure: FullEnergy) -> str:
    """Write joules, and that they are a bound if they are."""
    least = "at least " if figure.is_lower_bound else ""
    return f"{least}{joules(figure.total_j)}"


def unpriced_parts(figure: FullEnergy) -> str:
    """Say that parts have no price, where no bound says it already."""
    is_said = figure.is_lower_bound or not figure.is_partial
    return "" if is_said else " without its unpriced parts"


def _bound(full: FullComparison) -> str:
    """Say to which side a ratio is open: if one side is whole, the other a bound."""
    student, teacher = full.student, full.teacher
    if student.is_lower_bound and not (teacher.is_lower_bound or teacher.is_partial):
        return "at least "
    if teacher.is_lower_bound and not (student.is_lower_bound or student.is_partial):
        return "at most "
    return ""


def caveats(report: RunReport, full: FullComparison) -> Iterator[str]:
    """Yield what must be known before a ratio is believed."""
    capacity = report.counted.capacity(full.profile.name)
    if full.student.is_lower_bound and full.teacher.is_lower_bound:
        yield "both energies are lower bounds"
    yield from _stand(full.spread)
    if full.ratio_spread is not None and not full.ratio_spread.moved:
        yield "no constant in it has a published range"
    if full.is_elsewhere:
        yield f"not like for like, {full.profile.name} prices no MAC"
    if capacity is not None and not capacity.fits:
        yield f"it does not fit {capacity.chip}, this is the price of its events alone"


def _stand(spread: Spread | None) -> Iterator[str]:
    """Say where the student's constants stand, if they are at an end of their ranges.

    That is another matter than a bound, which says that something is left out.
    """
    if spread is not None and spread.moved and spread.nominal > spread.high:
        yield "its constants stand at the upper ends of their ranges"
    if spread is not None and spread.moved and spread.nominal < spread.low:
        yield "its constants stand at the lower ends of their ranges"


def _why(figure: FullEnergy) -> str:
    return "; ".join(dict.fromkeys(m.why for _, m in figure.missing[:1]))


def _range(spread: Spread | None, write: Callable[[float], str]) -> str:
    """Write 5 to 95 %; a figure of constants without ranges has none."""
    if spread is None or not spread.moved:
        return ""
    low, high = write(spread.low), write(spread.high)
    return f" (median {write(spread.median)}, 5-95 %: {low} to {high})"
