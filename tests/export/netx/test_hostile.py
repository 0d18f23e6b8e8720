"""netx files that point elsewhere, or ask for more memory than they hold."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from spikewright.array_limit import VARIABLE
from spikewright.errors import GraphError, InputError
from spikewright.export.netx.io import read_netx

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(shutil.copy(GOLDEN / "netx_dense.net", tmp_path))


def test_refuses_a_number_in_another_file(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        neurons = file["layer/1/neuron"]
        del neurons["vThMant"]
        outside = [("/etc/passwd", 0, 4)]
        neurons.create_dataset("vThMant", (1,), "i4", external=outside)
    with pytest.raises(GraphError, match="vThMant keeps its values in other files"):
        read_netx(path, dt_s=1e-3)


def test_layers_that_share_an_array_count_each(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(path, "r+") as file:
        weight = file["layer/1/weight"]
        size = 8 * int(np.prod(weight.shape))
        monkeypatch.setenv(VARIABLE, str(8 * size))
        for index in range(len(file["layer"]), 20):  # hard links: no byte more
            file[f"layer/{index}/weight"] = weight
    with pytest.raises(InputError, match=rf"netx_dense\.net: would take .* {8 * size}"):
        read_netx(path, dt_s=1e-3)
