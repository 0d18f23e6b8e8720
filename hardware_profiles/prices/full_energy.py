"""Full accounting: column B, every term itemized, nothing charged twice or as zero."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from spikewright.errors import OverlapError
from spikewright.hardware_profiles.prices.accounting import POWER, Accounting
from spikewright.hardware_profiles.prices.charges import Pricing, charge_counts
from spikewright.hardware_profiles.prices.static import static_term
from spikewright.hardware_profiles.prices.terms import (
    Line,
    Missing,
    Priced,
    Term,
    TermName,
    all_lines,
    is_floor,
    merge_terms,
    total_j,
)
from spikewright.hardware_profiles.prices.work import Work
from spikewright.hardware_profiles.profiles.constant import Evidence, weakest
from spikewright.hardware_profiles.profiles.overlaps import GROUPS, IS_WHAT
from spikewright.hardware_profiles.profiles.profile import HardwareProfile

_GROUPS: Mapping[str, str] = {
    **GROUPS,
    "macs_zero": "layers",
    "state_bits_read": "state memory",
    "state_bits_written": "state memory",
    "weight_bits_read": "weight memory",
    "embedding_bits_read": "weight memory",
    "parameter_bits": "weight memory",
    "activation_bits_read": "activation memory",
    "activation_bits_written": "activation memory",
    **dict.fromkeys(POWER, "static"),
}
"""operations that share no event; any other is a group of its own"""
_IS: Mapping[str, str] = {**IS_WHAT, "parameter_bits": "weight access"}
_WOULD_BE: Mapping[str, str] = {
    **IS_WHAT,
    "hops": "routing between tiles",
    "leakage": "leakage",
    "leakage_per_chip": "leakage",
    "leakage_per_core": "leakage",
    "idle": "idle",
    "per_hertz": "idle",
}
"""operations that need no constant of their own if another constant includes them"""


@dataclass(frozen=True)
class FullEnergy:
    """Energy of one sample by term, with what each term leaves out."""

    work: Work
    profile: str
    arithmetic: str
    accounting: Accounting
    terms: Priced
    real_time: Term | None
    """static energy if each step takes `step_s` of the accounting; not in `terms`"""

    @property
    def label(self) -> str:
        """What is priced, and where."""
        return f"{self.work.name}, {self.profile} {self.arithmetic}"

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines of all terms."""
        return tuple(all_lines(self.terms))

    @property
    def total_j(self) -> float:
        """Joules of all terms that are not disabled."""
        return total_j(self.lines)

    @property
    def real_time_j(self) -> float | None:
        """Joules if each step takes `step_s`; None if that has no constants."""
        if self.real_time is None or self.real_time.is_disabled:
            return None
        others = (t.lines for name, t in self.terms.items() if name != "static")
        return total_j(
            line for each in (*others, self.real_time.lines) for line in each
        )

    @property
    def disabled(self) -> tuple[TermName, ...]:
        """Terms of which something happened and nothing has a constant."""
        return tuple(name for name, term in self.terms.items() if term.is_disabled)

    @property
    def missing(self) -> tuple[tuple[TermName, Missing], ...]:
        """What happened and is in no line, with its term."""
        return tuple(
            (name, each) for name, term in self.terms.items() for each in term.missing
        )

    @property
    def outside(self) -> tuple[tuple[TermName, Missing], ...]:
        """What the accounting leaves to another machine, with its term."""
        return tuple(
            (name, each) for name, term in self.terms.items() for each in term.outside
        )

    @property
    def evidence(self) -> Evidence | None:
        """Grade of the weakest constant used; None if nothing was priced."""
        return weakest(line.constant.evidence for line in self.lines)

    @property
    def is_lower_bound(self) -> bool:
        """Whether the truth is this or more.

        A constant is a published minimum, or something is missing; and no constant
        may be lower than its value, so that the one is not made up by the other.
        """
        if not self.is_partial:
            return is_floor(self.lines)
        return not any(line.constant.may_be_lower for line in self.lines)

    @property
    def is_partial(self) -> bool:
        """Whether something that happened is in no line."""
        return bool(self.missing)


def full_energy(
    work: Work, profile: HardwareProfile, arithmetic: str, accounting: Accounting
) -> FullEnergy:
    """Price one sample of a student or a teacher, term by term.

    Raises:
        ProfileError: the profile lacks the arithmetic, or a memory of the accounting.
        OverlapError: two constants would charge for the same thing.
        InputError: temporal reuse is to be charged and the rate is unknown.
    """
    pricing = Pricing(profile, arithmetic, accounting)
    counted = charge_counts(pricing, work)
    static = static_term(pricing, work, work.latency_s)
    parts = _without_included([*counted, static])
    terms = merge_terms(parts)
    check_overlaps(pricing, all_lines(terms))
    real_time = _real_time(pricing, work, counted)
    return FullEnergy(work, profile.name, arithmetic, accounting, terms, real_time)


def energy_by_node(
    work: Work, profile: HardwareProfile, arithmetic: str, accounting: Accounting
) -> dict[str, float]:
    """Return the joules of one sample by node; static energy belongs to none.

    Raises:
        ProfileError, InputError: as `full_energy`.
    """
    pricing = Pricing(profile, arithmetic, accounting)
    return {
        name: total_j(
            line
            for term in charge_counts(
                pricing, replace(work, counts={name: count}, parameter_bits=0)
            )
            for line in term.lines
        )
        for name, count in work.counts.items()
    }


def explain(figure: FullEnergy) -> tuple[str, ...]:
    """Trace a figure to counts, factors, constants and sources, a line of text each."""
    return tuple(_explained(figure))


def _explained(figure: FullEnergy) -> Iterator[str]:
    yield f"{figure.label}: {figure.total_j:.6g} J a sample"
    yield from (f"accounting: {line}" for line in figure.accounting.lines())
    for name, term in figure.terms.items():
        yield f"{name}: " + (
            "disabled" if term.energy_j is None else f"{term.energy_j:.6g} J"
        )
        yield from (f"  {line}" for line in term.lines)
        for each in (*term.missing, *term.outside):
            yield f"  not in it: {float(each.amount):g} {each.operation}: {each.why}"


def _real_time(pricing: Pricing, work: Work, counted: list[Term]) -> Term | None:
    step_s = pricing.accounting.step_s
    if step_s is None:
        return None
    static = static_term(pricing, work, work.steps * step_s)
    terms = merge_terms(_without_included([*counted, static]))
    check_overlaps(pricing, all_lines(terms))
    return terms["static"]


# --- nothing twice -------------------------------------------------------------------


def _without_included(parts: list[Term]) -> list[Term]:
    """Drop what is missing only because the price of an event includes it."""
    lines = [line for part in parts for line in part.lines]
    included: set[str] = {term for line in lines for term in line.constant.includes}
    return [
        replace(
            part,
            missing=tuple(
                each
                for each in part.missing
                if _WOULD_BE.get(each.operation) not in included
            ),
        )
        for part in parts
    ]


def check_overlaps(pricing: Pricing, lines: Iterable[Line]) -> None:
    """Refuse lines of two groups that charge for the same thing.

    The accumulation of a synapse and the arithmetic of a neuron are different work.

    Raises:
        OverlapError: there are such lines.
    """
    charged: dict[str, dict[str, Line]] = {}
    for line in lines:
        group = _GROUPS.get(line.operation, line.operation)
        own = _IS.get(line.operation)
        for included in {*line.constant.includes} - {own}:
            charged.setdefault(included, {}).setdefault(group, line)
        if own is not None:
            charged.setdefault(own, {}).setdefault(own, line)
    for term in sorted(charged.keys() - {"arithmetic"}):
        if len(charged[term]) > 1:
            one, two = list(charged[term].values())[:2]
            both = [t for t in sorted(charged) if {one, two} <= {*charged[t].values()}]
            raise OverlapError(
                f"profile '{pricing.profile.name}' {pricing.arithmetic}, accounting "
                f"'{pricing.accounting.name}': {one.operation} ({one.place}) and "
                f"{two.operation} ({two.place}) both charge {', '.join(both)}; choose "
                "an accounting without one of them"
            )
