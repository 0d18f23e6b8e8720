from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from spikewright.errors import GraphError
from spikewright.export.discretize import discretize
from spikewright.export.fold import fold_connections
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    Affine,
    BiasLine,
    Delay,
    DenseSynapses,
    DiagonalSynapses,
    Input,
    Linear,
    Node,
    Output,
    Scale,
    SpikingNeurons,
    Threshold,
)

DT_S = 1e-3


def _folded(nodes: dict[str, Node], *edges: tuple[str, str]) -> Graph:
    graph = Graph(nodes, tuple(Edge(*edge) for edge in edges), Stage.CONTINUOUS)
    return fold_connections(discretize(graph, dt_s=DT_S))


def _weight(graph: Graph, name: str) -> np.ndarray:
    node = graph.nodes[name]
    assert isinstance(node, DenseSynapses | DiagonalSynapses)
    return node.weight


def _chain() -> Graph:
    """Input -> Affine -> Scale -> Delay -> Threshold -> Output."""
    nodes: dict[str, Node] = {
        "input": Input((2,)),
        "fc": Affine(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([5.0, 6.0])),
        "scale": Scale(np.array([10.0, 100.0])),
        "late": Delay(np.full(2, 3 * DT_S)),
        "n": Threshold(np.ones(2)),
        "output": Output((2,)),
    }
    names = list(nodes)
    return _folded(nodes, *pairwise(names))


def test_a_chain_becomes_one_weight_and_one_bias() -> None:
    graph = _chain()
    # rows of the weight and of the bias are scaled by 10 and 100
    np.testing.assert_array_equal(_weight(graph, "scale"), [[10, 20], [300, 400]])
    np.testing.assert_array_equal(_weight(graph, "n_bias"), [[50], [600]])
    assert isinstance(graph.nodes["bias_line"], BiasLine)


def test_a_delay_moves_onto_the_edges_that_leave_the_sources() -> None:
    # Delayed input *and* delayed bias: before step 3 the neuron sees neither.
    graph = _chain()
    delays = {(edge.source, edge.target): edge.delay for edge in graph.edges}
    assert delays[("input", "scale")] == 3
    assert delays[("bias_line", "n_bias")] == 3
    assert delays[("scale", "n")] == 0


def test_a_direct_edge_becomes_synapses_of_weight_one_except_into_the_output() -> None:
    graph = _folded(
        {"input": Input((2,)), "n": Threshold(np.ones(2)), "output": Output((2,))},
        ("input", "n"),
        ("n", "output"),
    )
    np.testing.assert_array_equal(_weight(graph, "input_to_n"), [1, 1])
    assert Edge("n", "output") in graph.edges


def test_a_direct_edge_into_a_summing_output_gets_weights_too() -> None:
    graph = _folded(
        {
            "input": Input((2,)),
            "n": Threshold(np.ones(2)),
            "fc": Linear(np.eye(2)),
            "output": Output((2,)),
        },
        ("input", "n"),
        ("n", "output"),
        ("n", "fc"),
        ("fc", "output"),
    )
    np.testing.assert_array_equal(_weight(graph, "n_to_output"), [1, 1])


def test_fan_in_before_a_map_is_distributed() -> None:
    # fc(a + b) = fc a + fc b, and its bias enters once.
    graph = _folded(
        {
            "input": Input((2,)),
            "a": Threshold(np.ones(2)),
            "b": Threshold(np.full(2, 0.5)),
            "fc": Affine(np.array([[1.0, 2.0]]), np.array([7.0])),
            "n": Threshold(np.ones(1)),
            "output": Output((1,)),
        },
        ("input", "a"),
        ("input", "b"),
        ("a", "fc"),
        ("b", "fc"),
        ("fc", "n"),
        ("n", "output"),
    )
    np.testing.assert_array_equal(_weight(graph, "fc"), [[1, 2]])
    np.testing.assert_array_equal(_weight(graph, "fc_2"), [[1, 2]])
    np.testing.assert_array_equal(_weight(graph, "n_bias"), [[7]])


def test_neurons_keep_no_bias_of_their_own(readout_graph: Graph) -> None:
    graph = fold_connections(discretize(readout_graph, dt_s=DT_S))
    for node in graph.nodes.values():
        if isinstance(node, SpikingNeurons):
            assert not node.bias.any()


def test_a_map_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(GraphError, match="node 'fc': Linear needs an edge in and"):
        _folded(
            {"input": Input((2,)), "fc": Linear(np.eye(2)), "output": Output((2,))},
            ("input", "output"),
            ("input", "fc"),
        )
