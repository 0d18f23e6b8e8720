"""Runs random nets of Lava's own processes by our models and by Lava's.

`python lava_models_child.py {local,lava} FIRST LAST` prints, for each seed, how many
numbers were recorded, how many are not 0, and how many differ.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from spikewright.simulate.lava_backend.engine.local import LocalRuntime
from spikewright.simulate.lava_backend.engine.native import NativeRuntime
from spikewright.simulate.lava_backend.engine.network import (
    LIF,
    Dense,
    Network,
    RingBuffer,
    Sparse,
    run_config,
)
from spikewright.simulate.lava_backend.engine.processes.recorder import Recorder
from spikewright.simulate.lava_backend.plan import FIXED_TAG, FLOAT_TAG

# Behind the engine, which mends Lava so that it can be imported.
from lava.proc.dense.process import DelayDense  # isort: skip
from lava.proc.sparse.process import DelaySparse  # isort: skip
from lava.utils.weightutils import SignMode  # isort: skip
from scipy.sparse import csr_matrix  # isort: skip

STEPS, SIZE = 14, 7
SAMPLE = {"interval": STEPS}


def connection(rng, *, is_fixed):
    """All kinds, sign modes, widths, shifts and message types."""
    weights = rng.integers(-200, 201, (SIZE, SIZE))
    sign = rng.integers(3)
    if sign:
        weights = np.abs(weights) * (1 if sign == 1 else -1)
    params = {"num_message_bits": int(rng.integers(2)) * 24, **SAMPLE}
    if is_fixed:
        params |= {"weight_exp": int(rng.integers(-4, 3))}
        params |= {"num_weight_bits": int(rng.integers(5, 9))}
        modes = {0: SignMode.MIXED, 1: SignMode.EXCITATORY, 2: SignMode.INHIBITORY}
        if rng.random() < 0.5:
            params["sign_mode"] = modes[sign]
    else:
        weights = weights / 64
    delay = int(rng.integers(0, 4))
    if rng.random() < 0.5:
        if delay:
            return DelayDense(weights=weights, delays=delay, **params)
        return Dense(weights=weights, **params)
    sparse = csr_matrix(weights * (rng.random((SIZE, SIZE)) < 0.6))
    delays = sparse.astype(np.int64)
    delays.data[:] = delay
    if delay:
        return DelaySparse(weights=sparse, delays=delays, **params)
    return Sparse(weights=sparse, **params)


def neurons(rng, *, is_fixed):
    """A bias, and decays of each neuron."""
    if is_fixed:
        du, dv = rng.integers(-1, 4096, SIZE), rng.integers(300, 4097, SIZE)
        mant, exp = rng.integers(-4000, 4001, SIZE), rng.integers(-3, 7, SIZE)
        bias = {"bias_mant": mant, "bias_exp": exp}
        return LIF(shape=(SIZE,), du=du, dv=dv, vth=300, **bias, **SAMPLE)
    du, dv, bias = rng.integers(0, 9, (3, SIZE)) / 8
    return LIF(shape=(SIZE,), du=du, dv=dv, bias_mant=bias, vth=3.5, **SAMPLE)


def build(seed, folder, models):
    """A chain with feedback, and recorders of spikes and of sums."""
    rng = np.random.default_rng(seed)
    is_fixed = bool(seed % 2)
    tag = FIXED_TAG if is_fixed else FLOAT_TAG
    source = RingBuffer(data=rng.integers(-2, 3, (SIZE, STEPS)))
    source.proc_params["interval"] = STEPS
    inner, loop, outer = (connection(rng, is_fixed=is_fixed) for _ in range(3))
    cells = neurons(rng, is_fixed=is_fixed)
    source.s_out.connect(inner.s_in)
    inner.a_out.connect(cells.a_in)
    cells.s_out.connect(loop.s_in)
    loop.a_out.connect(cells.a_in)
    cells.s_out.connect(outer.s_in)
    for index, port in enumerate((cells.s_out, outer.a_out, inner.a_out)):
        recorder = Recorder(
            shape=(SIZE,),
            window=(0, STEPS),
            interval=STEPS,
            dtype=np.int64 if is_fixed else np.float64,
            path=folder / f"{index}.npy",
            name=f"recorder {index}",
        )
        port.connect(recorder.s_in)
    return Network(recorder, run_config(tag, models), {}, ())


def recorded(seed, models, runtime):
    """Return all that was recorded, (recorders, steps, SIZE)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network = build(seed, folder, models)
        running = (
            LocalRuntime(network) if runtime == "local" else NativeRuntime(network)
        )
        running.run(STEPS)
        running.stop()
        return np.stack([np.load(folder / f"{index}.npy") for index in range(3)])


if __name__ == "__main__":
    for each in range(int(sys.argv[2]), int(sys.argv[3])):
        ours = recorded(each, "fast", sys.argv[1])
        lavas = recorded(each, "stock", sys.argv[1])
        nonzero = f"{np.count_nonzero(ours[0])} {np.count_nonzero(ours)}"
        wrong = np.count_nonzero(ours != lavas)
        sys.stdout.write(f"{ours.size} {nonzero} {wrong}\n")
