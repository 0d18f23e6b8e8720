"""QUANTIZED graphs built by hand, and chips invented for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from spikewright.graph import Edge, Graph, Stage
from spikewright.hardware_profiles.limits import Limit, Limits, SynapseFormat
from spikewright.nodes import Node, QuantizedNeurons

Build = Callable[..., Graph]


@pytest.fixture
def build() -> Build:
    """Return a QUANTIZED graph of nodes, and of edges like `a b` or `a b 3` (delay)."""

    def make(nodes: Mapping[str, Node], *edges: str) -> Graph:
        parsed = [each.split() for each in edges]
        joined = tuple(Edge(a, b, *map(int, rest)) for a, b, *rest in parsed)
        return Graph(nodes, joined, Stage.QUANTIZED, 1e-3)

    return make


@pytest.fixture
def lif() -> Callable[..., QuantizedNeurons]:
    """Return neurons of a shape: decay 1/2, threshold 64, unless told otherwise."""

    def make(*shape: int, **changes: Any) -> QuantizedNeurons:
        usual = {"dv": 2048, "vth": 64, "scale": 1.0}
        return QuantizedNeurons(shape, **{**usual, **changes})

    return make


@pytest.fixture
def ones() -> Callable[..., np.ndarray]:
    """Return integer ones of a shape."""
    return lambda *shape: np.ones(shape, dtype=np.int64)


@pytest.fixture
def chip() -> Callable[..., Limits]:
    """Return a small chip: 2 cores of 4 neurons, weights of 8 bits, all else unknown.

    With `has_format`, synapses are stored as on Loihi 1.
    """

    def make(*, has_format: bool = False, **limits: int) -> Limits:
        given = {"cores": 2, "neurons": 4, "weight_bits": 8, **limits}
        values = {key: Limit(each, "", "invented", "C") for key, each in given.items()}
        stored = SynapseFormat(64, 64, 10, (6, 7, 8, 9, 10), "invented", "C")
        return Limits("tiny", "a chip", values, (), stored if has_format else None)

    return make
