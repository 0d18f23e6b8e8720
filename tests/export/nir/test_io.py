"""Values survive the way into a NIR file and out of it."""

from __future__ import annotations

import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.errors import GraphError, InputError
from spikewright.export.nir.io import read_nir, read_nir_dt, write_nir
from spikewright.graph import ALLOWED, Edge, Graph, Stage

RNG = np.random.default_rng(0)


def values(*shape: int) -> n.FloatArray:
    return RNG.normal(size=shape)


def times(*shape: int) -> n.FloatArray:
    return RNG.uniform(1e-3, 2e-2, shape)


def nodes_of(path: Path) -> dict[str, Any]:
    return dict(read_nir(path).nodes)


def around(
    node: n.Node, inputs: n.Shape, outputs: n.Shape, name: str = "node"
) -> Graph:
    """Input -> node -> Output."""
    nodes = {"in": n.Input(inputs), name: node, "out": n.Output(outputs)}
    return Graph(nodes, (Edge("in", name), Edge(name, "out")), Stage.CONTINUOUS)


def cuba_lif(*shape: int) -> n.CubaLIF:
    return n.CubaLIF(times(*shape), times(*shape), *(values(*shape) for _ in range(5)))


NODES = {
    "affine": (n.Affine(values(3, 2), values(3)), (2,), (3,)),
    "affine, batch axis": (n.Affine(values(4, 3, 2), values(4, 3)), (4, 2), (4, 3)),
    "linear": (n.Linear(values(3, 2)), (2,), (3,)),
    "linear, two batch axes": (n.Linear(values(2, 4, 3, 5)), (2, 4, 5), (2, 4, 3)),
    "linear, token sum": (n.Linear(values(6, 1, 5)), (6, 5), (6, 1)),
    "linear, broadcast": (n.Linear(values(6, 5, 1)), (6, 1), (6, 5)),
    "conv1d, one tap": (n.Conv1d(values(3, 2, 1), values(3), 5), (2, 5), (3, 5)),
    "conv1d, three taps": (n.Conv1d(values(3, 2, 3), values(3), 5), (2, 5), (3, 3)),
    # (9 + 2 - 2 * 2 - 1) // 2 + 1 = 4
    "conv1d, all options": (
        n.Conv1d(values(6, 2, 3), values(6), 9, 2, (1, 1), 2, groups=3),
        (6, 9),
        (6, 4),
    ),
    # 3 (2 - 1) = 3 zeros: 1 before, 2 after
    "conv1d, same": (
        n.Conv1d(values(3, 2, 2), values(3), 5, padding=(1, 2), dilation=3),
        (2, 5),
        (3, 5),
    ),
    "conv1d, depthwise": (
        n.Conv1d(values(4, 1, 3), values(4), 5, padding=(1, 1), groups=4),
        (4, 5),
        (4, 5),
    ),
    # rows: (7 + 2 - 2 - 1) // 2 + 1 = 4; columns: (9 + 4 - 3 * 2 - 1) // 1 + 1 = 7
    "conv2d, all options": (
        n.Conv2d(
            values(4, 1, 3, 3), values(4), (7, 9), (2, 1), ((1, 1), (2, 2)), (1, 3), 2
        ),
        (2, 7, 9),
        (4, 4, 7),
    ),
    # 1 zero after the rows; 3 (2 - 1) = 3 zeros for the columns: 1 before, 2 after
    "conv2d, same": (
        n.Conv2d(
            values(2, 1, 2, 2),
            values(2),
            (4, 5),
            padding=((0, 1), (1, 2)),
            dilation=(1, 3),
        ),
        (1, 4, 5),
        (2, 4, 5),
    ),
    # rows: (7 - 3) // 2 + 1 = 3; columns: (6 + 2 - 2) // 3 + 1 = 3
    "sum pool": (n.SumPool2d((2, 7, 6), (3, 2), (2, 3), (0, 1)), (2, 7, 6), (2, 3, 3)),
    "mean pool": (n.AvgPool2d((2, 7, 6), (3, 2), (2, 3), (0, 1)), (2, 7, 6), (2, 3, 3)),
    "scale": (n.Scale(values(2, 3)), (2, 3), (2, 3)),
    "flatten": (n.Flatten((2, 3), (6,)), (2, 3), (6,)),
    "flatten, the last two": (n.Flatten((2, 3, 4), (2, 12)), (2, 3, 4), (2, 12)),
    "flatten, the first two": (n.Flatten((2, 3, 4), (6, 4)), (2, 3, 4), (6, 4)),
    "flatten nothing": (n.Flatten((6,), (6,)), (6,), (6,)),
    "delay": (n.Delay(times(2, 3)), (2, 3), (2, 3)),
    "lif": (
        n.LIF(times(2, 3), values(2, 3), values(2, 3), values(2, 3), values(2, 3)),
        (2, 3),
        (2, 3),
    ),
    "if": (n.IF(values(3), values(3), values(3)), (3,), (3,)),
    "li": (n.LI(times(3), values(3), values(3)), (3,), (3,)),
    "i": (n.I(values(3)), (3,), (3,)),
    "cuba lif": (cuba_lif(2, 3), (2, 3), (2, 3)),
    "cuba li": (
        n.CubaLI(times(3), times(3), values(3), values(3), values(3)),
        (3,),
        (3,),
    ),
    "threshold": (n.Threshold(values(3)), (3,), (3,)),
    "threshold of one neuron": (n.Threshold(values(1)), (1,), (1,)),
}


@pytest.mark.parametrize(("node", "inputs", "outputs"), NODES.values(), ids=NODES)
def test_values_survive_the_round_trip(
    node: n.Node, inputs: n.Shape, outputs: n.Shape, tmp_path: Path
) -> None:
    wanted = around(node, inputs, outputs)
    write_nir(wanted, tmp_path / "g.nir")
    graph = read_nir(tmp_path / "g.nir")
    got = graph.nodes["node"]
    assert type(got) is type(node)
    for field in fields(node):
        np.testing.assert_array_equal(
            getattr(got, field.name), getattr(node, field.name)
        )
    assert graph.edges == (Edge("in", "node"), Edge("node", "out"))
    assert graph.stage is Stage.CONTINUOUS
    assert graph.fingerprint() == wanted.fingerprint()
    write_nir(graph, tmp_path / "again.nir")
    assert (tmp_path / "g.nir").read_bytes() == (tmp_path / "again.nir").read_bytes()


def test_every_kind_of_a_continuous_graph_is_in_the_round_trip() -> None:
    tested = {type(node) for node, _, _ in NODES.values()} | {n.Input, n.Output}
    assert tested == set(ALLOWED[Stage.CONTINUOUS])


def test_float32_weights_stay_float32_in_the_file_and_times_become_float64(
    tmp_path: Path,
) -> None:
    weight: Any = np.array([[0.1, 0.2]], np.float32)
    write_nir(around(n.Linear(weight), (2,), (1,)), tmp_path / "g.nir")
    lif: list[Any] = [np.full(3, each, np.float32) for each in (0.01, 1, 0, 1, 0)]
    write_nir(around(n.LIF(*lif), (3,), (3,)), tmp_path / "l.nir")
    assert stored_type(tmp_path / "g.nir", "weight") == np.float32
    assert stored_type(tmp_path / "l.nir", "tau") == np.float64
    assert stored_type(tmp_path / "l.nir", "r") == np.float32


def stored_type(path: Path, field: str) -> Any:
    with h5py.File(path) as file:
        stored: Any = file[f"node/nodes/node/{field}"]
        return stored.dtype


def test_the_same_graph_gives_the_same_bytes(tmp_path: Path) -> None:
    graph = around(n.Affine(values(3, 2), values(3)), (2,), (3,))
    write_nir(graph, tmp_path / "a.nir", dt_s=1e-4, metadata={"model": "test"})
    time.sleep(1.1)  # HDF5 times have a resolution of one second
    write_nir(graph, tmp_path / "b.nir", dt_s=1e-4, metadata={"model": "test"})
    write_nir(
        read_nir(tmp_path / "a.nir"),
        tmp_path / "c.nir",
        dt_s=1e-4,
        metadata={"model": "test"},
    )
    first = (tmp_path / "a.nir").read_bytes()
    assert first == (tmp_path / "b.nir").read_bytes()
    assert first == (tmp_path / "c.nir").read_bytes()


def test_the_time_step_is_recorded_only_if_given(tmp_path: Path) -> None:
    graph = around(n.Scale(values(2)), (2,), (2,))
    write_nir(graph, tmp_path / "with.nir", dt_s=2e-3)
    write_nir(graph, tmp_path / "without.nir")
    assert read_nir_dt(tmp_path / "with.nir") == 2e-3
    assert read_nir_dt(tmp_path / "without.nir") is None


def test_another_time_step_than_the_recorded_one_is_refused(tmp_path: Path) -> None:
    write_nir(around(n.Scale(values(2)), (2,), (2,)), tmp_path / "g.nir", dt_s=2e-3)
    read_nir(tmp_path / "g.nir", dt_s=2e-3)
    with pytest.raises(InputError, match=r"time step of 0.002 s, got 0.001 s"):
        read_nir(tmp_path / "g.nir", dt_s=1e-3)


def test_nir_itself_reads_what_was_written(tmp_path: Path) -> None:
    weight, bias = values(3, 2), values(3)
    path = tmp_path / "g.nir"
    write_nir(around(n.Affine(weight, bias), (2,), (3,)), path, metadata={"seed": 3})
    graph: Any = nir.read(path)
    np.testing.assert_array_equal(graph.nodes["node"].bias, bias)
    assert graph.metadata["seed"] == 3


# --- files that nir wrote ----------------------------------------------------------


def lif(size: int) -> nir.LIF:
    return nir.LIF(*(np.full(size, each) for each in (1e-3, 10.0, 0.0, 1.0)))


def ends(inputs: int, outputs: int) -> dict[str, nir.NIRNode]:
    return {
        "in": nir.Input({"input": np.array([inputs])}),
        "out": nir.Output({"output": np.array([outputs])}),
    }


def write(
    path: Path, nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]]
) -> None:
    nir.write(path, nir.NIRGraph(nodes, edges))


def test_a_residual_branch_keeps_both_biases(tmp_path: Path) -> None:
    nodes = {
        **ends(2, 3),
        "z_first": nir.Affine(np.ones((3, 2)), np.array([1.0, 2.0, 3.0])),
        "a_skip": nir.Affine(np.ones((3, 2)), np.array([4.0, 5.0, 6.0])),
        "lif": lif(3),
    }
    edges = [("in", "z_first"), ("in", "a_skip"), ("z_first", "lif")]
    write(tmp_path / "g.nir", nodes, [*edges, ("a_skip", "lif"), ("lif", "out")])
    read = nodes_of(tmp_path / "g.nir")
    assert read["z_first"].bias.tolist() == [1, 2, 3]
    assert read["a_skip"].bias.tolist() == [4, 5, 6]
    # by edges from the Input, not by the alphabet as nir.read has them
    assert list(read) == ["in", "z_first", "a_skip", "lif", "out"]


def test_a_missing_v_reset_is_zero(tmp_path: Path) -> None:
    write(
        tmp_path / "g.nir",
        {**ends(3, 3), "lif": lif(3)},
        [("in", "lif"), ("lif", "out")],
    )
    assert nodes_of(tmp_path / "g.nir")["lif"].v_reset.tolist() == [0, 0, 0]


def test_a_self_loop_is_read(tmp_path: Path) -> None:
    edges = [("in", "lif"), ("lif", "lif"), ("lif", "out")]
    write(tmp_path / "g.nir", {**ends(3, 3), "lif": lif(3)}, edges)
    assert Edge("lif", "lif") in read_nir(tmp_path / "g.nir").edges


def test_a_readout_and_valid_padding_are_read(tmp_path: Path) -> None:
    nodes = {
        "in": nir.Input({"input": np.array([2, 5])}),
        "conv": nir.Conv1d(5, np.ones((3, 2, 3)), 1, "valid", 1, 1, np.arange(3.0)),
        "flat": nir.Flatten({"input": np.array([3, 3])}, 0),
        "li": nir.LI(*(np.full(9, each) for each in (1e-3, 2.0, 0.5))),
        "out": nir.Output({"output": np.array([9])}),
    }
    write(tmp_path / "g.nir", nodes, list(zip(list(nodes), list(nodes)[1:])))  # noqa: B905
    read = nodes_of(tmp_path / "g.nir")
    assert read["conv"].bias.tolist() == [0, 1, 2]
    assert read["flat"].target_shape == (9,)
    assert read["li"].v_leak.tolist() == [0.5] * 9


def test_integers_are_read_as_numbers(tmp_path: Path) -> None:
    nodes = {**ends(2, 1), "fc": nir.Linear(np.array([[1, -2]], np.int8))}
    write(tmp_path / "g.nir", nodes, [("in", "fc"), ("fc", "out")])
    weight = nodes_of(tmp_path / "g.nir")["fc"].weight
    assert weight.tolist() == [[1, -2]]
    assert weight.dtype == np.float64


# --- what NIR cannot hold ----------------------------------------------------------


def assert_refused(graph: Graph, path: Path, match: str) -> None:
    with pytest.raises(GraphError, match=match):
        write_nir(graph, path)
    assert list(path.parent.iterdir()) == []


def test_writing_refuses_a_slash_in_a_name(tmp_path: Path) -> None:
    graph = around(n.Scale(values(2)), (2,), (2,), name="a/b")
    assert_refused(graph, tmp_path / "g.nir", r"node 'a/b'.*without '/'")


def test_writing_refuses_a_point_as_a_name(tmp_path: Path) -> None:
    graph = around(n.Scale(values(2)), (2,), (2,), name=".")
    assert_refused(graph, tmp_path / "g.nir", r"node '.': HDF5 cannot hold this name")


def test_writing_refuses_an_output_scale(tmp_path: Path) -> None:
    nodes = {"in": n.Input((2,)), "out": n.Output((2,), scale=0.5)}
    graph = Graph(nodes, (Edge("in", "out"),), Stage.CONTINUOUS)
    assert_refused(graph, tmp_path / "g.nir", "node 'out': NIR does not keep scale")


def test_writing_refuses_a_delay_on_an_edge(tmp_path: Path) -> None:
    nodes = {"in": n.Input((2,)), "out": n.Output((2,))}
    graph = Graph(nodes, (Edge("in", "out", 2),), Stage.CONTINUOUS)
    assert_refused(graph, tmp_path / "g.nir", "in -> out: NIR edges have no delay")


def test_writing_refuses_a_general_reshape(tmp_path: Path) -> None:
    graph = around(n.Flatten((2, 3), (3, 2)), (2, 3), (3, 2))
    assert_refused(graph, tmp_path / "g.nir", r"node 'node': NIR can join neighboring")


def test_writing_refuses_shapes_that_do_not_meet(tmp_path: Path) -> None:
    graph = around(n.Linear(values(3, 2)), (4,), (3,))
    assert_refused(
        graph,
        tmp_path / "g.nir",
        r"edge in -> node: 'in' sends shape \(4,\).*'node' takes shape \(2,\)",
    )


def test_writing_refuses_a_value_that_is_not_finite(tmp_path: Path) -> None:
    graph = around(n.Scale(np.array([1.0, np.nan])), (2,), (2,))
    assert_refused(
        graph, tmp_path / "g.nir", r"/g\.nir: node .*: scale holds nan at \[1\]"
    )


def test_writing_refuses_a_scalar_parameter(tmp_path: Path) -> None:
    nodes = {
        "in": n.Input((1,)),
        "x": n.Scale(np.array(2.0)),
        "out": n.Output((1,)),
    }
    graph = Graph(nodes, (Edge("in", "x"), Edge("x", "out")), Stage.CONTINUOUS)
    assert_refused(graph, tmp_path / "g.nir", "NIR cannot hold this graph")


def test_writing_refuses_parameters_of_different_shapes(tmp_path: Path) -> None:
    lif = n.LIF(times(3), values(3), values(3), values(1), values(3))
    assert_refused(
        around(lif, (3,), (3,)),
        tmp_path / "g.nir",
        r"node 'node': the parameters of a LIF need one identical shape.*\(1,\)",
    )


def test_writing_refuses_a_padding_of_one_side(tmp_path: Path) -> None:
    # a causal convolution: 2 zeros before, none after; "same" would be 1 and 1
    conv = n.Conv1d(values(3, 2, 3), values(3), 5, padding=(2, 0))
    assert_refused(
        around(conv, (2, 5), (3, 5)),
        tmp_path / "g.nir",
        r"node 'node': NIR cannot say a padding of \[\(2, 0\)\].*\[\(1, 1\)\]",
    )


def test_writing_refuses_the_padding_of_same_with_a_stride(tmp_path: Path) -> None:
    conv = n.Conv1d(values(3, 2, 2), values(3), 5, stride=2, padding=(0, 1))
    assert_refused(
        around(conv, (2, 5), (3, 3)), tmp_path / "g.nir", "with a stride of 1"
    )


def test_writing_refuses_a_pool_of_another_shape_than_arrives(tmp_path: Path) -> None:
    pool = n.SumPool2d((1, 4, 4), (2, 2), (2, 2))
    assert_refused(
        around(pool, (1, 5, 5), (1, 2, 2)),
        tmp_path / "g.nir",
        r"node 'node': NIR does not keep shape: wrote \(1, 4, 4\), read \(1, 5, 5\)",
    )


def test_writing_refuses_another_stage(tmp_path: Path) -> None:
    nodes = {"in": n.Input((2,)), "out": n.Output((2,))}
    graph = Graph(nodes, (Edge("in", "out"),), Stage.DISCRETE, 1e-3)
    assert_refused(graph, tmp_path / "g.nir", "needs a CONTINUOUS graph, got DISCRETE")


def test_a_failed_writing_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "g.nir"
    write_nir(around(n.Scale(values(2)), (2,), (2,)), path)
    before = path.read_bytes()
    with pytest.raises(GraphError):
        write_nir(around(n.Scale(np.array([np.inf, 0.0])), (2,), (2,)), path)
    assert path.read_bytes() == before


def test_writing_into_a_missing_folder_is_an_input_error(tmp_path: Path) -> None:
    graph = around(n.Scale(values(2)), (2,), (2,))
    with pytest.raises(InputError, match=r"there is no folder .*none"):
        write_nir(graph, tmp_path / "none" / "g.nir")


def test_writing_refuses_a_time_step_of_zero(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="time step 0 s; allowed"):
        write_nir(around(n.Scale(values(2)), (2,), (2,)), tmp_path / "g.nir", dt_s=0)


def test_metadata_may_not_hide_another_time_step(tmp_path: Path) -> None:
    graph = around(n.Scale(values(2)), (2,), (2,))
    with pytest.raises(GraphError, match="'dt_s' is reserved"):
        write_nir(graph, tmp_path / "g.nir", metadata={"dt_s": 1e-3})
