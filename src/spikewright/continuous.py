"""The nodes of a NIR file: linear maps, and dynamics in seconds.

`x` is the input of a map, `a` the summed input of a neuron, `v` a membrane potential,
`u` a synaptic current, `s` a spike, 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from spikewright.values import FloatArray, Pair, Shape, Value

Pads: TypeAlias = tuple[Pair, Pair]
"""zeros before and after: ((top, bottom), (left, right))"""

# --- linear maps ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Affine(Value):
    """y = weight @ x + bias, over the last axis."""

    weight: FloatArray
    """(…, targets, sources)"""
    bias: FloatArray
    """(…, targets)"""


@dataclass(frozen=True, eq=False)
class Linear(Value):
    """y = weight @ x, over the last axis."""

    weight: FloatArray
    """(…, targets, sources)"""


@dataclass(frozen=True, eq=False)
class Conv1d(Value):
    """y[o, l] = sum_ck weight[o, c, k] x[c, stride l + dilation k - pad] + bias[o].

    x is zero outside. Target channel o sees the source channels of its group only.
    """

    weight: FloatArray
    """(target channels, source channels / groups, taps)"""
    bias: FloatArray
    """(target channels,)"""
    tokens: int
    """length of the input"""
    stride: int = 1
    padding: Pair = (0, 0)
    """zeros before and after"""
    dilation: int = 1
    groups: int = 1


@dataclass(frozen=True, eq=False)
class Conv2d(Value):
    """Conv1d over two axes: y[o, i, j] = sum_cpq weight[o, c, p, q] x[c, …] + bias."""

    weight: FloatArray
    """(target channels, source channels / groups, rows, columns)"""
    bias: FloatArray
    """(target channels,)"""
    size: Pair
    """rows and columns of the input"""
    stride: Pair = (1, 1)
    padding: Pads = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    groups: int = 1


@dataclass(frozen=True, eq=False)
class SumPool2d(Value):
    """y[c, i, j] = the sum of x[c] over a window; zeros outside."""

    shape: Shape
    """(channels, rows, columns) of the input"""
    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    """zeros on either side of the rows, and of the columns"""


@dataclass(frozen=True, eq=False)
class AvgPool2d(Value):
    """y[c, i, j] = the mean of x[c] over a window; zeros outside count."""

    shape: Shape
    """(channels, rows, columns) of the input"""
    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    """zeros on either side of the rows, and of the columns"""


@dataclass(frozen=True, eq=False)
class Scale(Value):
    """y = scale * x, elementwise."""

    scale: FloatArray


@dataclass(frozen=True, eq=False)
class Flatten(Value):
    """y = x, reshaped from `shape` to `target_shape` in C order."""

    shape: Shape
    target_shape: Shape


# --- dynamics in seconds -------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Delay(Value):
    """y(t) = x(t - delay_s)."""

    delay_s: FloatArray


@dataclass(frozen=True, eq=False)
class LIF(Value):
    """tau_s dv/dt = v_leak - v + r a;  s = v > v_threshold;  v = v_reset where s."""

    tau_s: FloatArray
    r: FloatArray
    v_leak: FloatArray
    v_threshold: FloatArray
    v_reset: FloatArray


@dataclass(frozen=True, eq=False)
class IF(Value):
    """dv/dt = r a;  s = v > v_threshold;  v = v_reset where s."""

    r: FloatArray
    v_threshold: FloatArray
    v_reset: FloatArray


@dataclass(frozen=True, eq=False)
class CubaLIF(Value):
    """A LIF behind a synaptic current.

    tau_syn_s du/dt = w_in a - u;  tau_mem_s dv/dt = v_leak - v + r u;
    s = v > v_threshold;  v = v_reset where s.
    """

    tau_syn_s: FloatArray
    tau_mem_s: FloatArray
    r: FloatArray
    v_leak: FloatArray
    v_threshold: FloatArray
    v_reset: FloatArray
    w_in: FloatArray


@dataclass(frozen=True, eq=False)
class LI(Value):
    """tau_s dv/dt = v_leak - v + r a; sends v."""

    tau_s: FloatArray
    r: FloatArray
    v_leak: FloatArray


@dataclass(frozen=True, eq=False)
class CubaLI(Value):
    """tau_syn_s du/dt = w_in a - u;  tau_mem_s dv/dt = v_leak - v + r u; sends v."""

    tau_syn_s: FloatArray
    tau_mem_s: FloatArray
    r: FloatArray
    v_leak: FloatArray
    w_in: FloatArray


@dataclass(frozen=True, eq=False)
class I(Value):  # noqa: E742 - NIR's name
    """dv/dt = r a; sends v."""

    r: FloatArray


@dataclass(frozen=True, eq=False)
class Threshold(Value):
    """s = a > threshold; no state."""

    threshold: FloatArray
