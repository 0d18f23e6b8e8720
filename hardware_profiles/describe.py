"""A profile in words: every cost with its source, and what is unknown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from spikewright.hardware_profiles.cost import OPERATIONS, Cost
from spikewright.hardware_profiles.layout import joules, wrap
from spikewright.hardware_profiles.profile import HardwareProfile


def describe_profile(profile: HardwareProfile, *, width: int = 100) -> str:
    """Return all costs of `profile` with sources and notes, as plain text."""
    return "\n".join(wrap(line, width) if line else "" for line in _lines(profile))


def profile_dict(profile: HardwareProfile) -> dict[str, object]:
    """Return `profile` as JSON can hold it; an absent operation has no price."""
    return {
        "name": profile.name,
        "title": profile.title,
        "node": profile.node,
        "notes": list(profile.notes),
        "arithmetics": {
            arithmetic: {operation: asdict(cost) for operation, cost in costs.items()}
            for arithmetic, costs in profile.arithmetics.items()
        },
    }


def _lines(profile: HardwareProfile) -> Iterator[str]:
    yield f"{profile.name}: {profile.title}; {profile.node}"
    for arithmetic, costs in profile.arithmetics.items():
        yield ""
        yield f"{arithmetic}:"
        for operation, cost in costs.items():
            yield f"  {operation} {_cost(cost)}"
        absent = [each for each in OPERATIONS if each not in costs]
        yield f"  no price: {', '.join(absent) or 'none'}"
    yield ""
    yield from (f"- {note}" for note in profile.notes)


def _cost(cost: Cost) -> str:
    includes = ", ".join(cost.includes) or "nothing"
    return (
        f"{joules(cost.energy_j)} ({cost.statistic}, {cost.kind}, evidence: "
        f"{cost.evidence}; includes {includes}): {cost.source}"
    )
