"""The pictures of a report, from its figures and facts: as they stand in its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import unquote

from spikewright.errors import InputError
from spikewright.hardware_profiles.prices.terms import TERM_NAMES
from spikewright.hardware_profiles.reports.early_exit import NO_ANSWERS
from spikewright.hardware_profiles.reports.figures import slug
from spikewright.plots.break_even import BreakEvenCurve, Line
from spikewright.plots.energy import LayerEnergy, TermEnergy
from spikewright.plots.picture import Picture
from spikewright.plots.prices import Price, ProfilePrices
from spikewright.plots.sweep import Sweep

Values = Mapping[str, float | None]
"""name of a figure -> its value"""
Facts = Mapping[str, Any]
"""the JSON form of a report, or what it is made of"""


def energy_pictures(facts: Facts, values: Values) -> Iterator[Picture]:
    """Yield what a report's page shows of joules; of a teacher alone nothing."""
    if "breakdown" not in facts:
        return
    every = [
        each
        for each in facts["comparisons"]
        if values.get(f"full/{_base(each)}/student/total") is not None
    ]
    for each in every:
        yield term_energy(values, each)
        yield layer_energy(facts, values, each)
    if every:
        yield profile_prices(facts, values)
    for each in every:
        if each.get("rate_line") and each["break_even"]:
            yield break_even_curve(values, each)
    if facts.get("early_exit"):
        yield early_exit_curve(facts)


def values_of(document: Facts) -> Values:
    """Return the figures of a report's JSON form.

    Raises:
        InputError: it is no report of a run.
    """
    try:
        compared = [
            (each["profile"], each["ratio"]) for each in document["comparisons"]
        ]
        found = {str(each["name"]): each["value"] for each in document["figures"]}
    except (KeyError, TypeError) as error:
        raise InputError(
            f"not a report of a run ({error!r} is missing); write one with "
            "`spikewright report FILE … -o report.json`"
        ) from error
    if not compared:
        raise InputError("the report prices the run on no profile; add --profile NAME")
    return found


def comparison_of(facts: Facts, profile: str | None) -> Facts:
    """Return the comparison on a profile, the first one if none is named.

    Raises:
        InputError: the report has none on this profile.
    """
    every: list[Facts] = list(facts["comparisons"])
    for each in every:
        if profile in (None, each["profile"], _base(each)):
            return each
    known = ", ".join(dict.fromkeys(each["profile"] for each in every))
    raise InputError(f"--profile {profile}: the report has {known}")


def _base(comparison: Facts) -> str:
    return f"{comparison['profile']}/{comparison['accounting']}"


def shown_name(comparison: Facts) -> str:
    """Return profile and accounting, in one word where they are alike."""
    profile, accounting = comparison["profile"], comparison["accounting"]
    return str(profile) if profile == accounting else f"{profile} ({accounting})"


def layer_energy(facts: Facts, values: Values, comparison: Facts) -> LayerEnergy:
    """Return the energy of each part of the run.

    Raises:
        InputError: the report has no breakdown of this profile.
    """
    parts_of = facts["breakdown"].get(comparison["profile"])
    if parts_of is None:
        raise InputError(
            f"the report has no breakdown of {comparison['profile']}; write it again"
        )
    by = parts_of["by"]
    start = f"full/{_base(comparison)}/student/{by}/"
    parts = {
        unquote(name.removeprefix(start)): value or 0.0
        for name, value in values.items()
        if name.startswith(start)
    }
    if not parts:
        raise InputError(f"the report has no figures {start}…; write it again")
    return LayerEnergy(shown_name(comparison), str(by), parts)


def term_energy(values: Values, comparison: Facts) -> TermEnergy:
    """Return the energy of each term, student beside teacher."""
    base, form = f"full/{_base(comparison)}", comparison["teacher"]["format"]
    return TermEnergy(
        shown_name(comparison),
        _terms(values, f"{base}/student"),
        _terms(values, f"{base}/teacher/{form}"),
        f"teacher, {_teacher(comparison)}",
    )


def _terms(values: Values, base: str) -> dict[str, float | None]:
    names = {f"{base}/{slug(term)}": str(term) for term in TERM_NAMES}
    return {term: values[name] for name, term in names.items() if name in values}


def _teacher(comparison: Facts) -> str:
    teacher = comparison["teacher"]
    where = f" on {teacher['profile']}" if comparison["is_elsewhere"] else ""
    return f"{teacher['format']}{where}"


def profile_prices(facts: Facts, values: Values) -> ProfilePrices:
    """Return student and teacher on each profile."""
    return ProfilePrices(tuple(price_of(each, values) for each in facts["comparisons"]))


def price_of(comparison: Facts, values: Values) -> Price:
    """Return what a sample costs on one profile, with its range if it has one."""
    base, form = f"full/{_base(comparison)}", comparison["teacher"]["format"]
    low, high = (values.get(f"{base}/student/total_{end}") for end in ("p5", "p95"))
    has_range = low is not None and high is not None and low < high
    return Price(
        shown_name(comparison),
        values.get(f"{base}/student/total"),
        low if has_range else None,
        high if has_range else None,
        values.get(f"{base}/teacher/{form}/total"),
        _teacher(comparison),
        is_bound=bool(comparison["student"]["is_lower_bound"]),
    )


def break_even_curve(values: Values, comparison: Facts) -> BreakEvenCurve:
    """Return the student's energy over its rate, beside each baseline.

    Raises:
        InputError: the report says why there is no break-even, or is an older one.
    """
    line = comparison.get("rate_line")
    if not line or not comparison["break_even"]:
        why = (
            comparison["why_no_break_even"] or "the report is an older one; write again"
        )
        raise InputError(f"{shown_name(comparison)}: no break-even: {why}")
    base = _base(comparison)
    names = list(comparison["break_even"])
    totals = {name: values.get(f"full/{base}/teacher/{name}/total") for name in names}
    return BreakEvenCurve(
        shown_name(comparison),
        Line(**{each.name: line[each.name] for each in fields(Line)}),
        {name: total for name, total in totals.items() if total},
        {name: values.get(f"break_even/{base}/{name}") for name in names},
    )


def early_exit_curve(facts: Facts) -> Sweep:
    """Return answers and energy against the number of steps.

    Raises:
        InputError: the report has none, and says why.
    """
    found = facts.get("early_exit")
    if not found:
        why = [each for each in facts["left_out"] if each.startswith(NO_ANSWERS)]
        raise InputError("; ".join(why) or "the report is an older one; write again")
    energies = {
        shown_name(each): tuple(found["energy_j"][_base(each)])
        for each in facts["comparisons"]
        if _base(each) in found["energy_j"]
    }
    has_labels = found["against"] == "labels"
    return Sweep(tuple(found["right"]), found["samples"], energies, has_labels)
