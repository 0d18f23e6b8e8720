"""Which of snnTorch's neurons a graph can say exactly, and how they reset.

What snnTorch 1.0.0 does at a step, with decays clamped to 0 … 1, and with r = 1 if the
neuron was above its threshold at the end of the step before, else 0:

    Leaky      v = beta v + a - r threshold              subtract
               v = beta (1 - r) v + a                    zero
    RLeaky     the same with a + V s, but
               v = (1 - r) (beta v + a + V s)            zero: drops the input as well
    Lapicque   v = (1 - T/RC) v + T/C a - r threshold    subtract; zero as RLeaky
    Synaptic   u = alpha u + a;  v = beta v + u - r threshold;  zero as RLeaky
    Alpha      v = g (u - w), u and w the input behind two filters

Without `reset_delay` v is reset at once, and r stays 0: then `zero` is a plain LIF, for
all of them. `subtract` is then a loop of -beta threshold, as long as no v stays above
its threshold after it; where one does, snnTorch subtracts once more, so such an export
must be verified. RSynaptic has the option, but it does nothing there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import snntorch
import torch
from torch import nn

from spikewright.errors import GraphError
from spikewright.export.snntorch.convert.signal import Source, numbers

_EXPORTED = (
    snntorch.Leaky,
    snntorch.Lapicque,
    snntorch.Synaptic,
    snntorch.Alpha,
    snntorch.RLeaky,
    snntorch.RSynaptic,
)
_CAN_BE_PROMPT = (snntorch.Leaky, snntorch.RLeaky, snntorch.Synaptic)
_RESETS = {"_base_sub": "subtract", "_base_zero": "zero", "_base_int": "none"}


@dataclass(frozen=True)
class Neuron:
    """A neuron that can be exported."""

    path: str
    layer: Any
    reset: str
    """subtract, zero, none, or at once: subtract without delay"""
    base: str
    """name of the node that sends the spikes"""

    def part(self, name: str) -> str:
        """Return the name of a node beside the one that sends the spikes."""
        return f"{self.base}_{name}"


def reset_of(path: str, layer: Any, odd_spikes: str) -> str:
    """Return how a neuron resets.

    Raises:
        GraphError: it does what no graph can say; says what, and what to use instead.
    """
    _check_inherited(path, layer)
    _check_options(path, layer, odd_spikes)
    own = getattr(layer.state_function, "__func__", layer.state_function)
    reset = _RESETS.get(own.__name__)
    if reset is None:
        raise GraphError(
            f"neuron '{path}': its state_function is {own.__name__}, so what it "
            "computes is not known; leave it as it was built"
        )
    loaded = list(snntorch.SpikingNeuron.reset_dict)[int(layer.reset_mechanism_val)]
    if reset != layer.reset_mechanism or reset != loaded:
        raise GraphError(
            f"neuron '{path}': says reset_mechanism='{layer.reset_mechanism}' and its "
            f"checkpoint '{loaded}', but it was built for '{reset}' and does that; "
            "build it with the one that you mean"
        )
    prompt = isinstance(layer, _CAN_BE_PROMPT) and not layer.reset_delay
    if reset == "zero" and not (prompt or isinstance(layer, snntorch.Leaky)):
        raise _odd_zero(path, layer)
    if reset == "subtract" and isinstance(layer, snntorch.Alpha):
        raise GraphError(
            f"neuron '{path}': Alpha's reset by subtraction clears one of its "
            "currents, which no node of NIR does; use reset_mechanism='none', or Leaky"
        )
    _check_threshold(path, layer, reset, prompt=prompt)
    return "at once" if reset == "subtract" and prompt else reset


def parts_of(layer: Any, reset: str) -> tuple[str, ...]:
    """Return what the nodes of a neuron beside the one that fires may be called."""
    if isinstance(layer, snntorch.Alpha):
        return ("exc", "inh", "gain", "loss")
    scaled = ("scale",) if isinstance(layer, snntorch.Lapicque) else ()
    current = isinstance(layer, snntorch.Synaptic | snntorch.RSynaptic)
    own = {"none": ("mem",), "subtract": ("mem", "reset"), "zero": ()}
    found = own.get(reset, ("mem", "reset", "drop"))
    return (*scaled, *(("syn",) if current and found else ()), *found)


def sources_of(neuron: Neuron, what: str) -> tuple[Source, ...]:
    """Return the nodes that send spikes, a potential or a current of a neuron.

    Raises:
        GraphError: no node of it has this value.
    """
    if what == "spk":
        return (Source(neuron.base),)
    if what == "mem" and isinstance(neuron.layer, snntorch.Alpha):
        return Source(neuron.part("gain")), Source(neuron.part("loss"))
    if what == "mem" and neuron.reset == "at once":
        return Source(neuron.part("mem")), Source(neuron.part("drop"))
    if what in ("mem", "syn") and neuron.reset != "zero":
        return (Source(neuron.part(what)),)
    raise GraphError(
        f"neuron '{neuron.path}': its state {what} is used, but no node of a graph has "
        f"it for {type(neuron.layer).__name__} with reset_mechanism="
        f"'{neuron.layer.reset_mechanism}'; use its spikes alone (outputs=[…] chooses "
        "among what forward returns), or reset_mechanism 'subtract' or 'none'"
    )


# --- refusals ------------------------------------------------------------------------


def _check_inherited(path: str, layer: nn.Module) -> None:
    """Refuse other neurons, and subclasses that compute something else."""
    base = next((kind for kind in _EXPORTED if isinstance(layer, kind)), None)
    if base is None:
        known = ", ".join(kind.__name__ for kind in _EXPORTED)
        raise GraphError(
            f"neuron '{path}': {type(layer).__name__} has no exact counterpart in NIR; "
            f"exported are {known}; use one of them"
        )
    for name, own in vars(layer).items():
        if callable(own) and callable(getattr(base, name, None)):
            raise GraphError(
                f"neuron '{path}': its own {name} replaces {base.__name__}.{name}, so "
                "what it computes is not known; remove it"
            )
    for kind in type(layer).__mro__[: type(layer).__mro__.index(base)]:
        for name, own in vars(kind).items():
            if callable(own) and name != "__init__" and hasattr(base, name):
                raise GraphError(
                    f"neuron '{path}': {kind.__name__} replaces {base.__name__}."
                    f"{name}, so what it computes is not known; use {base.__name__}"
                )


def _check_options(path: str, layer: Any, odd_spikes: str) -> None:
    if layer.inhibition:
        raise GraphError(
            f"neuron '{path}': inhibition lets only the largest fire; no node of NIR "
            "compares neurons; build it with inhibition=False"
        )
    if layer.state_quant:
        raise GraphError(
            f"neuron '{path}': state_quant rounds its states; no node of NIR does; "
            "build it without, and let `spikewright lower` choose integers"
        )
    factor = numbers(layer.graded_spikes_factor)
    if np.any(factor != 1):
        raise GraphError(
            f"neuron '{path}': graded_spikes_factor is {factor.flat[0]:g}, so spikes "
            "are not 0 or 1; fold it into the next weights"
        )
    if odd_spikes:
        raise GraphError(
            f"neuron '{path}': its spike function gives {odd_spikes}; a graph fires "
            "where v > threshold; use a surrogate whose forward is a step"
        )


def _odd_zero(path: str, layer: nn.Module) -> GraphError:
    kind = type(layer).__name__
    cure = "reset_mechanism 'subtract' or 'none', or Leaky"
    if isinstance(layer, _CAN_BE_PROMPT):
        cure = "reset_delay=False, which resets at once, as a LIF does"
    elif isinstance(layer, snntorch.Alpha):
        cure = "reset_mechanism='none', or Leaky"
    return GraphError(
        f"neuron '{path}': {kind} with reset_mechanism='zero' also drops what comes in "
        f"at the step after a spike, which no node of NIR does; use {cure}"
    )


def _check_threshold(path: str, layer: Any, reset: str, *, prompt: bool) -> None:
    lowest = float(torch.as_tensor(layer.threshold).min())
    if reset != "none" and not np.isfinite(numbers(layer.threshold)).all():
        raise GraphError(f"neuron '{path}': its threshold is not finite; correct it")
    if lowest < 0 and (reset == "subtract" or (reset == "zero" and prompt)):
        raise GraphError(
            f"neuron '{path}': with a threshold of {lowest:g} it is reset before it "
            "fires; allowed: 0 or more; add a bias to its input instead"
        )
