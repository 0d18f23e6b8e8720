"""Hardware profiles: TOML files, shipped ones by name, a user's own by path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from spikewright.errors import ProfileError
from spikewright.hardware_profiles.profiles.absent import why_absent
from spikewright.hardware_profiles.profiles.constant import (
    Constant,
    Constants,
    Costs,
    Term,
)
from spikewright.hardware_profiles.profiles.errors import FieldError, check_word
from spikewright.hardware_profiles.profiles.overlaps import (
    Charges,
    check_charges,
    check_costs,
)
from spikewright.hardware_profiles.profiles.reading import (
    read_constants,
    read_head,
    read_tables,
)
from spikewright.hardware_profiles.profiles.sections import (
    NAMED,
    SECTIONS,
    check_constants,
)
from spikewright.hardware_profiles.profiles.toml_files import (
    Table,
    list_shipped,
    load_toml,
)


@dataclass(frozen=True)
class HardwareProfile:
    """The constants of a chip or a process node; they know joules and no counts.

    What has no constant is unknown, and stays out of every total by name.

    Raises:
        ProfileError: there is no constant, a key is none of `SECTIONS`, a unit is
            wrong, or two constants that add up charge for the same thing.
    """

    name: str
    title: str
    node: str
    """process and supply voltage"""
    notes: tuple[str, ...] = ()
    """what was decided, and what to keep in mind"""
    unknown: tuple[str, ...] = ()
    """what nobody publishes, and why it is absent: `what: why`"""
    arithmetics: Mapping[str, Costs] = field(default_factory=dict)
    """joules by operation, by arithmetic; they are alternatives"""
    memories: Mapping[str, Constants] = field(default_factory=dict)
    """joules a bit of `read` and `write`, bits of `capacity`, by memory"""
    power: Constants = field(default_factory=dict)
    """watts that add up, whatever happens; `per_hertz` for each hertz of the clock"""
    time: Constants = field(default_factory=dict)
    """seconds by operation, and of `barrier` and `step`"""
    tasks: Constants = field(default_factory=dict)
    """joules of a whole task, in which operations have no price"""

    def __post_init__(self) -> None:
        for section in SECTIONS:
            tables = getattr(self, section)
            frozen = {
                key: MappingProxyType(dict(each)) if section in NAMED else each
                for key, each in tables.items()
            }
            object.__setattr__(self, section, MappingProxyType(frozen))
        _check(self)

    def costs(self, arithmetic: str) -> Costs:
        """Return the costs of one arithmetic.

        Raises:
            ProfileError: the profile does not price it.
        """
        if not self.arithmetics:
            why = "; ".join(self.unknown) or "it gives no reason"
            raise ProfileError(f"profile '{self.name}' prices no operation: {why}")
        check_word(f"profile '{self.name}': arithmetic", arithmetic, self.arithmetics)
        return self.arithmetics[arithmetic]

    def memory(self, name: str) -> Constants:
        """Return the constants of one memory.

        Raises:
            ProfileError: the profile has none of that name.
        """
        check_word(f"profile '{self.name}': memory", name, self.memories)
        return self.memories[name]

    def constants(self) -> Iterator[tuple[tuple[str, ...], Constant]]:
        """Yield every constant with its path, as in `arithmetics.fixed.synops`."""
        for section in SECTIONS:
            for key, each in getattr(self, section).items():
                if isinstance(each, Constant):
                    yield (section, key), each
                else:
                    yield from (((section, key, k), one) for k, one in each.items())

    def check_total(
        self,
        arithmetic: str,
        *,
        memories: Mapping[Term, str] | None = None,
        power: Iterable[str] = (),
    ) -> None:
        """Refuse a total that would charge twice for the same thing.

        Args:
            arithmetic: all of whose costs are charged.
            memories: which memory serves an access, as in {"weight access": "dram"}.
            power: keys of `power` that are charged too.

        Raises:
            ProfileError: as said, or something is not in the profile.
        """
        charges: Charges = (
            *((name, cost.includes) for name, cost in self.costs(arithmetic).items()),
            *(
                (f"{term} from {name}", {term, *_terms(self.memory(name))})
                for term, name in (memories or {}).items()
            ),
            *((name, _power(self, name).includes) for name in power),
        )
        try:
            check_charges((), charges)
        except FieldError as error:
            raise ProfileError(
                f"profile '{self.name}', arithmetic '{arithmetic}'{error.complaint}"
            ) from error


def _terms(constants: Constants) -> set[Term]:
    return {term for each in constants.values() for term in each.includes}


def _power(profile: HardwareProfile, name: str) -> Constant:
    check_word(f"profile '{profile.name}': power", name, profile.power)
    return profile.power[name]


def _check(profile: HardwareProfile) -> None:
    if not any(True for _ in profile.constants()):
        raise FieldError(
            ("arithmetics",),
            f": profile '{profile.name}': prices no arithmetic, and has no memory, "
            "power, time or task either",
        )
    for section in SECTIONS:
        tables = getattr(profile, section)
        if section not in NAMED:
            check_constants((section,), tables)
            continue
        for name, constants in tables.items():
            check_constants((section, name), constants)
    for name, costs in profile.arithmetics.items():
        check_costs(("arithmetics", name), costs)
    charges = ((name, each.includes) for name, each in profile.power.items())
    check_charges(("power",), charges)


# --- reading -------------------------------------------------------------------------


def list_profiles() -> tuple[str, ...]:
    """Name the shipped profiles."""
    return list_shipped(".")


def load_profile(name: str | Path) -> HardwareProfile:
    """Load a shipped profile by name, or any other by the path of its .toml file.

    Raises:
        ProfileError: there is none, it is not TOML, a key is missing or unknown, a
            value is of the wrong type, or `Constant` or `HardwareProfile` refuses it;
            the error names the file, the key and the line.
    """
    if why := why_absent(str(name)):
        raise ProfileError(
            f"no profile '{name}': {why}; "
            "for figures of your own give the path of their .toml file"
        )
    return load_toml(name, ".", "profile", _profile)


def _profile(name: str, raw: Table) -> HardwareProfile:
    title, node, notes, unknown = read_head(raw)
    return HardwareProfile(
        name,
        title,
        node,
        notes,
        unknown,
        arithmetics=read_tables(raw, "arithmetics"),
        memories=read_tables(raw, "memories"),
        power=read_constants(raw, "power"),
        time=read_constants(raw, "time"),
        tasks=read_constants(raw, "tasks"),
    )
