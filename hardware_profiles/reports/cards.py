"""The verdict of a report's page: a card for each profile, the answer in large."""

from __future__ import annotations

from collections.abc import Sequence

from spikewright.hardware_profiles.placement.capacity import CHIPS
from spikewright.hardware_profiles.reports.parts import tag
from spikewright.hardware_profiles.reports.pictures import (
    Facts,
    Values,
    price_of,
    shown_name,
)
from spikewright.plots.prices import Price
from spikewright.plots.units import TIMES, joules, three_digits
from spikewright.printable import as_html


def cards(facts: Facts, values: Values) -> str:
    """Return the cards of a run; nothing for a teacher alone."""
    if "breakdown" not in facts:
        return ""
    found = [_card(facts, values, each) for each in facts["comparisons"]]
    found += [_priceless(each) for each in facts["profiles"] if each["why_no_joules"]]
    return f'<div class="cards">{"".join(found)}</div>'


def picker(facts: Facts) -> str:
    """Return a choice of profiles, which the script shows where there are several."""
    names = dict.fromkeys(
        each["profile"] for each in facts["comparisons"] if "profile" in each
    )
    if len(names) < 2:
        return ""
    buttons = "".join(
        f'<label><input type="radio" name="profile" value="{as_html(value)}"{on}> '
        f"{as_html(label)}</label>"
        for value, label, on in [
            ("", "all", " checked"),
            *((name, name, "") for name in names),
        ]
    )
    return (
        f'<fieldset id="profiles" class="bar" hidden><legend>Profile</legend>{buttons}'
        "</fieldset>"
    )


def _card(facts: Facts, values: Values, comparison: Facts) -> str:
    price = price_of(comparison, values)
    rows = [
        ("Student", _student(price)),
        ("Teacher", f"{_joules(price.teacher_j)} in {price.teacher}"),
        ("Chip", _chip(facts, comparison["profile"])),
        ("How sure", _sure(values, comparison)),
    ]
    listed = "".join(f"{tag('dt', name)}{tag('dd', what)}" for name, what in rows)
    return (
        f'<article class="card" data-profile="{as_html(comparison["profile"])}">'
        f"{tag('h3', _title(facts, comparison))}"
        f"{tag('p', _answer(price, comparison), class_='big')}"
        f"<dl>{listed}</dl></article>"
    )


def _title(facts: Facts, comparison: Facts) -> str:
    titles = {each["name"]: each["title"] for each in facts["profiles"]}
    return f"{shown_name(comparison)}: {titles.get(comparison['profile'], '')}"


def _answer(price: Price, comparison: Facts) -> str:
    """Say in one line what a sample costs, alone and against the teacher."""
    ratio = comparison["ratio"]
    if price.student_j is None:
        return "No joules: its operations have no price here"
    ours = f"{'at least ' if price.is_bound else ''}{joules(price.student_j)} a sample"
    if ratio is None:
        return f"{ours}; no ratio to the teacher"
    is_partial = any(comparison[side]["is_partial"] for side in ("student", "teacher"))
    part = ", of what is priced" if is_partial else ""
    return f"{ours}, {three_digits(ratio)} {TIMES} the teacher{part}"


def _student(price: Price) -> str:
    if price.student_j is None:
        return "unpriced"
    if price.low_j is None or price.high_j is None:
        return f"{joules(price.student_j)}; no constant in it has a published range"
    ends = f"{joules(price.low_j)} to {joules(price.high_j)}"
    return f"{joules(price.student_j)}; 5 to 95 %: {ends}"


def _joules(energy_j: float | None) -> str:
    return "unpriced" if energy_j is None else joules(energy_j)


def _chip(facts: Facts, profile: str) -> str:
    capacity = facts["capacity"].get(CHIPS.get(profile, ""))
    if capacity is None:
        return "none: nothing says what would fit"
    return f"{CHIPS[profile]}: {capacity['says']}"


def _sure(values: Values, comparison: Facts) -> str:
    """Say how good the worst constant is, and what is left out."""
    student, teacher = comparison["student"], comparison["teacher"]
    grades = [f"student {student['evidence']}", f"teacher {teacher['evidence']}"]
    base = f"full/{comparison['profile']}/{comparison['accounting']}"
    low, high = (values.get(f"{base}/ratio_{end}") for end in ("p5", "p95"))
    parts = [f"weakest evidence: {', '.join(grades)}"]
    if low is not None and high is not None and low < high:
        ends = f"{three_digits(low)} to {three_digits(high)}"
        sides = ", so either may be cheaper" if low < 1 < high else ""
        parts.append(f"ratio {ends} (5 to 95 %){sides}")
    if student["missing"]:
        parts.append(f"no price for {_terms(student['missing'])} of the student")
    if teacher["missing"]:
        parts.append(f"none for {_terms(teacher['missing'])} of the teacher")
    return "; ".join([*parts, *comparison["caveats"]])


def _terms(missing: Sequence[Facts]) -> str:
    return ", ".join(dict.fromkeys(each["term"] for each in missing))


def _priceless(profile: Facts) -> str:
    title = f"{profile['name']}: {profile['title']}"
    return (
        f'<article class="card" data-profile="{as_html(profile["name"])}">'
        f"{tag('h3', title)}{tag('p', 'No joules', class_='big')}"
        f"{tag('p', profile['why_no_joules'])}</article>"
    )
