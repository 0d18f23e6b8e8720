"""The profile net: encoder layers of token-wise linear maps and spike-driven attention.

Per layer, on spikes `x` of (channels, tokens), with one step a synapse:

    q, k, v = LIF(W x)               gate = LIF(sum over tokens of (k AND v))
    o = LIF(W (q AND gate) + x)      x = LIF(W LIF(W o) + o)

and at the end a linear map, summed over tokens, to the classes of a sentence.
4 layers x 32 tokens x 256 channels: 6 weight matrices a layer, 50.3 M multiplications a
step (synapses, if the shared weights are written out for each token), 38 populations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    ChannelSynapses,
    DenseSynapses,
    DiagonalSynapses,
    Input,
    Node,
    Output,
    QuantizedNeurons,
    Shape,
    Synapses,
    TokenSynapses,
)

Target: TypeAlias = QuantizedNeurons | Output
DT_S = 1e-4
CLASSES = 2
RATE = 0.15
"""of the Input, and roughly of each population behind a weight matrix"""
READ_RATE = 0.04
"""of the attention's result, q AND gate"""
SHARE = 0.88
DECAY, FORGET = 2000, 4096
"""of the potential: by about half a step, with no round bits to help; or no memory"""
RESIDUAL = 120
"""weight of the skip connections, against a threshold near 500"""


@dataclass
class _Net:
    """A graph under construction; every edge is delayed to arrive with the others."""

    rng: np.random.Generator
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    arrival: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, neurons: Target, **sources: Synapses) -> str:
        """Add a population or the Output behind synapses, by source."""
        self.nodes[name] = neurons
        self.arrival[name] = 1 + max(self.arrival[source] for source in sources)
        for source, synapses in sources.items():
            between = f"{source}-{name}"
            self.nodes[between] = synapses
            waits = self.arrival[name] - 1 - self.arrival[source]
            self.edges += [Edge(source, between, waits), Edge(between, name)]
        return name

    def mix(self, channels: int) -> TokenSynapses:
        """Return random 8-bit weights that all tokens share."""
        return TokenSynapses(self.rng.integers(-127, 128, (1, channels, channels)))


def token_net(
    layers: int = 4, tokens: int = 32, channels: int = 256, seed: int = 0
) -> Graph:
    """Return the profile net, QUANTIZED."""
    net = _Net(np.random.default_rng(seed))
    shape = (channels, tokens)
    net.nodes["input"], net.arrival["input"] = Input(shape), 0
    last = "input"
    for layer in range(layers):
        last = _layer(net, f"l{layer}", last, shape)
    by_channel = net.rng.integers(-127, 128, (CLASSES, channels))
    summed = DenseSynapses(np.repeat(by_channel, tokens, axis=1))
    net.add("output", Output((CLASSES,)), **{last: summed})
    return Graph(net.nodes, tuple(net.edges), Stage.QUANTIZED, DT_S, net.arrival)


def _layer(net: _Net, name: str, x: str, shape: Shape) -> str:
    channels, tokens = shape
    same = DiagonalSynapses(np.ones(shape, dtype=np.int64))
    skip = DiagonalSynapses(np.full(shape, RESIDUAL, dtype=np.int64))
    total = ChannelSynapses(np.ones((channels, 1, tokens), dtype=np.int64))
    to_all = ChannelSynapses(np.ones((channels, tokens, 1), dtype=np.int64))
    both = QuantizedNeurons(shape, FORGET, 1, 1.0)
    q, k, v = (
        net.add(f"{name}_{each}", _lif(shape, RATE), **{x: net.mix(shape[0])})
        for each in "qkv"
    )
    kv = net.add(f"{name}_kv", both, **{k: same, v: same})
    gate = QuantizedNeurons((channels, 1), DECAY, max(1, tokens // 32), 1.0)
    summed = net.add(f"{name}_gate", gate, **{kv: total})
    read = net.add(f"{name}_read", both, **{q: same, summed: to_all})
    o = net.add(
        f"{name}_o", _lif(shape, READ_RATE), **{read: net.mix(channels), x: skip}
    )
    up = net.add(f"{name}_up", _lif(shape, RATE), **{o: net.mix(channels)})
    return net.add(
        f"{name}_down", _lif(shape, RATE), **{up: net.mix(channels), o: skip}
    )


def _lif(shape: Shape, rate: float) -> QuantizedNeurons:
    """Return neurons with a threshold below one standard deviation of v.

    Uniform weights up to 127 have 73, a spike train of that rate from all channels adds
    sqrt(channels rate), and a potential that halves each step gathers 1 / (1 - 1/4) of
    the variance. The share was chosen for spike rates near 15 %.
    """
    deviation = 73 * np.sqrt(shape[0] * rate / (1 - 0.25))
    return QuantizedNeurons(shape, DECAY, round(float(SHARE * deviation)), 1.0)


def random_inputs(
    graph: Graph, samples: int, steps: int, seed: int = 0
) -> npt.NDArray[np.uint8]:
    """Return random spikes for the Input, (samples, steps, channels, tokens)."""
    shape = graph.inputs["input"].shape
    rng = np.random.default_rng(seed)
    return (rng.random((samples, steps, *shape)) < RATE).astype(np.uint8)
