"""The integers of a lowered student, as tensors that hold them exactly.

They are in the units of the float student: each integer times a power of two, which
costs no bit. `read_integers` refuses what float32 could not sum exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from spikewright.bounds import input_sums, state_range
from spikewright.errors import GraphError
from spikewright.graph import Graph, Stage
from spikewright.hops import Hop, hops_by_target
from spikewright.loihi import DECAY_ONE, STATE_BITS
from spikewright.nodes import (
    BiasLine,
    ConvSynapses,
    DenseSynapses,
    NumberArray,
    Output,
    QuantizedNeurons,
    Shape,
    TokenSynapses,
)
from spikewright.train.quantize.neuron import Registers


@dataclass(frozen=True, eq=False)
class Integers:
    """What a population or the Output has on the chip."""

    weights: Mapping[str, torch.Tensor]
    """by source, of the shape of the student's own parameter"""
    bias: torch.Tensor | None
    """(channels,); None if nothing arrives from the bias line"""
    registers: Registers | None
    """None: the Output"""

    @property
    def own_registers(self) -> Registers:
        """The registers of a population."""
        assert self.registers is not None  # noqa: S101 - only the Output has none
        return self.registers


def read_integers(
    graph: Graph, *, steps: int, device: torch.device
) -> dict[str, Integers]:
    """Return the integers of each population of a lowered student, and of its Output.

    Args:
        graph: QUANTIZED, from `student_graph`.
        steps: of a sentence.
        device: where the tensors shall be.

    Raises:
        GraphError: the graph is not QUANTIZED, a weight is not the same for all tokens,
            a register could overflow, or a bias would make silent tokens fire.
    """
    graph.expect(Stage.QUANTIZED)
    found = {}
    for name, arriving in hops_by_target(graph).items():
        node = graph.nodes[name]
        if isinstance(node, QuantizedNeurons):
            _refuse_overflow(graph, name, arriving, steps)
            registers = _registers(name, node)
            own = _Own(graph, name, node.shape, 1.0 / node.scale, device)
        elif isinstance(node, Output):
            registers = None
            own = _Own(graph, name, node.shape, node.scale, device)
        else:
            continue
        weights = {hop.source: own.tensor(hop) for hop in arriving}
        lines = [k for k in weights if isinstance(graph.nodes[k], BiasLine)]
        bias = weights.pop(lines[0]) if lines else None
        if bias is not None and registers is not None:
            _refuse_loud_bias(name, float(bias.max()), registers, steps)
        found[name] = Integers(weights, bias, registers)
    return found


def _registers(name: str, node: QuantizedNeurons) -> Registers:
    if not isinstance(node.dv, int) or node.du != DECAY_ONE or node.drop is not None:
        raise GraphError(
            f"node '{name}': the student's neurons have one decay, no memory of the "
            "current and a hard reset; got others; lower the student's own graph"
        )
    return Registers(
        decay=DECAY_ONE - node.dv,
        threshold=node.vth / node.scale,
        quantum=2.0**-STATE_BITS / node.scale,
    )


# --- weights -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Own:
    """A population, or the Output, whose weights are read."""

    graph: Graph
    name: str
    shape: Shape
    unit: float
    """what an integer is worth"""
    device: torch.device

    def tensor(self, hop: Hop) -> torch.Tensor:
        """Return the weights of a hop, each channel's once."""
        if hop.synapses is None or hop.synapses.exponent < 0:
            raise GraphError(
                f"node '{self.name}': takes '{hop.source}' without synapses, or with a "
                "negative exponent, which training does not know; lower by default"
            )
        unit = math.ldexp(self.unit, hop.synapses.exponent)
        values = (self._of_channels(hop) * unit).astype(np.float32)
        return torch.from_numpy(values).to(self.device)

    def _of_channels(self, hop: Hop) -> NumberArray:
        synapses = hop.synapses
        assert synapses is not None  # noqa: S101 - refused before
        weight = synapses.weight
        by_token: NumberArray
        match synapses:
            case TokenSynapses():
                # (taps, targets, sources); the module's is (targets, taps * sources)
                return np.moveaxis(weight, 0, 1).reshape(weight.shape[1], -1)
            case ConvSynapses():
                return self._ahead(weight)
            case DenseSynapses() if weight.shape[1] > 1:  # a head
                source = self.graph.nodes[hop.source]
                channels = source.shape[0]  # type: ignore[union-attr]
                by_token = weight.reshape(len(weight), channels, -1)
            case _:
                by_token = weight.reshape(self.shape[0], -1)
        first = by_token[..., :1]
        if not np.array_equal(by_token, np.broadcast_to(first, by_token.shape)):
            raise GraphError(
                f"node '{self.name}': the integers of '{hop.source}' differ from token "
                "to token; round to the nearest, not stochastically"
            )
        return first[..., 0]

    def _ahead(self, weight: NumberArray) -> NumberArray:
        """Return the taps that look ahead, (targets, taps * sources)."""
        back = weight.shape[3] // 2  # as many that look back, and are zero
        if np.any(weight[..., :back]):
            raise GraphError(
                f"node '{self.name}': its window looks back; the student's looks ahead "
                "only, so that padding stays silent; lower the student's own graph"
            )
        ahead = np.moveaxis(weight[:, :, 0, back:], 2, 1)
        return ahead.reshape(len(weight), -1)


# --- what training takes for granted -------------------------------------------------


def _refuse_overflow(
    graph: Graph, name: str, arriving: Sequence[Hop], steps: int
) -> None:
    """Refuse what could leave a register: then every sum is below 2**24 quanta."""
    node = graph.nodes[name]
    assert isinstance(node, QuantizedNeurons)  # noqa: S101 - the caller's
    sums = input_sums(graph, arriving, math.prod(node.shape))
    if not state_range(node, sums, steps).fits:
        raise GraphError(
            f"node '{name}': its worst input overflows a register within {steps} "
            "steps; lower it without calibration, or give the student fewer steps"
        )


def _refuse_loud_bias(
    name: str, largest: float, registers: Registers, steps: int
) -> None:
    """Refuse a bias whose rounding makes a neuron fire without input."""
    v = 0.0
    for _ in range(steps):
        kept = v * registers.decay / DECAY_ONE / registers.quantum
        v = math.trunc(kept) * registers.quantum + largest
    if v > registers.threshold:
        raise GraphError(
            f"node '{name}': a bias of {largest:g} after rounding fires silent tokens "
            f"(threshold {registers.threshold:g}), as others of the population are far "
            "larger; train with a lower learning_rate or more weight_decay"
        )
