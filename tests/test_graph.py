"""A graph is a value: frozen, checked, and known by its fingerprint."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spikewright.errors import GraphError
from spikewright.graph import ALLOWED, Edge, Graph, Stage, unique_name
from spikewright.nodes import (
    LIF,
    Affine,
    BiasLine,
    DenseSynapses,
    Input,
    Linear,
    Node,
    Output,
    QuantizedNeurons,
    SpikingNeurons,
    Threshold,
)

CHAIN = (Edge("input", "w"), Edge("w", "lif"), Edge("lif", "output"))


def _nodes() -> dict[str, Node]:
    two = np.array([1.0, 2.0])
    return {
        "input": Input((3,)),
        "w": Affine(np.arange(6.0).reshape(2, 3), two),
        "lif": LIF(two, two, two, two, two),
        "output": Output((2,)),
    }


def _graph(**changes: Any) -> Graph:
    given = {"nodes": _nodes(), "edges": CHAIN, "stage": Stage.CONTINUOUS}
    return Graph(**(given | changes))


def _quantized(**changes: Any) -> Graph:
    neuron = QuantizedNeurons((2,), dv=1, vth=23, scale=4.0)
    nodes = {
        "input": Input((3,)),
        "w": DenseSynapses(np.arange(6).reshape(2, 3), 1),
        "lif": dataclasses.replace(neuron, **changes),
        "output": Output((2,)),
    }
    arrival = {"input": 0, "lif": 1, "output": 1}
    return Graph(nodes, CHAIN, Stage.QUANTIZED, 1e-3, arrival)


# --- what a graph answers ------------------------------------------------------------


def test_a_graph_knows_its_ends_and_its_edges() -> None:
    graph = _graph()
    assert (graph.input_name, graph.output_name) == ("input", "output")
    assert graph.into("lif") == (Edge("w", "lif"),)
    assert graph.out_of("lif") == (Edge("lif", "output"),)
    assert graph.into("input") == graph.out_of("output") == ()


def test_populations_are_what_sends_signals_once_discrete() -> None:
    assert list(_quantized().populations()) == ["input", "lif"]


def test_a_graph_cannot_be_changed() -> None:
    graph, nodes = _graph(), _nodes()
    with pytest.raises(TypeError):
        graph.nodes["new"] = nodes["w"]  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        graph.stage = Stage.TIMED  # type: ignore[misc]
    affine = graph.nodes["w"]
    assert isinstance(affine, Affine)
    with pytest.raises(ValueError, match="read-only"):
        affine.weight[0, 0] = 7


def test_a_graph_keeps_its_own_copy_of_what_it_was_given() -> None:
    weight, nodes = np.ones((2, 3)), _nodes()
    nodes["w"] = Linear(weight)
    graph = _graph(nodes=nodes)
    weight[:] = 5
    nodes.clear()
    kept = graph.nodes["w"]
    assert isinstance(kept, Linear)
    np.testing.assert_array_equal(kept.weight, np.ones((2, 3)))


def test_expect_names_both_stages() -> None:
    graph = _graph()
    graph.expect(Stage.CONTINUOUS)
    with pytest.raises(GraphError, match="needs a TIMED or QUANTIZED graph, got CONT"):
        graph.expect(Stage.TIMED, Stage.QUANTIZED)


def test_unique_name_counts_from_two() -> None:
    assert unique_name("a", ["b"]) == "a"
    assert unique_name("a", ["a"]) == "a_2"
    assert unique_name("a", ["a", "a_2", "a_3"]) == "a_4"


# --- refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "node"),
    [
        (Stage.CONTINUOUS, BiasLine()),
        (Stage.DISCRETE, Threshold(np.ones(2))),
        (Stage.TIMED, Linear(np.ones((2, 3)))),
        (Stage.QUANTIZED, SpikingNeurons(*np.ones((3, 2)))),
    ],
)
def test_a_node_of_another_stage_is_refused(stage: Stage, node: Node) -> None:
    nodes = {"input": Input((3,)), "x": node, "output": Output((2,))}
    dt_s = None if stage is Stage.CONTINUOUS else 1e-3
    kind = type(node).__name__
    message = f"node 'x': {kind} cannot stand in a {stage.name} graph; allowed: Input"
    with pytest.raises(GraphError, match=message):
        Graph(nodes, (), stage, dt_s)


@pytest.mark.parametrize("kind", ["Input", "Output"])
def test_a_graph_without_an_end_is_refused(kind: str) -> None:
    nodes = _nodes()
    del nodes[kind.lower()]
    message = f"needs an {kind}, got none"
    with pytest.raises(GraphError, match=message):
        _graph(nodes=nodes, edges=())


def test_several_ends_have_no_single_name() -> None:
    ends: dict[str, Node] = {"more": Input((3,)), "rest": Output((2,))}
    graph = _graph(nodes=_nodes() | ends)
    assert [*graph.inputs] == ["input", "more"]
    assert [*graph.outputs] == ["output", "rest"]
    with pytest.raises(GraphError, match=r"has 2 Inputs \(input, more\), but one is"):
        _ = graph.input_name
    with pytest.raises(GraphError, match=r"has 2 Outputs \(output, rest\), but one is"):
        _ = graph.output_name


def test_a_time_step_belongs_to_every_stage_but_the_first() -> None:
    with pytest.raises(GraphError, match=r"CONTINUOUS graph cannot have dt_s=0\.001"):
        _graph(dt_s=1e-3)
    ends: dict[str, Node] = {"input": Input((2,)), "output": Output((2,))}
    with pytest.raises(GraphError, match="DISCRETE graph cannot have dt_s=None"):
        Graph(ends, (Edge("input", "output"),), Stage.DISCRETE)


@pytest.mark.parametrize(
    ("edge", "message"),
    [
        (Edge("nope", "w"), "edge nope -> w: no node 'nope'"),
        (Edge("w", "nope"), "edge w -> nope: no node 'nope'"),
        (Edge("lif", "w", -1), "edge lif -> w: delay < 0"),
        (Edge("w", "lif"), "edge w -> lif occurs twice; .* use a Scale of 2"),
    ],
)
def test_a_wrong_edge_is_refused(edge: Edge, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        _graph(edges=(*CHAIN, edge))


def test_every_stage_has_its_ends() -> None:
    assert set(ALLOWED) == set(Stage)
    for kinds in ALLOWED.values():
        assert {Input, Output} <= set(kinds)


# --- the fingerprint -----------------------------------------------------------------


def test_equal_graphs_have_equal_fingerprints() -> None:
    assert _graph().fingerprint() == _graph().fingerprint()
    assert _quantized().fingerprint() == _quantized().fingerprint()


def _value(name: str, field: str, change: Callable[[Any], Any]) -> Graph:
    nodes = _nodes()
    value = getattr(nodes[name], field)
    nodes[name] = dataclasses.replace(nodes[name], **{field: change(value)})
    return _graph(nodes=nodes)


def _raise_last(values: np.ndarray) -> np.ndarray:
    raised = values.copy()
    raised.flat[-1] = np.nextafter(raised.flat[-1], np.inf)
    return raised


def _renamed() -> Graph:
    nodes = {"v" if k == "w" else k: v for k, v in _nodes().items()}
    return _graph(nodes=nodes, edges=(Edge("input", "v"), Edge("v", "lif"), CHAIN[2]))


CHANGED = {
    **{
        f"a value of {field}": _value("lif", field, _raise_last)
        for field in ("tau_s", "r", "v_leak", "v_threshold", "v_reset")
    },
    "a weight": _value("w", "weight", _raise_last),
    "a bias": _value("w", "bias", _raise_last),
    "a type": _value("w", "weight", lambda weight: weight.astype(np.float32)),
    "a shape": _value("w", "weight", lambda weight: weight.reshape(1, 2, 3)),
    "an input": _value("input", "shape", lambda shape: (1, *shape)),
    "a scale": _value("output", "scale", lambda scale: 2.0),
    "a name": _renamed(),
    "no edge": _graph(edges=CHAIN[:-1]),
    "a new edge": _graph(edges=(*CHAIN, Edge("w", "output"))),
    "the order of edges": _graph(edges=CHAIN[::-1]),
    "the order of nodes": _graph(nodes=dict(reversed(_nodes().items()))),
    "a delay": _graph(edges=(*CHAIN[:2], Edge("lif", "output", 1))),
}


def test_every_change_changes_the_fingerprint() -> None:
    prints = {name: graph.fingerprint() for name, graph in CHANGED.items()}
    assert len({_graph().fingerprint(), *prints.values()}) == len(prints) + 1, prints


@pytest.mark.parametrize("change", [{"dv": 2}, {"vth": 24}, {"scale": 8.0}])
def test_every_register_counts(change: dict[str, Any]) -> None:
    assert _quantized(**change).fingerprint() != _quantized().fingerprint()


def test_neighboring_numbers_do_not_run_together() -> None:
    # dv 1, vth 23 and dv 12, vth 3 are both "123" if written without a gap
    one, other = _quantized(dv=1, vth=23), _quantized(dv=12, vth=3)
    assert one.fingerprint() != other.fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        {"dt_s": 2e-3},
        {"arrival": {"input": 0, "lif": 1, "output": 2}},
        {"arrival": {"input": 0, "lif": 2, "output": 1}},
    ],
)
def test_time_counts(change: dict[str, Any]) -> None:
    graph = _quantized()
    assert dataclasses.replace(graph, **change).fingerprint() != graph.fingerprint()


def test_the_stage_counts() -> None:
    ends: dict[str, Node] = {"input": Input((2,)), "output": Output((2,))}
    edges = (Edge("input", "output"),)
    stages = (Stage.DISCRETE, Stage.TIMED, Stage.QUANTIZED)
    prints = {Graph(ends, edges, stage, 1e-3).fingerprint() for stage in stages}
    assert len(prints) == 3


@pytest.mark.parametrize(("name", "steps"), [("lif", 10**9), ("lif", -1)])
def test_refuses_an_arrival_that_no_delay_brings(name: str, steps: int) -> None:
    # A run lasts until the last arrival: with 10**9 steps it would not end.
    graph = _quantized()
    with pytest.raises(GraphError, match=f"arrival of '{name}': {steps} steps"):
        dataclasses.replace(graph, arrival={**graph.arrival, name: steps})
