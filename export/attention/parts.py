"""What all attention blocks are made of: projections, neurons, masks, heads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TypeAlias

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.attention.orders import one_tap
from spikewright.export.attention.size import head_channels
from spikewright.graph import Edge, Graph, Stage
from spikewright.values import NumberArray, Shape

Neuron: TypeAlias = n.LIF | n.IF | n.CubaLIF | n.Threshold
_NEURONS = (n.LIF, n.IF, n.CubaLIF, n.Threshold)


@dataclass(frozen=True, eq=False)
class Projection:
    """s = neuron(weight @ x + bias), for each token."""

    weight: NumberArray
    """(channels, sources)"""
    bias: NumberArray
    """(channels,)"""
    neuron: Neuron
    """its parameters are one number each, or one for each head"""


@dataclass(eq=False)
class Draft:
    """Nodes and edges in the order in which spikes travel."""

    nodes: dict[str, n.Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def add(self, name: str, node: n.Node, *sources: str) -> str:
        """Add a node and the edges into it; return its name."""
        self.nodes[name] = node
        self.edges += [Edge(source, name) for source in sources]
        return name

    def finished(self) -> Graph:
        """Return the CONTINUOUS graph."""
        return Graph(self.nodes, tuple(self.edges), Stage.CONTINUOUS)


@dataclass(frozen=True, eq=False)
class Projections:
    """What makes the queries, keys and values of each token.

    Raises:
        GraphError: they do not map the same number of channels to the same number.
        InputError: the channels cannot be shared by the heads.
    """

    query: Projection
    key: Projection
    value: Projection
    heads: int = 1
    """each has its share of the channels, one after another"""
    masked: bool = False
    """the last channel of the input is a mask, which is not projected"""

    def __post_init__(self) -> None:
        channels, sources = self.shape
        head_channels(channels, self.heads)
        for name, each in self.named().items():
            found = each.weight.shape, each.bias.shape
            if found != ((channels, sources), (channels,)):
                raise GraphError(
                    f"projection '{name}': weight {found[0]} and bias {found[1]}; "
                    f"allowed: {(channels, sources)} and {(channels,)}, for that is "
                    "the shape of the query"
                )

    @property
    def shape(self) -> tuple[int, int]:
        """(channels, sources)."""
        if self.query.weight.ndim != 2:
            raise GraphError(
                f"projection 'q': weight {self.query.weight.shape}; allowed: "
                "(channels, sources)"
            )
        channels, sources = self.query.weight.shape
        return channels, sources

    def named(self) -> dict[str, Projection]:
        """Return the projections by the names of what they give."""
        return {"q": self.query, "k": self.key, "v": self.value}

    def started(self, tokens: int) -> tuple[Draft, tuple[int, int]]:
        """Return a draft with an Input, and the shape of that."""
        draft, shape = Draft(), (self.shape[1] + self.masked, tokens)
        draft.add("input", n.Input(shape))
        return draft, shape


def add_projection(
    draft: Draft, name: str, projection: Projection, shape: Shape, heads: int = 1
) -> str:
    """Add a map of each token and its neurons; return the neurons' name.

    Args:
        draft: what it is added to; its node "input" has `shape`.
        name: of the neurons.
        projection: may have fewer sources than the input: a mask comes last.
        shape: of the input, (sources, tokens).
        heads: that the parameters of the neuron are meant for.
    """
    sources, tokens = shape
    none = sources - projection.weight.shape[1]
    weight = np.pad(projection.weight, ((0, 0), (0, none)))
    node = one_tap(weight, tokens, projection.bias)
    mapped = draft.add(f"{name}_map", node, "input")
    neurons = filled(projection.neuron, (len(weight), tokens), heads)
    return draft.add(name, neurons, mapped)


def spread_mask(draft: Draft, name: str, shape: Shape, channels: int) -> str:
    """Give the last channel of the input, which has `shape`, to so many channels."""
    weight = np.zeros((channels, shape[0]), np.float32)
    weight[:, -1] = 1.0
    return draft.add(name, one_tap(weight, shape[1]), "input")


def of_head(projection: Projection, head: int, heads: int) -> Projection:
    """Return the part of a projection that belongs to one head."""
    size = len(projection.bias) // heads
    own = slice(head * size, (head + 1) * size)
    neuron = neuron_of_head(projection.neuron, head, heads)
    return Projection(projection.weight[own], projection.bias[own], neuron)


def neuron_of_head(neuron: Neuron, head: int, heads: int) -> Neuron:
    """Return a neuron with the parameters of one head."""
    return _changed(neuron, lambda held: held.reshape(-1)[[head % held.size]], heads)


def filled(neuron: Neuron, shape: Shape, heads: int = 1) -> Neuron:
    """Return a population of a neuron; each head has its share of the first axis."""

    def fill(held: NumberArray) -> NumberArray:
        by_channel = np.repeat(held.reshape(-1), shape[0] // held.size)
        return np.broadcast_to(by_channel[:, np.newaxis], shape)

    return _changed(neuron, fill, heads)


def _changed(
    neuron: Neuron, change: Callable[[NumberArray], NumberArray], heads: int
) -> Neuron:
    if not isinstance(neuron, _NEURONS):
        known = ", ".join(kind.__name__ for kind in _NEURONS)
        raise GraphError(
            f"a neuron of attention is a {type(neuron).__name__}; allowed: {known}"
        )
    held = {
        each.name: np.asarray(getattr(neuron, each.name)) for each in fields(neuron)
    }
    for name, values in held.items():
        if values.size not in (1, heads):
            raise GraphError(
                f"a {type(neuron).__name__} of attention: {name} has {values.size} "
                f"values; allowed: 1, or one for each of {heads} heads"
            )
    made = {name: change(each) for name, each in held.items()}
    return type(neuron)(**made)


def join(draft: Draft, parts: list[str], channels: int, tokens: int) -> None:
    """Add the Output, where the heads lie one after another."""
    size = channels // len(parts)
    placed = []
    for head, part in enumerate(parts):
        if len(parts) == 1:
            placed.append(part)
            continue
        weight = np.eye(channels, size, -head * size, dtype=np.float32)
        placed.append(draft.add(f"head{head}_place", one_tap(weight, tokens), part))
    draft.add("output", n.Output((channels, tokens)), *placed)
