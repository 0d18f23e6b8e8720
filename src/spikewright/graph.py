"""The one graph that every pass reads and writes.

A `Graph` is immutable and ordered. Its `stage` says what its nodes mean, and the
constructor admits only the nodes of that stage, so a half-lowered graph cannot exist.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from types import MappingProxyType

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError


class Stage(enum.IntEnum):
    """How far a graph has been lowered."""

    CONTINUOUS = 0
    """What a NIR file says: seconds and real numbers."""
    DISCRETE = 1
    """A time step is fixed; all nodes of step t are computed at step t."""
    TIMED = 2
    """Each synapse takes one step; delays balance the paths."""
    QUANTIZED = 3
    """Integers that fit Loihi's registers."""


LATEST = 2**20
"""steps; no delay is as long, and a run lasts until the last signal has arrived"""
_ENDS = (n.Input, n.Output)
ALLOWED: Mapping[Stage, tuple[type[n.Node], ...]] = MappingProxyType(
    {
        Stage.CONTINUOUS: (*_ENDS, *n.MAPS, *n.IN_SECONDS),
        Stage.DISCRETE: (
            *_ENDS,
            *n.MAPS,
            *n.SYNAPSES,
            *(n.DelaySteps, n.BiasLine, n.SpikingNeurons, n.Integrators),
        ),
        Stage.TIMED: (
            *_ENDS,
            *n.SYNAPSES,
            *(n.BiasLine, n.SpikingNeurons, n.Integrators),
        ),
        Stage.QUANTIZED: (
            *_ENDS,
            *n.SYNAPSES,
            *(n.BiasLine, n.QuantizedNeurons, n.QuantizedIntegrators),
        ),
    }
)


@dataclass(frozen=True, order=True)
class Edge:
    """A connection; the signal arrives `delay` steps later (besides synaptic time)."""

    source: str
    target: str
    delay: int = 0


@dataclass(frozen=True, eq=False)
class Graph:
    """Named nodes and edges, in a fixed order. Edges into one node sum.

    Raises:
        GraphError: a node cannot stand in a graph of this stage, an edge has no end,
            occurs twice or has a negative delay, or there is no Input or no Output.
    """

    nodes: Mapping[str, n.Node]
    edges: tuple[Edge, ...]
    stage: Stage
    dt_s: float | None = None
    arrival: Mapping[str, int] = field(default_factory=dict)
    """step at which the first data reach a population or the Output; from TIMED on"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", MappingProxyType(dict(self.nodes)))
        object.__setattr__(self, "arrival", MappingProxyType(dict(self.arrival)))
        _check_nodes(self)
        _check_edges(self)
        _check_arrival(self)

    def expect(self, *stages: Stage) -> None:
        """Raise `GraphError` unless the graph is at one of `stages`."""
        if self.stage not in stages:
            wanted = " or ".join(stage.name for stage in stages)
            raise GraphError(f"needs a {wanted} graph, got {self.stage.name}")

    def into(self, name: str) -> tuple[Edge, ...]:
        """Return the edges that end at `name`, in order."""
        return self._edges_by_end[1].get(name, ())

    def out_of(self, name: str) -> tuple[Edge, ...]:
        """Return the edges that start at `name`, in order."""
        return self._edges_by_end[0].get(name, ())

    @cached_property
    def _edges_by_end(self) -> tuple[Mapping[str, tuple[Edge, ...]], ...]:
        return _by(self.edges, "source"), _by(self.edges, "target")

    @property
    def inputs(self) -> dict[str, n.Input]:
        """The Inputs, in order."""
        return {k: v for k, v in self.nodes.items() if isinstance(v, n.Input)}

    @property
    def outputs(self) -> dict[str, n.Output]:
        """The Outputs, in order."""
        return {k: v for k, v in self.nodes.items() if isinstance(v, n.Output)}

    @property
    def input_name(self) -> str:
        """Name of the only Input; `GraphError` if there are several."""
        return _only("Input", self.inputs)

    @property
    def output_name(self) -> str:
        """Name of the only Output; `GraphError` if there are several."""
        return _only("Output", self.outputs)

    def populations(self) -> dict[str, n.Population]:
        """Return the nodes that send signals, in order."""
        return {k: v for k, v in self.nodes.items() if isinstance(v, n.POPULATIONS)}

    def fingerprint(self) -> str:
        """Return a SHA-256 over stage, nodes, values and edges; equal graphs agree."""
        digest = hashlib.sha256(f"{self.stage.name} {self.dt_s}\n".encode())
        for name, node in self.nodes.items():
            digest.update(f"{name!r} {type(node).__name__}\n".encode())
            for each in fields(node):
                digest.update(_bytes_of(getattr(node, each.name)))
        digest.update(repr([*self.edges, sorted(self.arrival.items())]).encode())
        return digest.hexdigest()


def _bytes_of(value: object) -> bytes:
    """Return bytes that end where they say, so that 1, 23 is not 12, 3."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype.str}{value.shape}\n".encode() + value.tobytes()
    return f"{value!r}\n".encode()


def _by(edges: Iterable[Edge], end: str) -> Mapping[str, tuple[Edge, ...]]:
    found: dict[str, list[Edge]] = {}
    for edge in edges:
        found.setdefault(getattr(edge, end), []).append(edge)
    return {name: tuple(each) for name, each in found.items()}


def _only(kind: str, names: Iterable[str]) -> str:
    found = list(names)
    if len(found) != 1:
        raise GraphError(
            f"the graph has {len(found)} {kind}s ({', '.join(found)}), but one is "
            "wanted here; name the one you mean"
        )
    return found[0]


def _check_nodes(graph: Graph) -> None:
    for name, node in graph.nodes.items():
        _check_name(name)
        if not isinstance(node, ALLOWED[graph.stage]):
            allowed = ", ".join(kind.__name__ for kind in ALLOWED[graph.stage])
            raise GraphError(
                f"node '{name}': {type(node).__name__} cannot stand in a "
                f"{graph.stage.name} graph; allowed: {allowed}"
            )
    for kind in _ENDS:
        if not any(isinstance(node, kind) for node in graph.nodes.values()):
            raise GraphError(f"a graph needs an {kind.__name__}, got none; add one")
    if (graph.dt_s is None) != (graph.stage is Stage.CONTINUOUS):
        raise GraphError(f"a {graph.stage.name} graph cannot have dt_s={graph.dt_s}")


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise GraphError(f"node {name!a}: a name must be Unicode; rename it") from error


def _check_edges(graph: Graph) -> None:
    seen: set[tuple[str, str, int]] = set()
    for edge in graph.edges:
        for end in (edge.source, edge.target):
            if end not in graph.nodes:
                raise GraphError(
                    f"edge {edge.source} -> {edge.target}: no node '{end}'"
                )
        if edge.delay < 0:
            raise GraphError(f"edge {edge.source} -> {edge.target}: delay < 0")
        key = (edge.source, edge.target, edge.delay)
        if key in seen:
            raise GraphError(
                f"edge {edge.source} -> {edge.target} occurs twice; "
                "to add a signal twice, use a Scale of 2"
            )
        seen.add(key)


def unique_name(wanted: str, taken: Iterable[str]) -> str:
    """Return `wanted`, or with the first free number behind it."""
    names = set(taken)
    if wanted not in names:
        return wanted
    return next(
        f"{wanted}_{i}" for i in range(2, 10**9) if f"{wanted}_{i}" not in names
    )


def _check_arrival(graph: Graph) -> None:
    for name, steps in graph.arrival.items():
        if not 0 <= steps <= LATEST:
            raise GraphError(
                f"arrival of '{name}': {steps} steps; allowed: 0 to {LATEST}"
            )
