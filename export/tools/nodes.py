"""Which nodes each tool loads, and with which parameters.

A rule takes a node and the time step, and says what stops the tool, or nothing. It
goes by what the importer of that version does, measured: tests/conformance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from spikewright import nodes as n
from spikewright.export.tools.verdict import Effect

Found: TypeAlias = tuple[str, Effect] | None
Rule: TypeAlias = Callable[[n.Node, float], Found]
Rules: TypeAlias = Mapping[type[n.Node], tuple[Rule, ...]]

SNNTORCH_DT_S = 1e-4
"""snnTorch's importer takes no other time step"""


# --- parameters of neurons -----------------------------------------------------------


def is_zero(field: str, effect: Effect) -> Rule:
    """Return the rule that a parameter is 0."""

    def rule(node: n.Node, dt_s: float) -> Found:
        if not np.any(_values(node, field)):
            return None
        return f"has {_a(field)} that is not 0", effect

    return rule


def is_one_value(*field_names: str) -> Rule:
    """Return the rule that parameters are the same for all neurons."""

    def rule(node: n.Node, dt_s: float) -> Found:
        for field in field_names:
            values = _values(node, field)
            if np.any(values != values.flat[0]):
                told = field.removesuffix("_s")
                return f"has several values of {told}", Effect.RAISES
        return None

    return rule


def _a(field: str) -> str:
    return f"an {field}" if field == "r" else f"a {field}"


def _values(node: n.Node, field: str) -> n.FloatArray:
    values: n.FloatArray = getattr(node, field)
    return values


def _is_near(values: n.FloatArray, wanted: n.FloatArray | float) -> bool:
    """Compare as loosely as SpikingJelly does, snnTorch being looser still."""
    return np.allclose(values, wanted, rtol=1e-6, atol=1e-12)


def r_is_one(node: n.Node, dt_s: float) -> Found:
    """Norse drops the r of a LIF, with a warning in the log."""
    if _is_near(_values(node, "r"), 1.0):
        return None
    return "has an r that is not 1, and r is ignored", Effect.DIFFERS


def r_is_one_or_whole(node: n.Node, dt_s: float) -> Found:
    """SpikingJelly's LIF divides its input by tau / dt, or does not."""
    r = _values(node, "r")
    if _is_near(r, 1.0) or _is_near(r, _values(node, "tau_s") / dt_s):
        return None
    return "has an r that is neither 1 nor tau / dt", Effect.RAISES


def r_is_per_step(effect: Effect) -> Rule:
    """Return the rule of IF neurons: v grows by its input in a step."""

    def rule(node: n.Node, dt_s: float) -> Found:
        if _is_near(_values(node, "r"), 1.0 / dt_s):
            return None
        return "has an r that is not 1 / dt", effect

    return rule


def is_whole(field: str, tau: str) -> Rule:
    """Return the rule that `field` = tau / dt: the input of a step counts in full."""

    def rule(node: n.Node, dt_s: float) -> Found:
        if _is_near(_values(node, field), _values(node, tau) / dt_s):
            return None
        told = tau.removesuffix("_s")
        return f"has {_a(field)} that is not {told} / dt", Effect.RAISES

    return rule


def forgets_slowly(node: n.Node, dt_s: float) -> Found:
    """SpikingJelly refuses a LIF without memory."""
    if np.all(_values(node, "tau_s") / dt_s > 1.0):
        return None
    return "has a tau of one step, tau must be longer than dt", Effect.RAISES


def threshold_is_not_negative(node: n.Node, dt_s: float) -> Found:
    """SnnTorch takes a membrane that rests above its threshold for one that fired."""
    if np.all(_values(node, "v_threshold") >= 0):
        return None
    return "has a negative v_threshold", Effect.DIFFERS


def has_snntorch_dt(node: n.Node, dt_s: float) -> Found:
    """SnnTorch's importer assumes a time step."""
    if np.isclose(dt_s, SNNTORCH_DT_S, rtol=1e-9, atol=0):
        return None
    reason = (
        f"is meant for steps of {dt_s:g} s, and dt = {SNNTORCH_DT_S:g} s is assumed"
    )
    return reason, Effect.DIFFERS


def has_one_gain(node: n.Node, dt_s: float) -> Found:
    """SnnTorch divides the threshold by the smallest gain of the input, r dt / tau."""
    gain = _values(node, "r") * dt_s / _values(node, "tau_s")
    if np.allclose(gain, 1.0) or np.unique(gain).size == 1:
        return None
    return "has several values of r dt / tau", Effect.DIFFERS


def has_one_current_gain(node: n.Node, dt_s: float) -> Found:
    """SnnTorch divides the threshold by the gain of the current, w_in dt / tau_syn."""
    gain = _values(node, "w_in") * dt_s / _values(node, "tau_syn_s")
    if np.allclose(gain, 1.0) or np.unique(gain).size == 1:
        return None
    return "has several values of w_in dt / tau_syn", Effect.RAISES


# --- linear maps ---------------------------------------------------------------------


def is_matrix(node: n.Node, dt_s: float) -> Found:
    """Tools make a torch Linear of it."""
    axes = _values(node, "weight").ndim
    return None if axes == 2 else (f"has a weight of {axes} axes", Effect.RAISES)


def is_read_by_nir(node: n.Node, dt_s: float) -> Found:
    """NIR's own reader infers wrong shapes of these, and refuses the file."""
    if not isinstance(node, n.Conv1d | n.Conv2d):
        return None
    if node.groups != 1:
        return "is a convolution in groups, which nir cannot read", Effect.RAISES
    if len(set(node.weight.shape[2:])) != 1:
        return "has a kernel that is not square, which nir cannot read", Effect.RAISES
    return None


def has_no_padding(node: n.Node, dt_s: float) -> Found:
    """NIRTorch and Norse drop the padding of a SumPool2d."""
    if isinstance(node, n.SumPool2d) and any(node.padding):
        return "has a padding, and it is ignored", Effect.DIFFERS
    return None


def joins_nothing(node: n.Node, dt_s: float) -> Found:
    """NIR counts the dimensions of a sample, torch those of a batch."""
    if not isinstance(node, n.Flatten) or node.shape == node.target_shape:
        return None
    return "joins dimensions, counted with that of the batch", Effect.DIFFERS


def is_wrong(reason: str, effect: Effect) -> Rule:
    """Return the rule that no node of a kind loads exactly."""
    return lambda node, dt_s: (reason, effect)


# --- tools ---------------------------------------------------------------------------

_ENDS: Rules = {n.Input: (), n.Output: ()}
_MATRICES: Rules = {n.Affine: (is_matrix,), n.Linear: (is_matrix,)}
_RESET = is_zero("v_reset", Effect.DIFFERS)
_LEAK = is_zero("v_leak", Effect.RAISES)

SNNTORCH: Rules = {
    **_ENDS,
    **_MATRICES,
    n.Conv1d: (is_read_by_nir,),
    n.Conv2d: (is_read_by_nir,),
    n.SumPool2d: (has_no_padding,),
    n.AvgPool2d: (),
    n.Flatten: (joins_nothing,),
    n.IF: (is_wrong("is an IF, which becomes a Leaky with beta = 0.9", Effect.RAISES),),
    n.LIF: (
        *(has_snntorch_dt, is_one_value("v_threshold"), threshold_is_not_negative),
        *(_LEAK, _RESET, has_one_gain),
    ),
    n.CubaLIF: (
        *(has_snntorch_dt, is_one_value("v_threshold"), threshold_is_not_negative),
        *(_LEAK, _RESET, is_whole("r", "tau_mem_s"), has_one_current_gain),
    ),
}
SPIKINGJELLY: Rules = {
    **_ENDS,
    **_MATRICES,
    n.Conv1d: (is_read_by_nir,),
    n.Conv2d: (is_read_by_nir,),
    n.SumPool2d: (has_no_padding,),
    n.AvgPool2d: (),
    n.Flatten: (),
    n.IF: (is_one_value("r", "v_threshold"), r_is_per_step(Effect.RAISES), _RESET),
    n.LIF: (
        *(is_one_value("tau_s", "r", "v_threshold"), forgets_slowly),
        *(r_is_one_or_whole, is_zero("v_leak", Effect.DIFFERS), _RESET),
    ),
    n.CubaLIF: (
        is_one_value("tau_syn_s", "tau_mem_s", "r", "w_in", "v_threshold"),
        *(is_whole("r", "tau_mem_s"), is_whole("w_in", "tau_syn_s"), _LEAK, _RESET),
    ),
}
NORSE: Rules = {
    **_ENDS,
    **_MATRICES,
    n.Conv2d: (is_read_by_nir,),
    n.SumPool2d: (has_no_padding,),
    n.Flatten: (joins_nothing,),
    n.IF: (r_is_per_step(Effect.DIFFERS), _RESET),
    n.LIF: (r_is_one, is_zero("v_leak", Effect.DIFFERS), _RESET),
    n.CubaLIF: (is_zero("v_leak", Effect.DIFFERS), _RESET),
}
