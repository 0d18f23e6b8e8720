"""A run on several profiles: counted once, priced many times, nothing hidden."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from spikewright.errors import InputError
from spikewright.hardware_profiles.prices.accounting import StandardAccounting
from spikewright.hardware_profiles.prices.baselines import AS_IS, Baseline, Reuse
from spikewright.hardware_profiles.prices.breakdown import Breakdown, By, break_down
from spikewright.hardware_profiles.prices.comparison import ColumnA, column_a
from spikewright.hardware_profiles.prices.full_comparison import (
    DRAW,
    CountedRun,
    Draw,
    FullComparison,
    choose_accountings,
    compare_in_full,
)
from spikewright.hardware_profiles.prices.preset_files import Preset
from spikewright.hardware_profiles.prices.presets import PresetFigure, price_preset
from spikewright.hardware_profiles.prices.run_work import student_work
from spikewright.hardware_profiles.profiles.profile import HardwareProfile
from spikewright.hardware_profiles.reports.early_exit import (
    EarlyExit,
    Judge,
    early_exit,
)
from spikewright.hardware_profiles.teachers.operations import TeacherWork


@dataclass(frozen=True)
class Wanted:
    """What a report shall hold."""

    profiles: Sequence[HardwareProfile]
    accountings: Sequence[StandardAccounting] = ()
    """of these each profile takes what is for it, else its standard one"""
    presets: Sequence[Preset] = ()
    by: By = "layer"
    reuse: Reuse = AS_IS
    draw: Draw = DRAW

    def __post_init__(self) -> None:
        if not self.profiles:
            raise InputError("a report needs one profile at least")
        names = {each.name for each in self.profiles}
        _refuse_twice("profile", [each.name for each in self.profiles])
        used = [each.accounting.name for each in self.accountings]
        _refuse_twice("accounting", used)
        _refuse_twice("preset", [each.name for each in self.presets])
        for each in self.accountings:
            if each.profile not in (*names, "any"):
                raise InputError(
                    f"accounting '{each.accounting.name}' is for profile "
                    f"'{each.profile}', which is not asked for; add --profile "
                    f"{each.profile}"
                )


def _refuse_twice(what: str, names: Sequence[str]) -> None:
    """Refuse names that stand for two things, since figures are told by name."""
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two {what}s are called '{name}'; rename the file of one")


@dataclass(frozen=True, eq=False)
class RunReport:
    """What a student costs beside its teacher; all energies are of one sample."""

    counted: CountedRun
    baselines: tuple[Baseline, ...]
    """the teacher in the format that was asked for, then others"""
    column_a: tuple[ColumnA, ...]
    """compute only, by profile"""
    presets: tuple[PresetFigure, ...]
    """compute only, as papers do"""
    full: tuple[FullComparison, ...]
    """column B, by profile and accounting"""
    breakdown: Mapping[str, Breakdown]
    """by profile"""
    priceless: Mapping[str, str]
    """profiles that price no operation, and why"""
    idle_updates: int
    """of a lone sample while it fills and drains the chip; in no figure"""
    wanted: Wanted
    early: EarlyExit | None
    """None: a readout before the last step is no answer, and `no_answers` says why"""
    no_answers: str

    @property
    def teacher(self) -> TeacherWork:
        """The teacher in the format that was asked for."""
        return self.baselines[0].work

    def gaps(self) -> Iterator[str]:
        """Yield whatever was not counted, has no price, or does not fit its chip."""
        for node, why in self.counted.run.uncounted:
            yield f"uncounted: '{node}': {why}"
        for what, why in self.teacher.uncounted:
            yield f"uncounted in the teacher: {what}: {why}"
        for name, why in self.priceless.items():
            yield f"{name} prices no operation: {why}"
        for chip, capacity in self.counted.capacities.items():
            if not capacity.fits:
                yield f"{chip}: {capacity}"
        for each in self.full:
            yield from _missing(each)


def _missing(full: FullComparison) -> Iterator[str]:
    for side, figure in (("student", full.student), ("teacher", full.teacher)):
        for term, each in figure.missing:
            yield f"{full.name} {side}, {term}: {each.operation} unpriced: {each.why}"


def report_run(
    counted: CountedRun,
    baselines: Sequence[Baseline],
    wanted: Wanted,
    *,
    idle_updates: int = 0,
    judge: Judge | None = None,
    no_answers: str = "",
) -> RunReport:
    """Price a counted run and its teacher on every profile.

    Args:
        counted: the run.
        baselines: the teacher, in the format that ratios are against first.
        wanted: profiles, accountings and presets.
        idle_updates: of a lone sample, outside every figure.
        judge: of the answers after each step, if the run has any.
        no_answers: why it has none.

    Raises:
        InputError: nothing was counted, a breakdown is not possible, or a profile or
            baseline is missing.
        ProfileError: a profile lacks what its accounting names.
    """
    if not baselines or not counted.run.counts:
        raise InputError("a report needs counted operations and a teacher")
    priced = [each for each in wanted.profiles if each.arithmetics]
    full = _full(counted, baselines, wanted)
    is_judged = judge is not None and counted.answers is not None
    return RunReport(
        counted,
        tuple(baselines),
        tuple(_column_a(counted, baselines[0].work, each) for each in priced),
        tuple(_preset(counted, baselines[0].work, each) for each in wanted.presets),
        full,
        {
            each.name: break_down(counted.graph, counted.counts(each.name), wanted.by)
            for each in wanted.profiles
        },
        {
            each.name: "; ".join(each.unknown) or "it gives no reason"
            for each in wanted.profiles
            if not each.arithmetics
        },
        idle_updates,
        wanted,
        early_exit(counted, full, judge) if judge and is_judged else None,
        no_answers,
    )


def _full(
    counted: CountedRun, baselines: Sequence[Baseline], wanted: Wanted
) -> tuple[FullComparison, ...]:
    return tuple(
        compare_in_full(
            counted,
            baselines,
            profile,
            standard,
            reuse=wanted.reuse,
            draw=wanted.draw,
        )
        for profile in wanted.profiles
        if profile.arithmetics
        for standard in choose_accountings(profile, wanted.accountings)
    )


def _column_a(
    counted: CountedRun, teacher: TeacherWork, profile: HardwareProfile
) -> ColumnA:
    run = counted.counts(profile.name)
    return column_a(run.totals(), teacher, [profile], samples=run.samples)


def _preset(counted: CountedRun, teacher: TeacherWork, preset: Preset) -> PresetFigure:
    work = student_work(counted.name, counted.graph, counted.run)
    return price_preset(
        preset,
        work.counts,
        teacher.counts,
        samples=work.samples,
        sentences=teacher.sentences,
    )
