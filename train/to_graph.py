"""The deployable student spelled as a CONTINUOUS graph of stock NIR nodes.

    token-wise linear + norm   Conv1d (one tap; the stem: `window` taps) with bias
    LIF, hard reset            LIF with tau = dt / (1 - beta), r = tau / dt
    AND of two spikes          two edges into Threshold(1.5)
    sum over tokens            Linear, weight (C, 1, L); its broadcast (C, L, 1)
    residual of spikes         Scale, and a second edge into the LIF
    readout                    Flatten and Linear into the Output, which sums

The input has window - 1 slots more than there are tokens, always silent, so that the
last token has something to look forward to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from spikewright.errors import GraphError, InputError
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    LIF,
    Conv1d,
    Flatten,
    FloatArray,
    Input,
    Linear,
    Node,
    Output,
    Scale,
    Threshold,
)
from spikewright.train.student import Block, ChipStudent, SpikingLinear

AND_THRESHOLD = 1.5


@dataclass(frozen=True)
class _Sketch:
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

    def lif(self, name: str, channels: int, *sources: str, tokens: int = 0) -> str:
        """Add a population of the student's neuron, one value for all."""
        shape = (channels, tokens or self.tokens)
        return self.add(
            name,
            LIF(
                tau_s=np.full(shape, self.tau_s),
                r=np.full(shape, self.tau_s / self.dt_s),
                v_leak=np.zeros(shape),
                v_threshold=np.ones(shape),
                v_reset=np.zeros(shape),
            ),
            *sources,
        )


def student_graph(student: ChipStudent, *, tokens: int, dt_s: float) -> Graph:
    """Return the student as a CONTINUOUS graph for sentences of up to `tokens` tokens.

    Input (bits, tokens + window - 1), Output (classes,): at each step the sum over
    tokens of the heads; `logits = sum over steps / (steps * sentence length)`.

    Raises:
        InputError: more tokens than the student has positions for, or none.
    """
    config = student.config
    if not 1 <= tokens <= config.max_tokens:
        raise InputError(
            f"tokens: {tokens}; the student has positions for 1 to {config.max_tokens}"
        )
    if not 0 < dt_s < math.inf:
        raise GraphError(f"dt_s: {dt_s}; a time step is finite and longer than 0 s")
    sketch = _Sketch(tokens, dt_s / (1.0 - config.beta), dt_s)
    bits = config.channels + config.position_channels
    sketch.add("input", Input((bits, tokens + config.window - 1)))
    outputs = [_add_stem(sketch, student)]
    for index, block in enumerate(student.blocks):
        assert isinstance(block, Block)  # noqa: S101 - the student made them
        outputs.append(_add_block(sketch, block, f"block{index}", outputs[-1]))
    heads = [
        _add_head(sketch, head.get_parameter("weight"), source)
        for head, source in zip(student.heads, outputs, strict=True)
    ]
    sketch.add("output", Output((len(config.id2label or {}),)), *heads)
    return Graph(sketch.nodes, tuple(sketch.edges), Stage.CONTINUOUS)


def _numpy(tensor: torch.Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().double().numpy()
    return array


def _add_stem(sketch: _Sketch, student: ChipStudent) -> str:
    weight, bias = student.stem.folded()
    config = student.config
    # The module concatenates the bits of the window: (targets, window, bits).
    taps = _numpy(weight).reshape(config.channels, config.window, -1)
    conv = Conv1d(
        np.moveaxis(taps, 1, 2), _numpy(bias), sketch.tokens + config.window - 1
    )
    return sketch.lif("stem", config.channels, sketch.add("stem_map", conv, "input"))


def _add_block(sketch: _Sketch, block: Block, name: str, source: str) -> str:
    q = _add_layer(sketch, block.q, f"{name}_q", source)
    k = _add_layer(sketch, block.k, f"{name}_k", source)
    v = _add_layer(sketch, block.v, f"{name}_v", source)
    channels, tokens = len(block.gain), sketch.tokens
    both = _add_and(sketch, f"{name}_kv", channels, k, v)
    gain = np.repeat(_numpy(block.gain)[:, None, None], tokens, axis=2)
    counted = sketch.add(f"{name}_gate_map", Linear(gain), both)
    gate = sketch.lif(f"{name}_gate", channels, counted, tokens=1)
    ones = np.ones((channels, tokens, 1))
    spread = sketch.add(f"{name}_gate_spread", Linear(ones), gate)
    passed = _add_and(sketch, f"{name}_passed", channels, q, spread)
    mixed = _add_layer(sketch, block.mixed, f"{name}_mixed", passed, source)
    hidden = _add_layer(sketch, block.expand, f"{name}_expand", mixed)
    return _add_layer(sketch, block.out, f"{name}_out", hidden, mixed)


def _add_and(sketch: _Sketch, name: str, channels: int, *sources: str) -> str:
    threshold = np.full((channels, sketch.tokens), AND_THRESHOLD)
    return sketch.add(name, Threshold(threshold), *sources)


def _add_layer(
    sketch: _Sketch,
    layer: SpikingLinear,
    name: str,
    source: str,
    residual: str | None = None,
) -> str:
    """Add Conv1d and LIF, and the skip of spikes if the layer has one."""
    weight, bias = layer.folded()
    conv = Conv1d(_numpy(weight)[:, :, None], _numpy(bias), sketch.tokens)
    sources = [sketch.add(f"{name}_map", conv, source)]
    if layer.skip is not None and residual is not None:
        skip = np.repeat(_numpy(layer.skip)[:, None], sketch.tokens, axis=1)
        sources.append(sketch.add(f"{name}_skip", Scale(skip), residual))
    return sketch.lif(name, len(bias), *sources)


def _add_head(sketch: _Sketch, weight: torch.Tensor, source: str) -> str:
    """Add the readout of one population: the same weights for every token."""
    channels = weight.shape[1]
    flat = Flatten((channels, sketch.tokens), (channels * sketch.tokens,))
    flattened = sketch.add(f"{source}_flat", flat, source)
    shared = np.repeat(_numpy(weight), sketch.tokens, axis=1)
    return sketch.add(f"{source}_head", Linear(shared), flattened)
