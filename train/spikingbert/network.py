"""The populations of a SpikingBERT, in the order in which spikes travel.

Each is a map and the neurons behind it. The list is read three ways: as the equation of
the rates (`equilibrium`), as a run of spikes (`settle`), and as a graph for the chip.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from spikewright.train.spikebert.layout import Layout
from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.spikingbert.maps import (
    Both,
    Encode,
    Gate,
    Gelu,
    Map,
    Project,
    SoftmaxAttention,
    channel_norm,
    stream_norm,
)
from spikewright.train.spikingbert.neuron import IntegrateAndFire

CURRENT, ENCODER = "current", "encoder"
"""names of the constant input and of the population that it drives"""


@dataclass(frozen=True, eq=False)
class Layer:
    """A population: its name, its map, and the names of what the map reads."""

    name: str
    map: Map
    sources: tuple[str, ...]


class Block(nn.Module):
    """Attention and perceptron; `s` enters, what `contract` sends leaves.

    softmax: key    k = s W + b                sdsa: and query q = s W + b
             value  v = s W + b                      both      k + v - 1
             mix    softmax(q k / sqrt(d)) v         gate      gain * sum of both
                                                     mix       q + gate - 1
    output    norm(mix W + b + s)
    expand    GELU(output W + b), or output W + b
    contract  norm(expand W + b + output)

    Under `norm = "channel"` every W + b has a norm behind it.
    """

    def __init__(self, config: SpikingBertConfig) -> None:
        super().__init__()
        width, hidden = config.hidden_size, config.intermediate_size
        self.is_gated = config.attention == "sdsa"
        self.key = Project(width, width, channel_norm(width, config))
        self.value = Project(width, width, channel_norm(width, config))
        self.mix: Map = SoftmaxAttention(config)
        if self.is_gated:
            self.query = Project(width, width, channel_norm(width, config))
            self.both, self.gate, self.mix = Both(config), Gate(config), Both(config)
        self.output = Project(width, width, stream_norm(width, config))
        self.expand: Map = Gelu(width, hidden)
        if config.activation == "clamp":
            self.expand = Project(width, hidden, channel_norm(hidden, config))
        self.contract = Project(hidden, width, stream_norm(width, config))

    def layers(self, name: str, s: str) -> list[Layer]:
        """Return the populations of the block that reads `s`."""

        def add(part: str, *sources: str) -> str:
            each = self.get_submodule(part)
            assert isinstance(each, Map)  # noqa: S101 - made above
            made.append(Layer(f"{name}.{part}", each, sources))
            return made[-1].name

        made: list[Layer] = []
        k, v = add("key", s), add("value", s)
        if self.is_gated:
            q = add("query", s)
            mixed = add("mix", q, add("gate", add("both", k, v)))
        else:
            mixed = add("mix", s, k, v)
        o = add("output", mixed, s)
        add("contract", add("expand", o), o)
        return made


class SpikingNetwork(nn.Module):
    """All populations behind the constant current x."""

    def __init__(self, config: SpikingBertConfig) -> None:
        super().__init__()
        self.config, self.neuron = config, IntegrateAndFire(config)
        self.encode = Encode(config)
        self.blocks = nn.ModuleList(
            Block(config) for _ in range(config.num_hidden_layers)
        )

    @property
    def streams(self) -> tuple[str, ...]:
        """Return the names of the encoder and of each block's last population."""
        return ENCODER, *(f"block{i}.contract" for i in range(len(self.blocks)))

    @property
    def has_feedback(self) -> bool:
        """Return whether the last population feeds the first."""
        return self.encode.feedback is not None

    @functools.cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Return the populations in order."""
        back = (self.streams[-1],) if self.has_feedback else ()
        made = [Layer(ENCODER, self.encode, (CURRENT, *back))]
        for i, block in enumerate(self.blocks):
            assert isinstance(block, Block)  # noqa: S101 - made above
            made += block.layers(f"block{i}", self.streams[i])
        return tuple(made)

    def rates(
        self,
        layout: Layout,
        x: torch.Tensor,
        last: torch.Tensor | None = None,
        *,
        instead: Mapping[str, torch.Tensor] | None = None,
    ) -> dict[str, torch.Tensor]:
        """Return the rate a of each population, (tokens or samples, channels), 0 to 1.

        a_i = clamp(f_i(rates of its sources) / theta, 0, 1), f_i its map.

        Args:
            layout: where the tokens lie.
            x: constant current of the encoder, (tokens, D).
            last: rates of the last population that the encoder reads, if it does.
            instead: values to put in place of these, which then only give gradients.
        """
        values = {CURRENT: x} if last is None else {CURRENT: x, self.streams[-1]: last}
        for layer in self.layers:
            a = layer.map(layout, *(values[name] for name in layer.sources))
            rate = (a / self.neuron.threshold).clamp(0.0, 1.0)
            if instead is not None:
                # To the bit: rate + (value - rate) might miss it.
                rate = instead[layer.name].to(rate.dtype) + (rate - rate.detach())
            values[layer.name] = rate
        del values[CURRENT]
        return values
