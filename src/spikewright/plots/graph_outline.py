"""A graph as boxes and wires: populations, and how spikes travel between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

import numpy as np

from spikewright import nodes as n
from spikewright.graph import Edge, Graph

_WIRES = (*n.MAPS, *n.SYNAPSES, n.DelaySteps)
"""nodes that are drawn as a part of the wire"""
_Way = tuple[int, tuple[str, ...]]
"""delay, and kinds of the nodes on the way"""


@dataclass(frozen=True)
class Box:
    """A node that is drawn: a population, a neuron model, an Input or an Output."""

    name: str
    what: str
    """its kind in a word"""
    shape: tuple[int, ...]
    arrival: int | None
    """step at which the first data reach it, from TIMED on"""
    has_bias: bool = False
    """a bias line leads to it, which is not drawn"""


@dataclass(frozen=True)
class Wire:
    """All ways from one box to another, through linear maps or synapses."""

    source: str
    target: str
    delays: tuple[int, ...]
    """steps of axonal delay, besides the one of synapses; of each way"""
    through: tuple[str, ...]
    """kinds of the nodes on the ways"""


@dataclass(frozen=True)
class Outline:
    """What is drawn of a graph."""

    stage: str
    dt_s: float | None
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]


def outline(graph: Graph) -> Outline:
    """Return boxes and wires of a graph of any stage.

    Bias lines become a mark on the populations that they lead to.
    """
    boxes = {
        name: node for name, node in graph.nodes.items() if not isinstance(node, _WIRES)
    }
    wires = _wires(graph, boxes)
    lines = {name for name, node in boxes.items() if isinstance(node, n.BiasLine)}
    biased = {wire.target for wire in wires if wire.source in lines}
    return Outline(
        graph.stage.name,
        graph.dt_s,
        tuple(
            Box(
                name, _kind(node), _shape(node), graph.arrival.get(name), name in biased
            )
            for name, node in boxes.items()
            if name not in lines
        ),
        tuple(wire for wire in wires if wire.source not in lines),
    )


def _wires(graph: Graph, boxes: Iterable[str]) -> list[Wire]:
    """Join the ways between the same boxes."""
    found: dict[tuple[str, str], list[_Way]] = {}
    for name in boxes:
        for edge in graph.out_of(name):
            for target, way in _from(graph, edge):
                found.setdefault((name, target), []).append(way)
    return [
        Wire(
            *ends,
            tuple(sorted({delay for delay, _ in ways})),
            tuple(dict.fromkeys(kind for _, kinds in ways for kind in kinds)),
        )
        for ends, ways in found.items()
    ]


def _from(graph: Graph, edge: Edge) -> Iterator[tuple[str, _Way]]:
    """Follow an edge through maps and synapses to the boxes at its ends."""
    waiting: list[tuple[str, int, tuple[str, ...]]] = [(edge.target, edge.delay, ())]
    while waiting:
        name, delay, through = waiting.pop()
        node = graph.nodes[name]
        if not isinstance(node, _WIRES):
            yield name, (delay, through)
            continue
        held = node.steps if isinstance(node, n.DelaySteps) else 0
        delay += held if isinstance(held, int) else int(held.max(initial=0))
        for each in graph.out_of(name):
            waiting.append((each.target, delay + each.delay, (*through, _kind(node))))


def _kind(node: n.Node) -> str:
    return type(node).__name__


def _shape(node: n.Node) -> tuple[int, ...]:
    """Return the shape of a population, or that of the parameters of a neuron model."""
    shape = getattr(node, "shape", None)
    if shape is None:
        arrays = [getattr(node, each.name) for each in fields(node)]
        shape = max((np.shape(each) for each in arrays), key=math.prod, default=())
    return tuple(int(each) for each in shape)
