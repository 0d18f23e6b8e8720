"""A graph under construction: nodes, edges with lags, constants to be settled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeGuard

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.graphs.order import back_edges, topological_order
from spikewright.export.graphs.shapes import ends
from spikewright.export.snntorch.convert.signal import Signal, Source
from spikewright.graph import Edge, Graph, Stage, unique_name

Pair = tuple[str, str]
WithBias = n.Affine | n.Linear | n.Conv1d | n.Conv2d
_WEIGHT_AXES = {n.Affine: 2, n.Linear: 2, n.Conv1d: 3, n.Conv2d: 4}
"""of weights with one bias for each of their first axis"""


@dataclass(eq=False)
class Sketch:
    """Nodes by name in the order in which they were made, and what flows into them."""

    dt_s: float
    nodes: dict[str, n.Node] = field(default_factory=dict)
    into: dict[str, list[Source]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    """other names under which a node was promised"""
    _constants: dict[str, Signal] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def name(self, wanted: str, parts: tuple[str, ...] = ()) -> str:
        """Reserve a name, and the same with each part behind it."""
        fit = (c if c.isprintable() and c not in "./" else "_" for c in wanted)
        cleaned = "".join(fit) or "_"
        if cleaned[0].isdigit():
            cleaned = f"layer_{cleaned}"
        made, tried = unique_name(cleaned, self._taken), set(self._taken)
        while self._taken & {f"{made}_{part}" for part in parts}:
            tried.add(made)
            made = unique_name(cleaned, tried)
        self._taken |= {made, *(f"{made}_{part}" for part in parts)}
        return made

    def add(self, name: str, node: n.Node, signal: Signal | None = None) -> None:
        """Add a node under a reserved name, and what flows into it."""
        self.nodes[name] = node
        self.into[name] = []
        if signal is not None:
            self.feed(name, signal)

    def feed(self, name: str, signal: Signal) -> None:
        """Let a signal flow into a node; its constant is settled at the end."""
        self.into[name] += signal.sources
        if signal.constant is not None and np.any(signal.constant):
            self._constants[name] = signal

    def add_map(self, name: str, node: n.Node, signal: Signal) -> Source:
        """Add a linear node for a signal, whose constant is left to the caller.

        What was sent a step ago is mapped when it is sent, and passed on a step later.
        """
        lag = int(signal.is_lagging)
        late = tuple(replace(s, lag=s.lag - lag) for s in signal.sources)
        self.add(name, node, replace(signal, sources=late, constant=None))
        return Source(name, lag)

    def finished(self) -> Graph:
        """Return the CONTINUOUS graph.

        Raises:
            GraphError: a constant has nowhere to go, or the order of the edges cannot
                say which edge of a loop is the late one.
        """
        for name, signal in self._constants.items():
            self._settle(name, signal)
        edges = self._resolved()
        inputs = [k for k, v in self.nodes.items() if isinstance(v, n.Input)]
        pairs = _in_order(edges, self.nodes, inputs)
        order = topological_order(list(self.nodes), pairs, inputs)
        return Graph(
            {name: _narrowed(self.nodes[name]) for name in order},
            tuple(Edge(*pair) for pair in pairs),
            Stage.CONTINUOUS,
        )

    # --- constants -------------------------------------------------------------------

    def _settle(self, name: str, signal: Signal) -> None:
        """Add a constant where that costs least: in a bias, a leak or a new node."""
        assert signal.constant is not None  # noqa: S101 - only such are kept
        values = signal.laid_out(signal.constant)
        for source in signal.sources:
            if source.is_sole and not source.lag and self._bias(source.node, values):
                return
        node = self.nodes[name]
        match node:
            case n.LIF() | n.LI():
                self.nodes[name] = replace(node, v_leak=node.v_leak + values * node.r)
            case n.Threshold(threshold):
                ones, zeros = np.ones(values.shape), np.zeros(values.shape)
                tau_s = ones * self.dt_s
                self.nodes[name] = n.LIF(tau_s, ones, values, threshold, zeros)
            case _:
                self._insert(name, values)

    def _bias(self, name: str, values: n.FloatArray) -> bool:
        """Add values to the bias of a map, if it has one value for each channel."""
        node = self.nodes.get(name)
        if node is None or not takes_bias(node, values.shape):
            return False
        by_channel = values.reshape(len(values), -1)
        if np.any(by_channel != by_channel[:, :1]):
            return False
        self.nodes[name] = with_bias(node, by_channel[:, 0])
        return True

    def _insert(self, name: str, values: n.FloatArray) -> None:
        """Put an Affine of weight 1 before a node, on what arrives without lag."""
        prompt = [each for each in self.into[name] if not each.lag]
        if not prompt:
            raise GraphError(
                f"node '{name}': a constant is added to what was sent a step ago, and "
                "no node can add it; add it to what arrives at the same step"
            )
        made = self.name(f"{name}_bias")
        size = values.shape[-1]
        weight = np.broadcast_to(np.eye(size), (*values.shape[:-1], size, size))
        self.add(made, n.Affine(weight, values))
        self.into[made] = prompt
        late = [each for each in self.into[name] if each.lag]
        self.into[name] = [Source(made), *late]

    # --- edges -----------------------------------------------------------------------

    def _resolved(self) -> dict[Pair, int]:
        """Return the edges with their lags; outside of loops a Delay makes the lag."""
        sources = {
            name: [replace(s, node=self.aliases.get(s.node, s.node)) for s in each]
            for name, each in self.into.items()
        }
        following: dict[str, list[str]] = {name: [] for name in self.nodes}
        for name, each in sources.items():
            for source in each:
                following[source.node].append(name)
        edges: dict[Pair, int] = {}
        delayed: dict[str, str] = {}
        for name, each in sources.items():
            for source in each:
                start = source.node
                late = source.lag
                if late and start not in _behind(name, following):
                    start, late = self._delay(start, delayed, edges), 0
                if (start, name) in edges:
                    raise GraphError(
                        f"edge {start} -> {name}: two ways, one of them a step late, "
                        "and NIR has one edge for both; put a layer on one of them"
                    )
                edges[start, name] = late
        return edges

    def _delay(self, name: str, delayed: dict[str, str], edges: dict[Pair, int]) -> str:
        """Return the Delay of one step behind a node, made when first asked for."""
        if name not in delayed:
            made = delayed[name] = self.name(f"{name}_delay")
            shape = ends(name, self.nodes[name])[1]
            self.nodes[made] = n.Delay(np.full(shape, self.dt_s))
            edges[name, made] = 0
        return delayed[name]


def takes_bias(node: n.Node, shape: n.Shape) -> TypeGuard[WithBias]:
    """Say whether a map has one bias a channel for what it gives, of `shape`."""
    if not isinstance(node, WithBias):
        return False
    return node.weight.ndim == _WEIGHT_AXES[type(node)] == len(shape) + 1


def with_bias(node: WithBias, values: n.FloatArray) -> n.Affine | n.Conv1d | n.Conv2d:
    """Return a map with `values` (targets,) added to its bias."""
    if isinstance(node, n.Linear):
        return n.Affine(node.weight, values)
    return replace(node, bias=node.bias + values)


def _narrowed(node: n.Node) -> n.Node:
    """Keep weights and biases as float32 where that holds them exactly."""
    if not isinstance(node, WithBias):
        return node
    if isinstance(node, n.Linear):
        return n.Linear(_narrow(node.weight))
    return replace(node, weight=_narrow(node.weight), bias=_narrow(node.bias))


def _narrow(values: n.FloatArray) -> n.FloatArray:
    narrow: n.NumberArray = values.astype(np.float32, copy=False)
    return narrow if np.array_equal(narrow, values) else values


def _behind(name: str, following: Mapping[str, list[str]]) -> set[str]:
    """Return all nodes that a node leads to, itself among them."""
    seen, waiting = {name}, [name]
    while waiting:
        for each in following[waiting.pop()]:
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return seen


# --- order ---------------------------------------------------------------------------


def _in_order(
    edges: Mapping[Pair, int], nodes: Mapping[str, n.Node], inputs: list[str]
) -> list[Pair]:
    """Order edges so that every executor finds the late ones, which NIR does not mark.

    They are those that close a loop in a search from the Inputs that follows the edges
    in their order. The order hangs on the edges into each node alone, not on that in
    which nodes were made, so it survives a round trip.
    """
    late = {pair for pair, lag in edges.items() if lag}
    entries = _leading_to({target for _, target in late}, edges)
    rank = _rank(edges, [k for k, v in nodes.items() if isinstance(v, n.Output)])
    wrong: set[Pair] = set()
    for first in (set[str](), entries):
        pairs = sorted(edges, key=lambda pair: (pair[1] not in first, rank[pair[1]]))
        wrong = back_edges(list(nodes), pairs, inputs) ^ late
        if not wrong:
            return pairs
    source, target = min(wrong)
    raise GraphError(
        f"edge {source} -> {target}: a loop that signals enter at several places; NIR "
        "cannot say which of its edges is a step late; let the loop come back to where "
        "it is entered first"
    )


def _leading_to(targets: set[str], edges: Mapping[Pair, int]) -> set[str]:
    """Return the nodes whose signals come to one of the targets within a step."""
    found, grows = set(targets), True
    while grows:
        more = {a for (a, b), lag in edges.items() if not lag and b in found} - found
        found |= more
        grows = bool(more)
    return found


def _rank(edges: Mapping[Pair, int], outputs: list[str]) -> dict[str, int]:
    """Number nodes so that what sends within a step comes first, back from Outputs."""
    into: dict[str, list[tuple[str, int]]] = {}
    for (source, target), lag in edges.items():
        into.setdefault(target, []).append((source, lag))
    rank: dict[str, int] = {}
    waiting = list(outputs)
    for start in waiting:  # grows while late sources are found
        path = [start]
        while path:
            sources = into.get(path[-1], [])
            prompt = [each for each, lag in sources if not lag and each not in rank]
            if prompt and path[-1] not in rank:
                path.append(prompt[0])
                continue
            name = path.pop()
            if name not in rank:
                rank[name] = len(rank)
                waiting += [each for each, lag in sources if lag]
    return rank
