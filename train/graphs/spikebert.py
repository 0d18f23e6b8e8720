"""A SpikeBERT that folds, spelled as a CONTINUOUS graph of stock NIR nodes.

The stream X holds integers, and a spike is one bit. But a map is linear, and X is a sum
of spikes, so W X = W s_0 + W s_1 + …: every population of the stream has an edge into
every later map, and no number needs to travel.

    linear + channel norm      Conv1d of one tap, its bias from the population `present`
    LIF, hard reset            LIF with tau = dt / (1 - beta)
    AND of two spikes          two edges into Threshold(1.5)
    sum over tokens            Linear, weight (D, 1, L); its broadcast (D, L, 1)
    readout                    Flatten and Linear into the Output, which sums

The Input has a channel more, its last: 1 where there is a token. All biases come from
it, so that padding is silent, and the answer is the same at every padded length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from spikewright.errors import GraphError, InputError
from spikewright.graph import Graph, Stage
from spikewright.nodes import Conv1d, FloatArray, Input, Linear, Output, Threshold
from spikewright.train.graphs.sketch import Sketch, as_array
from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.spikebert.block import SpikeBertBlock, SpikingProjection
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.spikebert.neuron import SpikingNeuron, fires_above

NEEDED: dict[str, tuple[object, str]] = {
    "norm": (
        "channel",
        "LayerNorm needs each token's own mean, which no neuron computes; make one "
        "that folds by `spikewright train … --stage denorm`, or train with [student] "
        'norm = "channel"',
    ),
    "attention": (
        "sdsa",
        "the scores of ssa are products of whole numbers, not of spikes; train with "
        '[student] attention = "sdsa"',
    ),
    "encoding": (
        "heaviside",
        "the chip takes spikes, and a neuron that integrates the embedding takes real "
        'numbers; train with [student] encoding = "heaviside"',
    ),
    "readout": (
        "mean",
        'the chip sums over all tokens; train with [student] readout = "mean"',
    ),
    "pad_mask": (
        True,
        "padding would take part in the answer; train with [student] pad_mask = true",
    ),
}
"""option of the model -> the value that a graph can say, why, and the cure"""


def spikebert_graph(
    model: SpikeBertForSequenceClassification, *, tokens: int, dt_s: float
) -> Graph:
    """Return the model as a CONTINUOUS graph for sentences of up to `tokens` tokens.

    Input (D + 1, tokens), see `spikebert_inputs`; Output (classes,): at each step the
    sum over tokens; `logits = sum over steps / (steps * sentence length)`.

    Raises:
        GraphError: an option that no graph of spikes can say, or a time step of no
            length.
        InputError: more tokens than the model has places for, or none.
    """
    check_exportable(model.config)
    _check_tokens(model.config, tokens)
    if not 0 < dt_s < math.inf:
        raise GraphError(f"dt_s: {dt_s}; a time step is finite and longer than 0 s")
    beta, width = model.config.beta, model.config.hidden_size
    sketch = Sketch(tokens, dt_s / (1.0 - beta), dt_s)
    sketch.add("input", Input((width + 1, tokens)))
    _add_present(sketch, width)
    stream: list[str] = []
    for index, block in enumerate(model.spikebert.blocks):
        assert isinstance(block, SpikeBertBlock)  # noqa: S101 - the model made them
        stream += _add_block(_Place(sketch, width), block, f"block{index}", stream)
    _add_readout(sketch, model, stream)
    return Graph(sketch.nodes, tuple(sketch.edges), Stage.CONTINUOUS)


def check_exportable(config: SpikeBertConfig) -> None:
    """Refuse a model that no graph of spikes can say.

    Raises:
        GraphError: says of each such option what it is, what it may be, and the cure.
    """
    wrong = [
        f"{name} = {getattr(config, name)!r}, can say only {allowed!r}: {cure}"
        for name, (allowed, cure) in NEEDED.items()
        if getattr(config, name) != allowed
    ]
    if wrong:
        raise GraphError(
            "a graph of spikes cannot say this SpikeBERT: " + "; and ".join(wrong)
        )


def _check_tokens(config: SpikeBertConfig, tokens: int) -> None:
    most = config.max_position_embeddings
    if tokens < 1 or (config.positions == "learned" and tokens > most):
        raise InputError(f"tokens: {tokens}; this SpikeBERT has places for 1 to {most}")


@torch.no_grad()
def spikebert_inputs(
    model: SpikeBertForSequenceClassification,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    *,
    tokens: int,
) -> npt.NDArray[np.uint8]:
    """Return what the graph gets, (samples, steps, D + 1, tokens), 0 or 1.

    Args:
        model: whose words and places are added on the host.
        input_ids: padded, (samples, at most `tokens`).
        attention_mask: 1 where there is a token.
        tokens: slots of the graph.

    Raises:
        InputError: a sentence has no token, or more than there are slots.
    """
    layout = model.spikebert.lay_out(input_ids, attention_mask)
    if layout.longest > tokens:
        raise InputError(
            f"a sentence of {layout.longest} tokens; the graph has {tokens} slots; cut "
            "it, or export with more --tokens"
        )
    bits = model.spikebert.encode(input_ids.flatten()[layout.columns], layout.place)
    bits = torch.cat([bits, torch.ones_like(bits[..., :1])], dim=-1)
    steps, samples = len(bits), len(layout.lengths)
    inputs = np.zeros((samples, steps, bits.shape[2], tokens), np.uint8)
    sample, place = layout.sample.numpy(), layout.place.numpy()
    inputs[sample, :, :, place] = bits.transpose(0, 1).numpy().astype(np.uint8)
    return inputs


# --- nodes ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """Where a block is added."""

    sketch: Sketch
    width: int

    def project(
        self,
        name: str,
        layer: SpikingProjection,
        sources: list[str],
        *,
        of_stream: bool,
    ) -> str:
        """Add LIF(norm(W x + b)) of what populations sum up to, and of the input."""
        weight, bias = _folded(layer)
        ways = self._bias(name, bias)
        if of_stream:
            # The input's last channel says only where tokens are.
            bits = np.concatenate([weight, np.zeros((len(weight), 1))], axis=1)
            ways.append(self._map(f"{name}_of_input", bits, ["input"]))
        if sources:
            ways.append(self._map(f"{name}_map", weight, sources))
        return self.fire(name, layer.neuron, len(bias), *ways)

    def fire(
        self,
        name: str,
        neuron: SpikingNeuron,
        channels: int,
        *ways: str,
        tokens: int = 0,
    ) -> str:
        """Add a population of the model's neuron."""
        return self.sketch.lif(
            name,
            channels,
            *ways,
            tokens=tokens,
            drive=neuron.drive,
            threshold=fires_above(neuron.threshold, neuron.ties, torch.float64),
        )

    def _bias(self, name: str, bias: FloatArray) -> list[str]:
        return [self._map(f"{name}_bias", bias[:, None], ["present"])]

    def _map(self, name: str, weight: FloatArray, sources: list[str]) -> str:
        conv = Conv1d(weight[:, :, None], np.zeros(len(weight)), self.sketch.tokens)
        return self.sketch.add(name, conv, *sources)


def _add_present(sketch: Sketch, width: int) -> None:
    last = np.zeros((1, width + 1, 1))
    last[0, width] = 1.0
    chosen = sketch.add("last", Conv1d(last, np.zeros(1), sketch.tokens), "input")
    sketch.add("present", Threshold(np.full((1, sketch.tokens), 0.5)), chosen)


def _add_block(
    place: _Place, block: SpikeBertBlock, name: str, stream: list[str]
) -> list[str]:
    """Add a block; return the two populations that it adds to the stream."""
    attention, sketch, width = block.attention, place.sketch, place.width
    q, k, v = (
        place.project(f"{name}_{part[0]}", layer, stream, of_stream=True)
        for part in ("query", "key", "value")
        if isinstance(layer := attention.get_submodule(part), SpikingProjection)
    )
    both = sketch.both(f"{name}_kv", width, k, v)
    scale = np.full((width, 1, sketch.tokens), attention.scale)
    counted = sketch.add(f"{name}_gate_map", Linear(scale), both)
    gate = place.fire(f"{name}_gate", attention.neuron, width, counted, tokens=1)
    ones = np.ones((width, sketch.tokens, 1))
    spread = sketch.add(f"{name}_gate_spread", Linear(ones), gate)
    passed = sketch.both(f"{name}_passed", width, q, spread)
    mixed = place.project(f"{name}_mixed", attention.output, [passed], of_stream=False)
    hidden = place.project(
        f"{name}_expand", block.expand, [*stream, mixed], of_stream=True
    )
    out = place.project(f"{name}_out", block.contract, [hidden], of_stream=False)
    return [mixed, out]


def _folded(layer: SpikingProjection) -> tuple[FloatArray, FloatArray]:
    """Return weight (targets, sources) and bias (targets,) without the norm."""
    gain, shift = _constants(layer.norm)
    weight, bias = as_array(layer.linear.weight), as_array(layer.linear.bias)
    return gain[:, None] * weight, gain * bias + shift


def _constants(norm: torch.nn.Module) -> tuple[FloatArray, FloatArray]:
    assert isinstance(norm, FoldableNorm)  # noqa: S101 - norm = "channel" was checked
    gain, shift = norm.folded()
    return as_array(gain), as_array(shift)


def _add_readout(
    sketch: Sketch, model: SpikeBertForSequenceClassification, stream: list[str]
) -> None:
    gain, shift = _constants(model.norm)
    weight = as_array(model.classifier.weight)
    constant = weight @ shift + as_array(model.classifier.bias)
    # Of the input, the last channel brings what every token adds.
    bits = np.concatenate([weight * gain, constant[:, None]], axis=1)
    heads = [sketch.head(bits, "input")]
    heads += [sketch.head(weight * gain, source) for source in stream]
    sketch.add("output", Output((len(weight),)), *heads)
