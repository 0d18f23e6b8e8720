"""The deployable student spelled as a CONTINUOUS graph of stock NIR nodes.

    token-wise linear + norm   Conv1d (one tap; the stem: `window` taps; the expansion:
                               `block_window` taps ahead, as many zeros back) with bias
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

import numpy as np

from spikewright.errors import GraphError, InputError
from spikewright.graph import Graph, Stage
from spikewright.nodes import (
    Conv1d,
    Input,
    Linear,
    Output,
    Scale,
)
from spikewright.train.chip.layers import Block, SpikingLinear
from spikewright.train.chip.model import ChipStudent
from spikewright.train.graphs.sketch import Sketch, as_array


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
    sketch = Sketch(tokens, dt_s / (1.0 - config.beta), dt_s)
    bits = config.word_channels + config.position_channels
    sketch.add("input", Input((bits, tokens + config.window - 1)))
    outputs = [_add_stem(sketch, student)]
    for index, block in enumerate(student.blocks):
        assert isinstance(block, Block)  # noqa: S101 - the student made them
        outputs.append(_add_block(sketch, block, f"block{index}", outputs[-1]))
    heads = [
        sketch.head(as_array(head.get_parameter("weight")), source)
        for head, source in zip(student.heads, outputs, strict=True)
    ]
    sketch.add("output", Output((len(config.id2label or {}),)), *heads)
    return Graph(sketch.nodes, tuple(sketch.edges), Stage.CONTINUOUS)


def _add_stem(sketch: Sketch, student: ChipStudent) -> str:
    weight, bias = student.stem.folded()
    config = student.config
    # The module concatenates the bits of the window: (targets, window, bits).
    taps = as_array(weight).reshape(config.channels, config.window, -1)
    conv = Conv1d(
        np.moveaxis(taps, 1, 2), as_array(bias), sketch.tokens + config.window - 1
    )
    return sketch.lif("stem", config.channels, sketch.add("stem_map", conv, "input"))


def _add_block(sketch: Sketch, block: Block, name: str, source: str) -> str:
    q = _add_layer(sketch, block.q, f"{name}_q", source)
    k = _add_layer(sketch, block.k, f"{name}_k", source)
    v = _add_layer(sketch, block.v, f"{name}_v", source)
    channels, tokens = len(block.gain), sketch.tokens
    both = sketch.both(f"{name}_kv", channels, k, v)
    gain = np.repeat(as_array(block.gain)[:, None, None], tokens, axis=2)
    counted = sketch.add(f"{name}_gate_map", Linear(gain), both)
    gate = sketch.lif(f"{name}_gate", channels, counted, tokens=1)
    ones = np.ones((channels, tokens, 1))
    spread = sketch.add(f"{name}_gate_spread", Linear(ones), gate)
    passed = sketch.both(f"{name}_passed", channels, q, spread)
    mixed = _add_layer(sketch, block.mixed, f"{name}_mixed", passed, source)
    hidden = _add_layer(
        sketch, block.expand, f"{name}_expand", mixed, window=block.window
    )
    return _add_layer(sketch, block.out, f"{name}_out", hidden, mixed)


def _add_layer(
    sketch: Sketch,
    layer: SpikingLinear,
    name: str,
    source: str,
    residual: str | None = None,
    *,
    window: int = 1,
) -> str:
    """Add Conv1d and LIF, and the skip of spikes if the layer has one."""
    weight, bias = layer.folded()
    before = window - 1
    # Padding is the same on both sides: as many taps that are zero look back.
    taps = np.zeros((len(bias), weight.shape[1] // window, 2 * before + 1))
    taps[:, :, before:] = np.moveaxis(
        as_array(weight).reshape(len(bias), window, -1), 1, 2
    )
    conv = Conv1d(taps, as_array(bias), sketch.tokens, padding=(before, before))
    sources = [sketch.add(f"{name}_map", conv, source)]
    if layer.skip is not None and residual is not None:
        skip = np.repeat(as_array(layer.skip)[:, None], sketch.tokens, axis=1)
        sources.append(sketch.add(f"{name}_skip", Scale(skip), residual))
    return sketch.lif(name, len(bias), *sources)
