"""What breaks a limit of a chip whatever the placement: every case, not the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from spikewright.graph import Graph
from spikewright.hardware_profiles.placement.cut import Pieces, count_output_axons
from spikewright.hardware_profiles.placement.demand import Network, Resident
from spikewright.hardware_profiles.placement.limits import LIMITS, Limits
from spikewright.hardware_profiles.placement.load import Format, format_of, memory_bits
from spikewright.hardware_profiles.placement.reach import Projection, in_degree
from spikewright.loihi import WEIGHT_BITS, common_zeros
from spikewright.nodes import (
    IntArray,
    PerNeuron,
    QuantizedIntegrators,
    QuantizedNeurons,
)


@dataclass(frozen=True)
class Violation:
    """One thing that a chip cannot hold."""

    kind: str
    """the limit that is broken, one of `LIMITS`"""
    where: str
    """the population or projection"""
    got: str
    allowed: str
    cure: str

    def __str__(self) -> str:
        """Say everything in one line."""
        return f"{self.where}: {self.got}; allowed: {self.allowed}; {self.cure}"


# --- numbers -------------------------------------------------------------------------


def number_violations(
    graph: Graph, network: Network, limits: Limits
) -> Iterator[Violation]:
    """Yield what no register of the chip holds, in the order of the graph."""
    for each in network.projections:
        yield from _of_projection(each, each.name in network.graded, limits)
    for name, node in graph.nodes.items():
        if isinstance(node, QuantizedNeurons):
            yield from _of_threshold(name, node.vth, limits)
        if isinstance(node, QuantizedNeurons | QuantizedIntegrators):
            yield from _of_decay(name, "du", node.du, limits)
            yield from _of_decay(name, "dv", node.dv, limits)


def _of_projection(
    each: Projection, is_graded: bool, limits: Limits
) -> Iterator[Violation]:
    yield from _of_weights(each, limits)
    # A weight of both signs has its lowest bit as the sign: w is stored as 2 w 2**-1.
    lowest = each.synapses.exponent - (each.is_mixed and not _is_even(each))
    most = limits.most("exponent")
    if most is not None and not -most <= lowest <= each.synapses.exponent <= most:
        yield Violation(
            "exponent",
            each.name,
            f"exponent {each.synapses.exponent}",
            f"{-most} to {most}",
            "bring the weights into the population to one order of magnitude",
        )
    most = limits.most("delay")
    if most is not None and each.delay > most:
        yield Violation(
            "delay",
            each.name,
            f"a delay of {each.delay} steps from '{each.source}'",
            f"{most} steps",
            "put a relay population on the way",
        )
    bits = limits.most("payload_bits")
    if is_graded and bits == 0:
        yield Violation(
            "payload_bits",
            each.name,
            f"'{each.source}' sends numbers",
            "a spike, 0 or 1",
            "put a Threshold or a spiking neuron between",
        )


def _is_even(each: Projection) -> bool:
    return not np.any(each.synapses.weight % 2)


def _of_weights(each: Projection, limits: Limits) -> Iterator[Violation]:
    """Yield weights beyond the bits, of which one is the sign if signs are mixed.

    Where 2 divides all weights they may be larger, up to what eight bits hold.
    """
    weight, bits = each.synapses.weight, limits.most("weight_bits") or 0
    low, high = int(weight.min(initial=0)), int(weight.max(initial=0))
    room = max(0, WEIGHT_BITS - bits) + each.is_mixed
    step = 2 ** min(common_zeros(weight), room)
    least, most = (0, 2**bits - 1) if high > 0 else (1 - 2**bits, 0)
    if each.is_mixed:
        least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    least, most = step * least, step * most
    if low < least or high > most:
        yield Violation(
            "weight_bits",
            each.name,
            f"weights from {low} to {high}",
            f"{least} to {most} ({bits} bits)",
            "quantize again",
        )


def _of_threshold(name: str, vth: int, limits: Limits) -> Iterator[Violation]:
    bits = limits.most("threshold_bits")
    if bits is not None and not 0 <= vth < 2**bits:
        yield Violation(
            "threshold_bits",
            name,
            f"threshold {vth}",
            f"0 to {2**bits - 1} ({bits} bits)",
            "scale the weights into the population and its threshold down",
        )


def _of_decay(
    name: str, what: str, values: PerNeuron, limits: Limits
) -> Iterator[Violation]:
    bits = limits.most("decay_bits")
    low, high = int(np.min(values)), int(np.max(values))
    if bits is not None and not 0 <= low <= high <= 2**bits:
        yield Violation(
            "decay_bits",
            name,
            f"{what} from {low} to {high}",
            f"0 to {2**bits}",
            "choose another --dt",
        )


# --- what one neuron asks for --------------------------------------------------------


def find_too_big(
    network: Network, limits: Limits
) -> tuple[dict[str, frozenset[str]], list[Violation]]:
    """Find the populations of which a single neuron is too much for a whole core.

    Returns:
        What of a core is too little, by population; and the violations.
    """
    too_big, found = {}, []
    for name, resident in network.residents.items():
        arriving = network.into(name)
        taken = _alone(resident, arriving, limits)
        broken = {
            key: amounts
            for key, amounts in taken.items()
            if (most := limits.most(key)) is not None and amounts.max(initial=0) > most
        }
        too_big[name] = frozenset(broken)
        found += [_of_neurons(resident, k, each, limits) for k, each in broken.items()]
    return too_big, found


def _alone(
    resident: Resident, arriving: tuple[Projection, ...], limits: Limits
) -> Mapping[str, IntArray]:
    """Return what each neuron takes if it has a core of its own, (neurons,)."""
    axons = np.zeros(resident.neurons, dtype=np.int64)
    bits = np.zeros(resident.neurons, dtype=np.int64)
    formats: dict[Format, IntArray] = {}
    one = np.ones(1, dtype=np.int64)
    for each in arriving:
        degree = in_degree(each)
        stored, has_index = memory_bits(each, one, one, limits)
        axons += degree
        bits += degree * stored
        key = format_of(each, has_index, limits)
        formats[key] = np.maximum(formats.get(key, 0), np.sign(degree))
    return {
        "input_axons": axons,
        "synapse_bits": bits,
        "formats": np.sum([*formats.values(), np.zeros_like(axons)], axis=0),
    }


_CURES = {
    "input_axons": "sum in two stages, or let the host add what it can read",
    "synapse_bits": "give the neurons fewer sources, or sum in two stages",
    "formats": "give the projections into it one exponent and one delay",
    "output_axons": "send through relays, each to a part of the targets",
}
_READOUT = "split the readout; the host may add what its parts sum"


def _of_neurons(
    resident: Resident, key: str, amounts: IntArray, limits: Limits
) -> Violation:
    most = limits.most(key) or 0
    neurons = int(np.count_nonzero(amounts > most))
    one = "1 neuron needs" if neurons == 1 else f"{neurons:,} neurons need up to"
    what = LIMITS[key].removesuffix(" a core")
    return Violation(
        key,
        resident.name,
        f"{one} {int(amounts.max()):,} {what} alone",
        f"{most:,} a core",
        _READOUT if resident.role == "readout" else _CURES[key],
    )


def output_axon_violations(
    network: Network, pieces: Pieces, limits: Limits
) -> list[Violation]:
    """Find the populations of which a single neuron has too many output axons."""
    most = limits.most("output_axons")
    if most is None:
        return []
    return [
        _of_neurons(network.residents[name], "output_axons", axons, limits)
        for name, axons in count_output_axons(network, pieces).items()
        if axons.max(initial=0) > most
    ]
