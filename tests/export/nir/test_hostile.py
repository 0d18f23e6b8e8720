"""NIR files that point elsewhere, or ask for more memory than they hold."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from spikewright.array_limit import VARIABLE
from spikewright.errors import GraphError, InputError
from spikewright.export.nir.io import read_nir, read_nir_dt

Edit = Callable[[Any], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three values through a Linear and a Scale."""
    nodes = {
        "in": nir.Input({"input": np.array([3])}),
        "fc": nir.Linear(np.eye(3)),
        "by": nir.Scale(np.ones(3)),
        "out": nir.Output({"output": np.array([3])}),
    }
    edges = [("in", "fc"), ("fc", "by"), ("by", "out")]
    nir.write(tmp_path / "g.nir", nir.NIRGraph(nodes, edges, metadata={"dt_s": 1e-4}))
    return tmp_path / "g.nir"


def edit(path: Path, change: Edit) -> None:
    with h5py.File(path, "r+") as file:
        change(file["node"])


def stored_outside(group: Any, name: str, shape: tuple[int, ...]) -> None:
    del group[name]
    size = 8 * int(np.prod(shape))
    group.create_dataset(name, shape, "f8", external=[("/etc/passwd", 0, size)])


def test_refuses_values_in_another_file(path: Path) -> None:
    edit(path, lambda node: stored_outside(node["nodes/fc"], "weight", (3, 3)))
    with pytest.raises(GraphError, match=r"'fc': weight keeps its .* stored outside"):
        read_nir(path)


def test_refuses_a_time_step_of_many_numbers_unread(path: Path) -> None:
    def change(node: Any) -> None:
        del node["metadata/dt_s"]
        node["metadata"].create_dataset("dt_s", (2**40,), "f8", chunks=(64,))

    edit(path, change)
    with pytest.raises(InputError, match="records a time step that is no number"):
        read_nir_dt(path)


def test_refuses_a_virtual_dataset(path: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["w"] = np.eye(3)

    def change(node: Any) -> None:
        layout = h5py.VirtualLayout((3, 3), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "w", (3, 3))
        del node["nodes/fc/weight"]
        node["nodes/fc"].create_virtual_dataset("weight", layout)

    edit(path, change)
    with pytest.raises(GraphError, match=r"'fc': weight keeps its .* virtual dataset"):
        read_nir(path)


def test_refuses_a_word_of_many_bytes_unread(path: Path) -> None:
    def change(node: Any) -> None:
        del node["nodes/fc/type"]
        node["nodes/fc"].create_dataset("type", (), "S1000000")

    edit(path, change)
    with pytest.raises(GraphError, match="node 'fc': has no type"):
        read_nir(path)


def test_refuses_a_chunk_beyond_the_limit(path: Path) -> None:
    def change(node: Any) -> None:
        del node["nodes/by/scale"]
        made = node["nodes/by"].create_dataset(
            "scale", (3,), "f8", chunks=(2**28,), maxshape=(None,), compression="gzip"
        )
        # HDF5 unpacks all of a chunk, 2 GiB here, to read three values of it
        made.id.write_direct_chunk((0,), zlib.compress(bytes(2**12)))

    edit(path, change)
    with pytest.raises(InputError, match=r"'by': scale: would take 2147483648 bytes"):
        _read_with_limit(path, 2**30)


def _read_with_limit(path: Path, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(limit))
        read_nir(path)


def test_all_arrays_count_together(path: Path) -> None:
    # weight, scale, two shapes of one length, each value 8 bytes once it is read
    needed = 8 * (9 + 3 + 1 + 1)
    _read_with_limit(path, needed)
    with pytest.raises(InputError, match=rf"g\.nir: would take {needed} bytes"):
        _read_with_limit(path, needed - 1)


def test_refuses_a_signal_that_is_merely_declared(path: Path) -> None:
    def change(node: Any) -> None:
        for name in ("in", "out"):
            node[f"nodes/{name}/shape"][...] = 2**40
        del node["edges"]
        node["edges"] = np.array([[b"in", b"out"]], dtype=h5py.string_dtype())
        for name in ("fc", "by"):
            del node[f"nodes/{name}"]

    edit(path, change)
    with pytest.raises(InputError, match=r"'in': a signal of shape \(1099511627776,\)"):
        read_nir(path)


def test_refuses_more_edges_than_pairs(path: Path) -> None:
    def change(node: Any) -> None:
        del node["edges"]
        pairs = np.array([[b"in", b"fc"]] * 17, dtype=h5py.string_dtype())
        node.create_dataset("edges", data=pairs)

    edit(path, change)
    with pytest.raises(GraphError, match=r"17 edges between 4 nodes; allowed: .* 16"):
        read_nir(path)


def test_many_edges_of_one_long_name_take_it_once(path: Path) -> None:
    # 16 edges say one name of 1 MiB: 32 MiB, if each had its own copy
    def change(node: Any) -> None:
        del node["edges"]
        pairs = np.array([[b"n" * 2**20, b"a"], *[[b"a", b"a"]] * 15], object)
        made = node.create_dataset("edges", data=pairs, dtype=h5py.string_dtype())
        node.file.flush()
        with path.open("r+b") as raw:
            raw.seek(made.id.get_offset())
            reference = raw.read(16)
            raw.seek(made.id.get_offset())
            raw.write(reference * 32)

    edit(path, change)
    with pytest.raises(GraphError, match=r"edge n{50}"):
        read_nir(path)


def test_refuses_a_word_as_the_padding_of_a_pool(tmp_path: Path) -> None:
    one = np.array([1, 1])
    nodes = {
        "in": nir.Input({"input": np.array([1, 4, 4])}),
        "pool": nir.SumPool2d(one, one, 0 * one),
        "out": nir.Output({"output": np.array([1, 4, 4])}),
    }
    edges = [("in", "pool"), ("pool", "out")]
    path = tmp_path / "g.nir"
    nir.write(path, nir.NIRGraph(nodes, edges, type_check=False))

    def change(node: Any) -> None:
        del node["nodes/pool/padding"]
        node["nodes/pool/padding"] = "same"

    edit(path, change)
    with pytest.raises(GraphError, match="'pool': padding is of type object; allowed:"):
        read_nir(path)
