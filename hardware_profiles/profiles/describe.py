"""A profile in words: every constant with its source, and what is unknown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from spikewright.hardware_profiles.profiles.constant import Constant, Constants
from spikewright.hardware_profiles.profiles.profile import HardwareProfile
from spikewright.hardware_profiles.profiles.sections import NAMED, PRICED, SECTIONS
from spikewright.hardware_profiles.text.layout import wrap

_PREFIXES = (("", 1.0), ("m", 1e-3), ("u", 1e-6), ("n", 1e-9), ("p", 1e-12))
TITLES: Mapping[str, str] = {
    "arithmetics": "arithmetic",
    "memories": "memory",
    "power": "power",
    "time": "time",
    "tasks": "whole tasks",
}
"""headings, by section"""


def describe_profile(profile: HardwareProfile, *, width: int = 100) -> str:
    """Return all constants of `profile` with sources and notes, as plain text."""
    return "\n".join(wrap(line, width) if line else "" for line in _lines(profile))


def profile_dict(profile: HardwareProfile) -> dict[str, object]:
    """Return `profile` as JSON can hold it; an absent operation has no price."""
    return {
        "name": profile.name,
        "title": profile.title,
        "node": profile.node,
        "notes": list(profile.notes),
        "unknown": list(profile.unknown),
        **{
            section: {
                name: _constants_dict(each) if section in NAMED else asdict(each)
                for name, each in getattr(profile, section).items()
            }
            for section in SECTIONS
        },
    }


def _constants_dict(constants: Constants) -> dict[str, object]:
    return {name: asdict(constant) for name, constant in constants.items()}


def tables(profile: HardwareProfile) -> Iterator[tuple[str, Constants]]:
    """Yield every table of constants with its heading, empty ones left out."""
    for section in SECTIONS:
        held = getattr(profile, section)
        if section in NAMED:
            yield from (
                (f"{TITLES[section]} {name}", each) for name, each in held.items()
            )
        elif held:
            yield TITLES[section], held


def quantity(value: float, unit: str) -> str:
    """Write a value with six digits and a prefix, 2.3e-11 J as 23 pJ."""
    if unit in ("bit", "1"):
        return f"{value:.15g} {unit}" if unit == "bit" else f"{value:.6g}"
    if not value:
        return f"0 {unit}"
    prefix, size = next(
        (each for each in _PREFIXES if value >= each[1] * (1 - 1e-9)), _PREFIXES[-1]
    )
    return f"{value / size:.6g} {prefix}{unit}"


def span(constant: Constant) -> str:
    """Write the published range of a constant, empty if there is none."""
    if constant.statistic == "minimum":
        return f"{quantity(constant.value, constant.unit)} or more"
    if constant.statistic == "maximum":
        return f"{quantity(constant.value, constant.unit)} or less"
    if constant.low is None and constant.high is None:
        return ""
    ends = (constant.lowest, constant.highest)
    return " to ".join(quantity(each, constant.unit) for each in ends)


def _lines(profile: HardwareProfile) -> Iterator[str]:
    yield f"{profile.name}: {profile.title}; {profile.node}"
    for title, constants in tables(profile):
        yield ""
        yield f"{title}:"
        for name, constant in constants.items():
            yield f"  {name} {_constant(constant)}"
        if constants in profile.arithmetics.values():
            absent = [each for each in PRICED if each not in constants]
            yield f"  no price: {', '.join(absent) or 'none'}"
    if not profile.arithmetics:
        yield from ("", "no price: every operation")
    for heading, texts in (("unknown", profile.unknown), ("notes", profile.notes)):
        if texts:
            yield from ("", f"{heading}:", *(f"  - {each}" for each in texts))


def _constant(constant: Constant) -> str:
    words = [constant.statistic, constant.kind, f"evidence: {constant.evidence}"]
    supply = "" if constant.supply_v is None else f"{constant.supply_v:g} V"
    words += [each for each in (constant.node, supply) if each]
    parts = [", ".join(words), f"includes {', '.join(constant.includes)}"]
    if not constant.includes:
        parts.pop()
    if limits := span(constant):
        parts.insert(0, limits)
    value = quantity(constant.value, constant.unit)
    source = ", ".join(each for each in (constant.source, constant.table) if each)
    quote = f'; "{constant.quote}"' if constant.quote else ""
    return f"{value} ({'; '.join(parts)}): {source}{quote}"
