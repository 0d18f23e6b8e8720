"""Column B of a run: student and baselines in full accounting, on one profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from spikewright.errors import InputError
from spikewright.graph import Graph
from spikewright.hardware_profiles.placement.capacity import CHIPS, Capacity
from spikewright.hardware_profiles.prices.accounting import (
    ANY,
    Accounting,
    StandardAccounting,
    list_accountings,
    load_accounting,
)
from spikewright.hardware_profiles.prices.baselines import (
    Baseline,
    Reuse,
    price_baseline,
    usable,
)
from spikewright.hardware_profiles.prices.break_even import (
    SYNAPTIC,
    BreakEven,
    RateLine,
    break_even,
    rate_line,
)
from spikewright.hardware_profiles.prices.full_energy import FullEnergy, full_energy
from spikewright.hardware_profiles.prices.latency import Latency, Load, estimate_latency
from spikewright.hardware_profiles.prices.run_work import (
    loads_of_run,
    steady_nodes,
    student_work,
)
from spikewright.hardware_profiles.prices.uncertainty import (
    LEAST_DRAWS,
    Spread,
    Swing,
    spread_of_ratio,
    spread_of_total,
    tornado_of_ratio,
    tornado_of_total,
)
from spikewright.hardware_profiles.prices.work import Work, on_placement
from spikewright.hardware_profiles.profiles.profile import HardwareProfile
from spikewright.nodes import IntArray
from spikewright.run_counts import RunCounts

_MOST_DRAWS = 10**6
"""8 MB a constant"""


@dataclass(frozen=True, eq=False)
class CountedRun:
    """A student's run, counted once for each chip that it fits, and placed."""

    name: str
    graph: Graph
    run: RunCounts
    """without packets and hops"""
    on_chip: Mapping[str, RunCounts]
    """with those of the placement, by chip"""
    capacities: Mapping[str, Capacity]
    """by chip"""
    answers: IntArray | None = None
    """the class that the readout says after each step, (samples, steps); None: it was
    not asked"""

    def capacity(self, profile: str) -> Capacity | None:
        """Return how the network lies on the chip of a profile; None: no chip known."""
        return self.capacities.get(CHIPS.get(profile, ""))

    def counts(self, profile: str) -> RunCounts:
        """Return the counts that hold on a profile."""
        return self.on_chip.get(CHIPS.get(profile, ""), self.run)


@dataclass(frozen=True)
class Draw:
    """How often constants are drawn, and from which seed.

    Raises:
        InputError: the seed is negative, or there are too few draws or too many.
    """

    seed: int = 0
    draws: int = 10_000

    def __post_init__(self) -> None:
        if self.seed < 0 or not LEAST_DRAWS <= self.draws <= _MOST_DRAWS:
            raise InputError(
                f"seed {self.seed}, {self.draws} draws; allowed: a seed from 0 on, at "
                f"least {LEAST_DRAWS} draws and at most {_MOST_DRAWS}"
            )


DRAW = Draw()


@dataclass(frozen=True, eq=False)
class FullComparison:
    """A student and its baselines on one profile, by one accounting."""

    profile: HardwareProfile
    standard: StandardAccounting
    accounting: Accounting
    """with the reuse that was asked for"""
    student: FullEnergy
    baselines: Mapping[Baseline, FullEnergy]
    """that which was asked for comes first"""
    latency: Latency | None
    """None: without a placement nobody knows which core does what"""
    loads: tuple[Load, ...]
    """what the latency is of"""
    line: RateLine | None
    """None: there is no break-even, and `why_no_rate` says why"""
    breaks: Mapping[Baseline, BreakEven]
    why_no_rate: str
    spread: Spread | None
    """None: nothing was priced"""
    ratio_spread: Spread | None
    swings: tuple[Swing, ...]
    """constants that move the ratio, or without a ratio the student, most first"""

    @property
    def name(self) -> str:
        """Profile and accounting, as names of figures have them."""
        return f"{self.profile.name}/{self.accounting.name}"

    @property
    def teacher(self) -> FullEnergy:
        """The baseline that was asked for."""
        return next(iter(self.baselines.values()))

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Events and MACs without a price, of student or teacher: there is no ratio."""
        missing = (*self.student.missing, *self.teacher.missing)
        found = {each.operation for _, each in missing}
        return tuple(name for name in SYNAPTIC if name in found)

    @property
    def ratio(self) -> float | None:
        """The student's energy over the teacher's; None if one is unknown."""
        if self.unpriced or not self.teacher.total_j or not self.student.lines:
            return None
        return self.student.total_j / self.teacher.total_j

    @property
    def is_elsewhere(self) -> bool:
        """Whether the teacher is priced on another profile."""
        return self.teacher.profile != self.profile.name


def choose_accountings(
    profile: HardwareProfile, wanted: Sequence[StandardAccounting]
) -> tuple[StandardAccounting, ...]:
    """Return those wanted that are for this profile, else its standard one."""
    fitting = [each for each in wanted if each.profile in (profile.name, ANY)]
    if fitting or not profile.arithmetics:
        return tuple(fitting) if profile.arithmetics else ()
    return (load_accounting(list_accountings(profile.name)[0]),)


def compare_in_full(
    counted: CountedRun,
    baselines: Sequence[Baseline],
    profile: HardwareProfile,
    standard: StandardAccounting,
    *,
    reuse: Reuse,
    draw: Draw,
) -> FullComparison:
    """Price student and baselines of one sample, and say how sure that is.

    Raises:
        ProfileError: the profile lacks what the accounting names.
        OverlapError: two constants would charge for the same thing.
        InputError: too few draws.
    """
    accounting = reuse.apply(standard.accounting)
    latency, loads, work = _placed(counted, profile)
    arithmetic = _arithmetic(profile, standard)
    student = full_energy(work, profile, arithmetic, accounting)
    priced = {
        each: price_baseline(each, profile, accounting, reuse)
        for each in usable(baselines, profile, accounting)
    }
    line, why = _line(counted.graph, student, profile)
    breaks, why_not = _breaks(line, priced)
    found = FullComparison(
        profile,
        standard,
        accounting,
        student,
        priced,
        latency,
        loads,
        line,
        breaks,
        why or why_not,
        _spread(student, draw),
        None,
        (),
    )
    return _with_spread(found, draw)


def _arithmetic(profile: HardwareProfile, standard: StandardAccounting) -> str:
    """Return the arithmetic of an accounting; of any, the first that prices events."""
    if standard.arithmetic != ANY:
        return standard.arithmetic
    pricing = (a for a, costs in profile.arithmetics.items() if "synops" in costs)
    return next(pricing, next(iter(profile.arithmetics)))


def _placed(
    counted: CountedRun, profile: HardwareProfile
) -> tuple[Latency | None, tuple[Load, ...], Work]:
    run, capacity = counted.counts(profile.name), counted.capacity(profile.name)
    work = student_work(counted.name, counted.graph, run)
    if capacity is None or not capacity.fits or capacity.placement is None:
        return None, (), work
    loads = tuple(loads_of_run(counted.graph, run, capacity.placement))
    placed = on_placement(work, capacity.placement)
    latency = estimate_latency(
        loads,
        profile,
        steps=run.steps,
        depth=max(counted.graph.arrival.values(), default=0),
        chips=placed.chips,
    )
    return latency, loads, replace(placed, latency_s=latency.sample_s)


# --- break-even ----------------------------------------------------------------------


def _line(
    graph: Graph, student: FullEnergy, profile: HardwareProfile
) -> tuple[RateLine | None, str]:
    steady = [each for each in steady_nodes(graph) if each in student.work.counts]
    try:
        return rate_line(student, profile, steady=steady), ""
    except InputError as error:
        return None, str(error)


def _breaks(
    line: RateLine | None, priced: Mapping[Baseline, FullEnergy]
) -> tuple[dict[Baseline, BreakEven], str]:
    if line is None:
        return {}, ""
    found, why = {}, ""
    for baseline, figure in priced.items():
        try:
            found[baseline] = break_even(line, figure)
        except InputError as error:
            why = str(error)
    return found, why


# --- how sure ------------------------------------------------------------------------


def _spread(figure: FullEnergy, draw: Draw) -> Spread | None:
    if not figure.lines:
        return None
    return spread_of_total(figure.lines, seed=draw.seed, draws=draw.draws)


def _with_spread(found: FullComparison, draw: Draw) -> FullComparison:
    own = found.student.lines
    if found.ratio is None:
        return replace(found, swings=tornado_of_total(own))
    theirs = found.teacher.lines
    return replace(
        found,
        ratio_spread=spread_of_ratio(own, theirs, seed=draw.seed, draws=draw.draws),
        swings=tornado_of_ratio(own, theirs),
    )
