"""A SpikingBERT of linear maps and neurons, spelled as a CONTINUOUS graph.

    linear + channel norm      Conv1d of one tap; its bias from the population `marks`
    integrate and fire         I -> Threshold -> Scale(-theta) -> I, a soft reset
    k + v - 1, and q + gate -1 edges of weight theta, and a bias of -theta
    sum over tokens            Linear, weight (D, 1, L); its broadcast (D, L, 1)
    readout                    Flatten and Linear into the Output, which sums

The Input is the spikes of the encoder, which the host computes: the constant current is
a real number. Two channels more, its last, are 1 where there is a token: one at every
step, which brings the biases, one at the first, which brings the start of potentials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from spikewright.errors import GraphError, InputError
from spikewright.graph import Graph, Stage
from spikewright.nodes import (
    Affine,
    Conv1d,
    FloatArray,
    Input,
    Linear,
    Output,
    Scale,
    Threshold,
)
from spikewright.train.graphs.sketch import Sketch, as_array
from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.spikebert.neuron import fires_above
from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.spikingbert.maps import Both, Gate, Project
from spikewright.train.spikingbert.model import SpikingBertForSequenceClassification
from spikewright.train.spikingbert.network import ENCODER, Layer
from spikewright.train.spikingbert.settle import settle

MARKS = 2
"""channels of the input that are no encoder's"""
NEEDED: dict[str, tuple[tuple[object, ...], str]] = {
    "attention": (
        ("sdsa",),
        "softmax divides by a sum of exponentials, which no neuron computes; train "
        'with [student] attention = "sdsa"',
    ),
    "norm": (
        ("channel", "none"),
        "LayerNorm needs each token's own mean, which no neuron computes; train with "
        '[student] norm = "channel"',
    ),
    "activation": (
        ("clamp",),
        "GELU is no sum of spikes, and the neuron clamps already; train with "
        '[student] activation = "clamp"',
    ),
    "readout": (
        ("mean",),
        'the chip sums over all tokens; train with [student] readout = "mean"',
    ),
    "feedback": (
        ("none",),
        "the encoder is on the host, where no spikes come back; train with [student] "
        'feedback = "none"',
    ),
    "decay": (
        (1.0,),
        "rates would be weighted by their age, and the chip's output is a plain sum; "
        "train with [student] decay = 1.0",
    ),
}
"""option of the model -> the values that a graph can say, why, and the cure"""


def spikingbert_graph(
    model: SpikingBertForSequenceClassification, *, tokens: int, dt_s: float
) -> Graph:
    """Return the model as a CONTINUOUS graph for sentences of up to `tokens` tokens.

    Input (D + 2, tokens), see `spikingbert_inputs`; Output (classes,): at each step the
    sum over tokens; `logits = sum over steps / (steps * sentence length)`.

    Raises:
        GraphError: an option that no graph of spikes can say, or a time step of no
            length.
        InputError: more tokens than the model has places for, or none.
    """
    check_exportable(model.config)
    most = model.config.max_position_embeddings
    if not 1 <= tokens <= most:
        raise InputError(
            f"tokens: {tokens}; this SpikingBERT has places for 1 to {most}"
        )
    if not 0 < dt_s < math.inf:
        raise GraphError(f"dt_s: {dt_s}; a time step is finite and longer than 0 s")
    width = model.config.hidden_size
    sketch = Sketch(tokens, dt_s, dt_s)
    sketch.add("input", Input((width + MARKS, tokens)))
    _add_marks(sketch, width)
    place = _Place(sketch, model.config)
    for layer in model.spikingbert.network.layers[1:]:  # the encoder is on the host
        place.add(layer)
    _add_readout(sketch, model)
    return Graph(sketch.nodes, tuple(sketch.edges), Stage.CONTINUOUS)


def check_exportable(config: SpikingBertConfig) -> None:
    """Refuse a model that no graph of spikes can say.

    Raises:
        GraphError: says of each such option what it is, what it may be, and the cure.
    """
    wrong = [
        f"{name} = {getattr(config, name)!r}, can say only "
        f"{' or '.join(map(repr, allowed))}: {cure}"
        for name, (allowed, cure) in NEEDED.items()
        if getattr(config, name) not in allowed
    ]
    if wrong:
        raise GraphError(
            "a graph of spikes cannot say this SpikingBERT: " + "; and ".join(wrong)
        )


@torch.no_grad()
def spikingbert_inputs(
    model: SpikingBertForSequenceClassification,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    *,
    tokens: int,
    steps: int | None = None,
) -> npt.NDArray[np.uint8]:
    """Return what the graph gets, (samples, steps, D + 2, tokens), 0 or 1.

    Args:
        model: whose encoder runs on the host; in evaluation mode.
        input_ids: padded, (samples, at most `tokens`).
        attention_mask: 1 where there is a token.
        tokens: slots of the graph.
        steps: T; by default the model's.

    Raises:
        InputError: a sentence has no token, or more than there are slots.
    """
    encoder = model.spikingbert
    layout = encoder.lay_out(input_ids, attention_mask)
    if layout.longest > tokens:
        raise InputError(
            f"a sentence of {layout.longest} tokens; the graph has {tokens} slots; cut "
            "it, or export with more --tokens"
        )
    x, network = encoder.current(input_ids, layout), encoder.network
    count = model.config.steps if steps is None else steps
    sent = [
        moment.spikes[ENCODER].numpy().astype(np.uint8)
        for moment in settle(network, layout, x, steps=count, only=ENCODER)
    ]
    inputs = np.zeros((len(layout.lengths), count, x.shape[1] + MARKS, tokens), "u1")
    sample, place = layout.sample.numpy(), layout.place.numpy()
    inputs[sample, :, :-MARKS, place] = np.stack(sent, axis=1)
    inputs[sample, :, -2, place] = 1
    inputs[sample, 0, -1, place] = 1
    return inputs


# --- nodes ---------------------------------------------------------------------------


def _name(layer: str) -> str:
    return "input" if layer == ENCODER else layer.replace(".", "_")


@dataclass(frozen=True)
class _Place:
    """Where populations are added."""

    sketch: Sketch
    config: SpikingBertConfig

    def add(self, layer: Layer) -> None:
        """Add a population and its map."""
        name, sources = _name(layer.name), [_name(each) for each in layer.sources]
        match layer.map:
            case Project():
                ways, channels = self._project(name, layer.map, sources)
            case Gate():
                ways, channels = self._gate(name, layer.map, sources)
            case Both():
                ways, channels = self._both(name, sources), self.config.hidden_size
            case other:
                raise GraphError(f"{name}: no graph can say {type(other).__name__}")
        ties = self.config.ties
        self.sketch.soft(
            name,
            channels,
            *ways,
            threshold=fires_above(self.config.threshold, ties, torch.float64),
            drop=self.config.threshold,
            tokens=1 if layer.map.per_sample else 0,
        )

    def _project(
        self, name: str, layer: Project, sources: list[str]
    ) -> tuple[list[str], int]:
        gain, shift = _constants(layer)
        bias = gain * as_array(layer.linear.bias) + shift
        weight = gain[:, None] * as_array(layer.linear.weight)
        ways = [self._marked(name, bias), self._map(name, weight, sources[0])]
        for residual in sources[1:]:
            ways.append(self._residual(name, gain, residual))
        return ways, len(bias)

    def _residual(self, name: str, gain: FloatArray, source: str) -> str:
        if source == "input":  # has more channels
            chosen = np.diag(gain)
            return self._map(f"{name}_residual", chosen, source)
        each = np.repeat(gain[:, None], self.sketch.tokens, axis=1)
        return self.sketch.add(f"{name}_residual", Scale(each), source)

    def _gate(
        self, name: str, layer: Gate, sources: list[str]
    ) -> tuple[list[str], int]:
        gain, tokens = as_array(layer.gain), self.sketch.tokens
        weight = np.repeat(gain[:, None, None], tokens, axis=2)
        ways = [self.sketch.add(f"{name}_map", Linear(weight), *sources)]
        if start := self._start:
            # Of the first slot, where there is always a token.
            marks = np.stack([np.zeros(len(gain)), np.full(len(gain), start)], axis=1)
            first = Conv1d(
                marks[:, :, None], np.zeros(len(gain)), tokens, stride=tokens
            )
            ways.append(self.sketch.add(f"{name}_marked", first, "marks"))
        return ways, len(gain)

    def _both(self, name: str, sources: list[str]) -> list[str]:
        width, theta = self.config.hidden_size, self.config.threshold
        ways = []
        for source, part in zip(sources, ("left", "right"), strict=True):
            if source.endswith("_gate"):
                # A bias for all slots: the gate opens in padding too.
                shape = (width, self.sketch.tokens)
                spread = Affine(np.full((*shape, 1), theta), np.full(shape, -theta))
                ways.append(self.sketch.add(f"{name}_{part}", spread, source))
            else:
                every = np.full((width, self.sketch.tokens), theta)
                ways.append(self.sketch.add(f"{name}_{part}", Scale(every), source))
        gated = sources[1].endswith("_gate")
        return [*ways, self._marked(name, np.full(width, 0.0 if gated else -theta))]

    @property
    def _start(self) -> float:
        return self.config.start * self.config.threshold

    def _marked(self, name: str, bias: FloatArray) -> str:
        """Add what comes from the marks: the bias and, once, the start."""
        weight = np.stack([bias, np.full(len(bias), self._start)], axis=1)
        conv = Conv1d(weight[:, :, None], np.zeros(len(bias)), self.sketch.tokens)
        return self.sketch.add(f"{name}_marked", conv, "marks")

    def _map(self, name: str, weight: FloatArray, source: str) -> str:
        if source == "input":
            weight = np.pad(weight, ((0, 0), (0, MARKS)))
        conv = Conv1d(weight[:, :, None], np.zeros(len(weight)), self.sketch.tokens)
        return self.sketch.add(f"{name}_map", conv, source)


def _add_marks(sketch: Sketch, width: int) -> None:
    last = np.pad(np.eye(MARKS), ((0, 0), (width, 0)))
    conv = Conv1d(last[:, :, None], np.zeros(MARKS), sketch.tokens)
    chosen = sketch.add("last", conv, "input")
    sketch.add("marks", Threshold(np.full((MARKS, sketch.tokens), 0.5)), chosen)


def _constants(layer: Project) -> tuple[FloatArray, FloatArray]:
    """Return gain and shift of a norm, 1 and 0 where there is none."""
    targets = len(layer.linear.bias)
    if layer.norm is None:
        return np.ones(targets), np.zeros(targets)
    assert isinstance(layer.norm, FoldableNorm)  # noqa: S101 - norm was checked
    gain, shift = layer.norm.folded()
    return as_array(gain), as_array(shift)


def _add_readout(sketch: Sketch, model: SpikingBertForSequenceClassification) -> None:
    weight, bias = as_array(model.classifier.weight), as_array(model.classifier.bias)
    last = _name(model.spikingbert.network.streams[-1])
    marks = np.stack([bias, np.zeros(len(bias))], axis=1)
    heads = [sketch.head(weight, last), sketch.head(marks, "marks")]
    sketch.add("output", Output((len(weight),)), *heads)
