from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from spikewright.errors import GraphError
from spikewright.export.lower import lower
from spikewright.export.passes.balance import LONGEST_WAIT, balance_delays
from spikewright.export.passes.discretize import discretize
from spikewright.export.passes.fold import fold_connections
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    LIF,
    Affine,
    Delay,
    Input,
    Linear,
    Node,
    Output,
    Threshold,
)
from spikewright.simulate.reference import run_reference

DT_S = 1e-3


def _timed(nodes: dict[str, Node], *edges: tuple[str, str]) -> Graph:
    graph = Graph(nodes, tuple(Edge(*edge) for edge in edges), Stage.CONTINUOUS)
    return lower(graph, dt_s=DT_S, to=Stage.TIMED).graph


def _residual() -> Graph:
    """n2 sees the input directly and, with a bias, through n1."""
    return _timed(
        {
            "input": Input((1,)),
            "up": Affine(np.array([[2.0]]), np.array([0.25])),
            "n1": Threshold(np.ones(1)),
            "down": Affine(np.array([[1.0]]), np.array([0.5])),
            "n2": Threshold(np.array([2.0])),
            "output": Output((1,)),
        },
        ("input", "up"),
        ("up", "n1"),
        ("n1", "down"),
        ("down", "n2"),
        ("input", "n2"),
        ("n2", "output"),
    )


def _delay(graph: Graph, source: str, target: str) -> int:
    (found,) = [e for e in graph.edges if (e.source, e.target) == (source, target)]
    return found.delay


def test_arrival_is_the_longest_path() -> None:
    graph = _residual()
    assert dict(graph.arrival) == {
        "bias_line": 0, "input": 0, "n1": 1, "n2": 2, "output": 2,
    }  # fmt: skip


def test_the_shorter_branch_and_the_biases_wait() -> None:
    graph = _residual()
    # input -> n2 takes 1 synapse, input -> n1 -> n2 takes 2: one step to wait.
    assert _delay(graph, "input", "input_to_n2") == 1
    assert _delay(graph, "input", "up") == 0
    # The bias line is 1 synapse from both; n1's data come at 1, n2's at 2.
    assert _delay(graph, "bias_line", "n1_bias") == 0
    assert _delay(graph, "bias_line", "n2_bias") == 1


def test_an_impulse_meets_itself_on_both_branches() -> None:
    # x = 1: n1 gets 2.25 > 1 and fires; n2 gets 1 + 0.5 + 1 = 2.5 > 2 in the same step.
    # Out of step it would get 1.5 at most and stay silent.
    inputs = np.array([0, 1, 0, 0]).reshape(1, 4, 1)
    trace = run_reference(_residual(), inputs)
    np.testing.assert_array_equal(trace.spikes["n2"].ravel(), [0, 1, 0, 0])


def test_a_self_loop_is_its_own_delay() -> None:
    graph = _timed(
        {
            "input": Input((1,)),
            "n": LIF(
                np.array([2e-3]), np.array([2.0]), np.zeros(1), np.ones(1), np.zeros(1)
            ),
            "loop": Linear(np.ones((1, 1))),
            "output": Output((1,)),
        },
        ("input", "n"),
        ("n", "loop"),
        ("loop", "n"),
        ("n", "output"),
    )  # fmt: skip
    # arrival[n] - arrival[n] - 1 + 1 = 0: the synapse's own step is the loop's delay.
    assert _delay(graph, "n", "loop") == 0


def test_two_direct_edges_into_the_output_keep_their_own_delays() -> None:
    graph = _timed(
        {
            "input": Input((1,)),
            "n": Threshold(np.zeros(1)),
            "late": Delay(np.array([2 * DT_S])),
            "output": Output((1,)),
        },
        ("input", "n"),
        ("n", "output"),
        ("n", "late"),
        ("late", "output"),
    )
    trace = run_reference(graph, np.array([1, 0, 0, 0]).reshape(1, 4, 1))
    np.testing.assert_array_equal(trace.output.ravel(), [1, 0, 1, 0])


def test_every_output_has_its_own_arrival() -> None:
    graph = _timed(
        {
            "input": Input((1,)),
            "n1": Threshold(np.zeros(1)),
            "n2": Threshold(np.zeros(1)),
            "early": Output((1,)),
            "late": Output((1,)),
        },
        ("input", "n1"),
        ("n1", "early"),
        ("n1", "n2"),
        ("n2", "late"),
    )
    assert (graph.arrival["early"], graph.arrival["late"]) == (1, 2)
    trace = run_reference(graph, np.array([1, 0, 1]).reshape(1, 3, 1))
    for output in trace.outputs.values():
        np.testing.assert_array_equal(output.ravel(), [1, 0, 1])


def test_every_input_arrives_at_once() -> None:
    # b is one synapse nearer to the AND than a, and waits
    graph = _timed(
        {
            "a": Input((1,)),
            "b": Input((1,)),
            "n": Threshold(np.zeros(1)),
            "and": Threshold(np.full(1, 1.5)),
            "output": Output((1,)),
        },
        ("a", "n"),
        ("n", "and"),
        ("b", "and"),
        ("and", "output"),
    )
    assert (graph.arrival["a"], graph.arrival["b"], graph.arrival["and"]) == (0, 0, 2)
    assert _delay(graph, "b", "b_to_and") == 1
    inputs = {"a": np.array([1, 1, 0, 0]), "b": np.array([1, 0, 1, 0])}
    trace = run_reference(graph, {k: v.reshape(1, 4, 1) for k, v in inputs.items()})
    np.testing.assert_array_equal(trace.output.ravel(), [1, 0, 0, 0])


def _long_chain(*more: tuple[str, str]) -> Graph:
    """2,000 populations in a row, the edges from last to first; folded."""
    nodes: dict[str, Node] = {"input": Input((1,))}
    nodes |= {f"n{i}": Threshold(np.zeros(1)) for i in range(2000)}
    nodes["output"] = Output((1,))
    pairs = [*pairwise(nodes), *more]
    graph = Graph(nodes, tuple(Edge(*pair) for pair in pairs), Stage.CONTINUOUS)
    folded = fold_connections(discretize(graph, dt_s=DT_S))
    edges = tuple(reversed(folded.edges))
    return Graph(folded.nodes, edges, Stage.DISCRETE, DT_S)


def test_a_long_chain_in_the_worst_order_is_timed() -> None:
    arrival = balance_delays(_long_chain()).arrival
    assert [arrival[f"n{i}"] for i in range(2000)] == list(range(1, 2001))
    assert arrival["output"] == 2000


def test_a_short_loop_in_a_long_chain_is_named() -> None:
    with pytest.raises(GraphError, match=r"loop through n1000, n1001, n1002: "):
        balance_delays(_long_chain(("n1002", "n1000")))


def _two_cycle(*, delayed: bool) -> Graph:
    nodes: dict[str, Node] = {
        "input": Input((1,)),
        "a": Threshold(np.ones(1)),
        "b": Threshold(np.ones(1)),
        "output": Output((1,)),
    }
    edges = [("input", "a"), ("a", "b"), ("b", "output")]
    if delayed:
        nodes["late"] = Delay(np.array([DT_S]))
        edges += [("b", "late"), ("late", "a")]
    else:
        edges.append(("b", "a"))
    return _timed(nodes, *edges)


def test_a_loop_of_two_synapses_needs_two_steps() -> None:
    # b -> a as a back edge has one step, but a -> b -> a takes two on the chip.
    with pytest.raises(GraphError, match=r"loop through a, b: .* add a Delay"):
        _two_cycle(delayed=False)
    graph = _two_cycle(delayed=True)  # one step of back edge and one of Delay
    assert _delay(graph, "b", "b_to_a") == 0


def test_a_loop_is_named_also_beside_branches_that_lead_elsewhere() -> None:
    # The Output hangs on c, which is on no way to the loop of a and b.
    with pytest.raises(GraphError, match=r"loop through a, b: "):
        _timed(
            {
                "input": Input((1,)),
                "a": Threshold(np.ones(1)),
                "b": Threshold(np.ones(1)),
                "c": Threshold(np.ones(1)),
                "output": Output((1,)),
            },
            ("input", "a"),
            ("a", "b"),
            ("b", "a"),
            ("input", "c"),
            ("c", "output"),
        )


def test_a_threshold_below_zero_is_refused() -> None:
    with pytest.raises(GraphError, match="node 'n': threshold -1 is below 0"):
        _timed(
            {"input": Input((1,)), "n": Threshold(-np.ones(1)), "output": Output((1,))},
            ("input", "n"),
            ("n", "output"),
        )


def test_a_wait_without_end_is_refused() -> None:
    def wait(steps: int) -> Graph:
        return _timed(
            {
                "input": Input((1,)),
                "late": Delay(np.array([steps * DT_S])),
                "n": Threshold(np.ones(1)),
                "output": Output((1,)),
            },
            ("input", "late"),
            ("late", "n"),
            ("n", "output"),
        )

    # one step of the delay is the synapse's own
    assert _delay(wait(LONGEST_WAIT + 1), "input", "input_to_n") == LONGEST_WAIT
    match = "edge input -> input_to_n: waits 65537 steps, at most 65536"
    with pytest.raises(GraphError, match=match):
        wait(LONGEST_WAIT + 2)


def test_an_unfolded_graph_is_refused() -> None:
    nodes: dict[str, Node] = {
        "input": Input((1,)),
        "fc": Linear(np.eye(1)),
        "output": Output((1,)),
    }
    edges = (Edge("input", "fc"), Edge("fc", "output"))
    graph = Graph(nodes, edges, Stage.DISCRETE, DT_S)
    with pytest.raises(GraphError, match="run fold_connections first"):
        balance_delays(graph)
