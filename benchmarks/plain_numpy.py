"""The least that a program must do: a QUANTIZED graph in a plain numpy loop.

One sample, no messages, no checks. States are float64, in which 24-bit registers and
their decay are exact; products are float32 (BLAS), and their sums must be below 2**24.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewright import nodes as n
from spikewright.graph import Graph
from spikewright.simulate.lava_backend.plan import Plan

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Neurons:
    """v[t] = rsz(kept v[t-1]) + (a[t] << 6); hard reset."""

    shape: n.Shape
    kept: float
    threshold: float
    into: list[tuple[str, int, Callable[[Array], Array]]]
    """source, steps on the way, product"""


def run_plain(graph: Graph, plan: Plan, sample: Array) -> dict[str, Array]:
    """Return what every population sent: (run steps, *shape), by name."""
    length = plan.run_steps
    sent = {
        name: np.zeros((length, *node.shape), np.float32)
        for name, node in graph.populations().items()
    }
    sent[graph.input_name][: len(sample)] = sample
    order = [
        (sent[name], np.zeros(neurons.shape), neurons)
        for name, neurons in _neurons(graph, plan).items()
    ]
    for t in range(length):
        for out, v, neurons in order:
            a = np.zeros(neurons.shape, np.float32)
            for source, late, multiply in neurons.into:
                if t >= late:
                    a += multiply(sent[source][t - late])
            out[t] = _step(neurons, v, a)
    return sent


def _step(neurons: Neurons, v: Array, a: Array) -> Array:
    """Change v, and return spikes."""
    v *= neurons.kept
    np.trunc(v, out=v)
    v += 64 * a
    spikes: Array = v > neurons.threshold
    v[spikes] = 0
    return spikes


def _neurons(graph: Graph, plan: Plan) -> dict[str, Neurons]:
    found = {}
    for name, node in graph.nodes.items():
        if isinstance(node, n.QuantizedNeurons):
            into = [
                (link.source, link.delay + 1, _product(graph.nodes[link.synapses]))
                for link in plan.links
                if link.target == name
            ]
            kept = (4096 - node.dv) / 4096
            found[name] = Neurons(node.shape, kept, 64 * node.vth, into)
    return found


def _product(node: Any) -> Callable[[Array], Array]:
    weight = node.weight.astype(np.float32) * 2.0**node.exponent
    match node:
        case n.TokenSynapses():  # of one tap
            return lambda x: weight[0] @ x
        case n.ChannelSynapses():
            return lambda x: np.matmul(weight, x[:, :, np.newaxis])[:, :, 0]
        case n.DiagonalSynapses():
            return lambda x: weight * x
    raise NotImplementedError(type(node).__name__)
