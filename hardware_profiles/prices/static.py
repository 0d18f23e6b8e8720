"""Static energy: power of what is allocated, over the time of a sample."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from spikewright.hardware_profiles.prices.charges import Pricing
from spikewright.hardware_profiles.prices.terms import (
    SECONDS,
    Factor,
    Line,
    Missing,
    Term,
)
from spikewright.hardware_profiles.prices.work import Work


def static_term(pricing: Pricing, work: Work, time_s: float | None) -> Term:
    """Return power x what is allocated x time, of one sample.

    leakage_per_core cores t;  leakage_per_chip chips t;  idle chips t;
    per_hertz clock_hz chips t
    """
    found = list(_charges(pricing, work, time_s))
    return Term(
        "static",
        tuple(each for each in found if isinstance(each, Line)),
        tuple(each for each in found if isinstance(each, Missing)),
    )


def _charges(
    pricing: Pricing, work: Work, time_s: float | None
) -> Iterator[Line | Missing]:
    accounting = pricing.accounting
    if not accounting.power:
        why = f"accounting {accounting.name} charges no power"
        yield Missing("leakage", Fraction(1), why)
    for key in accounting.power:
        allocated = work.cores if key == "leakage_per_core" else work.chips
        if key == "per_hertz":
            yield _clock(pricing, work, time_s)
        else:
            yield _of(pricing, key, allocated, time_s)


def _clock(pricing: Pricing, work: Work, time_s: float | None) -> Line | Missing:
    clock_hz = pricing.accounting.clock_hz
    if clock_hz is None:
        why = f"accounting {pricing.accounting.name} has no clock_hz"
        return Missing("per_hertz", Fraction(1), why)
    clock = Factor(Fraction(clock_hz), "Hz")
    return _of(pricing, "per_hertz", work.chips, time_s, clock)


def _of(
    pricing: Pricing,
    key: str,
    allocated: int | None,
    time_s: float | None,
    *factors: Factor,
) -> Line | Missing:
    constant = pricing.profile.power.get(key)
    place = f"{pricing.profile.name}.power.{key}"
    if constant is None:
        return Missing(key, Fraction(1), f"{place} is unknown")
    if allocated is None:
        return Missing(key, Fraction(1), "without a placement nobody knows cores")
    if time_s is None:
        return Missing(key, Fraction(1), "the latency of a sample is unknown")
    time = Factor(Fraction(time_s), SECONDS)
    return Line(key, Fraction(allocated), (*factors, time), constant, place)
