from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from spikewright.errors import GraphError, UnsupportedNodeError
from spikewright.export.passes.discretize import discretize
from spikewright.export.passes.fold import fold_connections
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    LI,
    Affine,
    BiasLine,
    ConvSynapses,
    Delay,
    DelaySteps,
    DenseSynapses,
    DiagonalSynapses,
    Flatten,
    Input,
    Integrators,
    Linear,
    Node,
    Output,
    Scale,
    SparseSynapses,
    SpikingNeurons,
    SumPool2d,
    Threshold,
)
from spikewright.simulate.reference import run_reference

DT_S = 1e-3


def _folded(nodes: dict[str, Node], *edges: tuple[str, str]) -> Graph:
    graph = Graph(nodes, tuple(Edge(*edge) for edge in edges), Stage.CONTINUOUS)
    return fold_connections(discretize(graph, dt_s=DT_S))


def _in_a_row(nodes: dict[str, Node]) -> Graph:
    return _folded(nodes, *pairwise(nodes))


def _weight(graph: Graph, name: str) -> np.ndarray:
    node = graph.nodes[name]
    assert isinstance(node, DenseSynapses | DiagonalSynapses)
    return node.weight


def _delays(graph: Graph) -> dict[tuple[str, str], int]:
    return {(edge.source, edge.target): edge.delay for edge in graph.edges}


# --- maps in a row -------------------------------------------------------------------


def _chain() -> Graph:
    """Input -> Affine -> Scale -> Delay -> Threshold -> Output."""
    return _in_a_row(
        {
            "input": Input((2,)),
            "fc": Affine(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([5.0, 6.0])),
            "scale": Scale(np.array([10.0, 100.0])),
            "late": Delay(np.full(2, 3 * DT_S)),
            "n": Threshold(np.ones(2)),
            "output": Output((2,)),
        }
    )


def test_a_chain_becomes_one_weight_and_one_bias() -> None:
    graph = _chain()
    # rows of the weight and of the bias are scaled by 10 and 100
    np.testing.assert_array_equal(_weight(graph, "scale"), [[10, 20], [300, 400]])
    np.testing.assert_array_equal(_weight(graph, "n_bias"), [[50], [600]])
    assert isinstance(graph.nodes["bias_line"], BiasLine)


def test_a_delay_moves_onto_the_edges_that_leave_the_sources() -> None:
    # Delayed input *and* delayed bias: before step 3 the neuron sees neither.
    delays = _delays(_chain())
    assert delays["input", "scale"] == 3
    assert delays["bias_line", "n_bias"] == 3
    assert delays["scale", "n"] == 0


def test_a_lone_map_keeps_the_very_same_weights() -> None:
    fc = Linear(np.array([[0.1, 0.2]]))
    graph = _in_a_row(
        {"in": Input((2,)), "fc": fc, "n": Threshold(np.ones(1)), "out": Output((1,))}
    )
    assert _weight(graph, "fc") is fc.weight


def test_a_pool_and_a_flatten_stay_a_kernel_before_neurons() -> None:
    graph = _in_a_row(
        {
            "in": Input((2, 4, 4)),
            "pool": SumPool2d((2, 4, 4), (2, 2), (2, 2)),
            "flat": Flatten((2, 2, 2), (8,)),
            "n": Threshold(np.ones(8)),
            "out": Output((8,)),
        }
    )
    pool = graph.nodes["pool"]
    assert isinstance(pool, ConvSynapses)
    assert (pool.groups, pool.target_shape) == (2, (2, 2, 2))


def test_two_thousand_maps_in_a_row_become_one() -> None:
    # a turn of 3 places, 2000 times: 2000 = 3 * 666 + 2, so the turn of two
    turn = Linear(np.roll(np.eye(3), 1, axis=0))
    maps: dict[str, Node] = {f"map{i}": turn for i in range(2000)}
    ends = {"n": Threshold(np.ones(3)), "out": Output((3,))}
    graph = _in_a_row({"in": Input((3,)), **maps, **ends})
    np.testing.assert_array_equal(
        _weight(graph, "map1999"), np.roll(np.eye(3), 2, axis=0)
    )
    assert list(graph.nodes) == ["in", "map1999", "n", "out"]


# --- ways side by side ---------------------------------------------------------------


def test_a_direct_edge_becomes_synapses_of_weight_one_except_into_the_output() -> None:
    graph = _in_a_row(
        {"input": Input((2,)), "n": Threshold(np.ones(2)), "output": Output((2,))}
    )
    np.testing.assert_array_equal(_weight(graph, "input_to_n"), [1, 1])
    assert Edge("n", "output") in graph.edges


def test_ways_from_one_source_with_one_delay_are_summed() -> None:
    graph = _folded(
        {
            "input": Input((2,)),
            "fc": Affine(np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones(2)),
            "twice": Scale(np.array([2.0, 20.0])),
            "n": Threshold(np.ones(2)),
            "output": Output((2,)),
        },
        ("input", "n"),
        ("input", "fc"),
        ("fc", "n"),
        ("input", "twice"),
        ("twice", "n"),
        ("n", "output"),
    )
    # 1 on the diagonal, + fc, + 2 and 20 on the diagonal
    np.testing.assert_array_equal(_weight(graph, "fc"), [[4, 2], [3, 25]])
    assert [e for e in graph.edges if e.source == "input"] == [Edge("input", "fc")]


def test_ways_that_part_and_meet_forty_times_cost_no_more_than_one() -> None:
    # each stage adds x/2 and x/2: 2**40 ways, one weight of 1
    nodes: dict[str, Node] = {"input": Input((1,))}
    edges, before = [], "input"
    for i in range(40):
        nodes |= {f"a{i}": Scale(np.full(1, 0.5)), f"b{i}": Scale(np.full(1, 0.5))}
        nodes |= {f"sum{i}": Flatten((1,), (1,))}
        edges += [(before, f"a{i}"), (before, f"b{i}")]
        edges += [(f"a{i}", f"sum{i}"), (f"b{i}", f"sum{i}")]
        before = f"sum{i}"
    nodes |= {"n": Threshold(np.zeros(1)), "output": Output((1,))}
    graph = _folded(nodes, *edges, (before, "n"), ("n", "output"))
    assert len(graph.nodes) == 4
    np.testing.assert_array_equal(_weight(graph, "a39"), [1])


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


# --- Outputs -------------------------------------------------------------------------


def _two_into_the_output(**nodes: Node) -> Graph:
    """n straight, and n through `nodes`, into one Output."""
    names = ["n", *nodes, "output"]
    return _folded(
        {
            "input": Input((2,)),
            "n": Threshold(np.ones(2)),
            **nodes,
            "output": Output((2,)),
        },
        ("input", "n"),
        ("n", "output"),
        *pairwise(names),
    )


def test_a_direct_edge_into_a_summing_output_gets_weights_too() -> None:
    late = Delay(np.full(2, DT_S))
    graph = _two_into_the_output(fc=Linear(np.eye(2)), late=late)
    np.testing.assert_array_equal(_weight(graph, "n_to_output"), [1, 1])
    np.testing.assert_array_equal(_weight(graph, "fc"), np.eye(2))
    assert _delays(graph)["n", "fc"] == 1


def test_delayed_spikes_may_go_to_the_output_as_they_are() -> None:
    graph = _two_into_the_output(late=Delay(np.full(2, 2 * DT_S)))
    assert graph.into("output") == (Edge("n", "output"), Edge("n", "output", 2))


def test_each_output_gets_its_own_connections() -> None:
    graph = _folded(
        {
            "a": Input((1,)),
            "b": Input((1,)),
            "fc": Affine(np.array([[2.0]]), np.array([3.0])),
            "sum": Output((1,)),
            "plain": Output((1,)),
        },
        ("a", "fc"),
        ("fc", "sum"),
        ("b", "sum"),
        ("b", "plain"),
    )
    assert [edge.source for edge in graph.into("sum")] == ["fc", "b_to_sum", "sum_bias"]
    assert graph.into("plain") == (Edge("b", "plain"),)


def test_a_reshaped_population_still_goes_to_the_output_as_it_is() -> None:
    # a graded population cannot go through integer synapses
    one = np.ones((2, 1))
    graph = _in_a_row(
        {
            "in": Input((2, 1)),
            "li": LI(one * DT_S, one, 0 * one),
            "flat": Flatten((2, 1), (2,)),
            "out": Output((2,)),
        }
    )
    assert graph.into("out") == (Edge("li", "out"),)
    inputs = np.array([3.0, 5.0]).reshape(1, 1, 2, 1)
    assert run_reference(graph, inputs).output.tolist() == [[[3, 5]]]


# --- delays of each element ----------------------------------------------------------


def _per_element(steps: list[int], *maps: tuple[str, Node]) -> Graph:
    size = len(steps)
    return _in_a_row(
        {
            "in": Input((size,)),
            "late": Delay(np.array(steps) * DT_S),
            **dict(maps),
            "n": Threshold(np.ones(1 if maps else size)),
            "out": Output((1 if maps else size,)),
        }
    )


def test_one_connection_for_each_delay() -> None:
    fc = ("fc", Linear(np.array([[1.0, 2.0, 4.0]])))
    graph = _per_element([0, 2, 0], fc)
    np.testing.assert_array_equal(_weight(graph, "fc"), [[1, 0, 4]])
    np.testing.assert_array_equal(_weight(graph, "fc_2"), [[0, 2, 0]])
    delays = _delays(graph)
    assert (delays["in", "fc"], delays["in", "fc_2"]) == (0, 2)


def test_many_delays_cost_as_many_synapses_as_one() -> None:
    graph = _per_element(
        [0, 1, 2, 3, 4], ("fc", Linear(np.arange(1.0, 6).reshape(1, 5)))
    )
    found = [node for node in graph.nodes.values() if isinstance(node, SparseSynapses)]
    assert [node.weight.tolist() for node in found] == [[1], [2], [3], [4], [5]]


def test_a_bias_before_delays_of_each_element_waits_with_them() -> None:
    graph = _in_a_row(
        {
            "in": Input((2,)),
            "fc": Affine(np.zeros((2, 2)), np.array([3.0, 5.0])),
            "late": Delay(np.array([0, 2]) * DT_S),
            "out": Output((2,)),
        }
    )
    np.testing.assert_array_equal(_weight(graph, "out_bias"), [[3], [0]])
    np.testing.assert_array_equal(_weight(graph, "out_bias_2"), [[0], [5]])
    delays = _delays(graph)
    assert (delays["bias_line", "out_bias"], delays["bias_line", "out_bias_2"]) == (
        0,
        2,
    )


def test_delays_in_a_row_add_up_element_by_element() -> None:
    nodes: dict[str, Node] = {
        "in": Input((2,)),
        "a": DelaySteps((2,), np.array([0, 1])),
        "b": DelaySteps((2,), np.array([2, 1])),
        "out": Output((2,)),
    }
    edges = tuple(Edge(a, b) for a, b in pairwise(nodes))
    graph = fold_connections(Graph(nodes, edges, Stage.DISCRETE, DT_S))
    # 0 + 2 and 1 + 1: both elements wait 2 steps, and none 1 or 3
    assert [edge.source for edge in graph.into("out")] == ["in_to_out"]
    np.testing.assert_array_equal(_weight(graph, "in_to_out"), [1, 1])
    assert _delays(graph)["in", "in_to_out"] == 2


# --- biases and starts ---------------------------------------------------------------


def _neurons(neurons: Node) -> Graph:
    nodes: dict[str, Node] = {"in": Input((1,)), "n": neurons, "out": Output((1,))}
    edges = (Edge("in", "n"), Edge("n", "out"))
    return fold_connections(Graph(nodes, edges, Stage.DISCRETE, DT_S))


def _line(graph: Graph) -> dict[int, list[float]]:
    """Return the weights from the bias line, by delay."""
    return {
        edge.delay: _weight(graph, edge.target).ravel().tolist()
        for edge in graph.out_of("bias_line")
    }


def _one(value: float) -> np.ndarray:
    return np.array([value])


def test_the_bias_of_neurons_is_one_connection() -> None:
    graph = _neurons(SpikingNeurons(_one(0.5), _one(1), _one(0.25)))
    assert _line(graph) == {0: [0.25]}


def test_a_start_is_an_impulse_at_the_first_step() -> None:
    # v before step 0 is 3, so decay * 3 = 1.5 more at step 0: 1.5 + 0.25, then 0.25
    graph = _neurons(SpikingNeurons(_one(0.5), _one(1), _one(0.25), start=_one(3)))
    assert _line(graph) == {0: [1.75], 1: [-1.5]}


def test_a_start_alone_leaves_no_bias_behind() -> None:
    graph = _neurons(SpikingNeurons(_one(0.5), _one(1), _one(0), start=_one(3)))
    assert _line(graph) == {0: [1.5], 1: [-1.5]}


def test_a_bias_passes_the_filter_of_the_current_unfiltered() -> None:
    # b = 4 at v is 4 at step 0 and 4 - 4/2 = 2 at each later step for the current:
    # u = 4, 2 + 2 = 4, ...
    node = SpikingNeurons(_one(0.5), _one(9), _one(4), _one(0.5))
    assert _line(_neurons(node)) == {0: [4], 1: [-2]}
    same = Integrators(_one(0.5), _one(4), _one(1), _one(0.5))
    assert _line(_neurons(same)) == {0: [4], 1: [-2]}


def test_bias_and_start_behind_a_current_by_hand() -> None:
    # b = 4, decay * start = 0.5 * 8 = 4, current_decay 0.25:
    # 4 + 4;  -4 - 0.25 * 8;  0.25 * 4
    node = SpikingNeurons(_one(0.5), _one(9), _one(4), _one(0.25), start=_one(8))
    assert _line(_neurons(node)) == {0: [8], 1: [-6], 2: [1]}


def test_biases_of_maps_and_neurons_arrive_as_one() -> None:
    nodes: dict[str, Node] = {
        "in": Input((1,)),
        "fc": Affine(np.ones((1, 1)), _one(2)),
        "n": SpikingNeurons(_one(0.5), _one(1), _one(0.25)),
        "out": Output((1,)),
    }
    edges = tuple(Edge(a, b) for a, b in pairwise(nodes))
    graph = fold_connections(Graph(nodes, edges, Stage.DISCRETE, DT_S))
    assert _line(graph) == {0: [2.25]}


def test_neurons_keep_no_bias_and_no_start_of_their_own() -> None:
    node = SpikingNeurons(_one(0.5), _one(9), _one(4), _one(0.25), start=_one(8))
    kept = _neurons(node).nodes["n"]
    assert isinstance(kept, SpikingNeurons)
    assert not np.any(kept.bias)
    assert not np.any(kept.start)
    assert (kept.decay[0], kept.threshold[0], kept.current_decay[0]) == (0.5, 9, 0.25)


# --- refusals ------------------------------------------------------------------------


def test_a_map_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(GraphError, match="node 'fc': Linear needs an edge in and"):
        _folded(
            {"input": Input((2,)), "fc": Linear(np.eye(2)), "output": Output((2,))},
            ("input", "output"),
            ("input", "fc"),
        )


def test_a_loop_of_maps_and_delays_is_refused() -> None:
    with pytest.raises(GraphError, match=r"nodes d, s: a loop .* echoes for ever"):
        _folded(
            {
                "in": Input((1,)),
                "s": Scale(_one(0.5)),
                "d": Delay(_one(DT_S)),
                "out": Output((1,)),
            },
            ("in", "s"),
            ("s", "d"),
            ("d", "s"),
            ("s", "out"),
        )


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(GraphError, match=r"edge in -> fc: sends 3 values, .* takes 2;"):
        _in_a_row({"in": Input((3,)), "fc": Linear(np.eye(2)), "out": Output((2,))})


def test_a_folded_graph_is_refused() -> None:
    with pytest.raises(UnsupportedNodeError, match="'bias_line': BiasLine is not"):
        fold_connections(_chain())
