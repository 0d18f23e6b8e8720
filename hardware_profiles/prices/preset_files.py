"""Column A as others print it: what a paper or a tool counts, and at what price."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

from spikewright.errors import ProfileError
from spikewright.hardware_profiles.profiles.constant import OPERATIONS, Constant
from spikewright.hardware_profiles.profiles.errors import (
    FieldError,
    check_word,
    suggest,
)
from spikewright.hardware_profiles.profiles.reading import read_constants
from spikewright.hardware_profiles.profiles.toml_files import (
    Table,
    check_keys,
    list_shipped,
    load_toml,
    table,
    text,
    texts,
    whole,
)

Counted: TypeAlias = Literal["MAC", "FLOP", "operation"]

_FOLDER = "presets"
_KEYS = ("title", "source", "factor", "notes", "student")


@dataclass(frozen=True)
class Charge:
    """How often an operation is counted, and what one count costs.

    Raises:
        ProfileError: the operation is none of `OperationCount`, it counts 0 times, or
            the constant is no energy.
    """

    operation: str
    times: int
    """counts of the paper in one operation: 2 FLOPs in a MAC"""
    why: str
    constant: Constant | None
    """None: counted without joules"""

    def __post_init__(self) -> None:
        check_word("operation", self.operation, OPERATIONS)
        if not self.times:
            raise ProfileError(f"{self.operation}: times is 0; leave the charge out")
        if self.constant is not None and self.constant.unit not in ("J", "J/bit"):
            raise ProfileError(
                f"{self.operation}: unit '{self.constant.unit}' is no energy; "
                "allowed: J, J/bit"
            )


@dataclass(frozen=True)
class Column:
    """What is charged to a student or to its teacher."""

    unit: Counted
    """what one count is"""
    charges: tuple[Charge, ...]

    def charge(self, operation: str) -> Charge:
        """Return the charge of an operation.

        Raises:
            ProfileError: it has none.
        """
        found = {each.operation: each for each in self.charges}
        check_word("charged operation", operation, found)
        return found[operation]


@dataclass(frozen=True)
class Preset:
    """A published way to count and to price a student and its teacher."""

    name: str
    title: str
    source: str
    factor: str
    """one sentence: whether a MAC counts once or as two FLOPs, in both columns"""
    notes: tuple[str, ...]
    student: Column
    teacher: Column | None
    """None: the source prices no teacher"""


def list_presets() -> tuple[str, ...]:
    """Name the shipped presets."""
    return list_shipped(_FOLDER)


def load_preset(name: str | Path) -> Preset:
    """Load a shipped preset by name, or any other by the path of its .toml file.

    Raises:
        ProfileError: there is none, it is not TOML, a key is missing or unknown, or a
            value is of the wrong type or out of its range.
    """
    return load_toml(name, _FOLDER, "preset", _preset)


def _preset(name: str, raw: Table) -> Preset:
    check_keys((), raw, (*_KEYS, "teacher"), _KEYS)
    return Preset(
        name,
        text("title", raw["title"]),
        text("source", raw["source"]),
        text("factor", raw["factor"]),
        texts("notes", raw["notes"]),
        _column("student", raw["student"]),
        _column("teacher", raw["teacher"]) if "teacher" in raw else None,
    )


def _column(where: str, raw: object) -> Column:
    given = table(where, raw)
    check_keys(where, given, ("unit", "counts", "constants"), ("unit", "counts"))
    unit = text(f"{where}.unit", given["unit"])
    if unit not in get_args(Counted):
        allowed = suggest(unit, get_args(Counted))
        raise FieldError((where, "unit"), f" '{unit}' is unknown; {allowed}")
    try:
        constants = read_constants(given, "constants")
    except FieldError as error:
        raise error.within(where) from error
    counts = table(f"{where}.counts", given["counts"])
    for name in constants:
        if name not in counts:
            path = (where, "constants", name)
            raise FieldError(path, f": is not counted; {suggest(name, counts)}")
    charges = (
        _charge((where, "counts", name), each, constants.get(name))
        for name, each in counts.items()
    )
    return Column(cast("Counted", unit), tuple(charges))


def _charge(path: tuple[str, ...], raw: object, constant: Constant | None) -> Charge:
    given = table(path, raw)
    check_keys(path, given, ("times", "why"), ("times", "why"))
    times, why = whole((*path, "times"), given["times"]), text(path, given["why"])
    try:
        return Charge(path[-1], times, why, constant)
    except ProfileError as error:
        raise FieldError(path, f": {error}") from error
