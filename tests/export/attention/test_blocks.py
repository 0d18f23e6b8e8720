"""Attention blocks fire as the equations of their papers say, at every stage.

The equations are written out here in numpy, with loops over heads, and neurons of their
own. Weights, decays and thresholds are multiples of 1/8, so that no sum is rounded and
potentials often equal their thresholds, where a neuron must stay silent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import nir
import numpy as np
import pytest

from spikewright.export.attention.blocks import (
    coincidence_attention,
    respiked_attention,
    spike_driven_attention,
)
from spikewright.export.attention.parts import Projection, Projections
from spikewright.export.lower import lower
from spikewright.export.nir.io import read_nir, write_nir
from spikewright.export.passes.discretize import discretize
from spikewright.graph import Graph, Stage
from spikewright.nodes import LIF, Threshold
from spikewright.simulate.compare import compare_traces
from spikewright.simulate.integer import run_integer
from spikewright.simulate.reference import run_reference

DT_S = 2.0**-10
SAMPLES, STEPS, SOURCES = 3, 12, 5
Array = np.ndarray[Any, Any]


# --- neurons and equations -----------------------------------------------------------


def lif(threshold: Any, decay: float = 0.5) -> LIF:
    """v = decay v + a; fires above the threshold, then v = 0; one or one a head."""
    ones = np.ones(np.shape(threshold))
    tau_s = DT_S / (1.0 - decay)
    return LIF(
        tau_s=ones * tau_s,
        r=ones * tau_s / DT_S,
        v_leak=ones * 0.0,
        v_threshold=ones * threshold,
        v_reset=ones * 0.0,
    )


@dataclass
class Cells:
    """The same neurons in numpy; counts how often v met its threshold exactly."""

    threshold: Array
    decay: float
    v: Array | float = 0.0
    ties: int = 0

    def fire(self, a: Array) -> Array:
        v = self.decay * self.v + a
        self.ties += int(np.sum((v == self.threshold) & (a != 0)))
        spikes = v > self.threshold
        self.v = np.where(spikes, 0.0, v)
        return spikes.astype(float)


@dataclass
class Setting:
    """Sizes and weights of an attention."""

    heads: int
    channels: int
    """of one head"""
    tokens: int
    masked: bool = False
    seed: int = 0
    weights: dict[str, Array] = field(default_factory=dict)
    biases: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng, size = np.random.default_rng(self.seed), self.heads * self.channels
        for name in "qkv":
            self.weights[name] = rng.integers(-3, 8, (size, SOURCES)) / 8.0
            self.biases[name] = rng.integers(0, 4, size) / 8.0

    def projections(self) -> Projections:
        q, k, v = (
            Projection(self.weights[name], self.biases[name], lif(self.thresholds()))
            for name in "qkv"
        )
        return Projections(q, k, v, self.heads, self.masked)

    def thresholds(self) -> Array:
        """Another one for each head: 5/8, 10/8, … so that integers can be exact."""
        return 0.625 * 2.0 ** np.arange(self.heads)

    def inputs(self) -> Array:
        """(samples, steps, channels, tokens): spikes; the mask hides last tokens."""
        rng = np.random.default_rng(self.seed + 1)
        shape = (SAMPLES, STEPS, SOURCES, self.tokens)
        x = (rng.random(shape) < 0.5).astype(float)
        if not self.masked:
            return x
        mask = np.ones((SAMPLES, STEPS, 1, self.tokens))
        for sample in range(SAMPLES):
            mask[sample, :, :, self.tokens - sample :] = 0.0
        return np.concatenate([x, mask], axis=2)


Equation = Callable[[Array, Array, Array, Callable[[str, Array], Array]], Array]
"""q, k, v of one head (samples, tokens, channels), its neurons -> (same)"""


def by_equation(setting: Setting, cells: dict[str, Cells], equation: Equation) -> Array:
    """Run an equation for each head; return spikes (samples, steps, channels, tokens).

    `cells` are the neurons that all heads have besides those of q, k and v.
    """
    held: dict[tuple[str, int], Cells] = {}

    def fire(name: str, head: int, a: Array) -> Array:
        if (name, head) not in held:
            own = cells.get(name)
            if own is None:
                own = Cells(setting.thresholds()[head], 0.5)
            threshold = np.broadcast_to(own.threshold, (setting.heads,))[head]
            held[name, head] = Cells(threshold, own.decay)
        return held[name, head].fire(a)

    x = setting.inputs()
    steps = []
    for t in range(STEPS):
        tokens = np.swapaxes(x[:, t, :SOURCES], 1, 2)
        keep = x[:, t, SOURCES, :, np.newaxis] if setting.masked else 1.0
        parts = []
        for head in range(setting.heads):
            own = slice(head * setting.channels, (head + 1) * setting.channels)
            q, k, v = (
                fire(
                    name,
                    head,
                    tokens @ setting.weights[name][own].T + setting.biases[name][own],
                )
                for name in "qkv"
            )
            parts.append(
                equation(q, keep * k, v, lambda name, a, h=head: fire(name, h, a))
            )
        steps.append(np.concatenate(parts, axis=2))
    for name in {"q", "k", "v", *cells}:  # some potential met its threshold exactly
        assert sum(each.ties for (own, _), each in held.items() if own == name)
    return np.swapaxes(np.stack(steps, axis=1), 2, 3)


# --- the three models ----------------------------------------------------------------

THETA = np.array([1.0, 2.0])


def spike_driven(setting: Setting) -> tuple[Graph, Array]:
    """Fire q AND [sum over tokens of (k AND v) > theta], theta by head."""
    theta = THETA[: setting.heads]

    def equation(q: Array, k: Array, v: Array, fire: Any) -> Array:
        gate = fire("gate", np.sum(k * v, axis=1, keepdims=True))
        return np.logical_and(q, gate).astype(float)

    graph = spike_driven_attention(
        setting.projections(), gate=Threshold(theta), tokens=setting.tokens
    )
    return graph, by_equation(setting, {"gate": Cells(theta, 0.0)}, equation)


def spike_driven_leaky(setting: Setting) -> tuple[Graph, Array]:
    """The same with a gate that remembers, and a sum times 3/8."""

    def equation(q: Array, k: Array, v: Array, fire: Any) -> Array:
        gate = fire("gate", 0.375 * np.sum(k * v, axis=1, keepdims=True))
        return np.logical_and(q, gate).astype(float)

    graph = spike_driven_attention(
        setting.projections(), gate=lif(0.75), tokens=setting.tokens, scale=0.375
    )
    return graph, by_equation(setting, {"gate": Cells(0.75, 0.5)}, equation)


def coincidences(
    setting: Setting, order: Literal["contexts", "scores"]
) -> tuple[Graph, Array]:
    """SpikeBERT: LIF(0.125 (Q Kᵀ) V), of threshold 0.5 or 0.75 by head."""
    thresholds = np.array([0.5, 0.75])[: setting.heads]

    def equation(q: Array, k: Array, v: Array, fire: Any) -> Array:
        scores = q @ np.swapaxes(k, 1, 2)
        return np.asarray(fire("out", 0.125 * (scores @ v)))

    graph = coincidence_attention(
        setting.projections(),
        out=lif(thresholds, 0.75),
        tokens=setting.tokens,
        order=order,
    )
    return graph, by_equation(setting, {"out": Cells(thresholds, 0.75)}, equation)


def contexts(setting: Setting) -> tuple[Graph, Array]:
    return coincidences(setting, "contexts")


def scores(setting: Setting) -> tuple[Graph, Array]:
    return coincidences(setting, "scores")


def respiked(setting: Setting) -> tuple[Graph, Array]:
    """LIF(0.25 Q S) with S = LIF(0.5 Kᵀ V): another model."""

    def equation(q: Array, k: Array, v: Array, fire: Any) -> Array:
        context = fire("context", 0.5 * (np.swapaxes(k, 1, 2) @ v))
        return np.asarray(fire("out", 0.25 * (q @ context)))

    graph = respiked_attention(
        setting.projections(),
        context=lif(1.0),
        out=lif(0.5),
        tokens=setting.tokens,
        context_scale=0.5,
        scale=0.25,
    )
    cells = {"context": Cells(1.0, 0.5), "out": Cells(0.5, 0.5)}
    return graph, by_equation(setting, cells, equation)


MODELS = {
    model.__name__: model
    for model in (spike_driven, spike_driven_leaky, contexts, scores, respiked)
}
SETTINGS = {
    "one_head": Setting(heads=1, channels=3, tokens=6),
    "two_heads": Setting(heads=2, channels=3, tokens=5, seed=1),
    "masked": Setting(heads=2, channels=2, tokens=4, masked=True, seed=2),
    "more_channels_than_tokens": Setting(heads=1, channels=7, tokens=3, seed=3),
    "two_tokens": Setting(heads=2, channels=4, tokens=2, seed=4),
}
every_model = pytest.mark.parametrize("model", MODELS)
every_setting = pytest.mark.parametrize("setting", SETTINGS)


def made(model: str, setting: str) -> tuple[Graph, Array, Array]:
    """Return a block, its inputs, and the spikes that the equation gives."""
    graph, wanted = MODELS[model](SETTINGS[setting])
    return graph, SETTINGS[setting].inputs(), wanted


def output_of(graph: Graph, inputs: Array) -> Array:
    return np.asarray(run_reference(discretize(graph, dt_s=DT_S), inputs).output)


@every_setting
@every_model
def test_a_block_fires_as_its_equation_says(model: str, setting: str) -> None:
    graph, inputs, wanted = made(model, setting)
    assert graph.stage is Stage.CONTINUOUS
    assert 0.02 < wanted.mean() < 0.98
    assert np.count_nonzero(output_of(graph, inputs) != wanted) == 0


@every_model
@pytest.mark.parametrize("setting", ["two_heads", "masked"])
def test_a_block_fires_alike_once_timed_so_its_paths_are_aligned(
    model: str, setting: str
) -> None:
    graph, inputs, wanted = made(model, setting)
    timed = lower(graph, dt_s=DT_S, to=Stage.TIMED).graph
    # the longest way to the Output takes q's, the pairs', the bits' … steps: late, but
    # every AND gets spikes of the same step
    assert timed.arrival[timed.output_name] >= 4
    trace = run_reference(timed, inputs)
    assert np.count_nonzero(trace.output != wanted) == 0
    before = run_reference(discretize(graph, dt_s=DT_S), inputs)
    assert compare_traces(before, trace).is_equal


@every_model
@pytest.mark.parametrize("setting", ["two_heads", "masked"])
def test_a_block_in_integers_is_the_same_in_both_executors(
    model: str, setting: str
) -> None:
    graph, inputs, wanted = made(model, setting)
    quantized = lower(graph, dt_s=DT_S).graph
    reference, integer = (
        run_reference(quantized, inputs),
        run_integer(quantized, inputs),
    )
    assert compare_traces(reference, integer).is_equal
    # all weights are small multiples of powers of two: integers lose nothing here
    assert np.count_nonzero(integer.output != wanted) == 0


@every_model
@every_setting
def test_a_file_of_a_block_is_read_by_nir_and_by_us(
    model: str, setting: str, tmp_path: Path
) -> None:
    graph, inputs, wanted = made(model, setting)
    path = tmp_path / "block.nir"
    write_nir(graph, path, dt_s=DT_S)
    theirs = nir.read(str(path), type_check=True)
    assert {type(node).__name__ for node in theirs.nodes.values()} <= {
        *("Input", "Output", "Conv1d", "Linear", "Scale", "LIF", "Threshold")
    }
    assert np.count_nonzero(output_of(read_nir(path), inputs) != wanted) == 0
