"""Asks Lava's own functions what they keep of weights of few bits.

`python lava_weight_bits_child.py FOLDER` builds the network of the job in the folder.
Prints how many projections were tried, how many Lava changes, of how many it would keep
all with a bit less, where the exponent leaves that choice; and the `num_weight_bits` of
the network's processes.
"""

import json
import sys
from itertools import product
from pathlib import Path

import numpy as np

from spikewright import nodes as n
from spikewright.loihi import needed_bits
from spikewright.simulate.lava_backend.check import lava_weights
from spikewright.simulate.lava_backend.engine.local import LocalRuntime
from spikewright.simulate.lava_backend.engine.network import (
    Dense,
    Sparse,
    build_network,
)
from spikewright.simulate.lava_backend.job import read_job
from spikewright.simulate.lava_backend.plan import make_plan

# Behind the engine, which mends Lava so that it can be imported.
from lava.utils.weightutils import (  # isort: skip
    clip_weights,
    determine_sign_mode,
    truncate_weights,
)


def weights(rng, bits, sign):
    """Any integers of so many bits, at any place within eight."""
    if sign == 0:  # both signs; 1 bit has none
        low, high = -(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1
    else:
        low, high = sorted((0, sign * (2**bits - 1)))
    return rng.integers(low, high + 1, (3, 4)) << rng.integers(0, 9 - bits)


def kept(weight, bits):
    """What Lava's Dense multiplies by."""
    mode = determine_sign_mode(weight)
    return truncate_weights(clip_weights(weight, mode, num_bits=8), mode, bits)


tried = changed = wasteful = 0
rng = np.random.default_rng(0)
for bits, sign, exponent in product(range(1, 9), (-1, 0, 1), range(-6, 8)):
    node = n.DenseSynapses(weights(rng, bits, sign), exponent)
    weight, shift, stored = lava_weights(node)
    tried += 1
    true = np.ldexp(node.weight.astype(float), exponent)
    is_kept = np.array_equal(np.ldexp(kept(weight, stored).astype(float), shift), true)
    changed += not (is_kept and 1 <= stored <= 8 and -7 <= shift <= 7)
    if exponent >= 0 and node.weight.any():
        least = stored == needed_bits(node.weight)
        fewer = np.array_equal(kept(weight, stored - 1), weight)
        wasteful += fewer or not least

folder = Path(sys.argv[1])
job = read_job(folder)
plan = make_plan(job.graph, job.inputs, job.options.processes)
runtime = LocalRuntime(build_network(job, plan, folder, folder))
given = {
    process.name: process.proc_params.get("num_weight_bits")
    for process in runtime.models
    if isinstance(process, Dense | Sparse)
}
sys.stdout.write(json.dumps([[tried, changed, wasteful], given]))
