"""How the full accounting charges: which memories, how much reuse, which clocks.

Nothing here has a default, since each choice moves the figure; the ones that ship are
named files, and every figure prints the one that it used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

from spikewright.errors import ProfileError
from spikewright.hardware_profiles.profiles.errors import FieldError, check_word
from spikewright.hardware_profiles.profiles.sections import SECTIONS
from spikewright.hardware_profiles.profiles.toml_files import (
    Table,
    check_keys,
    list_shipped,
    load_toml,
    number,
    text,
    texts,
    whole,
)

Zeros: TypeAlias = Literal["charged", "skipped"]
Graded: TypeAlias = Literal["messages", "levels"]
Signals: TypeAlias = Literal["packets", "stored"]

ANY = "any"
"""in a file: whatever the profile, or its arithmetic"""
NONE = "none"
"""in a file: nothing is chosen"""
POWER = tuple(SECTIONS["power"])
"""what may be charged over time"""
HOST = "host"
"""instead of a memory: read by the host, outside the figure"""
_FOLDER = "accountings"


@dataclass(frozen=True, kw_only=True)
class Accounting:
    """The choices of a full accounting.

    Raises:
        ProfileError: a number is not positive, a word is none of those allowed, or two
            choices contradict each other.
    """

    name: str
    weights_in: str | None
    """memory that a weight is read from; None: not charged, or in the event's price"""
    embeddings_in: str | None
    """memory, or `HOST`"""
    state_in: str | None
    activations_in: str | None
    student_signals: Signals
    """spikes are sent as packets, or stored and read as bits; never both"""
    events_in: str | None
    """memory that a packet passes, once"""
    packet_bits: int | None
    weight_reuse: Fraction
    """uses of a weight for each read of it, over tokens and steps of the student"""
    teacher_weight_reuse: Fraction
    temporal_reuse: bool
    """a source that fires several times in a sample reads its weights once"""
    graded: Graded
    """a message is one graded operation, or one accumulate for each of its levels"""
    zero_synapses: Zeros
    """weights that are stored though zero"""
    zero_macs: Zeros
    """MACs of an activation that is zero; weights read are those counted"""
    parameters_from: str | None
    """memory that parameters beyond `on_chip_bits` are read from, once a sample"""
    on_chip_bits: int | None
    power: tuple[str, ...]
    """keys of the profile's power that are charged, over the time of a sample"""
    clock_hz: float | None
    step_s: float | None
    """length of a step in real time, whose static energy is given beside"""
    assumptions: tuple[str, ...]

    def __post_init__(self) -> None:
        check_word("graded", self.graded, get_args(Graded))
        check_word("zero_synapses", self.zero_synapses, get_args(Zeros))
        check_word("zero_macs", self.zero_macs, get_args(Zeros))
        check_word("student_signals", self.student_signals, get_args(Signals))
        for key in self.power:
            check_word("power", key, POWER)
        for name in ("weight_reuse", "teacher_weight_reuse"):
            if getattr(self, name) < 1:
                raise ProfileError(
                    f"{name} = {getattr(self, name)}; a weight is used at least once "
                    "for each read"
                )
        for name in ("packet_bits", "on_chip_bits", "clock_hz", "step_s"):
            _check_positive(name, getattr(self, name))
        self._check_pairs("events_in", "packet_bits")
        self._check_pairs("parameters_from", "on_chip_bits")

    def _check_pairs(self, one: str, other: str) -> None:
        if (getattr(self, one) is None) != (getattr(self, other) is None):
            raise ProfileError(f"{one} and {other}: give both, or neither")

    def lines(self) -> Iterator[str]:
        """Yield every choice in words, for print."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "assumptions":
                yield from (f"assumed: {each}" for each in value)
            else:
                yield f"{field.name} = {_shown(value)}"


def _shown(value: object) -> str:
    if value is None or value == ():
        return NONE
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _check_positive(name: str, value: float | None) -> None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise ProfileError(f"{name} = {value}; must be a positive, finite number")


# --- reading -------------------------------------------------------------------------


@dataclass(frozen=True)
class StandardAccounting:
    """An accounting that ships, with what it is for."""

    title: str
    profile: str
    arithmetic: str
    accounting: Accounting


def list_accountings(profile: str | None = None) -> tuple[str, ...]:
    """Name the shipped accountings, all or those for one profile; `ANY` come last."""
    names = list_shipped(_FOLDER)
    if profile is None:
        return names
    of = {each: load_accounting(each).profile for each in names}
    return tuple(
        each for wanted in (profile, ANY) for each in names if of[each] == wanted
    )


def load_accounting(name: str | Path) -> StandardAccounting:
    """Load a shipped accounting by name, or any other by the path of its .toml file.

    Raises:
        ProfileError: there is none, it is not TOML, a key is missing or unknown, or a
            value is of the wrong type or refused by `Accounting`.
    """
    return load_toml(name, _FOLDER, "accounting", _read)


def _read(name: str, raw: Table) -> StandardAccounting:
    choices = (field.name for field in fields(Accounting) if field.name != "name")
    keys = ("title", "profile", "arithmetic", *choices)
    check_keys((), raw, keys, keys)
    accounting = Accounting(
        name=name,
        weights_in=_chosen(raw, "weights_in"),
        embeddings_in=_chosen(raw, "embeddings_in"),
        state_in=_chosen(raw, "state_in"),
        activations_in=_chosen(raw, "activations_in"),
        student_signals=cast(
            "Signals", text("student_signals", raw["student_signals"])
        ),
        events_in=_chosen(raw, "events_in"),
        packet_bits=_whole(raw, "packet_bits"),
        weight_reuse=Fraction(whole("weight_reuse", raw["weight_reuse"])),
        teacher_weight_reuse=Fraction(
            whole("teacher_weight_reuse", raw["teacher_weight_reuse"])
        ),
        temporal_reuse=_flag(raw, "temporal_reuse"),
        graded=cast("Graded", text("graded", raw["graded"])),
        zero_synapses=cast("Zeros", text("zero_synapses", raw["zero_synapses"])),
        zero_macs=cast("Zeros", text("zero_macs", raw["zero_macs"])),
        parameters_from=_chosen(raw, "parameters_from"),
        on_chip_bits=_whole(raw, "on_chip_bits"),
        power=texts("power", raw["power"]),
        clock_hz=_number(raw, "clock_hz"),
        step_s=_number(raw, "step_s"),
        assumptions=texts("assumptions", raw["assumptions"]),
    )
    return StandardAccounting(
        text("title", raw["title"]),
        text("profile", raw["profile"]),
        text("arithmetic", raw["arithmetic"]),
        accounting,
    )


def _chosen(raw: Table, key: str) -> str | None:
    value = text(key, raw[key])
    return None if value == NONE else value


def _number(raw: Table, key: str) -> float | None:
    return None if raw[key] == NONE else number(key, raw[key])


def _whole(raw: Table, key: str) -> int | None:
    return None if raw[key] == NONE else whole(key, raw[key])


def _flag(raw: Table, key: str) -> bool:
    value = raw[key]
    if not isinstance(value, bool):
        raise FieldError((key,), f" = {value!r}; must be true or false")
    return value
