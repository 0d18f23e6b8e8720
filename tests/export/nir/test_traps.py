"""What nir 1.0.8 gets wrong or leaves open, one trap at a time.

Where nir itself fails, the test shows it, so that a better nir is noticed.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.errors import InputError
from spikewright.export.nir.io import read_nir, read_nir_dt, write_nir
from spikewright.graph import Edge, Graph, Stage


def write(path: Path, inputs: Any, outputs: Any, *nodes: nir.NIRNode) -> Path:
    """Write a chain of nodes x0, x1, … without letting nir look at its shapes."""
    named = {
        "in": nir.Input({"input": np.array(inputs)}),
        **{f"x{index}": node for index, node in enumerate(nodes)},
        "out": nir.Output({"output": np.array(outputs)}),
    }
    graph = nir.NIRGraph(named, list(pairwise(named)), type_check=False)
    nir.write(path, graph)
    return path


def only(path: Path) -> Any:
    return read_nir(path).nodes["x0"]


def change(path: Path, **values: Any) -> Path:
    """Replace fields of x0; None deletes."""
    with h5py.File(path, "r+") as file:
        node: Any = file["node/nodes/x0"]
        for field, value in values.items():
            del node[field]
            if value is not None:
                node[field] = value
    return path


def cuba_lif(**changes: Any) -> nir.CubaLIF:
    values = {"tau_syn": 2e-3, "tau_mem": 4e-3, "r": 3.0, "v_leak": 0.5}
    arrays = {key: np.full(3, value) for key, value in values.items()}
    return nir.CubaLIF(**arrays, v_threshold=np.ones(3), **changes)


# --- primitives ----------------------------------------------------------------------


def test_a_layer_without_a_bias_is_written_as_linear_and_read_so(
    tmp_path: Path,
) -> None:
    # nir.Affine(weight, None) can be made, but not written
    with pytest.raises(TypeError):
        write(tmp_path / "a.nir", (2,), (3,), nir.Affine(np.ones((3, 2)), None))
    path = write(tmp_path / "g.nir", (2,), (3,), nir.Linear(np.ones((3, 2))))
    assert isinstance(only(path), n.Linear)


def test_leading_axes_of_a_weight_belong_to_the_signal(tmp_path: Path) -> None:
    weight = np.arange(2 * 3 * 4.0).reshape(2, 3, 4)
    path = write(
        tmp_path / "g.nir", (2, 4), (2, 3), nir.Affine(weight, np.ones((2, 3)))
    )
    np.testing.assert_array_equal(only(path).weight, weight)


def test_a_missing_w_in_is_one_and_a_single_one_holds_for_all(tmp_path: Path) -> None:
    path = write(tmp_path / "g.nir", (3,), (3,), cuba_lif(w_in=2.0))
    assert only(path).w_in.tolist() == [2, 2, 2]
    assert only(change(path, w_in=5.0)).w_in.tolist() == [5, 5, 5]
    assert only(change(path, w_in=None)).w_in.tolist() == [1, 1, 1]


def test_a_missing_v_reset_is_zero_in_every_neuron(tmp_path: Path) -> None:
    # files of nir before 1.0.5 have none
    for node in (cuba_lif(), nir.IF(np.ones(3), np.ones(3))):
        path = change(write(tmp_path / "g.nir", (3,), (3,), node), v_reset=None)
        assert only(path).v_reset.tolist() == [0, 0, 0]


def test_times_are_read_as_the_seconds_that_they_are(tmp_path: Path) -> None:
    # some importers multiply by 1e-3: NIR's table says milliseconds
    read = only(write(tmp_path / "g.nir", (3,), (3,), cuba_lif()))
    assert read.tau_syn_s.tolist() == [2e-3] * 3
    assert read.tau_mem_s.tolist() == [4e-3] * 3
    assert read_nir_dt(tmp_path / "g.nir") is None


@pytest.mark.parametrize("field", ["tau_syn", "tau_mem"])
def test_both_time_constants_must_be_positive(field: str, tmp_path: Path) -> None:
    path = write(tmp_path / "g.nir", (3,), (3,), cuba_lif())
    change(path, **{field: np.array([1e-3, 0.0, 1e-3])})
    with pytest.raises(
        ValueError, match=rf"node 'x0': {field}, a time constant 0\.0 s"
    ):
        read_nir(path)


# --- shapes --------------------------------------------------------------------------


def test_a_grouped_convolution_is_read_where_nir_refuses(tmp_path: Path) -> None:
    conv = nir.Conv1d(5, np.ones((4, 1, 3)), 1, 1, 1, 4, np.zeros(4))
    path = write(tmp_path / "g.nir", (4, 5), (4, 5), conv)
    with pytest.raises(ValueError, match="type mismatch"):
        nir.read(path)
    assert only(path).groups == 4


def test_a_kernel_that_is_not_square_is_read_where_nir_refuses(tmp_path: Path) -> None:
    # 5 - 2 = 3 rows, 5 - 1 = 4 columns; nir says 3 and 3
    conv = nir.Conv2d((5, 5), np.ones((1, 1, 3, 2)), 1, 0, 1, 1, np.zeros(1))
    path = write(tmp_path / "g.nir", (1, 5, 5), (1, 3, 4), conv)
    with pytest.raises(ValueError, match="type mismatch"):
        nir.read(path)
    assert only(path).size == (5, 5)


def test_an_open_input_shape_is_read_where_nir_refuses(tmp_path: Path) -> None:
    conv = nir.Conv1d(5, np.ones((4, 2, 3)), 1, 0, 1, 1, np.zeros(4))
    path = write(tmp_path / "g.nir", (2, 5), (4, 3), conv)
    change(path, input_shape=None)
    with pytest.raises(TypeError, match="input_shape"):
        nir.read(path)
    assert only(path).tokens == 5


def test_an_input_shape_in_a_list_is_read(tmp_path: Path) -> None:
    conv = nir.Conv1d(5, np.ones((4, 2, 3)), 1, 0, 1, 1, np.zeros(4))
    path = write(tmp_path / "g.nir", (2, 5), (4, 3), conv)
    assert only(change(path, input_shape=np.array([5]))).tokens == 5


def test_what_we_write_is_read_by_nir_where_nir_can(tmp_path: Path) -> None:
    # stride 2, one group, a square kernel: (6 + 2 - 2 - 1) // 2 + 1 = 3
    conv = n.Conv2d(np.ones((2, 1, 3, 3)), np.ones(2), (6, 6), (2, 2), ((1, 1), (1, 1)))
    pool = n.SumPool2d((2, 3, 3), (2, 2), (1, 1))
    nodes: dict[str, n.Node] = {
        "in": n.Input((1, 6, 6)),
        "conv": conv,
        "pool": pool,
        "flat": n.Flatten((2, 2, 2), (8,)),
        "out": n.Output((8,)),
    }
    edges = tuple(Edge(*pair) for pair in pairwise(nodes))
    write_nir(Graph(nodes, edges, Stage.CONTINUOUS), tmp_path / "g.nir")
    document: Any = nir.read(tmp_path / "g.nir", type_check=True)
    assert document.nodes["conv"].padding.tolist() == [1, 1]
    assert document.nodes["pool"].output_type["output"].tolist() == [2, 2, 2]


# --- graphs --------------------------------------------------------------------------


def two_ends(*order: str) -> Graph:
    """Two Inputs into one neuron, which one Output reads with an Input beside it."""
    every: dict[str, n.Node] = {
        "b": n.Input((2,)),
        "a": n.Input((2,)),
        "neuron": n.Threshold(np.ones(2)),
        "y": n.Output((2,)),
        "x": n.Output((2,)),
    }
    pairs = ["b neuron", "a neuron", "neuron y", "neuron x", "a x"]
    edges = tuple(Edge(*pair.split()) for pair in pairs)
    nodes = {name: every[name] for name in order or every}
    return Graph(nodes, edges, Stage.CONTINUOUS)


def test_several_inputs_and_outputs_keep_their_order(tmp_path: Path) -> None:
    # the file is sorted by name; the order is that of the edges
    write_nir(two_ends(), tmp_path / "g.nir")
    graph = read_nir(tmp_path / "g.nir")
    assert list(graph.inputs) == ["b", "a"]
    assert list(graph.outputs) == ["y", "x"]
    assert graph.fingerprint() == two_ends().fingerprint()
    write_nir(two_ends("x", "a", "neuron", "y", "b"), tmp_path / "other.nir")
    assert (tmp_path / "g.nir").read_bytes() == (tmp_path / "other.nir").read_bytes()


def test_fan_in_at_an_output_keeps_every_summand(tmp_path: Path) -> None:
    write_nir(two_ends(), tmp_path / "g.nir")
    assert read_nir(tmp_path / "g.nir").into("x") == (
        Edge("neuron", "x"),
        Edge("a", "x"),
    )


def test_a_chain_of_two_thousand_nodes_is_read(tmp_path: Path) -> None:
    scales = [nir.Scale(np.full(1, 1.0 + index)) for index in range(2000)]
    read = list(read_nir(write(tmp_path / "g.nir", (1,), (1,), *scales)).nodes.values())
    assert len(read) == 2002
    last = read[-2]
    assert isinstance(last, n.Scale)
    assert last.scale.tolist() == [2000.0]


# --- files ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.int8, np.uint16, ">f4"])
def test_every_type_of_number_is_read_exactly(kind: Any, tmp_path: Path) -> None:
    values = np.array([0, 1, 3, 100, 77], kind)
    path = write(tmp_path / "g.nir", (5,), (5,), nir.Scale(values))
    assert only(path).scale.tolist() == [0, 1, 3, 100, 77]


def test_every_half_precision_number_is_read_exactly(tmp_path: Path) -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    values = every[np.isfinite(every)]
    path = write(tmp_path / "g.nir", (values.size,), (values.size,), nir.Scale(values))
    wanted = values.astype(np.float64)
    assert only(path).scale.tobytes() == wanted.tobytes()  # -0.0 and subnormals, too


def test_weights_are_in_memory_once(tmp_path: Path) -> None:
    # float32 in the file, float64 in the graph, and no copy made on the way
    weight = np.ones((3, 2), np.float32)
    read = only(write(tmp_path / "g.nir", (2,), (3,), nir.Linear(weight))).weight
    assert read.dtype == np.float64
    assert read.base is None
    assert not read.flags.writeable


def test_a_format_from_the_future_is_refused(tmp_path: Path) -> None:
    # nir itself reads it in silence
    path = write(tmp_path / "g.nir", (2,), (2,), nir.Scale(np.ones(2)))
    with h5py.File(path, "r+") as file:
        del file["version"]
        file["version"] = "99.0"
    nir.read(path)
    with pytest.raises(
        InputError, match=r"g\.nir: was written by nir 99\.0; allowed: 0"
    ):
        read_nir(path)


def test_points_in_names_are_kept(tmp_path: Path) -> None:
    nodes: dict[str, n.Node] = {
        "in.0": n.Input((2,)),
        "a.b": n.Scale(np.ones(2)),
        "a_b": n.Scale(np.ones(2)),
        "out": n.Output((2,)),
    }
    edges = tuple(Edge(*pair) for pair in pairwise(nodes))
    graph = Graph(nodes, edges, Stage.CONTINUOUS)
    write_nir(graph, tmp_path / "g.nir")
    assert read_nir(tmp_path / "g.nir").fingerprint() == graph.fingerprint()
