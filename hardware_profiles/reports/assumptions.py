"""The end of a report's page: every assumption, and the source of every constant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spikewright.hardware_profiles.profiles.constant import Constant
from spikewright.hardware_profiles.reports.figures import Figure
from spikewright.hardware_profiles.reports.parts import bullets, table, tag
from spikewright.hardware_profiles.reports.pictures import Facts


def assumptions(facts: Facts, figures: Sequence[Figure]) -> str:
    """Return choices, assumptions, what is left out, and all constants."""
    parts = [tag("h2", "All assumptions, with their sources")]
    for title, lines in _choices(facts).items():
        parts += [tag("h3", f"Accounting {title}"), bullets(lines)]
    parts += [tag("h3", "Teacher"), bullets(list(_teacher(facts)))]
    rows = list(_constants(figures))
    if rows:
        heading = ("constant", "value", "range", "evidence", "found", "source")
        parts.append(
            table([heading, *rows], "Every constant that a figure uses", words=True)
        )
    return "\n".join(["<section>", *parts, "</section>"])


def _choices(facts: Facts) -> dict[str, list[str]]:
    """Return the choices of each accounting, of student or teacher, once."""
    found: dict[str, list[str]] = {}
    for each in facts["comparisons"]:
        for lines in (each["choices"], each.get("teacher_choices", [])):
            if lines:
                first, *rest = lines
                found.setdefault(first.removeprefix("name = "), rest)
    return found


def _teacher(facts: Facts) -> Iterator[str]:
    teacher = facts["teacher"]
    yield (
        f"{teacher['name']}: {teacher['sentences']} sentences of "
        f"{teacher['mean_tokens']:.4g} tokens (mean), counted from its sizes"
    )
    yield from teacher["assumptions"]


def _constants(figures: Sequence[Figure]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each constant and the places in which it stands."""
    places: dict[Constant, dict[str, None]] = {}
    for figure in figures:
        for line in figure.lines:
            places.setdefault(line.constant, {})[line.place] = None
    for constant, names in places.items():
        where = f"; {constant.table}" if constant.table else ""
        quote = f'; "{constant.quote}"' if constant.quote else ""
        yield (
            ", ".join(names),
            f"{constant.value!r} {constant.unit}",
            _range(constant),
            constant.evidence,
            f"{constant.kind}, {constant.statistic}",
            f"{constant.source}{where}{quote}",
        )


def _range(constant: Constant) -> str:
    if constant.lowest < constant.highest:
        return f"{constant.lowest!r} to {constant.highest!r}"
    return "none published"
