from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from spikewright.bounds import CHUNK
from spikewright.errors import GraphError
from spikewright.export.passes.align import align_weights
from spikewright.export.passes.discretize import discretize
from spikewright.export.passes.fold import fold_connections
from spikewright.graph import Edge, Graph, Stage
from spikewright.linear import fan_in, to_sparse
from spikewright.nodes import (
    SYNAPSES,
    ChannelSynapses,
    ConvSynapses,
    DenseSynapses,
    DiagonalSynapses,
    Input,
    Node,
    Output,
    SpikingNeurons,
    Synapses,
    TokenSynapses,
)


def _aligned(graph: Graph, dt_s: float) -> tuple[Graph, Graph]:
    folded = fold_connections(discretize(graph, dt_s=dt_s))
    return folded, align_weights(folded)


@pytest.mark.parametrize("seed", range(5))
def test_sums_are_exact_in_every_order(
    seed: int, decimal_graph: Callable[[int], Graph], dt_s: float
) -> None:
    _, graph = _aligned(decimal_graph(seed), dt_s)
    node = graph.nodes["fc2"]
    assert isinstance(node, DenseSynapses)
    for row in node.weight:
        assert sum(row) == sum(reversed(row)) == sum(sorted(row))


def test_float32_weights_keep_every_bit(
    decimal_graph: Callable[[int], Graph], dt_s: float
) -> None:
    graph = decimal_graph(0)
    node = graph.nodes["fc1"]
    weight = node.weight.astype(np.float32).astype(np.float64)  # type: ignore[union-attr]
    nodes = {**graph.nodes, "fc1": replace(node, weight=weight)}
    folded, aligned = _aligned(Graph(nodes, graph.edges, graph.stage), dt_s)
    before, after = folded.nodes["fc1"], aligned.nodes["fc1"]
    assert isinstance(before, DenseSynapses)
    assert isinstance(after, DenseSynapses)
    np.testing.assert_array_equal(after.weight, before.weight)


def test_a_weight_moves_by_half_a_grid_step_at_most(
    decimal_graph: Callable[[int], Graph], dt_s: float
) -> None:
    folded, aligned = _aligned(decimal_graph(1), dt_s)
    for name, node in folded.nodes.items():
        after = aligned.nodes[name]
        if isinstance(node, DenseSynapses) and isinstance(after, DenseSynapses):
            # all sums stay below 2**4 here, so the grid is 2**-48 or finer
            assert np.abs(after.weight - node.weight).max() <= 2.0**-49


# --- every kind of synapses ----------------------------------------------------------


def _into_one(**synapses: Synapses) -> Graph:
    """An Input of 12, and several ways into one Output of 12."""
    nodes: dict[str, Node] = {"in": Input((12,)), **synapses, "out": Output((12,))}
    edges = [(Edge("in", name), Edge(name, "out")) for name in synapses]
    return Graph(nodes, tuple(e for pair in edges for e in pair), Stage.DISCRETE, 1e-3)


def _weight(graph: Graph, name: str) -> np.ndarray:
    node = graph.nodes[name]
    assert isinstance(node, SYNAPSES)
    return node.weight


def _tenths(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(-20, 21, shape) / 10


KINDS: dict[str, Synapses] = {
    "dense": DenseSynapses(_tenths(12, 12)),
    "token": TokenSynapses(_tenths(1, 4, 4)),
    "channel": ChannelSynapses(_tenths(4, 3, 3)),
    "diagonal": DiagonalSynapses(_tenths(12)),
    "conv": ConvSynapses(_tenths(3, 3, 3, 3), (3, 2, 2), padding=((1, 1), (1, 1))),
    "sparse": to_sparse(DenseSynapses(_tenths(12, 12) * (_tenths(12, 12) > 1)), 12),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_rounded_to_one_grid(kind: str) -> None:
    before = KINDS[kind]
    after = _weight(align_weights(_into_one(w=before)), "w")
    # |a| < 2**n, so multiples of 2**(n - 52) have at most 52 bits in any sum
    bits = 52 - np.frexp(fan_in(before).max())[1]
    np.testing.assert_array_equal(np.rint(after * 2.0**bits), after * 2.0**bits)
    assert 0 < np.abs(after - before.weight).max() <= 2.0 ** -(bits + 1)


def test_ways_into_one_node_share_the_grid_of_their_sum() -> None:
    small, large = np.full(12, 0.1), np.full(12, 1000.0)
    graph = _into_one(a=DiagonalSynapses(small), b=DiagonalSynapses(large))
    # 1000.1 < 2**10, so the grid is 2**-42
    assert _weight(align_weights(graph), "a")[0] == round(0.1 * 2**42) / 2**42


def test_weights_on_the_grid_are_not_copied() -> None:
    even = DiagonalSynapses(np.full(12, 0.25))
    graph = _into_one(a=even, b=DiagonalSynapses(np.full(12, 0.1)))
    aligned = align_weights(graph)
    assert _weight(aligned, "a") is even.weight
    assert _weight(aligned, "b") is not _weight(graph, "b")


def test_one_weight_that_moves_moves_alone() -> None:
    # in the last of several chunks
    weight = np.full((12, CHUNK // 4), 0.5)
    weight[-1, -1] = 0.1
    nodes: dict[str, Node] = {
        "in": Input((CHUNK // 4,)),
        "w": DenseSynapses(weight),
        "out": Output((12,)),
    }
    edges = (Edge("in", "w"), Edge("w", "out"))
    moved = _weight(align_weights(Graph(nodes, edges, Stage.DISCRETE, 1e-3)), "w")
    (place,) = np.argwhere(moved != weight)
    assert place.tolist() == [11, CHUNK // 4 - 1]


def test_every_output_is_aligned() -> None:
    nodes: dict[str, Node] = {"in": Input((1,))}
    for name in ("a", "b"):
        nodes |= {f"w_{name}": DiagonalSynapses(np.full(1, 1 / 3)), name: Output((1,))}
    edges = [(Edge("in", f"w_{name}"), Edge(f"w_{name}", name)) for name in ("a", "b")]
    every = tuple(edge for pair in edges for edge in pair)
    aligned = align_weights(Graph(nodes, every, Stage.DISCRETE, 1e-3))
    # 1 / 3 < 2**-1, so the grid is 2**-53
    for name in ("w_a", "w_b"):
        assert _weight(aligned, name)[0] == round(2**53 / 3) / 2**53


# --- neurons -------------------------------------------------------------------------


@pytest.mark.parametrize("decay", [0.9, 0.1, 1 / 3])
def test_decays_are_what_lava_makes_of_them(decay: float) -> None:
    ones = np.ones(12)
    neurons = SpikingNeurons(decay * ones, ones, 0 * ones, decay / 2 * ones, ones / 3)
    nodes = {"n": neurons, "out": Output((12,))}
    graph = _into_one(w=KINDS["dense"])
    edges = (Edge("in", "w"), Edge("w", "n"), Edge("n", "out"))
    aligned = align_weights(Graph({**graph.nodes, **nodes}, edges, graph.stage, 1e-3))
    after = aligned.nodes["n"]
    assert isinstance(after, SpikingNeurons)
    for each, wanted in ((after.decay, decay), (after.current_decay, decay / 2)):
        np.testing.assert_array_equal(1.0 - (1.0 - each), each)
        np.testing.assert_allclose(each, wanted, rtol=0, atol=2.0**-54)
    assert after.drop is neurons.drop
    assert after.threshold is neurons.threshold


@pytest.mark.parametrize("weight", [2.0**999, 1.5e308])
def test_weights_beyond_float64_are_refused(weight: float) -> None:
    nodes: dict[str, Node] = {
        "input": Input((2,)),
        "w": DenseSynapses(np.full((1, 2), weight)),
        "n": SpikingNeurons(np.zeros(1), np.ones(1), np.zeros(1)),
        "output": Output((1,)),
    }
    edges = tuple(Edge(*pair) for pair in pairwise(nodes))
    # 2 * 2**999 = 2**1000, the first that is refused
    match = "node 'n': the weights that lead there add up to .*; allowed: below 1.07151"
    with pytest.raises(GraphError, match=match):
        align_weights(Graph(nodes, edges, Stage.DISCRETE, 1e-3))
