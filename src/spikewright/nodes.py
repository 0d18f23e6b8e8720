"""The nodes of a graph. A node's docstring is its equation.

`continuous` has the nodes of a NIR file, `populations` and `synapses` those of a
lowered graph. Arrays are made read-only, so that a node is a value.
"""

from __future__ import annotations

from typing import TypeAlias

from spikewright.continuous import (
    IF,
    LI,
    LIF,
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    CubaLI,
    CubaLIF,
    Delay,
    Flatten,
    I,
    Linear,
    Scale,
    SumPool2d,
    Threshold,
)
from spikewright.populations import (
    BiasLine,
    DelaySteps,
    Input,
    Integrators,
    Output,
    PerNeuron,
    QuantizedIntegrators,
    QuantizedNeurons,
    SpikingNeurons,
)
from spikewright.synapses import (
    SYNAPSES,
    ChannelSynapses,
    ConvSynapses,
    DenseSynapses,
    DiagonalSynapses,
    SparseSynapses,
    Synapses,
    TokenSynapses,
)
from spikewright.values import (
    ZERO,
    Array,
    FloatArray,
    IntArray,
    NumberArray,
    Pair,
    Shape,
)

Neurons: TypeAlias = SpikingNeurons | QuantizedNeurons
Graded: TypeAlias = Integrators | QuantizedIntegrators
Population: TypeAlias = Input | BiasLine | Neurons | Graded
LinearMap: TypeAlias = Affine | Linear | Conv1d | Conv2d | SumPool2d | AvgPool2d | Scale
InSeconds: TypeAlias = Delay | LIF | IF | CubaLIF | LI | CubaLI | I | Threshold
Node: TypeAlias = (
    Population | Output | Synapses | LinearMap | Flatten | DelaySteps | InSeconds
)

MAPS = (Affine, Linear, Conv1d, Conv2d, SumPool2d, AvgPool2d, Scale, Flatten)
"""linear maps as NIR writes them"""
IN_SECONDS = (Delay, LIF, IF, CubaLIF, LI, CubaLI, I, Threshold)
SPIKING = (SpikingNeurons, QuantizedNeurons)
GRADED = (Integrators, QuantizedIntegrators)
"""populations that send numbers instead of spikes"""
POPULATIONS = (Input, BiasLine, *SPIKING, *GRADED)

__all__ = [
    "GRADED",
    "IF",
    "IN_SECONDS",
    "LI",
    "LIF",
    "MAPS",
    "POPULATIONS",
    "SPIKING",
    "SYNAPSES",
    "ZERO",
    "Affine",
    "Array",
    "AvgPool2d",
    "BiasLine",
    "ChannelSynapses",
    "Conv1d",
    "Conv2d",
    "ConvSynapses",
    "CubaLI",
    "CubaLIF",
    "Delay",
    "DelaySteps",
    "DenseSynapses",
    "DiagonalSynapses",
    "Flatten",
    "FloatArray",
    "Graded",
    "I",
    "InSeconds",
    "Input",
    "IntArray",
    "Integrators",
    "Linear",
    "LinearMap",
    "Neurons",
    "Node",
    "NumberArray",
    "Output",
    "Pair",
    "PerNeuron",
    "Population",
    "QuantizedIntegrators",
    "QuantizedNeurons",
    "Scale",
    "Shape",
    "SparseSynapses",
    "SpikingNeurons",
    "SumPool2d",
    "Synapses",
    "Threshold",
    "TokenSynapses",
]
