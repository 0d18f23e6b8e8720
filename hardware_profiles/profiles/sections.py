"""What a profile may hold: its sections, the keys of each, and their units."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from spikewright.hardware_profiles.profiles.constant import OPERATIONS, Constant, Unit
from spikewright.hardware_profiles.profiles.errors import FieldError, suggest

PRICED = tuple(
    name for name in OPERATIONS if "_bits_" not in name and name != "macs_zero"
)
"""operations that an arithmetic may price: memories price bits, and a MAC of a zero
activation is one of the MACs already"""

SECTIONS: Mapping[str, Mapping[str, Unit] | Unit] = MappingProxyType(
    {
        "arithmetics": dict.fromkeys(PRICED, "J"),
        "memories": {"read": "J/bit", "write": "J/bit", "capacity": "bit"},
        "power": {
            "leakage_per_chip": "W",
            "leakage_per_core": "W",
            "idle": "W",
            "per_hertz": "W/Hz",
        },
        "time": {
            **dict.fromkeys(PRICED, "s"),
            "barrier": "s",
            "barrier_between_chips": "s",
            "step": "s",
        },
        "tasks": "J",
    }
)
"""section -> unit of each key; of any key, if there is but one unit.

power: `leakage_per_chip` and `leakage_per_core` are static, `idle` is that of a chip
that is clocked and does nothing, `per_hertz` is paid for each clock cycle a second.
time: `barrier` synchronizes the cores of a chip once, `barrier_between_chips` those of
many; `step` is the shortest step that was published, whatever happens in it.
"""
NAMED = ("arithmetics", "memories")
"""sections of named tables, with constants in each"""


def check_constants(path: tuple[str, ...], constants: Mapping[str, Constant]) -> None:
    """Refuse keys that a section does not have, and wrong units.

    Args:
        path: the section, and the name of the table if the section is `NAMED`.
        constants: by key.

    Raises:
        ProfileError: as said.
    """
    units = SECTIONS[path[0]]
    for key, constant in constants.items():
        wanted = units if isinstance(units, str) else units.get(key)
        if wanted is None:
            raise FieldError((*path, key), f": {_unknown(path[0], key)}")
        if constant.unit != wanted:
            raise FieldError(
                (*path, key, "unit"), f" = '{constant.unit}'; must be '{wanted}'"
            )


def _unknown(section: str, key: str) -> str:
    kind = "operation" if section == "arithmetics" else "key"
    if section in ("arithmetics", "time") and key in OPERATIONS:
        if key == "macs_zero":
            return "macs_zero has no constant of its own: it is a part of macs"
        return f"{key} has no constant here: [memories] price bits"
    allowed = SECTIONS[section]
    return f"{kind} '{key}' is unknown; {suggest(key, allowed)}"
