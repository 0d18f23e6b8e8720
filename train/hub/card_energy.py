"""The energy part of a model card: the verdict of a report, with what it leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spikewright.errors import InputError
from spikewright.printable import as_markdown

SCHEMA = "spikewright.report/"


def energy_lines(report: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the section's lines; without a report, that nothing was estimated.

    Args:
        report: what `spikewright report … --format json` wrote.

    Raises:
        InputError: it is no such report, or one of a teacher alone.
    """
    if report is None:
        yield "Not estimated for this card; `spikewright report` does that."
        return
    if not str(report.get("schema", "")).startswith(SCHEMA):
        raise InputError(
            f"energy report: schema {report.get('schema')!r}, need {SCHEMA}N; write "
            "one with `spikewright report … --format json -o FILE`"
        )
    if not report.get("student"):
        raise InputError("energy report: is of a teacher alone; report a network")
    yield from _rows(report)
    for chip, found in report["capacity"].items():
        yield from ("", f"On {as_markdown(chip)}: {as_markdown(found['says'])}.")
    yield ""
    teacher = report["teacher"]
    yield (
        f"Of one sentence, mean of {report['samples']}, {report['steps']} steps each; "
        f"teacher: {as_markdown(teacher['name'])}, {teacher['mean_tokens']:g} "
        "tokens on average. An estimate from counted operations, not a measurement."
    )
    if report["left_out"]:
        yield from ("", "Left out:", "")
        yield from (f"- {as_markdown(each)}" for each in report["left_out"])


def _rows(report: Mapping[str, Any]) -> Iterator[str]:
    values = {each["name"]: each["value"] for each in report["figures"]}
    yield "| profile | accounting | student | teacher | ratio | evidence of both |"
    yield "|---|---|---|---|---|---|"
    for each in report["comparisons"]:
        student, teacher = each["student"], each["teacher"]
        where = f"full/{each['profile']}/{each['accounting']}"
        own = _joules(values.get(f"{where}/student/total"), student)
        other = values.get(f"{where}/teacher/{teacher['format']}/total")
        cells = (
            *(each["profile"], each["accounting"], own),
            f"{_joules(other, teacher)} in {teacher['format']} on {teacher['profile']}",
            "unknown" if each["ratio"] is None else f"{each['ratio']:.3g}",
            f"{student['evidence']}, {teacher['evidence']}",
        )
        yield f"| {' | '.join(map(as_markdown, cells))} |"


def _joules(value: float | None, side: Mapping[str, Any]) -> str:
    if value is None:
        return "unknown"
    bound = "at least " if side["is_lower_bound"] else ""
    partial = " without its unpriced parts" if side["is_partial"] and not bound else ""
    return f"{bound}{1e6 * value:.3g} µJ{partial}"
