"""What a chip holds: TOML files in `chips/`, shipped ones by name, others by path.

A limit that no public source states is absent; it is never guessed, and a check says
that it was not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType

from spikewright.errors import ProfileError
from spikewright.hardware_profiles.profiles.toml_files import (
    Table,
    list_shipped,
    listed,
    load_toml,
    table,
    text,
    texts,
    whole,
)

LIMITS: Mapping[str, str] = MappingProxyType(
    {
        "cores": "neuro cores a chip",
        "neurons": "neurons a core",
        "neurons_of_chip": "neurons a chip",
        "synapses_of_chip": "synapses a chip",
        "synapse_bits": "bits of synapse memory a core",
        "input_axons": "input axons a core",
        "output_axons": "output axons a core",
        "profiles": "pairs (du, dv) a core",
        "thresholds": "thresholds a core",
        "formats": "synapse formats a core",
        "weight_bits": "bits of a weight",
        "exponent": "magnitude of an exponent",
        "delay": "steps of delay",
        "threshold_bits": "bits of a threshold",
        "decay_bits": "bits of a decay",
        "state_bits": "bits of u and of v",
        "payload_bits": "bits that a spike carries",
    }
)
"""every limit that can be stated -> what it is"""
GRADES = ("A", "B", "C")
"""code that drives the chip, or Lava's own words; a published paper; a third party"""


@dataclass(frozen=True)
class Limit:
    """One number, and why anyone should believe it."""

    value: int
    unit: str
    source: str
    evidence: str
    """one of `GRADES`"""


@dataclass(frozen=True)
class SynapseFormat:
    """How a core stores the synapses of one input axon.

    Entries of up to `synapses_per_entry` synapses, each entry with a header and
    rounded up to words.
    """

    word_bits: int
    synapses_per_entry: int
    header_bits: int
    weight_bits: tuple[int, ...]
    """widths that a weight may have"""
    index_bits: tuple[int, ...]
    """widths that the index of a target may have"""
    source: str
    evidence: str


@dataclass(frozen=True)
class Limits:
    """The limits of a chip; what is not in `values` is unknown.

    Raises:
        ProfileError: a limit is none of `LIMITS`, negative or without evidence, or
            the number of cores or of neurons a core, which placing needs, is absent.
    """

    name: str
    title: str
    values: Mapping[str, Limit]
    unknown: tuple[str, ...] = ()
    """what cannot be checked at all, in words"""
    synapse_format: SynapseFormat | None = None
    """None: only the bits of the weights themselves are known"""

    def __post_init__(self) -> None:
        for key, limit in self.values.items():
            if key not in LIMITS:
                raise ProfileError(
                    f"limit '{key}': unknown; allowed: {', '.join(LIMITS)}"
                )
            if limit.value < 0 or limit.evidence not in GRADES:
                raise ProfileError(
                    f"limit '{key}': {limit.value}, evidence '{limit.evidence}'; needs "
                    f"a number from 0 on, and one of {', '.join(GRADES)}"
                )
        for key in ("cores", "neurons", "weight_bits"):
            if self.most(key) in (None, 0):
                raise ProfileError(f"limit '{key}' is missing or 0; placing needs it")
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))

    def most(self, key: str) -> int | None:
        """Return the limit `key`, None if it is unknown."""
        return self.values[key].value if key in self.values else None

    def unchecked(self) -> tuple[str, ...]:
        """Say what cannot be checked: limits without a number, and the unknown."""
        absent = (what for key, what in LIMITS.items() if key not in self.values)
        return (*(f"{what}: no public number" for what in absent), *self.unknown)


# --- reading -------------------------------------------------------------------------


def list_limits() -> tuple[str, ...]:
    """Name the chips whose limits are shipped."""
    return list_shipped("chips")


def load_limits(name: str | Path) -> Limits:
    """Load the limits of a shipped chip by name, or of another by its .toml file.

    Raises:
        ProfileError: there is none, it is not TOML, a key is missing or unknown, a
            value is of the wrong type, or `Limits` refuses it.
    """
    return load_toml(name, "chips", "limits of", _limits)


def _limits(name: str, raw: Table) -> Limits:
    allowed = {"title", "limits", "unknown", "synapse_format"}
    if unknown := sorted(set(raw) - allowed):
        raise ProfileError(
            f"unknown key '{unknown[0]}'; allowed: {', '.join(sorted(allowed))}"
        )
    stored = raw.get("synapse_format")
    return Limits(
        name,
        text("title", raw.get("title")),
        {
            key: Limit(**_values(f"limits.{key}", each, Limit))  # type: ignore[arg-type]
            for key, each in table("limits", raw.get("limits")).items()
        },
        texts("unknown", raw.get("unknown")),
        None
        if stored is None
        else SynapseFormat(**_values("synapse_format", stored, SynapseFormat)),  # type: ignore[arg-type]
    )


def _values(where: str, raw: object, kind: type) -> dict[str, object]:
    """Return the fields of `kind`, each of its type; all are needed, no others."""
    given = table(where, raw)
    wanted = {field.name: str(field.type) for field in fields(kind)}
    if set(given) != set(wanted):
        raise ProfileError(
            f"{where}: has {', '.join(given)}; needs {', '.join(wanted)}"
        )
    return {key: _typed(f"{where}.{key}", given[key], wanted[key]) for key in wanted}


def _typed(where: str, value: object, wanted: str) -> object:
    if wanted == "str":
        return text(where, value)
    if wanted == "int":
        return whole(where, value)
    return tuple(whole(where, each) for each in listed(where, value))
