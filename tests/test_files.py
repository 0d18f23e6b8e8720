"""Files are whole or absent, and hold what was meant."""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.errors import GraphError, InputError
from spikewright.files import (
    read_arrays,
    read_graph,
    read_trace,
    write_arrays,
    write_graph,
    write_trace,
)
from spikewright.graph import ALLOWED, Edge, Graph, Stage
from spikewright.trace import SpikeTrace
from spikewright.whole_files import whole_file

TWO = np.array([0.1, -2.0])
SQUARE = np.array([[1.5, 0.0], [-0.25, 3.0]])
INTEGERS = np.array([[3, -4], [0, 127]])
KERNEL = np.arange(8).reshape(2, 1, 2, 2)
PADS = ((1, 0), (0, 2))
NODES: dict[type[n.Node], n.Node] = {
    n.Input: n.Input((2, 3)),
    n.Output: n.Output((2,), 0.125),
    n.Affine: n.Affine(SQUARE, TWO),
    n.Linear: n.Linear(SQUARE),
    n.Conv1d: n.Conv1d(SQUARE[None], TWO[:1], 7, 2, (1, 0), 3),
    n.Conv2d: n.Conv2d(KERNEL / 3, TWO, (5, 6), (2, 1), PADS, (1, 2), 2),
    n.SumPool2d: n.SumPool2d((2, 4, 5), (2, 3), (1, 2), (0, 1)),
    n.AvgPool2d: n.AvgPool2d((2, 4, 5), (2, 3), (1, 2), (0, 1)),
    n.Scale: n.Scale(TWO),
    n.Flatten: n.Flatten((2, 3), (6,)),
    n.Delay: n.Delay(TWO),
    n.LIF: n.LIF(TWO, TWO + 1, TWO + 2, TWO + 3, TWO + 4),
    n.IF: n.IF(TWO, TWO + 1, TWO + 2),
    n.CubaLIF: n.CubaLIF(TWO, TWO + 1, TWO + 2, TWO + 3, TWO + 4, TWO + 5, TWO + 6),
    n.LI: n.LI(TWO, TWO + 1, TWO + 2),
    n.CubaLI: n.CubaLI(TWO, TWO + 1, TWO + 2, TWO + 3, TWO + 4),
    n.I: n.I(TWO),
    n.Threshold: n.Threshold(TWO),
    n.DelaySteps: n.DelaySteps((2,), np.array([3, 0])),
    n.BiasLine: n.BiasLine(),
    n.SpikingNeurons: n.SpikingNeurons(
        TWO, TWO + 1, TWO + 2, TWO + 3, drop=TWO + 4, start=TWO + 5
    ),
    n.Integrators: n.Integrators(TWO, TWO + 1, TWO + 2, TWO + 3),
    n.DenseSynapses: n.DenseSynapses(INTEGERS, -2),
    n.TokenSynapses: n.TokenSynapses(INTEGERS[None], 1),
    n.ChannelSynapses: n.ChannelSynapses(SQUARE[None]),
    n.DiagonalSynapses: n.DiagonalSynapses(INTEGERS, 7),
    n.ConvSynapses: n.ConvSynapses(KERNEL, (2, 5, 6), (2, 1), PADS, (1, 2), 2, -3),
    n.SparseSynapses: n.SparseSynapses(
        INTEGERS[0], np.array([0, 4]), np.array([2, 1]), (5, 3), 6
    ),
    n.QuantizedNeurons: n.QuantizedNeurons(
        (2,), np.array([2048, 0]), 99, 64.5, np.array([4096, 7]), np.array([99, 98])
    ),
    n.QuantizedIntegrators: n.QuantizedIntegrators((2,), 0, 1 / 3),
}
STAGED = [
    pytest.param(stage, kind, id=f"{stage.name}-{kind.__name__}")
    for stage, kinds in ALLOWED.items()
    for kind in kinds
]


def _with(stage: Stage, node: n.Node) -> Graph:
    """A graph that holds `node` once, beside the ends."""
    nodes: dict[str, n.Node] = {"input": n.Input((1,)), "output": n.Output((1,))}
    own = {n.Input: "input", n.Output: "output"}.get(type(node), "a/b c.node")
    dt_s = None if stage is Stage.CONTINUOUS else 1 / 3000
    edges = (Edge("output", "input", 2), Edge("input", "output"))
    arrival = {"input": 0, "output": 5} if stage >= Stage.TIMED else {}
    return Graph({**nodes, own: node}, edges, stage, dt_s, arrival)


# --- graphs --------------------------------------------------------------------------


@pytest.mark.parametrize(("stage", "kind"), STAGED)
def test_every_node_of_every_stage_comes_back(
    tmp_path: Path, stage: Stage, kind: type[n.Node]
) -> None:
    graph = _with(stage, NODES[kind])
    write_graph(graph, tmp_path / "graph.npz")
    again = read_graph(tmp_path / "graph.npz")
    assert again.fingerprint() == graph.fingerprint()
    assert list(again.nodes) == list(graph.nodes)
    assert (again.edges, again.dt_s) == (graph.edges, graph.dt_s)
    assert dict(again.arrival) == dict(graph.arrival)
    for name, node in graph.nodes.items():
        for field in dataclasses.fields(node):
            meant, read = (
                getattr(node, field.name),
                getattr(again.nodes[name], field.name),
            )
            assert type(read) is type(meant)
            np.testing.assert_array_equal(read, meant)


def test_a_lowered_graph_is_checked_again_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "graph.npz"
    write_graph(_with(Stage.TIMED, NODES[n.BiasLine]), path)
    arrays = read_arrays(path)
    document = json.loads(str(arrays["graph"]))
    document["edges"].append({"source": "input", "target": "nope", "delay": 0})
    write_arrays(path, {**arrays, "graph": np.array(json.dumps(document))})
    with pytest.raises(GraphError, match="no node 'nope'"):
        read_graph(path)


@pytest.mark.parametrize(
    "document",
    [
        "junk",
        "3",
        "[]",
        "{}",
        '{"nodes": [3]}',
        '{"nodes": [], "edges": [{"from": 1}], "stage": "TIMED", "dt_s": 1}',
        '{"nodes": [], "edges": [], "stage": "LOST", "dt_s": 1, "arrival": {}}',
        '{"nodes": [], "edges": [], "stage": "TIMED", "dt_s": 1, "arrival": []}',
        '{"nodes": [{"name": "a", "kind": "Exec", "values": {}}], "edges": []}',
        '{"nodes": [{"name": "a", "kind": "Linear", "values": {}}], "edges": []}',
    ],
)
def test_a_file_that_is_no_graph_is_refused(tmp_path: Path, document: str) -> None:
    path = tmp_path / "graph.npz"
    write_arrays(path, {"graph": np.array(document)})
    with pytest.raises(InputError, match="not a lowered graph"):
        read_graph(path)


# --- traces --------------------------------------------------------------------------


def _trace() -> SpikeTrace:
    spikes = {
        "hidden": np.array([[[1, 0], [1, 1]]], dtype=np.uint8),
        "block/kv": np.array([[[[0], [1]], [[1], [1]]]], dtype=np.uint8),
    }
    outputs = {"logits": np.array([[[0.1], [1 / 3]]])}
    return SpikeTrace(spikes, outputs, {"dt_s": 1e-4, "texts": ["é"], "steps": 2})


def test_a_trace_comes_back(tmp_path: Path) -> None:
    trace = _trace()
    write_trace(trace, tmp_path / "trace.npz")
    again = read_trace(str(tmp_path / "trace.npz"))
    assert dict(again.meta) == dict(trace.meta)
    assert list(again.outputs) == ["logits"]
    np.testing.assert_array_equal(again.output, trace.output)
    assert set(again.spikes) == set(trace.spikes)
    assert not again.counts
    for name, spikes in trace.spikes.items():
        assert again.spikes[name].dtype == np.uint8
        np.testing.assert_array_equal(again.spikes[name], spikes)
    assert (again.samples, again.steps, again.rate("hidden")) == (1, 2, 0.75)


def test_the_only_output_is_an_array_called_output(tmp_path: Path) -> None:
    write_trace(_trace(), tmp_path / "trace.npz")
    with np.load(tmp_path / "trace.npz") as arrays:
        np.testing.assert_array_equal(arrays["output"], [[[0.1], [1 / 3]]])


def test_several_outputs_come_back_by_name_and_in_order(tmp_path: Path) -> None:
    outputs = {"right": np.array([[[1.0]]]), "a/left": np.array([[[2.0, 3.0]]])}
    write_trace(SpikeTrace({}, outputs), tmp_path / "trace.npz")
    with np.load(tmp_path / "trace.npz") as arrays:
        assert set(arrays) == {"output/right", "output/a/left", "meta"}
    again = read_trace(tmp_path / "trace.npz")
    assert list(again.outputs) == ["right", "a/left"]
    for name, values in outputs.items():
        np.testing.assert_array_equal(again.outputs[name], values)
    with pytest.raises(GraphError, match=r"2 outputs \(right, a/left\); take one"):
        _ = again.output


def test_counts_alone_come_back_as_counts(tmp_path: Path) -> None:
    counts = {"block/kv": np.array([[5, 0]], dtype=np.int64)}
    whole = _trace()
    kept = {"hidden": whole.spikes["hidden"]}
    write_trace(
        SpikeTrace(kept, whole.outputs, whole.meta, counts), tmp_path / "trace.npz"
    )
    again = read_trace(tmp_path / "trace.npz")
    assert (set(again.spikes), set(again.counts)) == ({"hidden"}, {"block/kv"})
    assert again.counts["block/kv"].dtype == np.int64
    assert again.counts["block/kv"].tolist() == [[5, 0]]


def test_a_trace_holds_its_counts_for_other_tools(tmp_path: Path) -> None:
    write_trace(_trace(), tmp_path / "trace.npz")
    with np.load(tmp_path / "trace.npz") as arrays:
        # hidden sends 1 spike, then 2; the four neurons of block/kv 1, then 2
        assert arrays["counts/hidden"].tolist() == [[1, 2]]
        assert arrays["counts/block/kv"].tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"meta": None}, r"not a spike trace \(KeyError\('meta'\)\)"),
        ({"output": None}, r"not a spike trace \(KeyError\('output'\)\)"),
        ({"meta": np.array("junk")}, "not a spike trace"),
        ({"meta": np.array("[]")}, "not a spike trace"),
        ({"output": np.zeros(3)}, "'output' is missing or too flat"),
        ({"output": np.array("text")}, "not a spike trace"),
        ({"spikes/hidden": np.zeros((1, 2, 2))}, "hidden: float64 of shape"),
        ({"spikes/hidden": np.zeros((3, 2, 2), np.uint8)}, r"hidden: .* \(1, 2\) samp"),
        ({"spikes/hidden": np.zeros(1, np.uint8)}, "simulate again"),
        ({"meta": np.array("3")}, "not a spike trace"),
        ({"meta": np.array('{"outputs": 3}')}, "not a spike trace"),
        ({"meta": np.array('{"outputs": ["a", "b"]}')}, "not a spike trace"),
        ({"counts/n": np.zeros((1, 2))}, "counts/n: float64 of shape"),
        ({"counts/n": np.zeros((2, 2), int)}, r"counts/n: int64 .* \(1, 2\) samp"),
    ],
)
def test_a_file_that_is_no_trace_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "trace.npz"
    write_trace(_trace(), path)
    arrays = {**read_arrays(path), **changes}
    write_arrays(path, {k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(InputError, match=message):
        read_trace(path)


# --- arrays --------------------------------------------------------------------------


def test_arrays_come_back_whatever_they_are_called(tmp_path: Path) -> None:
    arrays = {"file": np.arange(3), "a/b": np.ones((2, 0)), "é": np.array("text")}
    write_arrays(tmp_path / "arrays.npz", arrays)
    again = read_arrays(tmp_path / "arrays.npz")
    assert list(again) == list(arrays)
    for name, array in arrays.items():
        assert again[name].dtype == array.dtype
        np.testing.assert_array_equal(again[name], array)


def test_equal_arrays_make_equal_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_arrays(tmp_path / name, {"x": np.arange(9)})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_objects_are_never_pickled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_arrays(tmp_path / "x.npz", {"x": np.array([{}])})
    assert list(tmp_path.iterdir()) == []


def test_a_plain_npy_is_read_as_the_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(4))
    assert read_arrays(tmp_path / "x.npy")["inputs"].tolist() == [0, 1, 2, 3]


def test_pickled_objects_are_refused_and_not_run(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(InputError, match="holds Python objects; save it as an array"):
        read_arrays(tmp_path / "x.npy")


@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x04N."])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.npy: neither \.npy nor \.npz"):
        read_arrays(path)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nope\.npz: no such file"):
        read_arrays(tmp_path / "nope.npz")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_arrays(tmp_path)


def test_damaged_files_are_refused_whatever_is_damaged(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write_arrays(tmp_path / "a", {"x": np.arange(50), "y": np.array("text")})
    np.save(tmp_path / "b.npy", np.arange(50))
    path = tmp_path / "damaged"
    for whole in (tmp_path / "a", tmp_path / "b.npy"):
        for _ in range(400):
            raw = bytearray(whole.read_bytes())
            raw[rng.integers(len(raw))] = rng.integers(256)
            path.write_bytes(
                raw[: rng.integers(len(raw)) if rng.random() < 0.2 else None]
            )
            try:
                read_arrays(path)
            except InputError as error:
                assert str(path) in str(error)
                assert "\n" not in str(error)


# --- whole or absent -----------------------------------------------------------------


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    with whole_file(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, SystemExit])
def test_after_an_error_the_old_file_is_there_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(error), whole_file(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_disk_is_reported_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.txt: cannot be written: No space left"):
        with whole_file(tmp_path / "x.txt") as temporary:
            temporary.write_text("half")
            raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no folder .*nope; make it first"):
        write_arrays(tmp_path / "nope" / "x.npz", {})
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"there is no folder .*file; make it first"):
        write_arrays(tmp_path / "file" / "x.npz", {})


def test_a_folder_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match="taken: exists and is no file"):
        write_arrays(tmp_path / "taken", {})
    assert os.listdir(tmp_path) == ["taken"]


def test_a_device_is_not_replaced() -> None:
    # Renaming onto /dev/null would, for root, replace it by a file.
    with pytest.raises(InputError, match="/dev/null: exists and is no file"):
        write_arrays(os.devnull, {})


@pytest.mark.parametrize("path", ["", ".", "/", ".."])
def test_a_path_without_a_name_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="give a name in it"):
        write_arrays(path, {})


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: File name too long"):
        write_arrays(tmp_path / ("x" * 300), {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written: Permission denied"):
        write_arrays(tmp_path / "x.npz", {})


def test_arrays_are_compressed(tmp_path: Path) -> None:
    write_arrays(tmp_path / "x.npz", {"x": np.zeros(10**5)})
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        assert archive.infolist()[0].compress_type == zipfile.ZIP_DEFLATED
