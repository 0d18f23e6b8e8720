"""Figures of a full comparison besides its joules: how sure, break-even, how long."""

from __future__ import annotations

import math
from collections.abc import Iterator

from spikewright.hardware_profiles.prices.break_even import BreakEven
from spikewright.hardware_profiles.prices.full_comparison import FullComparison
from spikewright.hardware_profiles.prices.latency import (
    ELEMENTS,
    EVENTS,
    TRAFFIC,
    Latency,
    Load,
    energy_delay_js,
)
from spikewright.hardware_profiles.prices.uncertainty import Spread
from spikewright.hardware_profiles.reports.figures import Figure, describe_constant


def spread_figures(
    base: str, of: str, spread: Spread | None, unit: str
) -> Iterator[Figure]:
    """Yield median and 5 to 95 % of a figure."""
    if spread is None:
        return
    how = f"{spread.draws} draws, seed {spread.seed}"
    why = (
        f"{how}: each constant log-uniform in its published range",
        *(f"moved: {each}" for each in spread.moved),
        *(f"fixed: {each}" for each in spread.fixed),
    )
    ends = {"median": spread.median, "p5": spread.low, "p95": spread.high}
    for name, value in ends.items():
        title = f"{name} of {of}, {how}"
        made_of = (f"{base}/{of}",)
        yield Figure(f"{base}/{of}_{name}", title, unit, value, (), 1, why, made_of)


# --- break-even ----------------------------------------------------------------------


def rate_figures(full: FullComparison) -> Iterator[Figure]:
    """Yield the student's measured rate, and r* for each baseline."""
    rate = full.student.work.rate
    yield Figure(
        "student/rate",
        "spikes per source neuron and step, weighted by fan-out",
        "1",
        None if rate is None else float(rate),
        because=(
            "synops over those of a run in which every source spikes at each step; "
            "bias lines and graded populations are left out"
            + ("" if rate is None else f": {rate.numerator} / {rate.denominator}"),
        ),
    )
    for baseline, solved in full.breaks.items():
        yield _break_even(full, baseline.name, baseline.title, solved)


def _break_even(
    full: FullComparison, name: str, title: str, solved: BreakEven
) -> Figure:
    line, base = solved.line, f"full/{full.name}"
    finite = solved.rate is not None and math.isfinite(solved.rate)
    why = [
        str(solved),
        f"E(r) = A r + B; B = {line.fixed_j!r} J without any spike, "
        f"A = {line.slope_j!r} J",
        f"r* = (E_baseline - B) / A, with E_baseline = {solved.baseline.total_j!r} J; "
        "each constant at its value",
    ]
    if line.figure.is_partial or solved.baseline.is_partial:
        why.append("of what is priced on both sides; see the figures below")
    if line.reused_j:
        why.append(f"{line.reused_j!r} J of weight reads are shared over the steps")
    return Figure(
        f"break_even/{full.name}/{name}",
        f"spike rate below which the student wins against {title}",
        "1",
        solved.rate if finite else None,
        because=tuple(why),
        of=(f"{base}/student/total", f"{base}/teacher/{name}/total"),
    )


# --- time ----------------------------------------------------------------------------


def time_figures(full: FullComparison) -> Iterator[Figure]:
    """Yield latency, throughput, and energy x delay, where there are constants."""
    latency = full.latency
    if latency is None:
        return
    why = tuple(time_lines(full, latency))
    where = full.profile.name
    yield Figure(f"latency/{where}/step", "one step", "s", latency.step_s, because=why)
    yield Figure(
        f"latency/{where}/sample",
        f"a lone sample of {latency.steps} steps, through {latency.depth} layers",
        "s",
        latency.sample_s,
        because=(f"({latency.steps} + {latency.depth}) steps",),
        of=(f"latency/{where}/step",),
    )
    yield Figure(
        f"throughput/{where}",
        "samples a second, one right behind the other",
        "1/s",
        latency.throughput_hz,
        because=(f"1 / ({latency.steps} steps)",),
        of=(f"latency/{where}/step",),
    )
    yield Figure(
        f"energy_delay/{full.name}",
        "energy x delay of a sample",
        "J s",
        energy_delay_js(full.student.total_j, latency),
        of=(f"full/{full.name}/student/total", f"latency/{where}/sample"),
    )


def time_lines(full: FullComparison, latency: Latency) -> Iterator[str]:
    """Say what each part of a step takes, down to counts, and what is not in it."""
    yield "t_step = max(compute, memory, traffic, shortest) + barrier"
    loads = {each.name: each for each in full.loads}
    for part in latency.parts:
        shown = "unknown" if part.seconds is None else f"{part.seconds!r} s"
        slowest = f" ({part.slowest})" if part.slowest else ""
        missing = f"; without {', '.join(part.missing)}" if part.missing else ""
        yield f"{part.name}: {shown}{slowest}{missing}"
        if part.slowest in loads:
            yield from _load_lines(full, part.name, loads[part.slowest])
        elif part.seconds is not None:
            key = part.slowest.rpartition(".")[2]
            yield f"  {describe_constant(full.profile.time[key])}"


def _load_lines(full: FullComparison, part: str, load: Load) -> Iterator[str]:
    """Yield the fullest step of a load: count / cores x seconds, with the source."""
    named = TRAFFIC if part == "traffic" else (*EVENTS, *ELEMENTS)
    for name in named:
        count, time = getattr(load.peak, name), full.profile.time.get(name)
        if count and time is not None:
            yield (
                f"  {count} {name} / {load.cores} cores x {time.value!r} s "
                f"({full.profile.name}.time.{name}): {describe_constant(time)}"
            )
