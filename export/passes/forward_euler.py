"""Neurons in seconds into neurons in steps, by forward Euler."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.graphs.shapes import check_alike

_SNAP_GAIN = 1e-12
_SNAP_DECAY = 4 * 2.0**-53


@dataclass(frozen=True, eq=False)
class _Dynamics:
    """What spiking neurons and integrators share, in units of the weighted input."""

    decay: n.FloatArray
    bias: n.FloatArray
    gain: n.FloatArray
    """volts per unit"""
    current_decay: n.FloatArray


def spiking(name: str, node: n.LIF | n.IF | n.CubaLIF, dt_s: float) -> n.SpikingNeurons:
    """Return neurons that fire like `node` in steps of `dt_s`.

    With v_reset = r, w = v - r resets to 0: its threshold is v_threshold - r, its leak
    v_leak - r, and it starts at -r.

    Raises:
        GraphError: a time constant is shorter than `dt_s`, r or w_in is not positive,
            a parameter is not finite per unit of input, or v_threshold is below a
            v_reset other than 0.
    """
    _check_parameters(name, node)
    threshold, reset = _float64(node.v_threshold), _float64(node.v_reset)
    _check_reset(name, threshold, reset)
    made = _dynamics(name, node, dt_s, reset)
    start = _per_unit(name, 0.0 - reset, made.gain) if np.any(reset) else n.ZERO
    return n.SpikingNeurons(
        made.decay,
        _per_unit(name, threshold - reset, made.gain),
        made.bias,
        made.current_decay,
        start=start,
    )


def integrators(name: str, node: n.LI | n.I | n.CubaLI, dt_s: float) -> n.Integrators:
    """Return integrators that send what `node` sends, in steps of `dt_s`.

    Raises:
        GraphError: as for `spiking`.
    """
    _check_parameters(name, node)
    made = _dynamics(name, node, dt_s, np.zeros(node.r.shape))
    return n.Integrators(made.decay, made.bias, made.gain, made.current_decay)


def _dynamics(
    name: str,
    node: n.LIF | n.IF | n.CubaLIF | n.LI | n.I | n.CubaLI,
    dt_s: float,
    rest: n.FloatArray,
) -> _Dynamics:
    """Return decays, gain and bias; the bias pulls v towards v_leak - rest."""
    r = _float64(node.r)
    match node:
        case n.IF() | n.I():
            gain = _gain(name, "r", r * dt_s)
            return _Dynamics(np.ones(r.shape), np.zeros(r.shape), gain, n.ZERO)
        case n.LIF() | n.LI():
            tau_s = _float64(node.tau_s)
            gain = _gain(name, "r", r * dt_s / tau_s)
            bias = _per_unit(name, _float64(node.v_leak) - rest, r)
            return _Dynamics(_decay(name, tau_s, dt_s), bias, gain, n.ZERO)
        case n.CubaLIF() | n.CubaLI():
            return _behind_a_current(name, node, dt_s, rest)


def _behind_a_current(
    name: str, node: n.CubaLIF | n.CubaLI, dt_s: float, rest: n.FloatArray
) -> _Dynamics:
    """Return u <- alpha u + g_in a, v <- beta v + g u in units of g_in g."""
    tau_syn_s, tau_mem_s = _float64(node.tau_syn_s), _float64(node.tau_mem_s)
    r, w_in = _float64(node.r), _float64(node.w_in)
    decay = _decay(name, tau_mem_s, dt_s)
    current_decay = _decay(name, tau_syn_s, dt_s)
    gain_in = _gain(name, "w_in", w_in * dt_s / tau_syn_s)
    gain = _gain(name, "r", r * dt_s / tau_mem_s)
    bias = _per_unit(name, _float64(node.v_leak) - rest, r * gain_in)
    return _Dynamics(decay, bias, gain_in * gain, current_decay)


def _decay(name: str, tau_s: n.FloatArray, dt_s: float) -> n.FloatArray:
    """Return 1 - dt/tau, snapped to the float32 that a framework trained with.

    tau = dt / (1 - beta) in float64 loses a few units of 2**-53 on the way, an absolute
    error, since 1 - x is near 1. A float32 beta above 1e-7 has no float32 neighbor that
    near, so the nearest float32 is beta itself, bit for bit. A decay that was no
    float32 stays, but for one chance in 2**26 to move by less than its own error. A
    decay as small as that error is 0: SpikingJelly refuses tau = dt, so tau is written
    a rounding longer.
    """
    shorter = tau_s[~(tau_s >= dt_s)]
    if shorter.size:
        raise GraphError(
            f"node '{name}': time constant {shorter.min():.9g} s is shorter than the "
            f"time step {dt_s:.9g} s; choose a smaller --dt"
        )
    decay = 1.0 - dt_s / tau_s
    nearest = decay.astype(np.float32).astype(np.float64)
    nearest[nearest <= _SNAP_DECAY] = 0.0
    return np.where(np.abs(decay - nearest) <= _SNAP_DECAY, nearest, decay)


def _gain(name: str, what: str, gain: n.FloatArray) -> n.FloatArray:
    """Check the gain, and snap it to 1 where only rounding of tau/dt differs."""
    wrong = gain[~(np.isfinite(gain) & (gain > 0))]
    if wrong.size:
        raise GraphError(
            f"node '{name}': the gain of the input per step is {wrong[0]}; allowed: "
            f"finite and above 0; {what} must be positive: move its sign into the "
            "weights"
        )
    return np.where(np.abs(gain - 1.0) <= _SNAP_GAIN, 1.0, gain)


def _check_reset(name: str, threshold: n.FloatArray, reset: n.FloatArray) -> None:
    wrong = (reset != 0) & ~(threshold >= reset)
    if np.any(wrong):
        raise GraphError(
            f"node '{name}': v_threshold {threshold[wrong][0]:g} is below v_reset "
            f"{reset[wrong][0]:g}, so a neuron that has fired fires at every step that "
            "follows; allowed: v_reset up to v_threshold; lower v_reset"
        )


def _check_parameters(name: str, node: n.Node) -> None:
    shapes = {field: values.shape for field, values in vars(node).items()}
    check_alike(name, type(node).__name__, shapes)


def _per_unit(name: str, values: n.FloatArray, unit: n.FloatArray) -> n.FloatArray:
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        scaled: n.FloatArray = values / unit
    if not np.isfinite(scaled).all():
        raise GraphError(
            f"node '{name}': r or w_in is so small that threshold, bias or reset per "
            "unit of input is not finite; move the factor into the weights"
        )
    return scaled


def _float64(values: n.FloatArray) -> n.FloatArray:
    return values.astype(np.float64, copy=False)
