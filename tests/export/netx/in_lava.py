"""Run netx files in Lava, as lava-dl builds them: `python in_lava.py FOLDER`.

FOLDER holds NAME.net and NAME.npz with `inputs` (steps, *shape as in the file) and
`reset`, the steps of a sample; NAME.spikes.npz gets the spikes of every layer, (steps,
*shape), from the first step at which a layer has data, and the last voltage `v`.

Every `import lava.lib.dl…` loads plotting and object detection, which netx does not
need; empty modules stand in for them.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import h5py
import numpy as np

from spikewright.simulate.lava_backend.engine import compat

compat.apply()


def stand_in() -> None:
    names = ["lava.lib.dl.slayer.object_detection"]
    if importlib.util.find_spec("matplotlib") is None:
        names += ["matplotlib", "matplotlib.pyplot", "matplotlib.animation"]
    for name in names:
        module = types.ModuleType(name)
        module.__path__ = []
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent in names:
            setattr(sys.modules[parent], child, module)


stand_in()
from lava.lib.dl import netx  # noqa: E402
from lava.magma.core.run_conditions import RunSteps  # noqa: E402
from lava.magma.core.run_configs import RunConfig  # noqa: E402
from lava.proc import io  # noqa: E402
from lava.proc.conv import utils  # noqa: E402

utils.TORCH_IS_AVAILABLE = False  # torch hangs in Lava's children


class FixedPoint(RunConfig):
    def __init__(self) -> None:
        super().__init__(custom_sync_domains=None)

    def select(self, _, models):
        return next(model for model in models if "fixed_pt" in model.tags)


def run(path: Path) -> None:
    job = np.load(path.with_suffix(".npz"))
    inputs, reset = job["inputs"], int(job["reset"])
    with h5py.File(path) as file:
        first = file["layer/0"]
        is_driven = first["type"][0] == b"input" and "neuron" in first
    # layers are reset one step apart; a first dense layer is a step behind its input
    net = netx.hdf5.Network(
        str(path), reset_interval=reset or None, reset_offset=int(not is_driven)
    )
    steps = len(inputs) + len(net) - int(is_driven)
    source = io.source.RingBuffer(data=as_lava(inputs))
    source.s_out.connect(net.in_layer.neuron.a_in if is_driven else net.inp)
    sinks = []
    for layer in net.layers:
        sinks.append(io.sink.RingBuffer(shape=layer.out.shape, buffer=steps))
        layer.out.connect(sinks[-1].a_in)
    net.run(condition=RunSteps(steps), run_cfg=FixedPoint())
    found = {}
    for index, sink in enumerate(sinks):
        start = index + (not is_driven)
        found[f"{index}"] = as_file(sink.data.get())[start : start + len(inputs)]
    found["v"] = net.out_layer.neuron.v.get()
    net.stop()
    np.savez(path.with_suffix(".spikes.npz"), **found)


def as_lava(inputs: np.ndarray) -> np.ndarray:
    """(steps, channels, rows, columns) -> (columns, rows, channels, steps)."""
    padded = np.concatenate([inputs, np.zeros((64, *inputs.shape[1:]))])
    return padded.T.astype(np.int32)


def as_file(spikes: np.ndarray) -> np.ndarray:
    return spikes.T.astype(np.uint8)


if __name__ == "__main__":
    for file in sorted(Path(sys.argv[1]).glob("*.net")):
        run(file)
