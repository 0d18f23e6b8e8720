"""What the integer simulator settles before the first step: order, bounds, lengths.

Bounds are over all binary inputs. They say where float32 is exact, and which registers
need no watching because nothing can leave them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TypeAlias

import numpy as np

from spikewright.errors import GraphError
from spikewright.graph import Graph, Stage
from spikewright.linear import ends, fan_in
from spikewright.loihi import (
    DECAY_ONE,
    MAX_CURRENT,
    MAX_MESSAGE,
    STATE_BITS,
    STATE_LIMIT,
)
from spikewright.nodes import (
    SYNAPSES,
    BiasLine,
    Input,
    Output,
    PerNeuron,
    QuantizedIntegrators,
    QuantizedNeurons,
    Shape,
)
from spikewright.simulate.kernels import Float
from spikewright.simulate.window import Connection, arrival_of, connections

FLOAT32_EXACT = 2.0**24
"""integers below it are float32 numbers, and so are their sums and products"""
FLOAT64_EXACT = 2.0**53

Node: TypeAlias = QuantizedNeurons | QuantizedIntegrators | Output
"""the nodes that a connection may lead to"""
Neurons: TypeAlias = QuantizedNeurons | QuantizedIntegrators


@dataclass(frozen=True)
class Bounds:
    """Magnitudes that no binary input exceeds, in the units of the registers."""

    a: float
    u: float
    v: float
    partial: float
    """of any sum on the way to `a`"""

    @property
    def is_safe(self) -> bool:
        """Say whether no register of a neuron can overflow."""
        return self.a < MAX_CURRENT and max(self.u, self.v) < STATE_LIMIT


@dataclass(frozen=True, eq=False)
class Target:
    """A node to compute."""

    name: str
    node: Node
    ways: tuple[Connection, ...]
    bounds: Bounds
    dtype: Float
    """in which all its sums are exact"""


@dataclass(frozen=True, eq=False)
class Plan:
    """How to run samples of `steps` steps through a graph."""

    graph: Graph
    steps: int
    targets: tuple[Target, ...]
    """in computing order"""
    lasts: Mapping[str, int]
    """steps for which a node is computed; after that it is silent, or of no matter"""
    slots: Mapping[str, int]
    """how many of its last steps a population must remember"""

    @property
    def spiking(self) -> tuple[str, ...]:
        """The Inputs and the spiking populations."""
        kinds = (Input, QuantizedNeurons)
        return tuple(k for k, v in self.graph.nodes.items() if isinstance(v, kinds))


def make_plan(graph: Graph, steps: int) -> Plan:
    """Check a graph and plan runs of samples of `steps` steps.

    Raises:
        GraphError: the graph is not QUANTIZED, or has weights, decays, thresholds,
            delays or arrival times that the chip cannot have.
    """
    graph.expect(Stage.QUANTIZED)
    _check_weights(graph)
    ways = connections(graph)
    into: dict[str, list[Connection]] = {name: [] for name in graph.nodes}
    slots = dict.fromkeys(graph.populations(), 1)
    for way in ways:
        into[way.target].append(way)
        slots[way.source] = max(slots[way.source], way.lag + 1)
    total = steps + max(graph.arrival.values(), default=0)
    targets = tuple(_target(graph, k, into[k], total) for k in _order(graph, ways))
    return Plan(graph, steps, targets, _lasts(graph, targets, steps, total), slots)


def _check_weights(graph: Graph) -> None:
    for name, node in graph.nodes.items():
        if not isinstance(node, SYNAPSES):
            continue
        if node.weight.dtype.kind not in "iu":
            raise GraphError(
                f"node '{name}': weights of type {node.weight.dtype}; allowed in a "
                "QUANTIZED graph: integers; make it with quantize"
            )
        if node.exponent < 0 and len(graph.into(name)) > 1:
            raise GraphError(
                f"node '{name}': the sum of {len(graph.into(name))} edges is rounded "
                f"by exponent {node.exponent}; allowed: one edge; give each its own"
            )


def _order(graph: Graph, ways: Sequence[Connection]) -> list[str]:
    """Order the targets; only connections within a step decide.

    Those have no cycle, because every loop takes a step at least.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, node in graph.nodes.items():
        if isinstance(node, Node):
            sorter.add(name)
    for way in ways:
        if way.lag == 0:
            sorter.add(way.target, way.source)
    return [k for k in sorter.static_order() if isinstance(graph.nodes[k], Node)]


def _target(graph: Graph, name: str, into: list[Connection], total: int) -> Target:
    node = graph.nodes[name]
    assert isinstance(node, Node)  # noqa: S101 - only they were ordered
    ways = tuple(into)
    _check_node(name, node)
    _check_ways(graph, name, node, ways)
    partial, a = _largest_sums(graph, ways)
    if partial * 2**STATE_BITS >= FLOAT64_EXACT:
        raise GraphError(
            f"node '{name}': sums of weights up to {partial:.3g}; allowed: 8-bit "
            "weights with exponents to 7; make the graph with quantize"
        )
    bounds = Bounds(a, 0.0, 0.0, partial)
    if not isinstance(node, Output):
        bounds = _of_states(node, bounds, total)
    dtype: Float = np.float32 if partial < FLOAT32_EXACT else np.float64
    return Target(name, node, ways, bounds, dtype)


def _check_ways(
    graph: Graph, name: str, node: Node, ways: Iterable[Connection]
) -> None:
    """Raise `GraphError` unless each way gives what the node takes."""
    for way in ways:
        given = graph.nodes[way.source].shape  # type: ignore[union-attr]
        if way.synapses is not None:
            given = ends(way.synapses, math.prod(given))[1]
        if math.prod(given) != math.prod(node.shape):
            raise GraphError(
                f"node '{name}': takes shape {node.shape}, but '{way.source}' sends it "
                f"{given}; correct the weight"
            )


def _check_node(name: str, node: Node) -> None:
    """Raise `GraphError` for what Loihi's neurons cannot be."""
    if isinstance(node, Output):
        return
    for what, value in (("dv", node.dv), ("du", node.du)):
        _check_shape(name, what, value, node.shape)
        if np.min(value) < 0 or np.max(value) > DECAY_ONE:
            raise GraphError(
                f"node '{name}': {what} from {np.min(value)} to {np.max(value)}; "
                f"allowed: 0 to {DECAY_ONE}; make the graph with quantize"
            )
    if isinstance(node, QuantizedIntegrators):
        return
    if node.drop is not None:
        _check_shape(name, "drop", node.drop, node.shape)
    if node.vth < 0:
        raise GraphError(
            f"node '{name}': threshold {node.vth} is below 0, so the neuron fires "
            "before its data arrive; allowed: 0 or more"
        )


def _check_shape(name: str, what: str, value: PerNeuron, shape: Shape) -> None:
    if np.ndim(value) and np.shape(value) != shape:
        raise GraphError(
            f"node '{name}': {what} of shape {np.shape(value)} for neurons of shape "
            f"{shape}; allowed: one number, or one for each neuron"
        )


# --- bounds --------------------------------------------------------------------------


def _largest_sums(graph: Graph, ways: Iterable[Connection]) -> tuple[float, float]:
    """Return bounds on |a| and on all that is added up on the way."""
    partial = a = 0.0
    for way in ways:
        graded = isinstance(graph.nodes[way.source], QuantizedIntegrators)
        largest = float(MAX_MESSAGE - 1) if graded else 1.0
        if way.synapses is not None:
            largest *= float(fan_in(way.synapses).max(initial=0))
            partial = max(partial, largest)
            shift = way.synapses.exponent
            largest = largest * 2.0**shift + (shift < 0)
        a += largest
    return max(partial, a), a


def _of_states(node: Neurons, bounds: Bounds, total: int) -> Bounds:
    u = bounds.a * 2**STATE_BITS * _growth(node.du, total)
    drop = getattr(node, "drop", None)
    taken = 0 if drop is None else int(np.max(np.abs(drop))) << STATE_BITS
    return Bounds(bounds.a, u, (u + taken) * _growth(node.dv, total), bounds.partial)


def _growth(decay: PerNeuron, steps: int) -> float:
    """Return 1 + k + k**2 + … over the steps, for the k that keeps most."""
    forgotten = int(np.min(decay)) / DECAY_ONE
    return min(float(steps), 1.0 / forgotten) if forgotten else float(steps)


# --- how long to compute -------------------------------------------------------------


def _lasts(
    graph: Graph, targets: Sequence[Target], steps: int, total: int
) -> dict[str, int]:
    """Return how many steps of each node to compute.

    The trace ends with the sample, but the chip runs until the last population has
    seen its end, and what happens then may overflow too. That is computed only if
    there is a node where it could.
    """
    quiet = {k for k, v in graph.nodes.items() if isinstance(v, Input | BiasLine)}
    for target in targets:
        if _falls_quiet(target, quiet):
            quiet.add(target.name)
    drained = any(t.name not in quiet and not _is_safe(t) for t in targets)
    lasts = dict.fromkeys([*graph.populations(), *graph.outputs], steps)
    late = {name for name in lasts if drained and name not in quiet}
    return lasts | {name: total - arrival_of(graph, name) for name in late}


def _falls_quiet(target: Target, quiet: set[str]) -> bool:
    """Say whether a node surely sends nothing after its sample, and cannot overflow.

    Without input |v| only shrinks, and no hard reset leaves it above the threshold.
    """
    node = target.node
    return (
        isinstance(node, QuantizedNeurons | Output)
        and all(way.source in quiet and way.lag == 0 for way in target.ways)
        and (isinstance(node, Output) or (_forgets(node.du) and node.drop is None))
    )


def _forgets(decay: PerNeuron) -> bool:
    return bool(np.min(decay) == DECAY_ONE)


def _is_safe(target: Target) -> bool:
    if isinstance(target.node, Output):
        return target.bounds.a < MAX_MESSAGE
    return target.bounds.is_safe
