"""The golden graphs: all there, up to date, and the same after another writing."""

from __future__ import annotations

import runpy
from pathlib import Path

import h5py
import pytest

from spikewright.export.nir.io import read_nir, read_nir_dt, write_nir
from spikewright.graph import ALLOWED, Stage

GOLDEN = Path(__file__).parents[2] / "golden"
NAMES = (
    "chip_attention",
    "conv1d_options",
    "conv2d_pool",
    "cuba",
    "delays",
    "heterogeneous",
    "li_readout",
    "nested_recurrent",
    "random_branching",
    "recurrent",
    "residual_bias",
    "soft_reset",
    "ties",
    "two_ends",
    "v_reset",
)


def test_the_files_are_all_there_and_small() -> None:
    files = sorted(GOLDEN.glob("*.nir"))
    assert tuple(file.stem for file in files) == NAMES
    assert max(file.stat().st_size for file in files) < 100_000


def test_the_script_makes_the_same_graphs(tmp_path: Path) -> None:
    runpy.run_path(str(GOLDEN / "make_golden.py"))["main"](tmp_path)
    for name in NAMES:
        made, kept = (read_nir(each / f"{name}.nir") for each in (tmp_path, GOLDEN))
        assert made.fingerprint() == kept.fingerprint(), name


@pytest.mark.parametrize("name", NAMES)
def test_each_records_its_time_step(name: str) -> None:
    dyadic = name in {"soft_reset", "ties", "v_reset"}
    assert read_nir_dt(GOLDEN / f"{name}.nir") == (2.0**-10 if dyadic else 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_reading_and_writing_changes_nothing(name: str, tmp_path: Path) -> None:
    graph = read_nir(GOLDEN / f"{name}.nir")
    write_nir(graph, tmp_path / "again.nir")
    assert read_nir(tmp_path / "again.nir").fingerprint() == graph.fingerprint()


def test_every_kind_of_node_is_in_a_golden_graph() -> None:
    graphs = [read_nir(GOLDEN / f"{name}.nir") for name in NAMES]
    seen = {type(node) for graph in graphs for node in graph.nodes.values()}
    assert seen == set(ALLOWED[Stage.CONTINUOUS])
    with h5py.File(GOLDEN / "nested_recurrent.nir") as file:
        assert "node/nodes/block/nodes/recurrent/nodes/w_rec" in file
