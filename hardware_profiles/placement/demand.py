"""What a QUANTIZED graph asks of a chip, before it is placed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from spikewright.errors import GraphError
from spikewright.graph import Graph, Stage
from spikewright.hardware_profiles.placement.reach import (
    Projection,
    in_degree,
    projection,
)
from spikewright.hops import hops
from spikewright.loihi import DECAY_ONE
from spikewright.nodes import (
    BiasLine,
    DiagonalSynapses,
    IntArray,
    Output,
    PerNeuron,
    QuantizedIntegrators,
    QuantizedNeurons,
    Shape,
)

Role: TypeAlias = Literal["neurons", "relay", "integrators", "readout", "bias line"]


@dataclass(frozen=True, eq=False)
class Resident:
    """A population that takes neurons of a chip."""

    name: str
    role: Role
    shape: Shape
    profiles: IntArray
    """(neurons,), equal numbers for neurons that share du and dv"""
    vth: int | None
    """None: nobody compares v with anything"""
    is_soft: bool = False
    """loses `drop` when it spikes, instead of all"""

    @property
    def neurons(self) -> int:
        """Size of the population."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Network:
    """The populations on the chip, and what connects them; both in order."""

    residents: Mapping[str, Resident]
    projections: tuple[Projection, ...]
    graded: tuple[str, ...]
    """projections whose source sends numbers instead of spikes"""

    def into(self, name: str) -> tuple[Projection, ...]:
        """Return the projections that end at `name`."""
        return self._by_target.get(name, ())

    @cached_property
    def _by_target(self) -> Mapping[str, tuple[Projection, ...]]:
        return by_target(self.projections)


@dataclass(frozen=True)
class PopulationDemand:
    """What a population asks for."""

    name: str
    role: Role
    neurons: int
    profiles: int
    """distinct pairs (du, dv)"""
    threshold: int | None


@dataclass(frozen=True)
class ProjectionDemand:
    """What a projection asks for."""

    name: str
    source: str
    target: str
    synapses: int
    """weights that are not 0; shared ones as often as they are used"""
    fan_in: int
    """the most synapses that one target neuron has here"""
    exponent: int
    delay: int
    weight_bits: int
    """that hold the weights exactly"""


@dataclass(frozen=True)
class DelayLine:
    """The delays of one source share one line, as long as the longest of them."""

    source: str
    neurons: int
    taps: tuple[int, ...]
    """delays of its projections, in steps, without 0"""

    @property
    def cells(self) -> int:
        """Spikes that the line holds."""
        return self.neurons * max(self.taps)


@dataclass(frozen=True)
class Demand:
    """What a graph asks for in all, whatever the chip."""

    populations: tuple[PopulationDemand, ...]
    projections: tuple[ProjectionDemand, ...]
    delay_lines: tuple[DelayLine, ...]

    @property
    def neurons(self) -> int:
        """Neurons of all populations, relays, readouts and bias lines included."""
        return sum(each.neurons for each in self.populations)

    @property
    def synapses(self) -> int:
        """Synapses of all projections."""
        return sum(each.synapses for each in self.projections)

    @property
    def delay_cells(self) -> int:
        """Spikes that all delay lines hold."""
        return sum(each.cells for each in self.delay_lines)

    def count(self, role: Role) -> int:
        """Count the populations of a role."""
        return sum(each.role == role for each in self.populations)


def by_target(
    projections: Iterable[Projection],
) -> dict[str, tuple[Projection, ...]]:
    """Group projections by the population at which they end."""
    found: dict[str, list[Projection]] = {}
    for each in projections:
        found.setdefault(each.target, []).append(each)
    return {name: tuple(each) for name, each in found.items()}


def read_network(graph: Graph) -> Network:
    """Return what of a graph lies on a chip.

    An Input is sent by the host and takes no neuron. An Output takes one neuron for
    each of its numbers if synapses end at it, and none where the host reads another
    population. A bias line takes one neuron.

    Raises:
        GraphError: the graph is not QUANTIZED, or synapses do not lead from a
            population to one target.
    """
    graph.expect(Stage.QUANTIZED)
    sizes = {name: math.prod(node.shape) for name, node in graph.populations().items()}
    projections = tuple(
        projection(hop, hop.synapses, sizes[hop.source])
        for hop in hops(graph)
        if hop.synapses is not None
    )
    residents = _residents(graph, projections)
    for each in projections:
        if each.target not in residents:
            raise GraphError(
                f"node '{each.name}': leads to '{each.target}', which cannot receive"
            )
    graded = tuple(
        each.name
        for each in projections
        if isinstance(graph.nodes[each.source], QuantizedIntegrators)
    )
    return Network(residents, projections, graded)


def _residents(
    graph: Graph, projections: tuple[Projection, ...]
) -> dict[str, Resident]:
    found = {}
    into = by_target(projections)
    for name, node in graph.nodes.items():
        arriving = into.get(name, ())
        match node:
            case QuantizedNeurons():
                role: Role = "relay" if _is_relay(node, arriving) else "neurons"
                profiles = _profiles(node.shape, node.du, node.dv)
                is_soft = node.drop is not None
                found[name] = Resident(
                    name, role, node.shape, profiles, node.vth, is_soft
                )
            case QuantizedIntegrators():
                profiles = _profiles(node.shape, node.du, node.dv)
                found[name] = Resident(name, "integrators", node.shape, profiles, None)
            case BiasLine():
                profiles = _profiles(node.shape, DECAY_ONE, DECAY_ONE)
                found[name] = Resident(name, "bias line", node.shape, profiles, 0)
            case Output() if arriving:
                profiles = _profiles(node.shape, DECAY_ONE, DECAY_ONE)
                found[name] = Resident(name, "readout", node.shape, profiles, None)
            case _:
                pass  # an Input is the host's, synapses lie with their targets
    return found


def _profiles(shape: Shape, du: PerNeuron, dv: PerNeuron) -> IntArray:
    code = np.asarray(du, dtype=np.int64) * (DECAY_ONE + 1) + np.asarray(dv)
    return np.broadcast_to(code, shape).reshape(-1)


def _is_relay(node: QuantizedNeurons, arriving: Sequence[Projection]) -> bool:
    """Say whether a population sends just what arrives: no memory, one synapse each."""
    if len(arriving) != 1 or not isinstance(arriving[0].synapses, DiagonalSynapses):
        return False
    synapses = arriving[0].synapses
    least = float(synapses.weight.min()) * 2.0**synapses.exponent
    is_memoryless = bool(np.all(node.du == DECAY_ONE) and np.all(node.dv == DECAY_ONE))
    return is_memoryless and node.drop is None and least > node.vth >= 0


def sum_demand(network: Network) -> Demand:
    """Add up what a network asks for."""
    return Demand(
        tuple(
            PopulationDemand(
                each.name,
                each.role,
                each.neurons,
                len(np.unique(each.profiles)),
                each.vth,
            )
            for each in network.residents.values()
        ),
        tuple(_projection_demand(each) for each in network.projections),
        _delay_lines(network),
    )


def _projection_demand(each: Projection) -> ProjectionDemand:
    degree = in_degree(each)
    return ProjectionDemand(
        each.name,
        each.source,
        each.target,
        int(degree.sum()),
        int(degree.max(initial=0)),
        each.synapses.exponent,
        each.delay,
        each.weight_bits,
    )


def _delay_lines(network: Network) -> tuple[DelayLine, ...]:
    taps: dict[str, set[int]] = {}
    sizes: dict[str, int] = {}
    for each in network.projections:
        if each.delay:
            taps.setdefault(each.source, set()).add(each.delay)
            sizes[each.source] = each.size
    return tuple(
        DelayLine(source, sizes[source], tuple(sorted(found)))
        for source, found in taps.items()
    )
