"""The nodes of a graph. A node's docstring is its equation.

Signals have the shape of the population that sends them; `a` is the summed input of a
node at one step, `x` its single input, `v` a membrane potential, `s` a spike, 0 or 1.
Arrays are made read-only, so that a node is a value.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Shape: TypeAlias = tuple[int, ...]
Array: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
NumberArray: TypeAlias = npt.NDArray[Any]
"""real weights, or integers once QUANTIZED"""


class _Value:
    """Freezes the array fields of the dataclasses below: private, read-only copies."""

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                frozen = value.copy()
                frozen.setflags(write=False)
                object.__setattr__(self, field.name, frozen)


# --- every stage -------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Input(_Value):
    """Where the signal of a sample enters, one array of `shape` a step."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class Output(_Value):
    """Where the result leaves: out = scale * a.

    `scale` is the value of one integer unit in a QUANTIZED graph, 1 before.
    """

    shape: Shape
    scale: float = 1.0


# --- CONTINUOUS and DISCRETE: linear maps as NIR writes them ------------------------


@dataclass(frozen=True, eq=False)
class Affine(_Value):
    """y = weight @ x + bias, over the last axis."""

    weight: FloatArray
    """(…, targets, sources)"""
    bias: FloatArray
    """(…, targets)"""


@dataclass(frozen=True, eq=False)
class Linear(_Value):
    """y = weight @ x, over the last axis."""

    weight: FloatArray
    """(…, targets, sources)"""


@dataclass(frozen=True, eq=False)
class Conv1d(_Value):
    """y[:, l] = sum_k weight[:, :, k] @ x[:, l + k] + bias: a window slid over tokens.

    Stride 1, no padding, no dilation, one group; with one tap it is token-wise.
    """

    weight: FloatArray
    """(target channels, source channels, taps)"""
    bias: FloatArray
    """(target channels,)"""
    tokens: int
    """length of the input"""


@dataclass(frozen=True, eq=False)
class Scale(_Value):
    """y = scale * x, elementwise."""

    scale: FloatArray


@dataclass(frozen=True, eq=False)
class Flatten(_Value):
    """y = x, reshaped from `shape` to `target_shape` in C order."""

    shape: Shape
    target_shape: Shape


# --- CONTINUOUS: seconds ------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Delay(_Value):
    """y(t) = x(t - delay_s)."""

    delay_s: FloatArray


@dataclass(frozen=True, eq=False)
class LIF(_Value):
    """tau_s dv/dt = v_leak - v + r a;  s = v > v_threshold;  v = v_reset where s."""

    tau_s: FloatArray
    r: FloatArray
    v_leak: FloatArray
    v_threshold: FloatArray
    v_reset: FloatArray


@dataclass(frozen=True, eq=False)
class IF(_Value):
    """dv/dt = r a;  s = v > v_threshold;  v = v_reset where s."""

    r: FloatArray
    v_threshold: FloatArray
    v_reset: FloatArray


@dataclass(frozen=True, eq=False)
class LI(_Value):
    """tau_s dv/dt = v_leak - v + r a; sends v."""

    tau_s: FloatArray
    r: FloatArray
    v_leak: FloatArray


@dataclass(frozen=True, eq=False)
class I(_Value):  # noqa: E742 - NIR's name
    """dv/dt = r a; sends v."""

    r: FloatArray


@dataclass(frozen=True, eq=False)
class Threshold(_Value):
    """s = a > threshold; no state."""

    threshold: FloatArray


# --- DISCRETE and later: steps ------------------------------------------------------


@dataclass(frozen=True, eq=False)
class DelaySteps(_Value):
    """y[t] = x[t - steps]; 0 before."""

    shape: Shape
    steps: int


@dataclass(frozen=True, eq=False)
class BiasLine(_Value):
    """s[t] = 1 for the steps of the sample, else 0: one neuron that carries biases."""

    shape: Shape = (1,)


@dataclass(frozen=True, eq=False)
class SpikingNeurons(_Value):
    """v[t] = decay v[t-1] + a[t] + bias;  s[t] = v[t] > threshold;  v = 0 where s.

    Covers LIF, IF (decay 1) and Threshold (decay 0). `bias` is 0 once biases travel
    on the bias line.
    """

    decay: FloatArray
    threshold: FloatArray
    bias: FloatArray

    @property
    def shape(self) -> Shape:
        """Shape of the population."""
        return self.threshold.shape


@dataclass(frozen=True, eq=False)
class Integrators(_Value):
    """v[t] = decay v[t-1] + a[t] + bias; sends gain * v[t], a graded value.

    Covers LI and I (decay 1).
    """

    decay: FloatArray
    bias: FloatArray
    gain: FloatArray

    @property
    def shape(self) -> Shape:
        """Shape of the population."""
        return self.decay.shape


# --- synapses: one linear map between two populations; each takes one step once TIMED


@dataclass(frozen=True, eq=False)
class DenseSynapses(_Value):
    """a = weight @ x * 2**exponent, with x and a flattened in C order."""

    weight: NumberArray
    """(targets, sources)"""
    exponent: int = 0


@dataclass(frozen=True, eq=False)
class TokenSynapses(_Value):
    """a[:, l] = sum_k weight[k] @ x[:, l + k] * 2**exponent: shared by all tokens."""

    weight: NumberArray
    """(taps, target channels, source channels)"""
    exponent: int = 0


@dataclass(frozen=True, eq=False)
class ChannelSynapses(_Value):
    """a[c] = weight[c] @ x[c] * 2**exponent: mixes the tokens of each channel."""

    weight: NumberArray
    """(channels, target tokens, source tokens)"""
    exponent: int = 0


@dataclass(frozen=True, eq=False)
class DiagonalSynapses(_Value):
    """a = weight * x * 2**exponent, elementwise: one synapse a neuron."""

    weight: NumberArray
    """the shape of the population"""
    exponent: int = 0


# --- QUANTIZED: Loihi's registers (lava.proc.lif, fixed_pt) --------------------------


@dataclass(frozen=True, eq=False)
class QuantizedNeurons(_Value):
    """v[t] = clip(rsz(v[t-1] (4096 - dv), 12) + (a[t] << 6));  s = v > (vth << 6).

    rsz(x, n) shifts right towards zero; v = 0 where s; |v| < 2**23; |a| < 2**17.
    `scale` integer units of `a` are worth 1 of the float graph.
    """

    shape: Shape
    dv: int
    vth: int
    scale: float


@dataclass(frozen=True, eq=False)
class QuantizedIntegrators(_Value):
    """v[t] = rsz(v[t-1] (4096 - dv), 12) + (a[t] << 6); sends v, 24 bits."""

    shape: Shape
    dv: int
    scale: float


Synapses: TypeAlias = DenseSynapses | TokenSynapses | ChannelSynapses | DiagonalSynapses
Neurons: TypeAlias = SpikingNeurons | QuantizedNeurons
Graded: TypeAlias = Integrators | QuantizedIntegrators
Population: TypeAlias = Input | BiasLine | Neurons | Graded
LinearMap: TypeAlias = Affine | Linear | Conv1d | Scale
InSeconds: TypeAlias = Delay | LIF | IF | LI | I | Threshold
Node: TypeAlias = (
    Population | Output | Synapses | LinearMap | Flatten | DelaySteps | InSeconds
)

SYNAPSES = (DenseSynapses, TokenSynapses, ChannelSynapses, DiagonalSynapses)
GRADED = (Integrators, QuantizedIntegrators)
"""populations that send numbers instead of spikes"""
POPULATIONS = (Input, BiasLine, SpikingNeurons, QuantizedNeurons, *GRADED)
