"""Nested graphs become flat ones, and no summand is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.errors import GraphError, InputError, UnsupportedNodeError
from spikewright.export.nir.io import read_nir, write_nir
from spikewright.graph import Edge, Graph

Edges = list[tuple[str, str]]


def ends(size: int = 3) -> dict[str, nir.NIRNode]:
    return {
        "input": nir.Input({"input": np.array([size])}),
        "output": nir.Output({"output": np.array([size])}),
    }


def lif(size: int = 3) -> nir.LIF:
    return nir.LIF(*(np.full(size, each) for each in (1e-3, 10.0, 0.0, 1.0)))


def linear(value: float = 1.0) -> nir.Linear:
    return nir.Linear(np.full((3, 3), value))


def graph_of(nodes: dict[str, nir.NIRNode], *edges: str, size: int = 3) -> nir.NIRGraph:
    """Build a graph with an input and an output; an edge is written as "a b"."""
    pairs: Edges = [(a, b) for a, b in (edge.split() for edge in edges)]
    return nir.NIRGraph({**ends(size), **nodes}, pairs, type_check=False)


def read(path: Path, graph: nir.NIRGraph) -> Graph:
    nir.write(path / "g.nir", graph)
    return read_nir(path / "g.nir")


def edges_of(graph: Graph) -> list[str]:
    return [f"{edge.source} {edge.target}" for edge in graph.edges]


def test_a_chain_in_a_graph_takes_the_place_of_the_graph(tmp_path: Path) -> None:
    block = graph_of({"fc": linear(), "lif": lif()}, "input fc", "fc lif", "lif output")
    graph = read(tmp_path, graph_of({"block": block}, "input block", "block output"))
    assert list(graph.nodes) == ["input", "block.fc", "block.lif", "output"]
    assert edges_of(graph) == [
        "input block.fc",
        "block.fc block.lif",
        "block.lif output",
    ]
    assert isinstance(graph.nodes["block.lif"], n.LIF)


def test_a_recurrent_graph_as_snntorch_writes_it(tmp_path: Path) -> None:
    # RLeaky: spikes come back through w_rec, whose bias is kept
    w_rec = nir.Affine(np.full((3, 3), 0.5), np.array([1.0, 2.0, 3.0]))
    recurrent = graph_of(
        {"lif": lif(), "w_rec": w_rec},
        *("input lif", "lif w_rec", "w_rec lif", "lif output"),
    )
    nodes = {"fc": linear(), "rleaky": recurrent, "fc2": linear()}
    graph = read(
        tmp_path,
        graph_of(nodes, "input fc", "fc rleaky", "rleaky fc2", "fc2 output"),
    )
    assert edges_of(graph) == [
        "input fc",
        "fc rleaky.lif",
        "rleaky.lif rleaky.w_rec",
        "rleaky.w_rec rleaky.lif",
        "rleaky.lif fc2",
        "fc2 output",
    ]
    kept = graph.nodes["rleaky.w_rec"]
    assert isinstance(kept, n.Affine)
    assert kept.bias.tolist() == [1, 2, 3]


def test_fan_in_and_fan_out_at_the_ends_of_a_graph_are_kept(tmp_path: Path) -> None:
    # two into the Input, two out of it; two into the Output, two out of it
    block = graph_of(
        {"a": lif(), "b": lif()}, "input a", "input b", "b output", "a output"
    )
    nodes = {"p": linear(), "q": linear(), "block": block, "r": linear(), "s": linear()}
    graph = read(
        tmp_path,
        graph_of(
            nodes,
            *("input p", "input q", "q block", "p block", "block r", "block s"),
            *("r output", "s output"),
        ),
    )
    assert edges_of(graph) == [
        *("input p", "input q"),
        *("q block.a", "p block.a", "q block.b", "p block.b"),
        *("block.b r", "block.a r", "block.b s", "block.a s"),
        *("r output", "s output"),
    ]


def test_a_way_straight_through_a_graph_is_an_edge(tmp_path: Path) -> None:
    # a residual block: what comes in goes out beside the branch
    block = graph_of({"fc": linear()}, "input fc", "fc output", "input output")
    graph = read(
        tmp_path,
        graph_of(
            {"lif": lif(), "block": block, "sum": lif()},
            *("input lif", "lif block", "block sum", "sum output"),
        ),
    )
    assert [str(edge.source) for edge in graph.into("sum")] == ["block.fc", "lif"]


def test_a_signal_that_comes_by_two_ways_counts_twice(tmp_path: Path) -> None:
    # lif -> sum directly, and through the block: sum gets 2 lif, not 1
    block = graph_of({"fc": linear()}, "input fc", "fc output", "input output")
    nodes = {"lif": lif(), "block": block, "sum": lif()}
    edges = ("input lif", "lif block", "block sum", "lif sum", "sum output")
    graph = read(tmp_path, graph_of(nodes, *edges))
    assert edges_of(graph) == [
        "input lif",
        "lif block.fc",
        "block.fc sum",
        "lif lif_2x_sum",
        "lif_2x_sum sum",
        "sum output",
    ]
    twice = graph.nodes["lif_2x_sum"]
    assert isinstance(twice, n.Scale)
    assert twice.scale.tolist() == [2, 2, 2]


def test_ways_through_several_graphs_multiply(tmp_path: Path) -> None:
    # two graphs pass the signal on side by side, then two more: 2 x 2 ways
    through = graph_of({}, "input output")
    nodes = {name: through for name in ("a", "b", "c", "d")}
    graph = read(
        tmp_path,
        graph_of(
            {**nodes, "lif": lif()},
            *("input a", "input b", "a c", "a d", "b c", "b d"),
            *("c lif", "d lif", "lif output"),
        ),
    )
    times = graph.nodes["input_4x_lif"]
    assert isinstance(times, n.Scale)
    assert times.scale.tolist() == [4, 4, 4]


def test_the_name_of_a_scale_avoids_those_in_the_file(tmp_path: Path) -> None:
    through = graph_of({}, "input output")
    nodes = {"block": through, "input_2x_lif": linear(), "lif": lif()}
    graph = read(
        tmp_path,
        graph_of(
            nodes,
            *("input block", "block lif", "input lif", "input input_2x_lif"),
            *("input_2x_lif lif", "lif output"),
        ),
    )
    assert isinstance(graph.nodes["input_2x_lif"], n.Linear)
    assert isinstance(graph.nodes["input_2x_lif_2"], n.Scale)


def test_a_loop_around_a_graph_is_kept(tmp_path: Path) -> None:
    block = graph_of({"lif": lif()}, "input lif", "lif output")
    graph = read(
        tmp_path,
        graph_of({"block": block}, "input block", "block block", "block output"),
    )
    assert Edge("block.lif", "block.lif") in graph.edges


def test_refuses_a_loop_of_graphs_with_nothing_in_them(tmp_path: Path) -> None:
    through = graph_of({}, "input output")
    document = graph_of(
        {"block": through}, "input block", "block block", "block output"
    )
    with pytest.raises(
        GraphError, match=r"edge block.* closes a loop through nested graphs with noth"
    ):
        read(tmp_path, document)


def nested(depth: int) -> nir.NIRGraph:
    """A LIF in `depth` graphs."""
    graph = graph_of({"g": lif()}, "input g", "g output")
    for _ in range(depth):
        graph = graph_of({"g": graph}, "input g", "g output")
    return graph


def test_graphs_are_flattened_at_any_depth_up_to_a_limit(tmp_path: Path) -> None:
    graph = read(tmp_path, nested(64))
    assert list(graph.nodes) == ["input", ".".join(65 * "g"), "output"]
    with pytest.raises(GraphError, match=r"\.nir: node 'g\.g.*in 65 graphs.*in 64"):
        read(tmp_path, nested(65))


def test_refuses_a_graph_that_lies_in_itself(tmp_path: Path) -> None:
    nir.write(tmp_path / "g.nir", nested(1))
    with h5py.File(tmp_path / "g.nir", "r+") as file:
        del file["node/nodes/g/nodes/g"]
        file["node/nodes/g/nodes/g"] = file["node"]
    with pytest.raises(GraphError, match=r"node 'g\.g': lies in 2 .* at two places"):
        read_nir(tmp_path / "g.nir")


def test_refuses_a_graph_that_is_two_nodes(tmp_path: Path) -> None:
    # links to graphs of links to graphs … would be 2**64 nodes in a small file
    block = graph_of({"lif": lif()}, "input lif", "lif output")
    path = tmp_path / "g.nir"
    nodes = {"a": block, "b": block}
    nir.write(path, graph_of(nodes, "input a", "a b", "b output"))
    with h5py.File(path, "r+") as file:
        replace(file["node/nodes"], "b", file["node/nodes/a"])
    with pytest.raises(GraphError, match=r"node '[ab]': lies in 1 .* at two places"):
        read_nir(path)


@pytest.mark.parametrize("kind", ["Input", "Output"])
def test_refuses_a_nested_graph_with_two_ends_of_one_kind(
    kind: str, tmp_path: Path
) -> None:
    second: Any = {"Input": nir.Input, "Output": nir.Output}[kind](np.array([3]))
    edge = "second lif" if kind == "Input" else "lif second"
    block = graph_of({"lif": lif(), "second": second}, "input lif", "lif output", edge)
    document = graph_of({"block": block}, "input block", "block output")
    with pytest.raises(
        GraphError, match=rf"node 'block': a nested graph with 2 {kind}s \(.*second"
    ):
        read(tmp_path, document)


def test_a_nested_graph_whose_ends_nir_invented_is_read(tmp_path: Path) -> None:
    # nir adds input_lif and output_lif
    block = nir.NIRGraph({"lif": lif(), "fc": linear()}, [("fc", "lif")])
    assert {"input_fc", "output_lif"} < set(block.nodes)
    graph = read(tmp_path, graph_of({"block": block}, "input block", "block output"))
    assert list(graph.nodes) == ["input", "block.fc", "block.lif", "output"]


def test_refuses_two_nodes_of_one_name(tmp_path: Path) -> None:
    block = graph_of({"lif": lif()}, "input lif", "lif output")
    document = graph_of(
        {"block": block, "block.lif": lif()},
        *("input block", "block block.lif", "block.lif output"),
    )
    with pytest.raises(
        GraphError, match=r"node 'block\.lif': two nodes have this name"
    ):
        read(tmp_path, document)


def test_shapes_are_checked_at_the_ends_of_a_nested_graph(tmp_path: Path) -> None:
    block = graph_of({"lif": lif(4)}, "input lif", "lif output", size=4)
    document = graph_of({"block": block}, "input block", "block output")
    with pytest.raises(
        GraphError,
        match=r"edge input -> block\.input: .* \(3,\), but 'block\.input'.*\(4,\)",
    ):
        read(tmp_path, document)


def test_shapes_are_checked_inside_a_nested_graph(tmp_path: Path) -> None:
    # nir.read(type_check=False) never looks there
    block = graph_of({"lif": lif(4)}, "input lif", "lif output")
    document = graph_of({"block": block}, "input block", "block output")
    with pytest.raises(GraphError, match=r"edge block\.input -> block\.lif: .*\(4,\)"):
        read(tmp_path, document)


def test_a_nested_pool_learns_its_shape_from_outside(tmp_path: Path) -> None:
    pool_ends = {
        "input": nir.Input({"input": np.array([1, 4, 4])}),
        "pool": nir.SumPool2d(2, 2, 0),
        "output": nir.Output({"output": np.array([1, 2, 2])}),
    }
    edges = [("input", "pool"), ("pool", "output")]
    block = nir.NIRGraph(pool_ends, edges, type_check=False)
    outer = {**pool_ends, "pool": block}
    graph = read(tmp_path, nir.NIRGraph(outer, edges, type_check=False))
    pool = graph.nodes["pool.pool"]
    assert isinstance(pool, n.SumPool2d)
    assert pool.shape == (1, 4, 4)


# --- refusals reach into nested graphs -----------------------------------------------


def edited(tmp_path: Path, change: Any) -> Path:
    """A graph `block` with a `lif` in it, after a change of the block with h5py."""
    block = graph_of({"lif": lif()}, "input lif", "lif output")
    path = tmp_path / "g.nir"
    nir.write(path, graph_of({"block": block}, "input block", "block output"))
    with h5py.File(path, "r+") as file:
        change(file["node/nodes/block"])
    return path


def replace(group: Any, name: str, value: Any) -> None:
    del group[name]
    group[name] = value


def test_refuses_an_unknown_kind_in_a_nested_graph_by_its_path(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda block: replace(block, "nodes/lif/type", "Wave"))
    with pytest.raises(
        UnsupportedNodeError,
        match=r"node 'block\.lif': Wave .*g\.nir\); supported: .*CubaLI.*NIRGraph",
    ):
        read_nir(path)


def test_refuses_a_complex_value_in_a_nested_graph(tmp_path: Path) -> None:
    path = edited(
        tmp_path, lambda block: replace(block, "nodes/lif/r", np.ones(3) * 1j)
    )
    with pytest.raises(GraphError, match=r"node 'block\.lif': r is of type complex128"):
        read_nir(path)


def test_refuses_a_value_that_is_not_finite_in_a_nested_graph(tmp_path: Path) -> None:
    path = edited(
        tmp_path, lambda block: replace(block, "nodes/lif/r", np.full(3, np.nan))
    )
    with pytest.raises(GraphError, match=r"node 'block\.lif': r holds nan at \[0\]"):
        read_nir(path)


def test_refuses_a_node_without_a_way_to_it_in_a_nested_graph(tmp_path: Path) -> None:
    path = edited(
        tmp_path,
        lambda block: replace(block, "edges", [["input", "output"], ["lif", "output"]]),
    )
    with pytest.raises(
        GraphError, match=r"node 'block\.lif': cannot be reached .*'block\.input'"
    ):
        read_nir(path)


def test_refuses_a_nested_graph_without_edges(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda block: block.pop("edges"))
    with pytest.raises(InputError, match="graph 'block' without a list of edges"):
        read_nir(path)


def test_refuses_a_nested_graph_without_nodes(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda block: block.pop("nodes"))
    with pytest.raises(InputError, match="graph 'block' without nodes"):
        read_nir(path)


def test_the_order_of_nodes_in_a_file_does_not_matter(tmp_path: Path) -> None:
    # a file keeps the order of edges alone; here the blocks come as b, then a
    block = graph_of({"lif": lif()}, "input lif", "lif output")
    edges = ("input b", "b a", "a output")
    one = read(tmp_path, graph_of({"a": block, "b": block}, *edges))
    other = read(tmp_path, graph_of({"b": block, "a": block}, *edges))
    assert list(one.nodes) == ["input", "b.lif", "a.lif", "output"]
    assert one.fingerprint() == other.fingerprint()


def test_what_was_flattened_is_written_flat_and_read_the_same(tmp_path: Path) -> None:
    block = graph_of({"fc": linear()}, "input fc", "fc output", "input output")
    nodes = {"lif": lif(), "block": block, "sum": lif()}
    edges = ("input lif", "lif block", "block sum", "lif sum", "sum output")
    graph = read(tmp_path, graph_of(nodes, *edges))
    write_nir(graph, tmp_path / "flat.nir")
    assert read_nir(tmp_path / "flat.nir").fingerprint() == graph.fingerprint()
