"""What a piece of a population takes of a core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spikewright.hardware_profiles.placement.demand import Resident
from spikewright.hardware_profiles.placement.limits import Limits, SynapseFormat
from spikewright.hardware_profiles.placement.reach import Projection, reach
from spikewright.nodes import IntArray


class Format(NamedTuple):
    """What all synapses of one format share."""

    exponent: int
    is_mixed: bool
    """both signs occur"""
    weight_bits: int
    delay_bits: int
    has_index: bool


@dataclass(frozen=True)
class Load:
    """What is taken of a core; loads of one core add."""

    neurons: int = 0
    synapse_bits: int = 0
    input_axons: int = 0
    output_axons: int = 0
    profiles: frozenset[int] = frozenset()
    thresholds: frozenset[int] = frozenset()
    formats: frozenset[Format] = frozenset()

    def __add__(self, other: Load) -> Load:
        """Return the load of both in one core."""
        return Load(
            self.neurons + other.neurons,
            self.synapse_bits + other.synapse_bits,
            self.input_axons + other.input_axons,
            self.output_axons + other.output_axons,
            self.profiles | other.profiles,
            self.thresholds | other.thresholds,
            self.formats | other.formats,
        )

    def amount(self, resource: str) -> int:
        """Return how much of one of `RESOURCES` is taken."""
        value = getattr(self, resource)
        return value if isinstance(value, int) else len(value)

    def fits(self, limits: Limits, resources: Sequence[str]) -> bool:
        """Say whether each of `resources` stays within its limit, if it has one."""
        return all(
            most is None or self.amount(each) <= most
            for each, most in ((each, limits.most(each)) for each in resources)
        )


RESOURCES = (
    "neurons",
    "synapse_bits",
    "input_axons",
    "output_axons",
    "profiles",
    "thresholds",
    "formats",
)
"""what a core has; names in `Load` and in `LIMITS`"""


def piece_load(
    resident: Resident,
    arriving: Sequence[Projection],
    rows: IntArray,
    limits: Limits,
    *,
    by_place: bool,
) -> Load:
    """Return the load of the neurons `rows` of a population, without output axons.

    One input axon for each projection and source that reaches any of them.
    """
    bits, axons, formats = 0, 0, set()
    for each in arriving:
        found = reach(each, rows, by_place=by_place)
        stored, has_index = memory_bits(each, found.used, found.run, limits)
        bits += stored
        axons += len(found.sources)
        if len(found.sources):
            formats.add(format_of(each, has_index, limits))
    return Load(
        neurons=len(rows),
        synapse_bits=bits,
        input_axons=axons,
        profiles=frozenset(np.unique(resident.profiles[rows]).tolist()),
        thresholds=frozenset() if resident.vth is None else frozenset({resident.vth}),
        formats=frozenset(formats),
    )


def format_of(each: Projection, has_index: bool, limits: Limits) -> Format:
    """Return the format in which a projection's synapses are stored."""
    return Format(
        each.synapses.exponent,
        each.is_mixed,
        stored_bits(each, limits),
        each.delay.bit_length(),
        has_index,
    )


def stored_bits(each: Projection, limits: Limits) -> int:
    """Return the bits that a weight takes: the next width that the chip has."""
    stored, most = limits.synapse_format, limits.most("weight_bits") or 0
    widths = () if stored is None else stored.weight_bits
    wide = (width for width in widths if width >= each.weight_bits)
    return min(min(wide, default=each.weight_bits), most)


def memory_bits(
    each: Projection, used: IntArray, run: IntArray, limits: Limits
) -> tuple[int, bool]:
    """Return the bits that the synapses of some axons take, and if they have an index.

    nengo-loihi's formula (`SynapseConfig.bits_per_axon`): an axon's n synapses stand
    in entries of up to 64; an entry takes n * (weight + delay + index bits) + 10,
    rounded up to words of 64 bits. Either each synapse has the index of its target,
    wide enough for all neurons of a core, or, without index, the axon stores the run
    from its first target to its last, zeros included; a projection takes the smaller.
    A weight has the bits that its projection needs, rounded up to what the chip has.
    Where the format is unknown: the weights alone, which is the least that it can be.

    Assumed: an axon without index starts at any neuron of the core (`cxBase`).

    Args:
        each: the projection.
        used: synapses of each axon that are not 0.
        run: targets of each axon from the first to the last.
        limits: those of the chip.
    """
    weight_bits = stored_bits(each, limits)
    stored = limits.synapse_format
    if stored is None:
        return weight_bits * int(used.sum()), False
    plain = weight_bits + each.delay.bit_length()
    dense = _entries(stored, run, plain)
    sparse = _entries(stored, used, plain + _index_bits(stored, limits))
    return min(dense, sparse), sparse < dense


def _entries(stored: SynapseFormat, synapses: IntArray, bits: int) -> int:
    full, rest = np.divmod(synapses, stored.synapses_per_entry)
    whole = _words(stored, np.full(1, stored.synapses_per_entry), bits)[0]
    parts = np.where(rest > 0, _words(stored, rest, bits), 0)
    return int(whole * full.sum() + parts.sum())


def _words(stored: SynapseFormat, synapses: IntArray, bits: int) -> IntArray:
    taken = synapses * bits + stored.header_bits
    words: IntArray = -(-taken // stored.word_bits) * stored.word_bits
    return words


def _index_bits(stored: SynapseFormat, limits: Limits) -> int:
    """Return the narrowest index that names every neuron of a core."""
    needed = ((limits.most("neurons") or 1) - 1).bit_length()
    return next((each for each in stored.index_bits if each >= needed), needed)
