"""NIR's nodes, at a time step, as modules of torch and snnTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import snntorch
import torch
from torch import nn

from spikewright import nodes as n
from spikewright.errors import GraphError, UnsupportedNodeError
from spikewright.export.graphs.shapes import same_pads
from spikewright.export.snntorch.record.layers import Delay, Matrices, Reshape, Scale
from spikewright.values import FloatArray

KNOWN = [kind.__name__ for kind in (n.Input, n.Output, *n.MAPS, *n.IN_SECONDS)]


class Surrogate:
    """snnTorch's arctangent surrogate that keeps the type of its input."""

    def __init__(self) -> None:
        self._spike = snntorch.surrogate.atan()

    def __call__(self, v: torch.Tensor) -> torch.Tensor:
        """Return 1 where v > 0, else 0."""
        spikes: torch.Tensor = self._spike(v).to(v.dtype)
        return spikes


@dataclass(frozen=True)
class Making:
    """How modules are made."""

    dtype: torch.dtype
    learn_neurons: bool

    def tensor(self, values: FloatArray) -> torch.Tensor:
        """Return values of their own memory."""
        return torch.tensor(np.asarray(values), dtype=self.dtype)

    def parameter(self, values: FloatArray) -> torch.Tensor:
        """Return one number if all are equal, else all."""
        flat = np.asarray(values).reshape(-1)
        alike = bool(np.all(flat == flat[0]))
        return self.tensor(flat[0] if alike else values)


def leaky(
    making: Making, decay: FloatArray, threshold: FloatArray, reset: str
) -> nn.Module:
    """Return v = decay v + a with a reset, at once for "zero", else a step late."""
    made: nn.Module = snntorch.Leaky(
        making.parameter(decay),
        threshold=making.parameter(threshold),
        spike_grad=Surrogate(),
        reset_mechanism=reset,
        learn_beta=making.learn_neurons,
        learn_threshold=making.learn_neurons,
    )
    return made


def synaptic(
    making: Making,
    current_decay: FloatArray,
    decay: FloatArray,
    threshold: FloatArray,
    reset: str,
) -> nn.Module:
    """Return a neuron behind a current, which resets at once."""
    made: nn.Module = snntorch.Synaptic(
        making.parameter(current_decay),
        making.parameter(decay),
        threshold=making.parameter(threshold),
        spike_grad=Surrogate(),
        reset_mechanism=reset,
        reset_delay=False,
        learn_alpha=making.learn_neurons,
        learn_beta=making.learn_neurons,
        learn_threshold=making.learn_neurons,
    )
    return made


def neurons(
    name: str, node: n.SpikingNeurons | n.Integrators, making: Making
) -> nn.Module:
    """Return a population as one of snnTorch's neurons.

    Raises:
        GraphError: snnTorch has none that does this.
    """
    if isinstance(node, n.Integrators):
        threshold, reset = np.ones(()), "none"
    else:
        threshold, reset = node.threshold, "zero"
        if np.any(node.start):
            raise GraphError(
                f"node '{name}': v_reset is not 0, but snnTorch's neurons reset to 0; "
                "shift v_leak, v_threshold and v_reset together"
            )
    if not np.any(node.current_decay):
        return leaky(making, node.decay, threshold, reset)
    if np.any(node.bias):
        raise GraphError(
            f"node '{name}': has a v_leak, but snnTorch's Synaptic has none; put the "
            "constant into the bias of the layer before"
        )
    return synaptic(making, node.current_decay, node.decay, threshold, reset)


def layer(name: str, node: n.Node, delay_s: FloatArray | None, making: Making) -> Any:
    """Return a node without neurons as a module; None if it is only a shape.

    Raises:
        GraphError: torch cannot pad like this.
        UnsupportedNodeError: there is no module for the node.
    """
    made: Any = None
    match node:
        case n.Affine(weight, bias):
            made = _affine(making, weight, bias)
        case n.Linear(weight):
            made = _affine(making, weight, None)
        case n.Conv1d():
            made = _conv1d(name, node, making)
        case n.Conv2d():
            made = _conv2d(name, node, making)
        case n.AvgPool2d() | n.SumPool2d():
            made = _pool(node)
        case n.Scale(scale):
            made = Scale(making.tensor(scale))
        case n.DelaySteps(shape, steps) if delay_s is not None:
            made = Delay(delay_s, np.broadcast_to(np.asarray(steps), shape).copy())
        case n.Flatten():
            made = Reshape(node.target_shape)
        case n.Input() | n.Output():
            pass
        case _:
            raise UnsupportedNodeError(name, type(node).__name__, "snnTorch", KNOWN)
    return made


def _pool(node: n.AvgPool2d | n.SumPool2d) -> nn.Module:
    divisor = 1 if isinstance(node, n.SumPool2d) else None
    window = (node.kernel, node.stride, node.padding)
    return nn.AvgPool2d(*window, divisor_override=divisor)


def _affine(making: Making, weight: FloatArray, bias: FloatArray | None) -> nn.Module:
    if weight.ndim > 2:
        held = None if bias is None else making.tensor(bias)
        return Matrices(making.tensor(weight), held)
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    return _filled(made, making, weight, bias)


def _conv1d(name: str, node: n.Conv1d, making: Making) -> nn.Module:
    targets, sources, taps = node.weight.shape
    made = nn.Conv1d(
        sources * node.groups,
        targets,
        taps,
        node.stride,
        _padding(name, [taps], [node.padding], [node.stride], [node.dilation]),
        node.dilation,
        node.groups,
    )
    return _filled(made, making, node.weight, node.bias)


def _conv2d(name: str, node: n.Conv2d, making: Making) -> nn.Module:
    targets, sources, *taps = node.weight.shape
    made = nn.Conv2d(
        sources * node.groups,
        targets,
        (taps[0], taps[1]),
        node.stride,
        _padding(name, taps, [*node.padding], [*node.stride], [*node.dilation]),
        node.dilation,
        node.groups,
    )
    return _filled(made, making, node.weight, node.bias)


def _padding(
    name: str,
    taps: list[int],
    pads: list[n.Pair],
    stride: list[int],
    dilation: list[int],
) -> Any:
    if all(before == after for before, after in pads):
        return tuple(before for before, _ in pads)
    same = [same_pads(*axis) for axis in zip(taps, dilation, strict=True)]
    if pads == same and set(stride) == {1}:
        return "same"
    raise GraphError(
        f"node '{name}': torch cannot pad by {pads}; allowed: as many zeros before as "
        f"after, or with a stride of 1 those of 'same', {same}; pad both sides"
    )


def _filled(
    made: nn.Module, making: Making, weight: FloatArray, bias: FloatArray | None
) -> nn.Module:
    made.weight = nn.Parameter(making.tensor(weight))
    if bias is not None:
        made.bias = nn.Parameter(making.tensor(bias))
    return made
