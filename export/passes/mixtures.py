"""What arrives at each population: every source, every delay, one map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from math import prod

import numpy as np

from spikewright.errors import GraphError, UnsupportedNodeError
from spikewright.export.passes.compose import add, compose, thrifty
from spikewright.export.passes.linear_nodes import bias_of, size_taken, to_synapses
from spikewright.graph import Edge, Graph
from spikewright.linear import apply_synapses, ends
from spikewright.nodes import (
    MAPS,
    DelaySteps,
    DiagonalSynapses,
    Flatten,
    FloatArray,
    Input,
    Integrators,
    LinearMap,
    Node,
    Output,
    Shape,
    SpikingNeurons,
    Synapses,
)

ENDS = (Input, SpikingNeurons, Integrators, Output)
"""where the maps between populations start and end"""
_KNOWN = [kind.__name__ for kind in (*ENDS, *MAPS, DelaySteps)]


@dataclass(frozen=True, eq=False)
class Term:
    """What one source adds to a signal."""

    synapses: Synapses | None = None
    """None: just as it was sent"""
    name: str | None = None
    """the last node on the way that has a weight"""


@dataclass(frozen=True, eq=False)
class Mixture:
    """A signal: a sum over sources and delays, and constants from some step on."""

    size: int = 0
    """number of values"""
    terms: dict[tuple[str, int], Term] = field(default_factory=dict)
    """by source and delay in steps"""
    constants: dict[int, FloatArray] = field(default_factory=dict)
    """by the step of the sample at which they begin, flat"""


def mixtures(graph: Graph) -> dict[str, Mixture]:
    """Return what arrives at each population and Output of a DISCRETE graph.

    Signals are followed from node to node, and what comes from one source with one
    delay is summed on the way, so many ways cost no more than one.

    Raises:
        GraphError: maps make a loop without a neuron, sizes do not fit, or a map
            would have too many connections.
        UnsupportedNodeError: there is a node that is no population and no map.
    """
    _refuse_unknown(graph)
    leaving = _Leaving(graph, {}, {k: len(graph.out_of(k)) for k in graph.nodes})
    for name in _maps_in_order(graph):
        leaving.found[name] = _through(graph, name, _gathered(leaving, name))
    return {
        name: _gathered(leaving, name)
        for name, node in graph.nodes.items()
        if isinstance(node, ENDS)
    }


def _refuse_unknown(graph: Graph) -> None:
    for name, node in graph.nodes.items():
        if not isinstance(node, (*ENDS, *MAPS, DelaySteps)):
            kind = type(node).__name__
            raise UnsupportedNodeError(name, kind, "fold_connections", _KNOWN)


def _maps_in_order(graph: Graph) -> tuple[str, ...]:
    """Order what lies between populations, each after what it needs."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    between = {k for k, node in graph.nodes.items() if not isinstance(node, ENDS)}
    for name in graph.nodes:
        if name in between:
            before = (edge.source for edge in graph.into(name))
            sorter.add(name, *(source for source in before if source in between))
    try:
        return tuple(sorter.static_order())
    except CycleError as error:
        loop = ", ".join(sorted(set(error.args[1])))
        raise GraphError(
            f"nodes {loop}: a loop of linear maps and Delays echoes for ever, which no "
            "synapses can say; put a neuron into the loop"
        ) from error


# --- sums ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Leaving:
    """What leaves the maps that were followed so far."""

    graph: Graph
    found: dict[str, Mixture]
    readers: dict[str, int]
    """edges that are still to be followed"""

    def take(self, name: str) -> Mixture:
        """Return what leaves `name`, and forget it after its last reader."""
        node = self.graph.nodes[name]
        if isinstance(node, ENDS):
            return Mixture(prod(node.shape), {(name, 0): Term()})
        self.readers[name] -= 1
        return self.found[name] if self.readers[name] else self.found.pop(name)


def _gathered(leaving: _Leaving, name: str) -> Mixture:
    """Sum what the edges bring, in their order."""
    total = Mixture(_taken(leaving.graph.nodes[name]))
    for edge in leaving.graph.into(name):
        sent = leaving.take(edge.source)
        _check_size(edge, sent.size, total.size)
        for (source, delay), term in sent.terms.items():
            _add_term(leaving.graph, total, (source, delay + edge.delay), term)
        for delay, constant in sent.constants.items():
            _add_constant(total, delay + edge.delay, constant)
    return total


def _add_term(graph: Graph, total: Mixture, key: tuple[str, int], term: Term) -> None:
    if key not in total.terms:
        total.terms[key] = term
        return
    there, shape = total.terms[key], _shape(graph.nodes[key[0]])
    one, two = (
        DiagonalSynapses(np.ones(shape)) if each.synapses is None else each.synapses
        for each in (there, term)
    )
    both = add(one, two, prod(shape), f"what '{key[0]}' sends")
    total.terms[key] = Term(both, there.name or term.name)


def _add_constant(total: Mixture, delay: int, constant: FloatArray) -> None:
    there = total.constants.get(delay)
    total.constants[delay] = constant if there is None else there + constant


# --- maps ----------------------------------------------------------------------------


def _through(graph: Graph, name: str, given: Mixture) -> Mixture:
    """Return what leaves a map that is given a mixture."""
    node = graph.nodes[name]
    if isinstance(node, LinearMap):
        return _mapped(graph, name, node, given)
    return _delayed(graph, node, given) if isinstance(node, DelaySteps) else given


def _mapped(graph: Graph, name: str, node: LinearMap, given: Mixture) -> Mixture:
    then = to_synapses(node)
    shape = ends(then, given.size)[1]
    total = Mixture(prod(shape))
    for (source, delay), term in given.terms.items():
        way = then
        if term.synapses is not None:
            size = prod(_shape(graph.nodes[source]))
            way = compose(term.synapses, then, size, f"node '{name}'")
        total.terms[source, delay] = Term(way, name)
    for delay, constant in given.constants.items():
        mapped = apply_synapses(then, constant[np.newaxis], shape)
        total.constants[delay] = mapped.reshape(-1)
    if (bias := bias_of(node, shape)) is not None:
        _add_constant(total, 0, bias)
    return total


def _delayed(graph: Graph, node: DelaySteps, given: Mixture) -> Mixture:
    """Delay all as a whole, or each element that has its own delay."""
    total = Mixture(given.size)
    for late, mask in _masks(node):
        for (source, delay), term in given.terms.items():
            part = term if mask is None else _masked(graph, source, term, mask)
            if part is not None:
                _add_term(graph, total, (source, delay + late), part)
        for delay, constant in given.constants.items():
            kept = constant if mask is None else constant * mask.reshape(-1)
            _add_constant(total, delay + late, kept)
    return total


def _masks(node: DelaySteps) -> Iterator[tuple[int, FloatArray | None]]:
    """Yield each delay with ones where it holds, or None if it holds everywhere."""
    delays = np.unique(node.steps).tolist()
    for late in delays:
        mask = np.broadcast_to(node.steps == late, node.shape).astype(np.float64)
        yield late, (mask if len(delays) > 1 else None)


def _masked(graph: Graph, source: str, term: Term, mask: FloatArray) -> Term | None:
    """Keep what reaches the elements of a mask; None if nothing does any more."""
    size, only = prod(_shape(graph.nodes[source])), DiagonalSynapses(mask)
    if term.synapses is None:
        return Term(thrifty(only, size), term.name)
    kept = compose(term.synapses, only, size, f"what '{source}' sends")
    if np.any(term.synapses.weight) and not np.any(kept.weight):
        return None
    return Term(thrifty(kept, size), term.name)


# --- sizes ---------------------------------------------------------------------------


def _taken(node: Node) -> int:
    return size_taken(node) if isinstance(node, LinearMap) else prod(_shape(node))


def _check_size(edge: Edge, sent: int, taken: int) -> None:
    if sent != taken:
        raise GraphError(
            f"edge {edge.source} -> {edge.target}: sends {sent} values, but the target "
            f"takes {taken}; correct the shapes"
        )


def _shape(node: Node) -> Shape:
    assert isinstance(node, (*ENDS, Flatten, DelaySteps))  # noqa: S101 - none else stays
    return node.shape
