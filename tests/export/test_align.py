from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from spikewright.export.align import align_weights
from spikewright.export.discretize import discretize
from spikewright.export.fold import fold_connections
from spikewright.graph import Graph
from spikewright.nodes import DenseSynapses, SpikingNeurons


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


@pytest.mark.parametrize("decay", [0.9, 0.1, 1 / 3])
def test_a_decay_is_what_lava_makes_of_it(
    decay: float, decimal_graph: Callable[[int], Graph], dt_s: float
) -> None:
    folded, _ = _aligned(decimal_graph(0), dt_s)
    neurons = folded.nodes["lif1"]
    assert isinstance(neurons, SpikingNeurons)
    nodes = {**folded.nodes, "lif1": replace(neurons, decay=np.full(8, decay))}
    aligned = align_weights(Graph(nodes, folded.edges, folded.stage, folded.dt_s))
    after = aligned.nodes["lif1"]
    assert isinstance(after, SpikingNeurons)
    np.testing.assert_array_equal(1.0 - (1.0 - after.decay), after.decay)
    np.testing.assert_allclose(after.decay, decay, rtol=0, atol=2.0**-54)
