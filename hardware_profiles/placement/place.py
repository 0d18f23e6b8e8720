"""Place a QUANTIZED graph on the cores of a chip, and say what does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from spikewright.graph import Graph
from spikewright.hardware_profiles.placement.cut import (
    Piece,
    Pieces,
    cut_network,
    spread_output_axons,
)
from spikewright.hardware_profiles.placement.demand import (
    Demand,
    Network,
    read_network,
    sum_demand,
)
from spikewright.hardware_profiles.placement.limits import Limits
from spikewright.hardware_profiles.placement.load import RESOURCES, Load
from spikewright.hardware_profiles.placement.streaming import Streaming, stream_tokens
from spikewright.hardware_profiles.placement.violations import (
    Violation,
    find_too_big,
    number_violations,
    output_axon_violations,
)
from spikewright.nodes import IntArray


@dataclass(frozen=True)
class Core:
    """What lies in one core."""

    holds: tuple[tuple[str, int], ...]
    """(population, neurons of it)"""
    load: Load
    rows: tuple[IntArray, ...] = field(compare=False, repr=False)
    """places of those neurons in their populations"""


@dataclass(frozen=True)
class ResourceUse:
    """How much of one resource the cores use."""

    resource: str
    """one of `RESOURCES`"""
    most: int
    """in the core that uses most"""
    mean: float
    limit: int | None
    """None: unknown"""
    where: str
    """what lies in the core that uses most"""

    @property
    def share(self) -> float:
        """What all cores use of what they have; 0 if the limit is unknown."""
        return self.mean / self.limit if self.limit else 0.0


@dataclass(frozen=True)
class Placement:
    """A graph on cores; what breaks a limit is placed as if it had room."""

    demand: Demand
    cores: tuple[Core, ...]
    chips: int
    uses: tuple[ResourceUse, ...]
    violations: tuple[Violation, ...]
    unchecked: tuple[str, ...]
    """what nothing public says"""
    is_memory_least: bool
    """synapse memory counts weights alone, as their format is unknown"""

    @property
    def tightest(self) -> ResourceUse | None:
        """The resource of which the cores use the largest share, over all of them."""
        known = [each for each in self.uses if each.limit is not None]
        return max(known, key=lambda each: each.share, default=None)


@dataclass(frozen=True)
class PlacementCheck:
    """Whether a graph fits a chip, and how, with its shared weights accounted twice."""

    limits: Limits
    replicated: Placement
    """every token has neurons and weights of its own, as a plain mapping needs"""
    streaming: Streaming | None
    """what it takes to send tokens one after the other; None: nothing can be sent so"""
    streamed: Placement | None
    """the copy through which they are sent"""

    @property
    def fits(self) -> bool:
        """Whether the plain mapping breaks no known limit."""
        return not self.replicated.violations


def check_placement(graph: Graph, limits: Limits) -> PlacementCheck:
    """Place `graph`, which is QUANTIZED, on the chip of `limits`, in both accountings.

    Raises:
        GraphError: the graph is not QUANTIZED, or synapses do not lead from a
            population to one target.
    """
    replicated = place(graph, limits)
    streaming = stream_tokens(graph, limits)
    streamed = None if streaming is None else place(streaming.graph, limits)
    return PlacementCheck(limits, replicated, streaming, streamed)


def place(graph: Graph, limits: Limits) -> Placement:
    """Place a QUANTIZED graph on as few cores as a greedy, deterministic way finds.

    Populations are cut into pieces, each as large as a core allows; the last piece of
    each, usually smaller, goes into the first core that has room among those that hold
    last pieces. Cores fill chips in order. The numbers are an upper bound of what a
    better placement needs.

    Raises:
        GraphError: the graph is not QUANTIZED, or synapses do not lead from a
            population to one target.
    """
    network = read_network(graph)
    too_big, violations = find_too_big(network, limits)
    pieces = spread_output_axons(network, cut_network(network, limits, too_big), limits)
    cores = _pack(pieces, limits)
    demand = sum_demand(network)
    return Placement(
        demand,
        cores,
        _chips(len(cores), demand, limits),
        tuple(_use(each, cores, limits) for each in RESOURCES),
        (
            *number_violations(graph, network, limits),
            *violations,
            *output_axon_violations(network, pieces, limits),
        ),
        (*limits.unchecked(), *_soft_resets(network)),
        limits.synapse_format is None,
    )


def _soft_resets(network: Network) -> list[str]:
    return [
        f"whether the chip can do the soft reset of '{name}': no stock process can"
        for name, each in network.residents.items()
        if each.is_soft
    ]


def _pack(pieces: Pieces, limits: Limits) -> tuple[Core, ...]:
    full: list[Core] = []
    shared: list[Core] = []
    for each in pieces.values():
        full += [_core([piece]) for piece in each[:-1]]
        for last in each[-1:]:
            _add_to_first(shared, last, limits)
    return (*full, *shared)


def _core(pieces: Sequence[Piece]) -> Core:
    return Core(
        tuple((each.population, len(each.rows)) for each in pieces),
        sum((each.load for each in pieces), Load()),
        tuple(each.rows for each in pieces),
    )


def _add_to_first(cores: list[Core], piece: Piece, limits: Limits) -> None:
    """Put a piece into the first core with room, or into a new one."""
    new = _core([piece])
    for index, core in enumerate(cores):
        load = core.load + new.load
        if load.fits(limits, RESOURCES):
            holds, rows = (*core.holds, *new.holds), (*core.rows, *new.rows)
            cores[index] = Core(holds, load, rows)
            return
    cores.append(new)


def _chips(cores: int, demand: Demand, limits: Limits) -> int:
    """Return the chips that cores, neurons and synapses need, whichever needs most."""
    needs = {
        "cores": cores,
        "neurons_of_chip": demand.neurons,
        "synapses_of_chip": demand.synapses,
    }
    known = {key: limits.most(key) for key in needs}
    return max(-(-needs[key] // most) for key, most in known.items() if most)


def _use(resource: str, cores: Sequence[Core], limits: Limits) -> ResourceUse:
    if not cores:
        return ResourceUse(resource, 0, 0.0, limits.most(resource), "nothing")
    amounts = [each.load.amount(resource) for each in cores]
    fullest = max(cores, key=lambda each: each.load.amount(resource))
    names = list(dict.fromkeys(name for name, _ in fullest.holds))
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return ResourceUse(
        resource,
        max(amounts),
        sum(amounts) / len(amounts),
        limits.most(resource),
        names[0] + others,
    )
