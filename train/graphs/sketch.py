"""What graphs of our students are drawn with, node by node."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from spikewright.graph import Edge
from spikewright.nodes import (
    LIF,
    Flatten,
    FloatArray,
    I,
    Linear,
    Node,
    Scale,
    Threshold,
)

AND_THRESHOLD = 1.5


@dataclass(frozen=True)
class Sketch:
    """A graph under construction; nodes in the order in which spikes travel."""

    tokens: int
    tau_s: float
    dt_s: float
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def add(self, name: str, node: Node, *sources: str) -> str:
        """Add a node and its incoming edges; return its name."""
        self.nodes[name] = node
        self.edges.extend(Edge(source, name) for source in sources)
        return name

    def lif(
        self,
        name: str,
        channels: int,
        *sources: str,
        tokens: int = 0,
        drive: float = 1.0,
        threshold: float = 1.0,
    ) -> str:
        """Add a population of one neuron for all: v = beta v + drive a."""
        shape = (channels, tokens or self.tokens)
        return self.add(
            name,
            LIF(
                tau_s=np.full(shape, self.tau_s),
                r=np.full(shape, drive * self.tau_s / self.dt_s),
                v_leak=np.zeros(shape),
                v_threshold=np.full(shape, threshold),
                v_reset=np.zeros(shape),
            ),
            *sources,
        )

    def soft(
        self,
        name: str,
        channels: int,
        *sources: str,
        threshold: float,
        drop: float,
        tokens: int = 0,
    ) -> str:
        """Add integrate-and-fire neurons that lose `drop` a step after a spike.

        NIR has no soft reset: I -> Threshold -> Scale(-drop) -> I, which lowers to one
        population, named as the Threshold.
        """
        shape, membrane = (channels, tokens or self.tokens), f"{name}_membrane"
        integrates = I(np.full(shape, 1.0 / self.dt_s))
        self.add(membrane, integrates, *sources, f"{name}_reset")
        self.add(name, Threshold(np.full(shape, threshold)), membrane)
        self.add(f"{name}_reset", Scale(np.full(shape, -drop)), name)
        return name

    def both(self, name: str, channels: int, *sources: str) -> str:
        """Add the AND of two populations."""
        threshold = np.full((channels, self.tokens), AND_THRESHOLD)
        return self.add(name, Threshold(threshold), *sources)

    def head(self, weight: FloatArray, source: str) -> str:
        """Add the readout of one population, the same weights for every token."""
        channels = weight.shape[1]
        flat = Flatten((channels, self.tokens), (channels * self.tokens,))
        flattened = self.add(f"{source}_flat", flat, source)
        shared = np.repeat(weight, self.tokens, axis=1)
        return self.add(f"{source}_head", Linear(shared), flattened)


def as_array(tensor: torch.Tensor) -> FloatArray:
    """Return a tensor's values in float64."""
    array: FloatArray = tensor.detach().cpu().double().numpy()
    return array
