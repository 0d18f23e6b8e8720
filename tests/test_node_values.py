"""Lowered graphs and traces from files: no value is taken on trust."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.errors import GraphError, InputError
from spikewright.files import (
    graph_arrays,
    graph_of,
    read_trace,
    write_arrays,
)
from spikewright.graph import Edge, Graph, Stage

NEURONS = n.QuantizedNeurons((2,), np.array([1, 2]), 3, 1.0)
NODES: dict[str, n.Node] = {
    "in": n.Input((3,)),
    "fc": n.DenseSynapses(np.ones((2, 3), np.int64)),
    "lif": NEURONS,
    "some": n.SparseSynapses(
        np.ones(2, np.int64), np.array([0, 1]), np.array([1, 0]), (2, 2)
    ),
    "out": n.Output((2,)),
}
EDGES = (Edge("in", "fc"), Edge("fc", "lif"), Edge("lif", "some"), Edge("some", "out"))


def arrays() -> dict[str, Any]:
    arrival = {"in": 0, "lif": 1, "out": 2}
    return graph_arrays(Graph(NODES, EDGES, Stage.QUANTIZED, 1e-3, arrival))


def edited(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    held = arrays()
    document = json.loads(str(held["graph"]))
    change(document)
    return {**held, "graph": np.array(json.dumps(document))}


def value(name: str, field: str, given: object) -> dict[str, Any]:
    def change(document: dict[str, Any]) -> None:
        (node,) = (each for each in document["nodes"] if each["name"] == name)
        node["values"][field] = given

    return edited(change)


def test_a_graph_comes_back() -> None:
    assert graph_of(arrays(), "x").nodes["lif"].dv.tolist() == [1, 2]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "field", "given", "message"),
    [
        (
            "lif",
            "vth",
            2.5,
            "vth of a QuantizedNeurons is 2.5; allowed: a whole number",
        ),
        ("lif", "vth", "3", "vth .* is '3'"),
        ("lif", "vth", True, "vth .* is True"),
        ("lif", "vth", 10**400, "vth .* is 1000"),
        ("lif", "scale", float("nan"), "scale .* is nan; allowed: a finite number"),
        ("lif", "scale", None, "scale .* is None"),
        ("lif", "shape", [0], r"shape .* is \(0,\); allowed: .* of 1 or more"),
        ("lif", "shape", [[2]], "shape"),
        ("lif", "shape", [3], r"dv has shape \(2,\); allowed: one number, or \(3,\)"),
        ("in", "shape", "3", "shape of a Input is '3'"),
        ("fc", "exponent", float("inf"), "exponent"),
    ],
)
def test_refuses_a_value_of_another_type(
    name: str, field: str, given: object, message: str
) -> None:
    with pytest.raises(GraphError, match=f"node '{name}': {message}"):
        graph_of(value(name, field, given), "x")


def test_refuses_a_signal_beyond_the_limit() -> None:
    # 2**40 values of 8 bytes, of which the file holds none
    with pytest.raises(InputError, match=r"node 'in': a signal of shape \(1099511627"):
        graph_of(value("in", "shape", [2**40]), "x")


@pytest.mark.parametrize(
    ("key", "array", "message"),
    [
        ("fc/weight", np.ones(3), "weight of a DenseSynapses has shape"),
        ("fc/weight", np.full((2, 3), np.nan), "weight .* not all finite"),
        ("fc/weight", np.array([["a"]]), "weight .* of <U1"),
        ("fc/weight", np.ones((2, 3), complex), "weight .* of complex128"),
        ("some/targets", np.array([0, 2]), "targets of .* allowed: one of 0 to 1"),
        ("some/sources", np.array([-1, 0]), "sources of .* allowed: one of 0 to 1"),
        ("some/sources", np.array([0]), "sources of .* for each weight"),
        ("lif/dv", np.array([1.5, 2.0]), "dv .* a whole number, or an array of them"),
        ("lif/dv", np.array([[1, 2]]), r"dv has shape \(1, 2\)"),
    ],
)
def test_refuses_an_array_of_another_kind(key: str, array: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        graph_of({**arrays(), key: array}, "x")


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(dt_s="1"),
        lambda d: d.update(dt_s=-1.0),
        lambda d: d.update(stage="NONE"),
        lambda d: d.update(arrival={"in": float("inf")}),
        lambda d: d.update(arrival={"in": -1}),
        lambda d: d.update(edges=[{"source": 1, "target": "fc"}]),
        lambda d: d.update(edges=[{"source": "in", "target": "fc", "delay": 1.5}]),
        lambda d: d.update(edges=None),
        lambda d: d["nodes"].append(d["nodes"][0]),
        lambda d: d["nodes"][0].update(name=3),
        lambda d: d["nodes"][0].update(kind="__class__"),
    ],
)
def test_refuses_a_document_of_another_form(change: Callable[[Any], object]) -> None:
    with pytest.raises(
        InputError, match=r"^x: not a lowered graph \(.*; write it with"
    ):
        graph_of(edited(change), "x")


def test_refuses_a_document_that_nests_too_deep() -> None:
    with pytest.raises(InputError, match=r"not a lowered graph .RecursionError"):
        graph_of({**arrays(), "graph": np.array("[" * 100_000)}, "x")


# --- traces --------------------------------------------------------------------------


def trace(**changes: Any) -> dict[str, Any]:
    held = {"output": np.zeros((1, 2, 3)), "spikes/a": np.zeros((1, 2, 4), np.uint8)}
    return {**held, "meta": np.array('{"outputs": ["out"]}'), **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output": np.zeros((1, 2, 3), complex)}, "output holds complex128"),
        ({"output": np.zeros((0, 2, 3))}, "a trace of 0 samples and 2 steps"),
        ({"spikes/a": np.full((1, 2, 4), 2, np.uint8)}, "holds 2; allowed: 0 and 1"),
        ({"meta": np.array('{"outputs": "out"}')}, "not a spike trace .*outputs named"),
        ({"meta": np.array("[" * 100_000)}, "not a spike trace .RecursionError"),
    ],
)
def test_refuses_a_trace_of_another_form(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    write_arrays(tmp_path / "x.npz", trace(**changes))
    with pytest.raises(InputError, match=message):
        read_trace(tmp_path / "x.npz")
