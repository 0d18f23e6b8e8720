"""What read_nir refuses, one at a time."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from spikewright.errors import (
    GraphError,
    InputError,
    SpikewrightError,
    UnsupportedNodeError,
)
from spikewright.export.nir.io import read_nir, read_nir_dt

GOLDEN = Path(__file__).parents[2] / "golden"


def lif(**changes: Any) -> nir.LIF:
    names = ("tau", "r", "v_leak", "v_threshold", "v_reset")
    given = dict(zip(names, (1e-3, 10.0, 0.0, 1.0, 0.0), strict=True))
    return nir.LIF(*(np.full(3, v) for v in (given | changes).values()))


def write(
    path: Path, node: nir.NIRNode, inputs: Any = (3,), outputs: Any = (3,)
) -> Path:
    nodes = {
        "in": nir.Input({"input": np.array(inputs)}),
        "x": node,
        "out": nir.Output({"output": np.array(outputs)}),
    }
    graph = nir.NIRGraph(nodes, [("in", "x"), ("x", "out")], type_check=False)
    nir.write(path, graph)
    return path


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[Callable[[Any], None]], Path]:
    """A good file after a change with h5py."""

    def edit(change: Callable[[Any], None]) -> Path:
        path = write(tmp_path / "g.nir", lif())
        with h5py.File(path, "r+") as file:
            change(file["node"])
        return path

    return edit


def replace(group: Any, name: str, value: Any) -> None:
    del group[name]
    group[name] = value


# --- files -------------------------------------------------------------------------


def test_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"g\.nir: no such file"):
        read_nir(tmp_path / "g.nir")


def test_refuses_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_nir(tmp_path)


def test_refuses_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "g.nir").touch()
    with pytest.raises(InputError, match=r"g\.nir: cannot be read .*empty file"):
        read_nir(tmp_path / "g.nir")


def test_refuses_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "g.nir").write_text("not a graph\n" * 500)
    with pytest.raises(InputError, match=r"not a readable HDF5 file.*export the model"):
        read_nir(tmp_path / "g.nir")


def test_refuses_a_truncated_file(tmp_path: Path) -> None:
    content = (GOLDEN / "residual_bias.nir").read_bytes()
    (tmp_path / "g.nir").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"g\.nir: .*(truncated|damaged)"):
        read_nir(tmp_path / "g.nir")


def test_refuses_zeroed_blocks_that_hang_hdf5(tmp_path: Path) -> None:
    content = bytearray((GOLDEN / "residual_bias.nir").read_bytes())
    heap = content.index(b"GCOL")
    content[heap + 16 : heap + 512] = bytes(496)
    (tmp_path / "g.nir").write_bytes(content)
    with pytest.raises(InputError, match=f"damaged at byte {heap + 16}"):
        read_nir(tmp_path / "g.nir")


def test_refuses_a_list_of_free_names_that_leads_back(tmp_path: Path) -> None:
    content = bytearray((GOLDEN / "residual_bias.nir").read_bytes())
    heap, free = 0, 1
    while free == 1:  # nothing is free
        heap = content.index(b"HEAP", heap + 1)
        _, free, data = struct.unpack_from("<QQQ", content, heap + 8)
    struct.pack_into("<Q", content, data + free, free)  # the next is itself
    (tmp_path / "g.nir").write_bytes(content)
    with pytest.raises(InputError, match=f"damaged at byte {heap}, a heap of strings"):
        read_nir(tmp_path / "g.nir")


def test_reads_a_file_that_keeps_a_heap_which_nobody_reads(tmp_path: Path) -> None:
    content = (GOLDEN / "residual_bias.nir").read_bytes()
    beyond = 2 * len(content)  # editing in place leaves such heaps behind
    stale = b"HEAP" + bytes(4) + struct.pack("<QQQ", 88, 16, beyond)
    (tmp_path / "g.nir").write_bytes(content + stale)
    whole = read_nir(GOLDEN / "residual_bias.nir")
    assert read_nir(tmp_path / "g.nir").fingerprint() == whole.fingerprint()


@pytest.mark.parametrize("name", ["li_readout", "nested_recurrent", "conv2d_pool"])
def test_random_damage_gives_our_error_or_a_graph(name: str, tmp_path: Path) -> None:
    content = (GOLDEN / f"{name}.nir").read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 20):
            damaged[place] = rng.integers(256)
        (tmp_path / "g.nir").write_bytes(damaged)
        try:
            read_nir(tmp_path / "g.nir")
        except SpikewrightError:
            refused += 1
    assert refused > 20  # anything else than a SpikewrightError has failed the test


def test_refuses_another_hdf5_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "g.nir", "w") as file:
        file["weights"] = np.ones(3)
    with pytest.raises(InputError, match=r"HDF5, but not a NIR file.*holds weights"):
        read_nir(tmp_path / "g.nir")


def test_refuses_a_file_without_edges(edited: Any) -> None:
    path = edited(lambda node: node.pop("edges"))
    with pytest.raises(InputError, match="without a list of edges"):
        read_nir(path)


def test_refuses_a_recorded_time_step_that_is_nonsense(edited: Any) -> None:
    path = edited(lambda node: node.__setitem__("metadata/dt_s", -1.0))
    with pytest.raises(InputError, match=r"records a time step of -1.0 s"):
        read_nir_dt(path)


# --- nodes -------------------------------------------------------------------------


def test_refuses_a_kind_that_nir_does_not_know(edited: Any) -> None:
    path = edited(lambda node: replace(node["nodes/x"], "type", "Wave"))
    with pytest.raises(
        UnsupportedNodeError,
        match=r"node 'x': Wave is not supported by read_nir \(.*g\.nir\); "
        r"supported: Affine, AvgPool2d, Conv1d, .*NIRGraph, .*Threshold",
    ):
        read_nir(path)


def test_refuses_a_slash_in_a_name(tmp_path: Path) -> None:
    nodes = {
        "in": nir.Input({"input": np.array([3])}),
        "a/b": lif(),
        "out": nir.Output({"output": np.array([3])}),
    }
    nir.write(tmp_path / "g.nir", nir.NIRGraph(nodes, [("in", "a/b"), ("a/b", "out")]))
    with pytest.raises(GraphError, match=r"node 'a': has no type; a '/' in the name"):
        read_nir(tmp_path / "g.nir")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refuses_values_that_are_not_finite(tmp_path: Path, value: float) -> None:
    path = write(tmp_path / "g.nir", lif(v_threshold=value))
    with pytest.raises(
        GraphError, match=rf"g\.nir: node 'x': v_threshold holds {value}"
    ):
        read_nir(path)


@pytest.mark.parametrize("tau", [0.0, -1e-3])
def test_refuses_a_time_constant_of_zero_or_less(tmp_path: Path, tau: float) -> None:
    path = write(tmp_path / "g.nir", lif(tau=tau))
    with pytest.raises(GraphError, match=f"time constant {tau} s; allowed: above 0"):
        read_nir(path)


def test_refuses_a_negative_delay(tmp_path: Path) -> None:
    path = write(tmp_path / "g.nir", nir.Delay(np.array([0.0, 1e-3, -1e-3])))
    with pytest.raises(GraphError, match=r"node 'x': delay is -0.001; allowed: 0"):
        read_nir(path)


def test_refuses_a_bias_that_does_not_fit_the_weight(tmp_path: Path) -> None:
    path = write(tmp_path / "g.nir", nir.Affine(np.ones((3, 3)), np.ones(99)))
    with pytest.raises(GraphError, match=r"bias has shape \(99,\).*needs \(3,\)"):
        read_nir(path)


def test_refuses_a_convolution_bias_that_does_not_fit(tmp_path: Path) -> None:
    conv = nir.Conv1d(5, np.ones((3, 2, 1)), 1, 0, 1, 1, np.ones(2))
    with pytest.raises(GraphError, match=r"bias has shape \(2,\).*needs \(3,\)"):
        read_nir(write(tmp_path / "g.nir", conv, (2, 5), (3, 5)))


def test_refuses_parameters_of_different_shapes(edited: Any) -> None:
    path = edited(lambda node: replace(node["nodes/x"], "r", np.ones(1)))
    with pytest.raises(
        GraphError, match=r"node 'x'.*one identical shape, got r \(1,\), tau \(3,\)"
    ):
        read_nir(path)


def test_refuses_a_scalar_parameter(edited: Any) -> None:
    path = edited(lambda node: replace(node["nodes/x"], "r", 1.0))
    with pytest.raises(GraphError, match=r"node 'x': r has shape \(\); allowed"):
        read_nir(path)


def test_refuses_text_as_a_parameter(edited: Any) -> None:
    path = edited(lambda node: replace(node["nodes/x"], "r", "ten"))
    with pytest.raises(GraphError, match="node 'x': r is of type object; allowed"):
        read_nir(path)


def test_refuses_complex_parameters(edited: Any) -> None:
    path = edited(lambda node: replace(node["nodes/x"], "r", np.ones(3) * 1j))
    with pytest.raises(GraphError, match="node 'x': r is of type complex128"):
        read_nir(path)


def test_refuses_long_doubles(edited: Any) -> None:
    path = edited(lambda node: replace(node["nodes/x"], "r", np.ones(3, np.longdouble)))
    with pytest.raises(GraphError, match=r"r is of type float128; .* up to 64 bits"):
        read_nir(path)


def test_refuses_an_array_whose_values_are_not_in_the_file(edited: Any) -> None:
    # 8 TB are announced: memory must not be given before that is noticed
    def change(node: Any) -> None:
        del node["nodes/x/r"]
        node.create_dataset("nodes/x/r", (2**40,), np.float64, chunks=(1024,))

    with pytest.raises(GraphError, match=r"node 'x': r has shape .* only 0 bytes are"):
        read_nir(edited(change))


def test_refuses_edges_that_are_not_in_the_file(edited: Any) -> None:
    def change(node: Any) -> None:
        del node["edges"]
        text = h5py.string_dtype()
        node.create_dataset("edges", (2**40, 2), text, chunks=(1024, 2))

    with pytest.raises(GraphError, match=r"graph: edges has shape .* only 0 bytes are"):
        read_nir(edited(change))


@pytest.mark.parametrize(
    "link", [h5py.SoftLink("/node/nodes/x/tau"), h5py.ExternalLink("a.nir", "/r")]
)
def test_refuses_links_out_of_a_node(edited: Any, link: Any) -> None:
    path = edited(lambda node: replace(node["nodes/x"], "r", link))
    with pytest.raises(GraphError, match=r"node 'x': r is a link to /"):
        read_nir(path)


@pytest.mark.parametrize("place", ["edges", "nodes", "nodes/x", "metadata/dt_s"])
def test_refuses_links_out_of_a_graph(edited: Any, place: str) -> None:
    def change(node: Any) -> None:
        node.require_group("metadata")["dt_s"] = 1.0
        replace(node, place, h5py.ExternalLink("other.nir", f"/node/{place}"))

    with pytest.raises(InputError, match=r"g\.nir: \w+ is a link to /node/.*export"):
        read_nir(edited(change))


def test_refuses_a_file_that_is_a_link(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "g.nir", "w") as file:
        file["node"] = h5py.ExternalLink("other.nir", "/node")
    with pytest.raises(InputError, match=r"g\.nir: node is a link to /node"):
        read_nir(tmp_path / "g.nir")


def test_refuses_a_missing_parameter(edited: Any) -> None:
    path = edited(lambda node: node["nodes/x"].pop("r"))
    with pytest.raises(
        GraphError, match=r"node 'x': a LIF has the fields r, tau, .*got"
    ):
        read_nir(path)


def test_refuses_a_parameter_it_does_not_know(edited: Any) -> None:
    path = edited(lambda node: node["nodes/x"].__setitem__("w_in", np.ones(3)))
    with pytest.raises(GraphError, match=r"node 'x': a LIF has .*got .*w_in"):
        read_nir(path)


def test_refuses_integers_that_float64_cannot_hold(tmp_path: Path) -> None:
    path = write(tmp_path / "g.nir", nir.Scale(np.array([1, 2, 2**53 + 1])))
    with pytest.raises(GraphError, match=r"node 'x': scale holds integers of 2\*\*53"):
        read_nir(path)


# --- wiring ------------------------------------------------------------------------


def rewired(edited: Any, *edges: tuple[str, str]) -> Path:
    return edited(lambda node: replace(node, "edges", [list(each) for each in edges]))


def test_refuses_shapes_that_do_not_meet(tmp_path: Path) -> None:
    path = write(tmp_path / "g.nir", nir.Linear(np.ones((3, 2))))
    with pytest.raises(
        GraphError, match=r"edge in -> x: .*\(3,\), but 'x' takes .*\(2,\)"
    ):
        read_nir(path)


def test_refuses_an_edge_without_an_end(edited: Any) -> None:
    path = rewired(edited, ("in", "x"), ("x", "out"), ("x", "y"))
    with pytest.raises(GraphError, match="edge x -> y: no node 'y'; nodes: in, out, x"):
        read_nir(path)


def test_refuses_a_double_edge(edited: Any) -> None:
    path = rewired(edited, ("in", "x"), ("in", "x"), ("x", "out"))
    with pytest.raises(GraphError, match=r"edge in -> x occurs twice; .*Scale of 2"):
        read_nir(path)


def test_refuses_a_node_for_which_nir_would_invent_an_input(edited: Any) -> None:
    path = rewired(edited, ("in", "out"), ("x", "out"))
    with pytest.raises(GraphError, match="node 'x': cannot be reached from the Input"):
        read_nir(path)


def test_refuses_a_node_for_which_nir_would_invent_an_output(edited: Any) -> None:
    path = rewired(edited, ("in", "out"), ("in", "x"))
    with pytest.raises(GraphError, match="node 'x': leads nowhere"):
        read_nir(path)


def test_refuses_an_input_that_leads_nowhere(edited: Any) -> None:
    def change(node: Any) -> None:
        node.copy("nodes/in", node, "nodes/in2")

    with pytest.raises(GraphError, match="node 'in2': leads nowhere, only the Output"):
        read_nir(edited(change))


def test_refuses_an_output_that_nothing_reaches(edited: Any) -> None:
    def change(node: Any) -> None:
        node.copy("nodes/out", node, "nodes/out2")

    with pytest.raises(GraphError, match="node 'out2': cannot be reached from the Inp"):
        read_nir(edited(change))


def test_names_all_inputs_that_do_not_reach_a_node(edited: Any) -> None:
    def change(node: Any) -> None:
        node.copy("nodes/in", node, "nodes/in2")
        node.copy("nodes/x", node, "nodes/y")
        edges = [["in", "x"], ["in2", "x"], ["x", "out"], ["y", "out"]]
        replace(node, "edges", edges)

    with pytest.raises(GraphError, match="'y': cannot be reached from the Inputs 'in'"):
        read_nir(edited(change))


@pytest.mark.parametrize(("name", "kind"), [("in", "Input"), ("out", "Output")])
def test_refuses_a_graph_without_an_end(edited: Any, name: str, kind: str) -> None:
    path = edited(lambda node: node["nodes"].pop(name))
    with pytest.raises(GraphError, match=f"a graph needs an {kind}, got none; nodes: "):
        read_nir(path)


def test_refuses_an_edge_into_the_input(edited: Any) -> None:
    path = rewired(edited, ("in", "x"), ("x", "out"), ("x", "in"))
    with pytest.raises(GraphError, match="x -> in: nothing may enter an Input"):
        read_nir(path)
