"""The same module gives the same bytes, wherever it is exported, and keeps them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import snntorch as snn
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from spikewright.export.from_snntorch import export_snntorch
from spikewright.export.nir.io import read_nir, write_nir
from spikewright.export.snntorch.convert.constants import (
    convolve_constant,
    multiply_constant,
)
from spikewright.export.to_snntorch import import_nir
from spikewright.graph import Graph
from spikewright.nodes import Affine

DT_S = 1e-3

NET = """
import snntorch as snn
import torch
from torch import nn


def lif(**kwargs):
    return snn.Leaky(0.9, init_hidden=True, **kwargs)


class Net(nn.Module):
    \"\"\"A wide fan-in, a loop, a constant that passes wide layers, two outputs.\"\"\"

    def __init__(self):
        super().__init__()
        self.fc = nn.ModuleList([nn.Linear(16, 16) for _ in range(6)])
        self.l = nn.ModuleList([lif() for _ in range(6)])
        self.shift = nn.Parameter(torch.rand(768))
        self.up, self.wide = nn.Linear(16, 768), lif(reset_mechanism="zero")
        self.mix, self.mixed = nn.Linear(768, 768), lif(reset_mechanism="zero")
        self.conv = nn.Conv1d(48, 48, 5, padding=2)
        self.norm, self.down = nn.BatchNorm1d(768), nn.Linear(768, 4)
        self.side = nn.Linear(768, 4)
        self.own = snn.RLeaky(0.5, linear_features=4, init_hidden=True)

    def forward(self, x, rows):
        h = [l(f(x)) for l, f in zip(self.l, self.fc)]
        wide = self.wide(self.up(h[0] + h[1] + h[2] + h[3] + h[4] + h[5]))
        wide = self.mixed(self.norm(self.mix(wide + self.shift)))
        rows = self.conv(rows + self.shift.reshape(48, 16)).flatten(1)
        return self.own(self.down(wide) + self.side(rows)), h[0]
"""

SCRIPT = """
import sys
from safetensors.torch import load_file
from spikewright.export.from_snntorch import export_snntorch
from spikewright.export.nir.io import write_nir
from net import Net

weights = load_file("net.safetensors")
sample = {name: weights.pop(name) for name in ("x", "rows")}
net = Net().eval()
net.load_state_dict(weights)
graph = export_snntorch(net, sample, dt_s=1e-3, verify=False)
write_nir(graph, sys.argv[1], dt_s=1e-3)
"""
WAYS = [
    *({"PYTHONHASHSEED": seed} for seed in ("0", "1", "random")),
    *({"OMP_NUM_THREADS": n, "OPENBLAS_NUM_THREADS": n} for n in ("1", "2")),
    {"OPENBLAS_CORETYPE": "Prescott", "ATEN_CPU_CAPABILITY": "default"},
    {"OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx2"},
    {"MKL_CBWR": "COMPATIBLE", "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3"},
]
"""environments: hash seeds, threads, and what other machines would compute with"""


@pytest.mark.slow
def test_the_same_module_gives_the_same_bytes_anywhere(tmp_path: Path) -> None:
    for name, text in (("net.py", NET), ("script.py", SCRIPT)):
        (tmp_path / name).write_text(text)
    scope: dict[str, Any] = {}
    exec(NET, scope)  # noqa: S102 - the text above
    torch.manual_seed(0)
    sample = {"x": torch.rand(2, 16), "rows": torch.rand(2, 48, 16)}
    save_file({**scope["Net"]().state_dict(), **sample}, tmp_path / "net.safetensors")
    found = []
    for index, way in enumerate(WAYS):
        path = tmp_path / f"{index}.nir"
        done = subprocess.run(
            [sys.executable, "script.py", str(path)],
            cwd=tmp_path,
            env={**os.environ, **way},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        found.append(hashlib.sha256(path.read_bytes()).hexdigest())
    assert [way for way, one in zip(WAYS, found, strict=True) if one != found[0]] == []


# --- constants -----------------------------------------------------------------------


def whole(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Return whole numbers, of which sums are exact in any order."""
    return rng.integers(-8, 9, shape).astype(np.float64)


def test_a_constant_passes_matrices_as_in_numpy() -> None:
    rng = np.random.default_rng(0)
    weight, tokens = whole(rng, 5, 7), whole(rng, 3, 7)
    np.testing.assert_array_equal(multiply_constant(weight, tokens), tokens @ weight.T)
    np.testing.assert_array_equal(
        multiply_constant(weight, tokens[0]), weight @ tokens[0]
    )
    each = whole(rng, 3, 5, 7)
    wanted = np.matmul(each, tokens[..., np.newaxis])[..., 0]
    np.testing.assert_array_equal(multiply_constant(each, tokens), wanted)


@pytest.mark.parametrize(
    ("kernel", "size", "stride", "dilation", "groups"),
    [
        ((6, 4, 3), (11,), (2,), (2,), 1),
        ((6, 2, 3), (11,), (2,), (2,), 2),
        ((4, 1, 1), (5,), (1,), (1,), 4),
        ((6, 4, 3, 2), (7, 6), (2, 1), (1, 2), 1),
        ((6, 2, 2, 3), (8, 9), (1, 2), (2, 1), 2),
    ],
)
def test_a_constant_passes_convolutions_as_in_torch(
    kernel: tuple[int, ...],
    size: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> None:
    rng = np.random.default_rng(0)
    weight, x = whole(rng, *kernel), whole(rng, kernel[1] * groups, *size)
    convolve = F.conv1d if len(size) == 1 else F.conv2d
    given = torch.from_numpy(x)[None], torch.from_numpy(weight)
    wanted = convolve(*given, None, stride, 0, dilation, groups)[0].numpy()
    got = convolve_constant(weight, x, stride, dilation, groups)
    np.testing.assert_array_equal(got, wanted)


# --- a file and its reader -----------------------------------------------------------


def residual(dtype: torch.dtype = torch.float32) -> Graph:
    """Return a graph with branches, a loop, and edges that no alphabet orders.

    Its weights are multiples of 1/3, so float32 does not hold those of float64.
    """

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.z, self.b, self.m = (nn.Linear(4, 4) for _ in range(3))
            self.l2 = snn.Leaky(0.9, init_hidden=True)
            self.l1 = snn.RLeaky(0.5, linear_features=4, init_hidden=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = self.l2(self.z(x))
            spikes: torch.Tensor = self.l1(self.b(h) + h + self.m(x))
            return spikes

    torch.manual_seed(0)
    net = Net().to(dtype)
    with torch.no_grad():
        for name, each in net.named_parameters():
            each.mul_(1 / 3 if "weight" in name or "bias" in name else 1)
    return export_snntorch(net, torch.rand(2, 4), dt_s=DT_S, verify=False)


def read_again(graph: Graph, path: Path) -> Graph:
    write_nir(graph, path, dt_s=DT_S)
    return read_nir(path)


def test_nodes_and_edges_keep_their_order_in_a_file(tmp_path: Path) -> None:
    graph = residual()
    read = read_again(graph, tmp_path / "net.nir")
    assert read.edges == graph.edges
    assert list(read.nodes) == list(graph.nodes)
    assert list(graph.nodes) != sorted(graph.nodes)


def test_a_file_of_float64_is_written_again_to_the_byte(tmp_path: Path) -> None:
    first, second = tmp_path / "1.nir", tmp_path / "2.nir"
    read_again(read_again(residual(torch.float64), first), second)
    assert first.read_bytes() == second.read_bytes()


def test_a_file_of_float32_is_read_as_float64_and_then_the_same(tmp_path: Path) -> None:
    """float64 holds every float32: the values stay, the second file is wider."""
    paths = [tmp_path / f"{i}.nir" for i in range(3)]
    graph = residual()
    for path in paths:
        graph = read_again(graph, path)
    with h5py.File(paths[0]) as one, h5py.File(paths[1]) as other:
        weights = [file["node/nodes/z/weight"] for file in (one, other)]
        assert [each.dtype for each in weights] == [np.float32, np.float64]
        np.testing.assert_array_equal(weights[0][()], weights[1][()])
    assert paths[1].read_bytes() == paths[2].read_bytes()


# --- memory --------------------------------------------------------------------------

LAYERS: dict[str, Callable[[], tuple[nn.Module, tuple[int, ...]]]] = {
    "linear": lambda: (nn.Linear(4, 3), (4,)),
    "conv1d": lambda: (nn.Conv1d(2, 3, 2), (2, 5)),
    "conv2d": lambda: (nn.Conv2d(2, 3, 2), (2, 5, 5)),
    "batch_norm": lambda: (nn.BatchNorm1d(4), (4,)),
    "leaky": lambda: (snn.Leaky(torch.rand(4), init_hidden=True), (4,)),
    "rleaky": lambda: (
        snn.RLeaky(0.5, V=torch.rand(4), all_to_all=False, init_hidden=True),
        (4,),
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_no_array_of_a_graph_is_memory_of_the_module(
    name: str, dtype: torch.dtype
) -> None:
    layer, shape = LAYERS[name]()
    net = nn.Sequential(layer).eval().to(dtype)
    sample = torch.rand(2, *shape, dtype=dtype)
    graph = export_snntorch(net, sample, dt_s=DT_S, verify=False)
    held = [*net.parameters(), *net.buffers()]
    before = graph.fingerprint()
    with torch.no_grad():
        for each in held:
            each.add_(1)
    assert graph.fingerprint() == before
    for array in arrays_of(graph):
        assert not any(np.shares_memory(array, t.detach().numpy()) for t in held)


def arrays_of(graph: Graph) -> list[np.ndarray]:
    nodes = graph.nodes.values()
    found = [getattr(node, each.name) for node in nodes for each in fields(node)]
    return [each for each in found if isinstance(each, np.ndarray)]


def test_training_an_imported_network_leaves_its_graph_alone() -> None:
    graph = residual()
    before = graph.fingerprint()
    network = import_nir(graph, dt_s=DT_S, learn_neurons=True)
    with torch.no_grad():
        for each in network.parameters():
            each.add_(1)
    assert graph.fingerprint() == before
    assert isinstance(graph.nodes["z"], Affine)
