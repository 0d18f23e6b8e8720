"""How far a figure can be off: constants drawn from their ranges, and which matter.

A figure is a sum of times x constant. Equal constants are one constant: they move
together, on both sides of a ratio too. A constant is drawn log-uniformly from its
published range; a published minimum or maximum only to its open side. A constant
without a range stays fixed, and so does the time of a sample: both are named. Sampling
error of the data set is no part of this.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from spikewright.errors import InputError, ProfileError
from spikewright.hardware_profiles.prices.terms import SECONDS, Line
from spikewright.hardware_profiles.profiles.constant import Constant

LEAST_DRAWS = 1000
Draws = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """Joules, or a ratio, over the draws."""

    nominal: float
    """with every constant at its value"""
    median: float
    low: float
    """5 % of the draws lie below"""
    high: float
    """5 % of the draws lie above"""
    draws: int
    seed: int
    moved: tuple[str, ...]
    """places of the constants that were drawn"""
    fixed: tuple[str, ...]
    """what has no range, and why"""


@dataclass(frozen=True)
class Swing:
    """What one constant does to a figure, all others at their values."""

    places: tuple[str, ...]
    constant: Constant
    at_low: float
    at_high: float

    @property
    def size(self) -> float:
        """How far the figure moves."""
        return abs(self.at_high - self.at_low)


def spread_of_total(lines: Sequence[Line], *, seed: int, draws: int) -> Spread:
    """Draw the total of `lines`.

    Raises:
        InputError: fewer than `LEAST_DRAWS` draws, or no lines.
        ProfileError: a range starts at 0.
    """
    _check(draws, lines)
    drawn = _draw(_places(lines), seed, draws)
    return _spread(_total(lines), _totals(lines, drawn), lines, (seed, draws))


def spread_of_ratio(
    student: Sequence[Line], teacher: Sequence[Line], *, seed: int, draws: int
) -> Spread:
    """Draw the student's total over the teacher's.

    Raises:
        InputError: fewer than `LEAST_DRAWS` draws, no lines, or a teacher of 0 J.
        ProfileError: a range starts at 0.
    """
    _check(draws, student)
    _check_teacher(teacher)
    lines = [*student, *teacher]
    drawn = _draw(_places(lines), seed, draws)
    ratios = _totals(student, drawn) / _totals(teacher, drawn)
    return _spread(_total(student) / _total(teacher), ratios, lines, (seed, draws))


def tornado_of_total(lines: Sequence[Line]) -> tuple[Swing, ...]:
    """Sort the constants with a range by what they do to the total, largest first."""
    return _sorted(
        Swing(
            tuple(places),
            constant,
            *(_total(lines, {constant: end}) for end in _ends(constant)),
        )
        for constant, places in _places(lines).items()
        if _is_moved(constant)
    )


def tornado_of_ratio(
    student: Sequence[Line], teacher: Sequence[Line]
) -> tuple[Swing, ...]:
    """Sort the constants with a range by what they do to the ratio, largest first.

    Raises:
        InputError: the teacher costs 0 J.
    """
    _check_teacher(teacher)
    swings = []
    for constant, places in _places([*student, *teacher]).items():
        if _is_moved(constant):
            low, high = (
                _total(student, {constant: end}) / _total(teacher, {constant: end})
                for end in _ends(constant)
            )
            swings.append(Swing(tuple(places), constant, low, high))
    return _sorted(swings)


# --- constants -----------------------------------------------------------------------


def _places(lines: Iterable[Line]) -> dict[Constant, list[str]]:
    """Return where each constant stands; equal ones are one."""
    found: dict[Constant, list[str]] = {}
    for line in lines:
        places = found.setdefault(line.constant, [])
        if line.place not in places:
            places.append(line.place)
    return found


def _ends(constant: Constant) -> tuple[float, float]:
    return constant.lowest, constant.highest


def _is_moved(constant: Constant) -> bool:
    return constant.lowest < constant.highest


def _why_fixed(constant: Constant) -> str:
    if constant.statistic == "minimum":
        return "a published minimum without an upper end"
    if constant.statistic == "maximum":
        return "a published maximum without a lower end"
    return "no range is published"


# --- drawing -------------------------------------------------------------------------


def _draw(
    places: Mapping[Constant, list[str]], seed: int, draws: int
) -> dict[Constant, Draws]:
    """Draw each constant from a stream of its own, whatever others there are."""
    drawn = {}
    for constant, names in places.items():
        if not _is_moved(constant):
            continue
        low, high = _ends(constant)
        if not low:
            raise ProfileError(
                f"{names[0]}: its range starts at 0, which no logarithm reaches; "
                "give a positive low"
            )
        rng = np.random.default_rng([seed, zlib.crc32(repr(constant).encode())])
        drawn[constant] = np.exp(rng.uniform(np.log(low), np.log(high), draws))
    return drawn


def _totals(lines: Iterable[Line], drawn: Mapping[Constant, Draws]) -> Draws:
    total = np.zeros(len(next(iter(drawn.values()))) if drawn else 1)
    for line in lines:
        values = drawn.get(line.constant, line.constant.value)
        total = total + float(line.times) * values
    return total


def _total(lines: Iterable[Line], at: Mapping[Constant, float] | None = None) -> float:
    moved = at or {}
    return float(
        sum(
            (
                line.times * Fraction(moved.get(line.constant, line.constant.value))
                for line in lines
            ),
            Fraction(),
        )
    )


def _spread(
    nominal: float, values: Draws, lines: Sequence[Line], how: tuple[int, int]
) -> Spread:
    seed, draws = how
    low, median, high = np.quantile(values, (0.05, 0.5, 0.95))
    places = _places(lines)
    moved = [", ".join(p) for constant, p in places.items() if _is_moved(constant)]
    fixed = [
        f"{', '.join(p)}: {_why_fixed(constant)}"
        for constant, p in places.items()
        if not _is_moved(constant)
    ]
    if any(factor.meaning == SECONDS for line in lines for factor in line.factors):
        fixed.append("seconds a sample: as modeled or chosen")
    return Spread(
        nominal,
        float(median),
        float(low),
        float(high),
        draws,
        seed,
        tuple(moved),
        tuple(fixed),
    )


def _sorted(swings: Iterable[Swing]) -> tuple[Swing, ...]:
    return tuple(sorted(swings, key=lambda each: (-each.size, each.places)))


def _check(draws: int, lines: Sequence[Line]) -> None:
    if draws < LEAST_DRAWS:
        raise InputError(f"{draws} draws; at least {LEAST_DRAWS}")
    if not lines:
        raise InputError("nothing was priced, so nothing can be drawn")


def _check_teacher(teacher: Sequence[Line]) -> None:
    if not _total(teacher) > 0:
        raise InputError("the teacher costs 0 J, or nothing of it was priced: no ratio")
