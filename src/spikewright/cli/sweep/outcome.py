"""What came out at the points of a sweep: rows, and a picture of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spikewright.cli.sweep.points import Point
from spikewright.errors import InputError
from spikewright.files import read_trace
from spikewright.hardware_profiles.reports.pictures import profile_prices, values_of
from spikewright.plots.prices import Price
from spikewright.plots.sweep import sweep as judge
from spikewright.plots.sweep_points import Dot, SweepPoints
from spikewright.plots.units import joules


@dataclass(frozen=True)
class Result:
    """What came out at one point."""

    number: int
    values: Mapping[str, Any]
    why: str
    """it has no report; empty if it has"""
    fits: bool | None = None
    """on the chips of [check]"""
    samples: int | None = None
    steps: int | None = None
    spikes: float | None = None
    """of a sample"""
    accuracy: float | None = None
    """share of right answers, where there are labels"""
    prices: tuple[Price, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {**asdict(self), "values": dict(self.values)}


def result_of(point: Point, why: str, labels: Sequence[int] | None) -> Result:
    """Read what a point left; `why` says why it failed, if it did.

    Raises:
        InputError: the labels do not fit the run.
    """
    report = point.store.place("report") / "report.json"
    if not report.is_file():
        told = why or "not finished; the same command goes on"
        return Result(point.number, point.values, told)
    facts = json.loads(report.read_text(encoding="utf-8"))
    simulated = _read(point, "simulate")
    check = point.store.current("check")
    return Result(
        point.number,
        point.values,
        "",
        None if check is None else check["status"] == 0,
        simulated["samples"],
        simulated["steps"],
        simulated["spikes"] / simulated["samples"],
        None if labels is None else _accuracy(point, labels),
        profile_prices(facts, values_of(facts)).prices,
    )


def _read(point: Point, step: str) -> Any:
    path = point.store.place(step) / f"{step}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def _accuracy(point: Point, labels: Sequence[int]) -> float:
    """Judge what the readout has summed up after the last step."""
    trace = read_trace(point.store.place("simulate") / "trace.npz")
    try:
        return judge(trace.output, labels).accuracy[-1]
    except InputError as error:
        raise InputError(f"point {point.number}: {error}") from error


# --- rows ----------------------------------------------------------------------------

_NUMBERS = ("fits", "spikes", "accuracy", "profile", "student J", "teacher J", "ratio")


def rows_of(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return the heading, and a row for each point and profile, as CSV has them."""
    axes = list(results[0].values)
    return [
        ("point", *axes, *_NUMBERS, "why not"),
        *(row for each in results for row in _rows(each)),
    ]


def _rows(result: Result) -> Iterator[tuple[str, ...]]:
    begin = (str(result.number), *map(shown, result.values.values()))
    numbers = [result.fits, result.spikes, result.accuracy]
    told = tuple("" if each is None else str(each) for each in numbers)
    if not result.prices:
        yield (*begin, *told, "", "", "", "", result.why)
    for each in result.prices:
        both = (each.student_j, each.teacher_j)
        yield (
            *begin,
            *told,
            each.where,
            *("" if energy is None else repr(energy) for energy in both),
            "" if None in both else repr(each.student_j / each.teacher_j),  # type: ignore[operator]
            result.why,
        )


def for_people(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return the same rows with rounded numbers."""
    head, *rows = rows_of(results)
    found = []
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        for name, form in (("spikes", _short), ("accuracy", _percent)):
            cells[name] = form(cells[name])
        for name in ("student J", "teacher J"):
            cells[name] = joules(float(cells[name])) if cells[name] else ""
        cells["ratio"] = f"{float(cells['ratio']):.3g}" if cells["ratio"] else ""
        found.append(tuple(cells.values()))
    empty = {
        place
        for place in range(len(head))
        if not any(row[place] for row in found) and len(found)
    }
    return [
        tuple(cell for place, cell in enumerate(row) if place not in empty)
        for row in [head, *found]
    ]


def _short(text: str) -> str:
    return f"{float(text):,.0f}" if text else ""


def _percent(text: str) -> str:
    return f"{100 * float(text):.2f} %" if text else ""


def shown(value: object) -> str:
    """Return a value of an option as a word."""
    return ", ".join(map(shown, value)) if isinstance(value, list) else str(value)


def picture_of(results: Sequence[Result]) -> SweepPoints:
    """Return accuracy and energy against the first swept option that is a number."""
    axes = list(results[0].values)
    numeric = [
        each for each in axes if all(_is_number(r.values[each]) for r in results)
    ]
    along = (numeric or axes)[0]
    dots = []
    for each in results:
        others = [shown(v) for k, v in each.values.items() if k != along]
        energies = {p.where: p.student_j for p in each.prices if p.student_j}
        value = each.values[along]
        place = float(value) if numeric else _place(results, along, value)
        dots.append(
            Dot(place, shown(value), ", ".join(others), each.accuracy, energies)
        )
    return SweepPoints(along, bool(numeric), tuple(dots))


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def _place(results: Sequence[Result], along: str, value: object) -> float:
    every = list(dict.fromkeys(shown(each.values[along]) for each in results))
    return float(every.index(shown(value)))
