"""The lines of counted work: each operation goes into one term, or is missing by name.

One sample costs, with n the counts of the run over its samples:

    arithmetic    = sum of e(operation) n(operation)
    weight memory = weight_bits_read e_read / weight_reuse + embedding_bits_read e_read
                    + parameter bits beyond the chip e_read
    state         = state_bits_read e_read + state_bits_written e_write
                    + updates_active e_active + updates_inactive e_inactive
    activations   = activation_bits_read e_read + activation_bits_written e_write
    events        = packets packet_bits e_buffer + spikes e_spike
    network       = hops_ew e_ew + hops_ns e_ns + packets e_inject
    norms         = norm_elements e + exp_elements e + divisions e
    sync          = barriers e_barrier
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, TypeAlias

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.hardware_profiles.prices.accounting import HOST, Accounting
from spikewright.hardware_profiles.prices.terms import (
    Factor,
    Line,
    Missing,
    Term,
    TermName,
)
from spikewright.hardware_profiles.prices.work import Work
from spikewright.hardware_profiles.profiles.constant import Costs
from spikewright.hardware_profiles.profiles.errors import check_word
from spikewright.hardware_profiles.profiles.profile import HardwareProfile

Access: TypeAlias = Literal["read", "write"]
Charged: TypeAlias = tuple[TermName, Line | Missing]

_SKIP_ZERO = "MACs of a zero activation are skipped"


@dataclass(frozen=True)
class Pricing:
    """Where the constants of a figure come from."""

    profile: HardwareProfile
    arithmetic: str
    accounting: Accounting

    @property
    def costs(self) -> Costs:
        """Prices of operations."""
        return self.profile.costs(self.arithmetic)

    def of(
        self,
        operation: str,
        amount: int | Fraction,
        *factors: Factor,
        priced_as: str | None = None,
    ) -> Line | Missing:
        """Charge an operation at its own price, or at that of another."""
        named = priced_as or operation
        if named not in self.costs:
            where = f"{self.profile.name} {self.arithmetic}"
            why = f"{where} has no price of {named}"
            return Missing(operation, Fraction(amount), why)
        place = f"{self.profile.name}.arithmetics.{self.arithmetic}.{named}"
        return Line(operation, Fraction(amount), factors, self.costs[named], place)

    def bits(
        self,
        operation: str,
        amount: int | Fraction,
        *factors: Factor,
        memory: str | None,
        access: Access,
    ) -> Line | Missing:
        """Charge an access to a memory of the profile.

        Raises:
            ProfileError: the profile has no such memory.
        """
        if memory is None:
            why = f"accounting {self.accounting.name} names no memory for it"
            return Missing(operation, Fraction(amount), why)
        where = f"profile '{self.profile.name}', accounting '{self.accounting.name}'"
        check_word(f"{where}: memory", memory, self.profile.memories)
        constant = self.profile.memory(memory).get(access)
        place = f"{self.profile.name}.memories.{memory}.{access}"
        if constant is None:
            return Missing(operation, Fraction(amount), f"{place} is unknown")
        return Line(operation, Fraction(amount), factors, constant, place)


def charge_counts(pricing: Pricing, work: Work) -> list[Term]:
    """Return a term for each operation that happened, of one sample on average.

    Raises:
        ProfileError: the accounting names a memory that the profile lacks.
        InputError: temporal reuse is to be charged and the rate is unknown.
    """
    total = work.total
    charged = [
        *_arithmetic(pricing, total),
        *_weights(pricing, work, total),
        *_state(pricing, total),
        *_signals(pricing, work, total),
        *_rest(pricing, total),
    ]
    return [_term(name, each, work.samples) for name, each in charged if each.amount]


def _term(name: TermName, each: Line | Missing, samples: int) -> Term:
    """Divide by the samples."""
    amount = each.amount / samples
    if isinstance(each, Missing):
        found = (replace(each, amount=amount),)
        return Term(name, outside=found) if each.is_outside else Term(name, (), found)
    line = Line(each.operation, amount, each.factors, each.constant, each.place)
    return Term(name, (line,))


def _arithmetic(pricing: Pricing, total: OperationCount) -> Iterator[Charged]:
    accounting = pricing.accounting
    yield "arithmetic", pricing.of("synops", total.synops)
    if accounting.zero_synapses == "charged":
        own = "synops_zero" if "synops_zero" in pricing.costs else "synops"
        yield "arithmetic", pricing.of("synops_zero", total.synops_zero, priced_as=own)
    yield "arithmetic", _graded(pricing, total)
    yield "arithmetic", pricing.of("macs", total.macs)
    if accounting.zero_macs == "skipped":
        skipped = Factor(Fraction(-1), _SKIP_ZERO)
        priced = pricing.of("macs_zero", total.macs_zero, skipped, priced_as="macs")
        yield "arithmetic", priced
    for name in ("residual_additions", "bias_additions"):
        yield "arithmetic", pricing.of(name, getattr(total, name))


def _graded(pricing: Pricing, total: OperationCount) -> Line | Missing:
    """Charge a message, or each of its levels if so chosen or if it alone is priced."""
    costs, chosen = pricing.costs, pricing.accounting.graded
    if chosen == "messages" and "graded_levels" not in costs:
        return pricing.of("graded_synops", total.graded_synops)
    if not total.graded_levels:
        why = "the levels of the messages are not known integers"
        return Missing("graded_synops", Fraction(total.graded_synops), why)
    own = "graded_levels" if "graded_levels" in costs else "synops"
    return pricing.of("graded_levels", total.graded_levels, priced_as=own)


# --- memory --------------------------------------------------------------------------


def _weights(pricing: Pricing, work: Work, total: OperationCount) -> Iterator[Charged]:
    accounting = pricing.accounting
    bits = total.weight_bits_read
    yield (
        "weight memory",
        pricing.bits(
            "weight_bits_read",
            bits,
            *(_weight_factors(accounting, work) if bits else ()),
            memory=accounting.weights_in,
            access="read",
        ),
    )
    yield "weight memory", _embeddings(pricing, total)
    if accounting.parameters_from is not None:
        yield "weight memory", _parameters(pricing, work)


def _embeddings(pricing: Pricing, total: OperationCount) -> Line | Missing:
    if pricing.accounting.embeddings_in == HOST:
        name = "embedding_bits_read" if total.embedding_bits_read else "lookups"
        amount = Fraction(getattr(total, name))
        return Missing(name, amount, "the host reads embeddings", is_outside=True)
    if total.lookups and not total.embedding_bits_read:
        return pricing.of("lookups", total.lookups)
    return pricing.bits(
        "embedding_bits_read",
        total.embedding_bits_read,
        memory=pricing.accounting.embeddings_in,
        access="read",
    )


def _parameters(pricing: Pricing, work: Work) -> Line | Missing:
    """Read what the chip cannot hold, once a sample."""
    accounting = pricing.accounting
    if work.parameter_bits is None:
        why = "how many bits of parameters there are is unknown"
        return Missing("parameter_bits", Fraction(work.samples), why)
    beyond = max(0, work.parameter_bits - (accounting.on_chip_bits or 0))
    return pricing.bits(
        "parameter_bits",
        beyond * work.samples,
        memory=accounting.parameters_from,
        access="read",
    )


def _weight_factors(accounting: Accounting, work: Work) -> Iterator[Factor]:
    kind = "teacher_weight_reuse" if work.is_teacher else "weight_reuse"
    reuse: Fraction = getattr(accounting, kind)
    yield Factor(1 / reuse, f"1/{kind}, {float(reuse):g} uses a read")
    if accounting.temporal_reuse and not work.is_teacher:
        yield _temporal_reuse(work)


def _temporal_reuse(work: Work) -> Factor:
    """Return (1 - (1 - r)^T) / (r T): sources that fire at all over all spikes."""
    if not work.rate:
        raise InputError(
            f"work '{work.name}': temporal reuse needs the measured spike rate, got "
            f"{work.rate}; give rate, or an accounting without temporal reuse"
        )
    fired = 1 - (1 - work.rate) ** work.steps
    meaning = f"sources that fire in {work.steps} steps over their spikes"
    return Factor(fired / (work.rate * work.steps), meaning)


def _state(pricing: Pricing, total: OperationCount) -> Iterator[Charged]:
    memory = pricing.accounting.state_in
    yield "state", _of_memory(pricing, total, "state_bits_read", memory)
    yield "state", _of_memory(pricing, total, "state_bits_written", memory)
    for name in ("updates_active", "updates_inactive"):
        yield "state", pricing.of(name, getattr(total, name))


def _signals(pricing: Pricing, work: Work, total: OperationCount) -> Iterator[Charged]:
    """Charge what is sent: as packets, or as bits that are stored and read."""
    as_packets = pricing.accounting.student_signals == "packets"
    if work.is_teacher or not as_packets:
        yield from _activations(pricing, total)
    if "spikes" in pricing.costs:
        yield "events", pricing.of("spikes", total.spikes)
    if as_packets:
        yield from _packets(pricing, work, total)


def _activations(pricing: Pricing, total: OperationCount) -> Iterator[Charged]:
    memory = pricing.accounting.activations_in
    yield "activations", _of_memory(pricing, total, "activation_bits_read", memory)
    yield "activations", _of_memory(pricing, total, "activation_bits_written", memory)


def _of_memory(
    pricing: Pricing, total: OperationCount, name: str, memory: str | None
) -> Line | Missing:
    access: Access = "read" if name.endswith("read") else "write"
    return pricing.bits(name, getattr(total, name), memory=memory, access=access)


# --- what moves ----------------------------------------------------------------------


def _packets(pricing: Pricing, work: Work, total: OperationCount) -> Iterator[Charged]:
    accounting, costs = pricing.accounting, pricing.costs
    if total.spikes and not total.packets and work.cores is None:
        why = "without a placement nobody knows packets and hops"
        yield "events", Missing("packets", Fraction(total.spikes), why)
        yield "network", Missing("hops", Fraction(total.spikes), why)
    if accounting.events_in is not None or "packets" not in costs:
        yield "events", _buffered(pricing, total.packets)
    if "packets" in costs:
        yield "network", pricing.of("packets", total.packets)
    for name in ("hops_ew", "hops_ns"):
        yield "network", pricing.of(name, getattr(total, name))


def _buffered(pricing: Pricing, packets: int) -> Line | Missing:
    """Charge each packet one pass through a buffer."""
    bits = pricing.accounting.packet_bits
    factors = () if bits is None else (Factor(Fraction(bits), "bits a packet"),)
    memory = pricing.accounting.events_in
    return pricing.bits("packets", packets, *factors, memory=memory, access="read")


def _rest(pricing: Pricing, total: OperationCount) -> Iterator[Charged]:
    for name in ("norm_elements", "exp_elements", "divisions"):
        yield "norms", pricing.of(name, getattr(total, name))
    yield "sync", pricing.of("barriers", total.barriers)
