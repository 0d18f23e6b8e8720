"""No name from a file becomes a path: nodes may be called as they like."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from spikewright.files import read_graph, read_trace, write_graph
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import DenseSynapses, Input, Output, QuantizedNeurons

UP = "../../x"
ROOT = "/x"
NAMES = {"input": f"{UP}/in", "neurons": UP, "output": ROOT}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder two deep, in which we are, with a graph of such names."""
    work = tmp_path / "a" / "b"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    source, middle, end = NAMES.values()
    nodes = {
        source: Input((2,)),
        f"{UP}/w": DenseSynapses(np.full((3, 2), 9), exponent=2),
        middle: QuantizedNeurons((3,), dv=2048, vth=64, scale=1.0),
        "..": DenseSynapses(np.ones((2, 3), np.int64), exponent=0),
        end: Output((2,), 1.0),
    }
    names = list(nodes)
    edges = tuple(Edge(a, b) for a, b in pairwise(names))
    arrival = {source: 0, middle: 1, end: 2}
    write_graph(Graph(nodes, edges, Stage.QUANTIZED, 1e-3, arrival), "net.npz")
    np.save("x.npy", np.ones((2, 3, 2), np.uint8))
    return work


def _files(root: Path) -> set[str]:
    return {str(each.relative_to(root)) for each in root.rglob("*") if each.is_file()}


def test_names_that_climb_write_only_what_was_asked_for(
    run: Callable[..., object], place: Path, tmp_path: Path
) -> None:
    assert list(read_graph("net.npz").nodes)[2] == UP
    inputs = ("--inputs", "x.npy")
    for argv in (
        ("simulate", "net.npz", *inputs, "-o", "trace.npz"),
        ("simulate", "net.npz", *inputs, "--workers", "2", "-o", "two.npz"),
        (
            *("simulate", "net.npz", *inputs, "--backend", "lava"),
            *("--runtime", "local", "-o", "lava.npz"),
        ),
        (
            *("report", "net.npz", "trace.npz", "--teacher", "bert-base"),
            *("--tokens", "16", "--draws", "1000", "-o", "report.json"),
        ),
        ("plot", "raster", "trace.npz", "-o", "raster.svg"),
    ):
        done = run(*argv)
        assert done.status == 0, (argv, done)
    one, two, lava = (read_trace(f"{x}.npz") for x in ("trace", "two", "lava"))
    for each in (two, lava):
        np.testing.assert_array_equal(each.spikes[UP], one.spikes[UP])
    assert one.spikes[UP].any()
    assert UP in json.dumps(json.loads(Path("report.json").read_text()))
    written = {"net.npz", "x.npy", "trace.npz", "two.npz", "lava.npz", "report.json"}
    assert _files(tmp_path) == {f"a/b/{each}" for each in (*written, "raster.svg")}
    assert not Path(ROOT).exists()


def test_passes_are_dumped_by_the_names_of_passes(
    run: Callable[..., object], place: Path, tmp_path: Path, golden
) -> None:
    before = _files(tmp_path)
    done = run("lower", golden("ties"), "--dump-passes", "passes")
    assert done.status == 0
    made = {each.removeprefix("a/b/passes/") for each in _files(tmp_path) - before}
    assert "quantize.npz" in made
    assert all(each.removesuffix(".npz").isidentifier() for each in made)
