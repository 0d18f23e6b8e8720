"""QUANTIZED graphs built by hand, and chips invented for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from spikewright.counts import OperationCount
from spikewright.graph import Edge, Graph, Stage
from spikewright.hardware_profiles.placement.limits import Limit, Limits, SynapseFormat
from spikewright.hardware_profiles.prices.work import Work
from spikewright.hardware_profiles.profiles.constant import Constant
from spikewright.hardware_profiles.profiles.profile import HardwareProfile, load_profile
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
        stored = SynapseFormat(
            64, 64, 10, (1, 2, 3, 4, 5, 6, 8), (6, 7, 8, 9, 10), "invented", "C"
        )
        return Limits("tiny", "a chip", values, (), stored if has_format else None)

    return make


@pytest.fixture
def joules() -> Callable[..., Constant]:
    """Return an invented constant."""

    def make(value: float, **changes: Any) -> Constant:
        usual = {"unit": "J", "kind": "derived", "statistic": "marginal"}
        usual |= {"evidence": "assumed", "source": "invented"}
        return Constant(value, **{**usual, **changes})

    return make


@pytest.fixture
def spiking_bert() -> Callable[[Fraction], Work]:
    """Return the work of a spiking BERT-base at 128 tokens and 4 steps, at a rate.

    Each projection has neurons behind it, 7680 a token and layer; int8 weights, 32-bit
    states; every neuron spikes at the rate, over one hop E-W; 82 944 elements are
    normalized for each token and step.
    """

    def make(rate: Fraction) -> Work:
        steps, tokens = 4, 128
        weighted, attention = 84_934_656 * tokens, 18_432 * tokens**2
        updates = 12 * 7680 * tokens * steps
        spikes = int(rate * updates)
        count = OperationCount(
            synops=int(rate * steps * (weighted + attention)),
            weight_bits_read=8 * int(rate * steps * weighted),
            updates_active=spikes,
            updates_inactive=updates - spikes,
            state_bits_read=32 * updates,
            state_bits_written=32 * updates,
            norm_elements=82_944 * tokens * steps,
            spikes=spikes,
            packets=spikes,
            hops_ew=spikes,
        )
        return Work(
            name="spiking BERT",
            counts={"all": count},
            samples=1,
            steps=steps,
            is_teacher=False,
            rate=rate,
        )

    return make


@pytest.fixture
def horowitz(joules) -> HardwareProfile:
    """45 nm in int8, with 7 pJ a norm element and 3 pJ a hop, which are assumed."""
    shipped = load_profile("cmos45")
    costs = dict(shipped.costs("int8_updates"))
    costs |= {"norm_elements": joules(7e-12), "hops_ew": joules(3e-12)}
    return replace(shipped, arithmetics={"int8": costs})
