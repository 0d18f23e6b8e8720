"""Hardware profiles: TOML files, shipped ones by name, a user's own by path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import cast

from spikewright.errors import ProfileError
from spikewright.hardware_profiles.cost import (
    OPERATIONS,
    Cost,
    Costs,
    Term,
    check_word,
)
from spikewright.hardware_profiles.toml_files import (
    Table,
    list_shipped,
    load_toml,
    table,
    text,
    texts,
)

_PROFILE_KEYS = ("title", "node", "notes", "arithmetics")
_NUMBERS = ("energy_j", "low_j", "high_j")
_COST_KEYS = tuple(field.name for field in fields(Cost))
_COST_REQUIRED = tuple(f.name for f in fields(Cost) if f.default is MISSING)
_GROUPS: Mapping[str, str] = {
    "synops": "synapses",
    "graded_synops": "synapses",
    "macs": "dense arithmetic",
    "updates_active": "neuron updates",
    "updates_inactive": "neuron updates",
    "spikes": "spikes",
}
"""operations that share no event: a term priced in two groups is charged twice"""


@dataclass(frozen=True)
class HardwareProfile:
    """The costs of a chip or a process node, for each arithmetic that it can do.

    An operation without a cost is unknown, and stays out of every total by name.

    Raises:
        ProfileError: there is no arithmetic, an operation is none of
            `OperationCount`, or two operations charge for the same thing.
    """

    name: str
    title: str
    node: str
    """process and supply voltage"""
    arithmetics: Mapping[str, Costs]
    """costs by operation, by arithmetic"""
    notes: tuple[str, ...]
    """what is unknown or absent, and what was decided"""

    def __post_init__(self) -> None:
        if not self.arithmetics:
            raise ProfileError(f"profile '{self.name}': prices no arithmetic")
        for arithmetic, costs in self.arithmetics.items():
            where = f"profile '{self.name}', arithmetic '{arithmetic}'"
            for operation in costs:
                check_word(f"{where}: operation", operation, OPERATIONS)
            _check_overlaps(where, costs)
        frozen = {k: MappingProxyType(dict(v)) for k, v in self.arithmetics.items()}
        object.__setattr__(self, "arithmetics", MappingProxyType(frozen))

    def costs(self, arithmetic: str) -> Costs:
        """Return the costs of one arithmetic.

        Raises:
            ProfileError: the profile does not price it.
        """
        check_word(f"profile '{self.name}': arithmetic", arithmetic, self.arithmetics)
        return self.arithmetics[arithmetic]


def _check_overlaps(where: str, costs: Costs) -> None:
    """Refuse two groups of operations that both include the same term.

    The accumulation of a synapse and the arithmetic of a neuron are different work.
    """
    for (one, cost), (two, other) in combinations(costs.items(), 2):
        shared = (set(cost.includes) & set(other.includes)) - {"arithmetic"}
        if shared and _GROUPS.get(one, "dense") != _GROUPS.get(two, "dense"):
            raise ProfileError(
                f"{where}: {one} and {two} both include {', '.join(sorted(shared))}, "
                "which would be charged twice; keep it in one of them"
            )


# --- reading -------------------------------------------------------------------------


def list_profiles() -> tuple[str, ...]:
    """Name the shipped profiles."""
    return list_shipped(".")


def load_profile(name: str | Path) -> HardwareProfile:
    """Load a shipped profile by name, or any other by the path of its .toml file.

    Raises:
        ProfileError: there is none, it is not TOML, a key is missing or unknown, a
            value is of the wrong type, or `Cost` or `HardwareProfile` refuses it.
    """
    return load_toml(name, ".", "profile", _profile)


def _profile(name: str, raw: Table) -> HardwareProfile:
    _check_keys("the profile", raw, _PROFILE_KEYS, _PROFILE_KEYS)
    arithmetics = {
        arithmetic: {
            operation: _cost(f"arithmetics.{arithmetic}.{operation}", cost)
            for operation, cost in table(f"arithmetics.{arithmetic}", costs).items()
        }
        for arithmetic, costs in table("arithmetics", raw["arithmetics"]).items()
    }
    return HardwareProfile(
        name,
        text("title", raw["title"]),
        text("node", raw["node"]),
        arithmetics,
        texts("notes", raw["notes"]),
    )


def _cost(where: str, raw: object) -> Cost:
    given = table(where, raw)
    _check_keys(where, given, _COST_KEYS, _COST_REQUIRED)
    values: dict[str, object] = {}
    for key, value in given.items():
        if key in _NUMBERS:
            values[key] = _number(f"{where}.{key}", value)
        elif key == "includes":
            values[key] = cast("tuple[Term, ...]", texts(f"{where}.{key}", value))
        else:
            values[key] = text(f"{where}.{key}", value)
    try:
        return Cost(**values)  # type: ignore[arg-type]  # types checked just above
    except ProfileError as error:
        raise ProfileError(f"{where}: {error}") from error


def _check_keys(
    where: str, given: Table, allowed: tuple[str, ...], required: tuple[str, ...]
) -> None:
    if unknown := [key for key in given if key not in allowed]:
        raise ProfileError(
            f"{where}: unknown key '{unknown[0]}'; allowed: {', '.join(allowed)}"
        )
    if missing := [key for key in required if key not in given]:
        raise ProfileError(
            f"{where}: key '{missing[0]}' is missing; needed: {', '.join(required)}"
        )


def _number(where: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ProfileError(f"{where} = {value!r}; must be a number of joules")
    return float(value)
