"""Our integers against the networks that lava-dl itself builds of the same files."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spikewright.export.netx.io import read_netx, read_netx_input, write_netx
from spikewright.nodes import QuantizedIntegrators, QuantizedNeurons
from spikewright.simulate.run import run

HAS_LAVA_DL = bool([*importlib.metadata.distributions(name="lava-dl")])
pytestmark = [
    pytest.mark.lava,
    pytest.mark.slow,
    pytest.mark.skipif(not HAS_LAVA_DL, reason="lava-dl is not installed"),
]
GOLDEN = Path(__file__).parents[2] / "golden"
NAMES = sorted(file.stem for file in GOLDEN.glob("netx_*.net"))
REWRITTEN = ("netx_conv", "netx_cuba_delay")
CHILD = Path(__file__).with_name("in_lava.py")
STEPS, DT_S = 24, 1e-3
SAMPLES = {"netx_conv": 2}
"""with a reset between them; delays and loops would remember the sample before"""


def sample(name):
    """Spikes for a golden network, (samples, steps, *shape)."""
    shape = read_netx_input(GOLDEN / f"{name}.net").shape
    rng = np.random.default_rng(1)
    return (rng.random((SAMPLES.get(name, 1), STEPS, *shape)) < 0.3).astype(int)


def as_sent(name):
    """What Lava gets, one sample after the other."""
    layer, x = read_netx_input(GOLDEN / f"{name}.net"), sample(name)
    flow = x.reshape(-1, *x.shape[2:])
    return flow if layer.neurons is None else layer.weight * flow + layer.bias


@pytest.fixture(scope="module")
def in_lava(tmp_path_factory):
    """What Lava recorded of each file, and of some that we wrote again."""
    folder = tmp_path_factory.mktemp("lava")
    for name in NAMES:
        shutil.copy(GOLDEN / f"{name}.net", folder)
    for name in REWRITTEN:
        graph = read_netx(GOLDEN / f"{name}.net", dt_s=DT_S)
        write_netx(graph, folder / f"{name}.again.net")
    for path in folder.glob("*.net"):
        name = path.name.split(".")[0]
        reset = STEPS if name in SAMPLES else 0
        np.savez(path.with_suffix(".npz"), inputs=as_sent(name), reset=reset)
    command = [sys.executable, str(CHILD), str(folder)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("name", [*NAMES, *(f"{name}.again" for name in REWRITTEN)])
def test_every_layer_fires_as_in_lava(name, in_lava):
    golden = name.split(".")[0]
    graph = read_netx(GOLDEN / f"{golden}.net", dt_s=DT_S)
    trace = run(graph, sample(golden), backend="integer")
    recorded = np.load(in_lava / f"{name}.spikes.npz")
    layers = [k for k, v in graph.nodes.items() if isinstance(v, QuantizedNeurons)]
    for index, layer in enumerate(layers):
        got = trace.spikes[layer]
        wanted = recorded[str(index)]
        assert got.sum() > 0
        assert np.array_equal(got.reshape(-1, *got.shape[2:]), wanted), layer


@pytest.mark.parametrize("name", ["netx_conv", "netx_cuba_delay", "netx_conv.again"])
def test_the_last_voltage_is_that_of_lava(name, in_lava):
    golden = name.split(".")[0]
    graph = read_netx(GOLDEN / f"{golden}.net", dt_s=DT_S)
    assert isinstance([*graph.populations().values()][-1], QuantizedIntegrators)
    trace = run(graph, sample(golden), backend="integer")
    # the Output counts in lava-dl's float units: 64 integers, with 6 bits more
    got = trace.output[-1, -1] * 64 * 64
    assert np.array_equal(got, np.load(in_lava / f"{name}.spikes.npz")["v"])
    assert np.abs(got).min() > 0
