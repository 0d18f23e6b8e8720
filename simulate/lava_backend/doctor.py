"""Checks the installation: does a tiny net really run, with the expected spikes?"""

from __future__ import annotations

import numpy as np

from spikewright import nodes as n
from spikewright.errors import BackendMissingError, LavaRunError
from spikewright.graph import Edge, Graph, Stage
from spikewright.simulate.lava_backend.installed import require_lava, versions
from spikewright.simulate.lava_backend.job import Runtime
from spikewright.simulate.lava_backend.supervise import run_lava

RUNTIMES: tuple[Runtime, ...] = ("local", "lava")
TRIAL_S = 60.0


def doctor() -> dict[str, str]:
    """Return versions, and for each runtime "ok" or what went wrong."""
    try:
        require_lava()
    except BackendMissingError as error:
        return {"lava-nc": str(error)}
    trials = {f"{runtime} runtime": _trial(runtime) for runtime in RUNTIMES}
    return {**versions(), **trials}


def _trial(runtime: Runtime) -> str:
    # v: 2; 4 > 3 fires; 2; 2; 4 > 3 fires
    spikes = np.array([1, 1, 1, 0, 1]).reshape(1, 5, 1)
    try:
        trace = run_lava(_tiny_graph(), spikes, runtime=runtime, deadline_s=TRIAL_S)
    except LavaRunError as error:
        return str(error)
    got = trace.spikes["neuron"].ravel().tolist()
    return "ok" if got == [0, 1, 0, 0, 1] else f"spikes {got}, expected [0, 1, 0, 0, 1]"


def _tiny_graph() -> Graph:
    return Graph(
        {
            "input": n.Input((1,)),
            "synapse": n.DenseSynapses(np.array([[2]])),
            "neuron": n.QuantizedNeurons((1,), dv=0, vth=3, scale=1.0),
            "output": n.Output((1,)),
        },
        (Edge("input", "synapse"), Edge("synapse", "neuron"), Edge("neuron", "output")),
        Stage.QUANTIZED,
        1e-3,
        {"input": 0, "neuron": 1, "output": 1},
    )
