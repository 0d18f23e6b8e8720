"""Constructs of snnTorch, each to a graph, to a NIR file, and back: 0 wrong spikes.

Each case is a module and its sample. Layers have random weights, seeded, large enough
that neurons fire at some steps and not at others, which is asserted.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import snntorch as snn
import torch
from snntorch import utils
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from spikewright.export.from_snntorch import export_snntorch
from spikewright.export.nir.io import read_nir, write_nir
from spikewright.export.passes.discretize import discretize
from spikewright.export.to_snntorch import import_nir
from spikewright.graph import Graph
from spikewright.nodes import (
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
    Input,
    Linear,
    Node,
    Output,
    Scale,
    SumPool2d,
    Threshold,
)
from spikewright.simulate.reference import run_reference

DT_S = 1e-3
STEPS, SAMPLES = 10, 2
Array = npt.NDArray[Any]
Forward = Callable[..., Any]


class Net(nn.Module):
    """Layers by name, and what they do in a step or in all."""

    def __init__(self, forward: Forward, **layers: Any) -> None:
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self._does = forward

    def forward(self, x: torch.Tensor) -> Any:
        return self._does(self, x)


@dataclass
class Case:
    """A module, what its sample is like, and which nodes its graph must have."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...] = (4,)
    """of one step of one sample"""
    loops: bool = False
    """forward takes (steps, samples, …)"""
    outputs: list[int | str] | None = None
    kinds: tuple[type[Node], ...] = ()
    """the nodes, in their order, but for the ends"""
    layout: str = "torch"
    """or "tokens": (tokens, channels) in torch, (channels, tokens) in the graph"""
    options: dict[str, Any] = field(default_factory=dict)

    def inputs(self) -> torch.Tensor:
        """Return (steps, samples, *shape): spikes and numbers mixed."""
        rng = torch.Generator().manual_seed(7)
        shape = (STEPS, SAMPLES, *self.shape)
        on, size = (
            torch.rand(shape, generator=rng, dtype=torch.float32) for _ in range(2)
        )
        return (on < 0.5) * 1.5 * size


def lif(beta: Any = 0.75, **kwargs: Any) -> snn.Leaky:
    """A Leaky that keeps its state."""
    return snn.Leaky(beta, init_hidden=True, **kwargs)


def zero(beta: Any = 0.75, **kwargs: Any) -> snn.Leaky:
    """A Leaky with hard reset."""
    return lif(beta, reset_mechanism="zero", **kwargs)


def strong(layer: nn.Module, gain: float = 3.0) -> nn.Module:
    """Return a layer with larger weights."""
    with torch.no_grad():
        layer.weight.mul_(gain)
    layer.gain = getattr(layer, "gain", 1.0) * gain
    return layer


def drawn_again(module: nn.Module) -> nn.Module:
    """Draw the weights of all layers anew, so that they hang on the seed alone."""
    for each in module.modules():
        if hasattr(each, "gain"):
            gain = each.gain
            each.reset_parameters()
            strong(each, gain).gain = gain
    return module


def fc(sources: int = 4, targets: int = 4, *, bias: bool = True) -> nn.Module:
    """A linear layer that drives neurons."""
    return strong(nn.Linear(sources, targets, bias=bias))


def chain(*layers: nn.Module) -> Callable[[], nn.Module]:
    """Return a case's `make` for layers in a row; they are copied."""
    return lambda: drawn_again(nn.Sequential(*copy.deepcopy(layers)))


def vector(*values: float) -> torch.Tensor:
    """Return one value for each neuron."""
    return torch.tensor(values)


# --- forwards of cases ---------------------------------------------------------------


def residual(net: Any, x: torch.Tensor) -> torch.Tensor:
    h = net.l0(net.fc0(x))
    return net.l2(net.fc2(h + net.l1(net.fc1(h))))


def residual_add(net: Any, x: torch.Tensor) -> torch.Tensor:
    h = net.l0(net.fc0(x))
    return net.l2(net.fc2(torch.add(h, net.l1(net.fc1(h)))))


def residual_method(net: Any, x: torch.Tensor) -> torch.Tensor:
    h = net.l0(net.fc0(x))
    return net.l2(net.fc2(h.add(net.l1(net.fc1(h)))))


def residual_in_place(net: Any, x: torch.Tensor) -> torch.Tensor:
    h = net.l0(net.fc0(x))
    both = net.l1(net.fc1(h))
    both += h
    return net.l2(net.fc2(both))


def residual_to_output(net: Any, x: torch.Tensor) -> torch.Tensor:
    h = net.l0(net.fc0(x))
    return h + net.l1(net.fc1(h))


def three_layers() -> dict[str, nn.Module]:
    return {
        **{f"fc{i}": fc() for i in range(3)},
        **{f"l{i}": zero() for i in range(3)},
    }


def usual_loop(net: Any, x: torch.Tensor) -> torch.Tensor:
    """The loop of snnTorch's tutorials, with explicit states."""
    mem1, mem2 = net.l1.init_leaky(), net.l2.reset_mem()
    spikes = []
    for step in range(x.size(0)):
        spk1, mem1 = net.l1(net.fc1(x[step]), mem1)
        spk2, mem2 = net.l2(net.fc2(spk1), mem2)
        spikes.append(spk2)
    return torch.stack(spikes)


def loop_with_potentials(net: Any, x: torch.Tensor) -> Any:
    mem = torch.zeros(x.shape[1], 4)
    spikes, potentials = [], []
    for step in range(len(x)):
        spk, mem = net.l1(net.fc1(x[step]), mem)
        spikes.append(spk)
        potentials.append(mem)
    return torch.stack(spikes, dim=0), torch.stack(potentials, dim=0)


def loop_of_hidden(net: Any, x: torch.Tensor) -> torch.Tensor:
    utils.reset(net)
    return torch.stack([net.l2(net.fc2(net.l1(net.fc1(each)))) for each in x])


def loop_into_rows(net: Any, x: torch.Tensor) -> torch.Tensor:
    rows = torch.zeros(len(x), x.shape[1], 4)
    for step, each in enumerate(x.unbind(0)):
        rows[step] = net.l1(net.fc1(each))
    return rows


def loop_over_axis_1(net: Any, x: torch.Tensor) -> torch.Tensor:
    x = x.transpose(0, 1)  # samples first, as data loaders give them
    return net.inner(x)


def layer_by_layer(net: Any, x: torch.Tensor) -> torch.Tensor:
    """Maps work on all steps at once, neurons step by step."""
    currents = net.fc1(x)
    first = torch.stack([net.l1(currents[t]) for t in range(len(x))])
    currents = net.drop(net.fc2(first) + net.shift)
    return torch.stack([net.l2(currents[t]) for t in range(len(x))])


def recurrent_by_hand(net: Any, x: torch.Tensor) -> torch.Tensor:
    spk, rows = torch.zeros(x.shape[1], 4), []
    for step in range(len(x)):
        spk = net.l1(net.fc1(x[step]) + net.back(spk))
        rows.append(spk)
    return torch.stack(rows)


def recurrent_from_none(net: Any, x: torch.Tensor) -> torch.Tensor:
    spk, rows = None, []
    for step in range(len(x)):
        current = net.fc1(x[step])
        spk = net.l1(current if spk is None else current + net.back(spk))
        rows.append(spk)
    return torch.stack(rows)


def feedback_from_zero(net: Any, x: torch.Tensor) -> torch.Tensor:
    """The bias of the way back is not there at the first step."""
    back, rows = torch.zeros(x.shape[1], 4), []
    for step in range(len(x)):
        spk = net.l1(net.fc1(x[step]) + back)
        back = net.back(spk)
        rows.append(spk)
    return torch.stack(rows)


def feedback_from_none(net: Any, x: torch.Tensor) -> torch.Tensor:
    back, rows = None, []
    for step in range(len(x)):
        current = net.fc1(x[step])
        spk = net.l1(current if back is None else current + back)
        back = net.back(spk)
        rows.append(spk)
    return torch.stack(rows)


def top_down(net: Any, x: torch.Tensor) -> torch.Tensor:
    second, rows = torch.zeros(x.shape[1], 4), []
    for step in range(len(x)):
        first = net.l1(net.fc1(x[step]) + net.back(second))
        second = net.l2(net.fc2(first))
        rows.append(second)
    return torch.stack(rows)


def loop_entered_late(net: Any, x: torch.Tensor) -> torch.Tensor:
    """The second layer has a way in of its own, and leads back to the first."""
    late, rows = torch.zeros(x.shape[1], 4), []
    for step in range(len(x)):
        first = net.l1(net.fc1(x[step]) + late)
        second = net.l2(net.skip(x[step]) + net.fc2(first))
        late = net.back(second)
        rows.append(second)
    return torch.stack(rows)


def late_gate(net: Any, x: torch.Tensor) -> torch.Tensor:
    """A gate over all tokens, which lets the next step's currents through."""
    late, rows = torch.zeros(x.shape[1], 1, 4), []
    for step in range(len(x)):
        h = net.l1(net.fc1(x[step]) + late)
        late = net.gate(h.sum(1, keepdim=True))
        rows.append(net.l2(net.fc2(h)))
    return torch.stack(rows)


def late_skip(net: Any, x: torch.Tensor) -> torch.Tensor:
    """What the first layer sent a step ago goes past the second."""
    before, rows = torch.zeros(x.shape[1], 4), []
    for step in range(len(x)):
        first = net.l1(net.fc1(x[step]))
        rows.append(net.l2(net.fc2(first) + net.skip(before)))
        before = first
    return torch.stack(rows)


class Explicit(nn.Module):
    """States come in and go out, step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.l1 = fc(), snn.Leaky(0.75)
        self.l2 = snn.Synaptic(0.5, 0.75)

    def forward(
        self,
        x: torch.Tensor,
        mem1: torch.Tensor,
        syn2: torch.Tensor,
        mem2: torch.Tensor,
    ) -> Any:
        spk1, mem1 = self.l1(self.fc(x), mem1)
        spk2, syn2, mem2 = self.l2(1.5 * spk1, syn2, mem2)
        return spk2, mem1, syn2, mem2


class Constant(nn.Module):
    """A parameter of its own, used by the forward that is given."""

    def __init__(self, does: Forward, *shape: int, **layers: nn.Module) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.linspace(-0.5, 0.9, int(np.prod(shape))))
        self.shift.data = self.shift.data.reshape(shape)
        self.does = does
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.does(self, x)


def token_block(net: Any, x: torch.Tensor) -> torch.Tensor:
    """Linear layers on (samples, tokens, channels), with a skip."""
    h = net.l1(net.fc1(x))
    return net.l2(net.fc2(h) + h)


def gated(net: Any, x: torch.Tensor) -> torch.Tensor:
    """Spike-driven attention: q AND [sum over tokens of (k AND v) > threshold]."""
    q, k, v = net.lq(net.q(x)), net.lk(net.k(x)), net.lv(net.v(x))
    gate = net.gate((k * v).sum(dim=1, keepdim=True) * 0.6)
    return net.out(net.o(q * gate))


def attention() -> nn.Module:
    layers: dict[str, nn.Module] = {name: fc() for name in "qkvo"}
    layers |= {name: zero() for name in ("lq", "lk", "lv", "gate", "out")}
    return Net(gated, **layers)


def normed(layer: nn.Module) -> nn.Module:
    """A BatchNorm in eval mode with statistics of its own."""
    size = layer.num_features
    layer.running_mean = torch.linspace(-0.3, 0.4, size)
    layer.running_var = torch.linspace(0.4, 1.3, size)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(0.8, 1.7, size))
        layer.bias.copy_(torch.linspace(-0.2, 0.5, size))
    return layer.eval()


def two_heads(net: Any, x: torch.Tensor) -> dict[str, torch.Tensor]:
    h = net.l0(net.fc0(x))
    return {"low": net.l1(net.fc1(h)), "high": net.l2(net.fc2(h))}


def nested() -> nn.Module:
    block = nn.ModuleDict({"net.1".replace(".", "_"): nn.Sequential(fc(), zero())})
    return Net(
        lambda net, x: net.top(net.block["net_1"](x)), block=block, top=zero(0.5)
    )


class ThrowsAway(nn.Linear):
    """A subclass with a forward of its own, which is looked into."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, 2 * self.weight, self.bias) - 0.25


def tied(net: Any, x: torch.Tensor) -> torch.Tensor:
    """One linear layer at two places of a step."""
    return net.l2(net.fc(net.l1(net.fc(x))))


SOFT = (LI, Threshold, Scale)
CASES: dict[str, Case] = {
    # --- Leaky -----------------------------------------------------------------------
    "leaky_zero": Case(chain(fc(), zero()), kinds=(Affine, LIF)),
    "leaky_zero_at_once": Case(
        chain(fc(), zero(reset_delay=False)), kinds=(Affine, LIF)
    ),
    "leaky_subtract": Case(chain(fc(), lif()), kinds=(Affine, *SOFT)),
    "leaky_subtract_at_once": Case(
        chain(strong(fc(), 0.25), lif(0.5, reset_delay=False)), kinds=(Affine, *SOFT)
    ),
    "leaky_none": Case(
        chain(fc(), lif(reset_mechanism="none")), kinds=(Affine, LI, Threshold)
    ),
    "leaky_vector_beta_and_threshold": Case(
        chain(fc(), zero(vector(0.1, 0.5, 0.9, 0.3), threshold=vector(0.5, 1, 1.5, 2))),
        kinds=(Affine, LIF),
    ),
    "leaky_vector_beta_scalar_threshold": Case(
        chain(fc(), lif(vector(0.1, 0.5, 0.9, 0.3))), kinds=(Affine, *SOFT)
    ),
    "leaky_learned_beyond_one": Case(
        chain(fc(), zero(1.3, learn_beta=True, learn_threshold=True)),
        kinds=(Affine, IF),
    ),
    "leaky_learned_below_zero": Case(
        chain(fc(), zero(-0.2, learn_beta=True)), kinds=(Affine, Threshold)
    ),
    "leaky_some_without_leak": Case(
        chain(fc(), zero(vector(0.5, 1.0, 1.2, 0.0))), kinds=(Affine, LIF)
    ),
    "leaky_integrates": Case(chain(fc(), zero(1.0)), kinds=(Affine, IF)),
    "leaky_integrates_subtract": Case(
        chain(fc(), lif(1.0)), kinds=(Affine, I, Threshold, Scale)
    ),
    "leaky_forgets": Case(chain(fc(), zero(0.0)), kinds=(Affine, Threshold)),
    "leaky_forgets_subtract": Case(chain(fc(), lif(0.0)), kinds=(Affine, *SOFT)),
    "leaky_negative_threshold": Case(
        chain(fc(), zero(threshold=-0.5)), kinds=(Affine, LIF)
    ),
    "leaky_alone": Case(zero, kinds=(LIF,)),
    "leaky_surrogate_disabled": Case(
        chain(fc(), zero(surrogate_disable=True)), kinds=(Affine, LIF)
    ),
    "leaky_potential_none": Case(
        lambda: Net(
            lambda net, x: net.readout(net.fc(x))[1],
            fc=fc(),
            readout=lif(reset_mechanism="none", output=True),
        ),
        kinds=(Affine, LI),
    ),
    "leaky_potential_subtract": Case(
        chain(fc(), lif(output=True)), outputs=[1], kinds=(Affine, *SOFT)
    ),
    "leaky_potential_at_once": Case(
        chain(strong(fc(), 0.25), lif(0.5, reset_delay=False, output=True)),
        outputs=[1],
        kinds=(Affine, *SOFT, Scale),
    ),
    "leaky_potential_into_next": Case(
        lambda: Net(
            lambda net, x: net.l2(net.fc2(net.l1(net.fc1(x))[1])),
            fc1=fc(),
            l1=lif(output=True),
            fc2=fc(),
            l2=zero(),
        ),
        kinds=(Affine, LI, Affine, Threshold, LIF, Scale),
    ),
    # --- other neurons ---------------------------------------------------------------
    "lapicque_subtract": Case(
        chain(fc(), snn.Lapicque(0.6, init_hidden=True)), kinds=(Affine, Scale, *SOFT)
    ),
    "lapicque_none": Case(
        chain(fc(), snn.Lapicque(0.6, init_hidden=True, reset_mechanism="none")),
        kinds=(Affine, Scale, LI, Threshold),
    ),
    "lapicque_of_r_and_c": Case(
        chain(fc(), snn.Lapicque(R=3.0, C=1.2, time_step=2.0, init_hidden=True)),
        kinds=(Affine, Scale, *SOFT),
    ),
    "synaptic_subtract": Case(
        chain(fc(), snn.Synaptic(0.5, 0.75, init_hidden=True)),
        kinds=(Affine, LI, *SOFT),
    ),
    "synaptic_none": Case(
        chain(fc(), snn.Synaptic(0.5, 0.75, init_hidden=True, reset_mechanism="none")),
        kinds=(Affine, CubaLI, Threshold),
    ),
    "synaptic_zero_at_once": Case(
        chain(
            fc(),
            snn.Synaptic(
                0.5, 0.75, init_hidden=True, reset_mechanism="zero", reset_delay=False
            ),
        ),
        kinds=(Affine, CubaLIF),
    ),
    "synaptic_subtract_at_once": Case(
        chain(
            strong(fc(), 0.15),
            snn.Synaptic(0.25, 0.5, init_hidden=True, reset_delay=False),
        ),
        kinds=(Affine, LI, *SOFT),
    ),
    "synaptic_vectors": Case(
        chain(
            fc(),
            snn.Synaptic(
                vector(0.0, 0.3, 1.0, 1.4), vector(0.2, 1.0, 0.5, 0.9), init_hidden=True
            ),
        ),
        kinds=(Affine, LI, *SOFT),
    ),
    "synaptic_current_is_read": Case(
        chain(
            fc(),
            snn.Synaptic(
                0.5, 0.75, init_hidden=True, output=True, reset_mechanism="none"
            ),
        ),
        outputs=[0, 1],
        kinds=(Affine, LI, LI, Threshold),
    ),
    "alpha_none": Case(
        chain(fc(), snn.Alpha(0.75, 0.5, init_hidden=True, reset_mechanism="none")),
        kinds=(Affine, LI, LI, Scale, Scale, Threshold),
    ),
    "rleaky_all_to_all": Case(
        chain(fc(), snn.RLeaky(0.75, linear_features=4, init_hidden=True)),
        kinds=(Affine, LI, Threshold, Linear, Scale),
    ),
    "rleaky_one_to_one": Case(
        chain(fc(), snn.RLeaky(0.75, V=0.4, all_to_all=False, init_hidden=True)),
        kinds=(Affine, LI, Threshold, Scale, Scale),
    ),
    "rleaky_one_to_one_vector": Case(
        chain(
            fc(),
            snn.RLeaky(
                0.75, V=vector(0.4, -1, 2, 0), all_to_all=False, init_hidden=True
            ),
        ),
        kinds=(Affine, LI, Threshold, Scale, Scale),
    ),
    "rleaky_none": Case(
        chain(
            fc(),
            snn.RLeaky(
                0.5, linear_features=4, init_hidden=True, reset_mechanism="none"
            ),
        ),
        kinds=(Affine, LI, Threshold, Linear),
    ),
    "rleaky_zero_at_once": Case(
        chain(
            fc(),
            snn.RLeaky(
                0.75,
                linear_features=4,
                init_hidden=True,
                reset_mechanism="zero",
                reset_delay=False,
            ),
        ),
        kinds=(Affine, LIF, Linear),
    ),
    "rleaky_convolution": Case(
        chain(
            strong(nn.Conv2d(1, 2, 3, padding=1)),
            snn.RLeaky(0.75, conv2d_channels=2, kernel_size=3, init_hidden=True),
        ),
        shape=(1, 4, 5),
        kinds=(Conv2d, LI, Threshold, Conv2d, Scale),
    ),
    "rsynaptic_subtract": Case(
        chain(fc(), snn.RSynaptic(0.5, 0.75, linear_features=4, init_hidden=True)),
        kinds=(Affine, LI, LI, Threshold, Linear, Scale),
    ),
    "rsynaptic_none": Case(
        chain(
            fc(),
            snn.RSynaptic(
                0.5,
                0.75,
                linear_features=4,
                init_hidden=True,
                reset_mechanism="none",
            ),
        ),
        kinds=(Affine, CubaLI, Threshold, Linear),
    ),
    # --- maps ------------------------------------------------------------------------
    "linear_without_bias": Case(chain(fc(bias=False), zero()), kinds=(Linear, LIF)),
    "two_layers": Case(
        chain(fc(), zero(), fc(4, 3), lif()), kinds=(Affine, LIF, Affine, *SOFT)
    ),
    "conv1d": Case(
        chain(strong(nn.Conv1d(2, 3, 3, stride=2, padding=1)), zero()),
        shape=(2, 7),
        kinds=(Conv1d, LIF),
    ),
    "conv1d_dilated_groups": Case(
        chain(strong(nn.Conv1d(4, 4, 2, dilation=2, groups=2, bias=False)), zero()),
        shape=(4, 6),
        kinds=(Conv1d, LIF),
    ),
    "conv1d_same_even": Case(
        chain(strong(nn.Conv1d(2, 3, 4, padding="same")), zero()),
        shape=(2, 5),
        kinds=(Conv1d, LIF),
    ),
    "conv2d": Case(
        chain(strong(nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0))), zero()),
        shape=(2, 5, 4),
        kinds=(Conv2d, LIF),
    ),
    "conv2d_same_dilated_depthwise": Case(
        chain(strong(nn.Conv2d(3, 3, 3, padding="same", dilation=2, groups=3)), zero()),
        shape=(3, 5, 6),
        kinds=(Conv2d, LIF),
    ),
    "conv2d_pool_flatten_linear": Case(
        chain(
            strong(nn.Conv2d(1, 2, 3, bias=False), 9),
            lif(),
            nn.AvgPool2d(2, divisor_override=4),
            nn.Flatten(),
            strong(fc(8, 5)),
            zero(threshold=0.1),
        ),
        shape=(1, 6, 6),
        kinds=(Conv2d, LI, Threshold, AvgPool2d, Scale, Flatten, Affine, LIF),
    ),
    "average_pool_with_padding": Case(
        chain(nn.AvgPool2d(3, stride=2, padding=1), zero(threshold=0.2)),
        shape=(2, 5, 5),
        kinds=(AvgPool2d, LIF),
    ),
    "average_pool_ceil_where_it_divides": Case(
        chain(nn.AvgPool2d(2, ceil_mode=True), zero(threshold=0.2)),
        shape=(2, 4, 4),
        kinds=(AvgPool2d, LIF),
    ),
    "sum_pool": Case(
        chain(nn.AvgPool2d(2, divisor_override=1), zero()),
        shape=(2, 4, 4),
        kinds=(SumPool2d, LIF),
    ),
    "average_pool_of_tokens": Case(
        chain(nn.AvgPool1d(2), zero(threshold=0.3)), shape=(3, 6), kinds=(Conv1d, LIF)
    ),
    "adaptive_pool": Case(
        chain(nn.AdaptiveAvgPool2d((2, 1)), zero(threshold=0.3)),
        shape=(2, 4, 3),
        kinds=(AvgPool2d, LIF),
    ),
    "batch_norm_behind_linear": Case(
        chain(fc(bias=False), normed(nn.BatchNorm1d(4)), zero()), kinds=(Affine, LIF)
    ),
    "batch_norm_behind_conv2d": Case(
        chain(strong(nn.Conv2d(1, 2, 3)), normed(nn.BatchNorm2d(2)), zero()),
        shape=(1, 4, 5),
        kinds=(Conv2d, LIF),
    ),
    "batch_norm_behind_conv1d": Case(
        chain(strong(nn.Conv1d(2, 3, 1)), normed(nn.BatchNorm1d(3)), lif()),
        shape=(2, 5),
        kinds=(Conv1d, *SOFT),
    ),
    "batch_norm_alone": Case(
        chain(normed(nn.BatchNorm1d(4)), zero()), kinds=(Scale, LIF)
    ),
    "batch_norm_before_linear": Case(
        chain(normed(nn.BatchNorm1d(4)), fc(), zero()), kinds=(Scale, Affine, LIF)
    ),
    "batch_norm_of_a_sum": Case(
        lambda: Net(
            lambda net, x: net.l1(net.norm(net.a(x) + net.b(x))),
            a=fc(),
            b=fc(),
            norm=normed(nn.BatchNorm1d(4)),
            l1=zero(),
        ),
        kinds=(Affine, Affine, Scale, LIF),
    ),
    "dropout_and_identity": Case(
        lambda: nn.Sequential(fc(), nn.Dropout(0.5), nn.Identity(), zero()).eval(),
        kinds=(Affine, LIF),
    ),
    "subclass_of_linear": Case(
        lambda: nn.Sequential(ThrowsAway(4, 4), zero()), kinds=(Affine, LIF)
    ),
    "weight_norm": Case(
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(fc()), zero()),
        kinds=(Affine, LIF),
    ),
    "weight_norm_by_hook": Case(
        lambda: nn.Sequential(nn.utils.weight_norm(fc()), zero()),
        kinds=(Affine, LIF),
    ),
    "matmul_of_a_parameter": Case(
        lambda: Constant(lambda net, x: net.l1(x @ net.shift), 4, 3, l1=zero(0.9)),
        kinds=(Linear, LIF),
    ),
    # --- sums ------------------------------------------------------------------------
    "residual_plus": Case(
        lambda: Net(residual, **three_layers()), kinds=(Affine, LIF) * 3
    ),
    "residual_torch_add": Case(
        lambda: Net(residual_add, **three_layers()), kinds=(Affine, LIF) * 3
    ),
    "residual_method": Case(
        lambda: Net(residual_method, **three_layers()), kinds=(Affine, LIF) * 3
    ),
    "residual_in_place": Case(
        lambda: Net(residual_in_place, **three_layers()), kinds=(Affine, LIF) * 3
    ),
    "residual_to_output": Case(
        lambda: Net(residual_to_output, **three_layers()),
        kinds=(Affine, LIF, Affine, LIF),
    ),
    "sum_of_three": Case(
        lambda: Net(
            lambda net, x: net.l0(net.fc0(x) + net.fc1(x) + net.fc2(x)),
            **three_layers(),
        ),
        kinds=(Affine, Affine, Affine, LIF),
    ),
    "sum_with_itself": Case(
        lambda: Net(
            lambda net, x: net.l1(net.fc1((h := net.l0(net.fc0(x))) + h)),
            **three_layers(),
        ),
        kinds=(Affine, LIF, Scale, Affine, LIF),
    ),
    "sum_with_alpha": Case(
        lambda: Net(
            lambda net, x: net.l0(torch.add(net.fc0(x), net.fc1(x), alpha=3)),
            **three_layers(),
        ),
        kinds=(Affine, Affine, Scale, LIF),
    ),
    "difference": Case(
        lambda: Net(lambda net, x: net.l0(net.fc0(x) - net.fc1(x)), **three_layers()),
        kinds=(Affine, Affine, Scale, LIF),
    ),
    "layer_twice": Case(
        lambda: Net(lambda net, x: net.l0(net.fc0(net.fc0(x))), fc0=fc(), l0=zero()),
        kinds=(Affine, Affine, LIF),
    ),
    "tied_layers": Case(
        lambda: Net(tied, fc=fc(), l1=zero(), l2=zero(0.5)),
        kinds=(Affine, LIF, Affine, LIF),
    ),
    # --- constants -------------------------------------------------------------------
    "number_added": Case(
        lambda: Net(lambda net, x: net.l0(net.fc0(x) + 0.5), fc0=fc(), l0=zero()),
        kinds=(Affine, LIF),
    ),
    "scaled_and_shifted": Case(
        lambda: Net(lambda net, x: net.l0(2.5 * net.fc0(x) + 1), fc0=fc(), l0=zero()),
        kinds=(Affine, Scale, LIF),
    ),
    "parameter_added_to_spikes": Case(
        lambda: Constant(
            lambda net, x: net.l1(net.fc(net.l0(x) + net.shift)),
            *(4,),
            l0=zero(),
            fc=fc(),
            l1=zero(),
        ),
        kinds=(LIF, Affine, LIF),
    ),
    "parameter_added_at_output": Case(
        lambda: Constant(lambda net, x: net.l0(x) + net.shift, 4, l0=zero()),
        kinds=(LIF, Affine),
    ),
    "parameter_added_before_integrators": Case(
        lambda: Constant(lambda net, x: net.l0(x + net.shift), 4, l0=zero(1.0)),
        kinds=(Affine, IF),
    ),
    "parameter_added_before_threshold": Case(
        lambda: Constant(lambda net, x: net.l0(x + net.shift), 4, l0=zero(0.0)),
        kinds=(LIF,),
    ),
    "parameter_multiplied": Case(
        lambda: Constant(lambda net, x: net.l0(x * net.shift + x), 4, l0=zero(0.9)),
        kinds=(Scale, LIF),
    ),
    "divided_and_negated": Case(
        lambda: Net(
            lambda net, x: net.l0(-(1 - net.fc0(x)) / 0.7), fc0=fc(), l0=zero()
        ),
        kinds=(Affine, Scale, Scale, Scale, LIF),
    ),
    "computed_constant": Case(
        lambda: Constant(
            lambda net, x: net.l0(x * torch.sigmoid(net.shift).clamp(0.4)),
            4,
            l0=zero(0.9),
        ),
        kinds=(Scale, LIF),
    ),
    # --- axes ------------------------------------------------------------------------
    "view_into_rows": Case(
        lambda: Net(
            lambda net, x: net.l0(net.c(x.view(x.size(0), 3, 4)[:, None])),
            c=strong(nn.Conv2d(1, 2, 2)),
            l0=zero(),
        ),
        shape=(12,),
        kinds=(Conv2d, LIF),
    ),
    "flatten_functions": Case(
        lambda: Net(
            lambda net, x: net.l0(net.fc0(torch.flatten(x, 1).reshape(len(x), -1))),
            fc0=fc(12),
            l0=zero(),
        ),
        shape=(3, 4),
        kinds=(Flatten, Affine, LIF),
    ),
    "flatten_behind_neurons": Case(
        lambda: nn.Sequential(
            strong(nn.Conv1d(2, 3, 2)), zero(), nn.Flatten(), zero(0.5), fc(12, 3)
        ),
        shape=(2, 5),
        kinds=(Conv1d, LIF, LIF, Flatten, Affine),
    ),
    "transposed_tokens": Case(
        lambda: Net(
            lambda net, x: net.l0(net.fc0(x.transpose(1, 2)).transpose(1, 2)),
            fc0=fc(3, 4),
            l0=zero(),
        ),
        shape=(3, 5),
        kinds=(Conv1d, LIF),
    ),
    "tokens": Case(
        lambda: Net(token_block, fc1=fc(4, 4), fc2=fc(4, 4), l1=zero(), l2=lif(0.5)),
        shape=(5, 4),
        layout="tokens",
        kinds=(Conv1d, LIF, Conv1d, *SOFT),
    ),
    "tokens_vector_beta": Case(
        chain(fc(), zero(vector(0.1, 0.5, 0.9, 0.3))),
        shape=(5, 4),
        layout="tokens",
        kinds=(Conv1d, LIF),
    ),
    "tokens_with_positions": Case(
        lambda: Constant(
            lambda net, x: net.l0(net.fc0(x + net.shift)), 5, 4, fc0=fc(), l0=zero()
        ),
        shape=(5, 4),
        layout="tokens",
        kinds=(Conv1d, LIF),
    ),
    "tokens_flattened_into_linear": Case(
        chain(fc(4, 3), zero(), nn.Flatten(), strong(fc(15, 2)), zero()),
        shape=(5, 4),
        layout="tokens",
        kinds=(Conv1d, LIF, Flatten, Affine, LIF),
    ),
    "tokens_averaged": Case(
        lambda: Net(
            lambda net, x: net.l1(net.fc1(net.l0(net.fc0(x)).mean(dim=1))),
            **three_layers(),
        ),
        shape=(5, 4),
        layout="tokens",
        kinds=(Conv1d, LIF, Linear, Flatten, Affine, LIF),
    ),
    "tokens_averaged_and_normed": Case(
        lambda: Net(
            lambda net, x: net.l1(net.norm(net.fc0(x).mean(dim=1))),
            fc0=fc(4, 3),
            norm=normed(nn.BatchNorm1d(3)),
            l1=zero(),
        ),
        shape=(5, 4),
        layout="tokens",
        kinds=(Conv1d, Linear, Scale, LIF, Flatten),
    ),
    "tokens_shifted_and_averaged": Case(
        lambda: Constant(
            lambda net, x: net.l1(net.fc1((net.l0(net.fc0(x)) + net.shift).mean(1))),
            *(5, 4),
            fc0=fc(),
            l0=zero(),
            fc1=fc(),
            l1=zero(),
        ),
        shape=(5, 4),
        layout="tokens",
        kinds=(Conv1d, LIF, Linear, Flatten, Affine, LIF),
    ),
    "pixels_averaged": Case(
        lambda: Net(
            lambda net, x: net.l1(net.fc1(4 * net.l0(net.c(x)).mean(dim=(2, 3)))),
            c=strong(nn.Conv2d(1, 3, 2)),
            l0=zero(),
            fc1=fc(3, 3),
            l1=zero(),
        ),
        shape=(1, 4, 4),
        kinds=(Conv2d, LIF, AvgPool2d, Scale, Flatten, Affine, LIF),
    ),
    "spike_driven_attention": Case(
        attention,
        shape=(5, 4),
        layout="tokens",
        kinds=(
            *(Conv1d, Conv1d, Conv1d, LIF, LIF, LIF, Threshold, Linear, Scale, LIF),
            *(Linear, Threshold, Conv1d, LIF),
        ),
    ),
    "product_of_spikes": Case(
        lambda: Net(
            lambda net, x: net.l2(1.5 * (net.l0(5 * x) * net.l1(net.fc1(x)))),
            **three_layers(),
        ),
        kinds=(Scale, Affine, LIF, LIF, Threshold, Scale, LIF),
    ),
    # --- structure -------------------------------------------------------------------
    "two_outputs": Case(
        lambda: Net(two_heads, **three_layers()), kinds=(Affine, LIF) * 3
    ),
    "one_of_two_outputs": Case(
        lambda: Net(two_heads, **three_layers()),
        outputs=["high"],
        kinds=(Affine, LIF, Affine, LIF),
    ),
    "nested_modules": Case(nested, kinds=(Affine, LIF, LIF)),
    # --- loops -----------------------------------------------------------------------
    "loop": Case(
        lambda: Net(
            usual_loop, fc1=fc(), l1=snn.Leaky(0.75), fc2=fc(), l2=snn.Leaky(0.5)
        ),
        loops=True,
        kinds=(Affine, LI, Threshold, Affine, Scale, LI, Threshold, Scale),
    ),
    "loop_with_potentials": Case(
        lambda: Net(loop_with_potentials, fc1=fc(), l1=snn.Leaky(0.75)),
        loops=True,
        kinds=(Affine, *SOFT),
    ),
    "loop_of_hidden_states": Case(
        lambda: Net(loop_of_hidden, fc1=fc(), l1=zero(), fc2=fc(), l2=zero()),
        loops=True,
        kinds=(Affine, LIF, Affine, LIF),
    ),
    "loop_into_rows": Case(
        lambda: Net(loop_into_rows, fc1=fc(), l1=zero()),
        loops=True,
        kinds=(Affine, LIF),
    ),
    "loop_layer_by_layer": Case(
        lambda: Constant(
            layer_by_layer,
            4,
            fc1=fc(),
            l1=zero(),
            drop=nn.Dropout().eval(),
            fc2=fc(),
            l2=lif(),
        ),
        loops=True,
        kinds=(Affine, LIF, Affine, *SOFT),
    ),
    "loop_recurrent_by_hand": Case(
        lambda: Net(recurrent_by_hand, fc1=fc(), l1=zero(), back=fc()),
        loops=True,
        kinds=(Affine, LIF, Linear),
    ),
    "loop_recurrent_from_none": Case(
        lambda: Net(recurrent_from_none, fc1=fc(), l1=zero(), back=fc(bias=False)),
        loops=True,
        kinds=(Affine, LIF, Linear),
    ),
    "loop_feedback_from_zero": Case(
        lambda: Net(feedback_from_zero, fc1=fc(), l1=zero(), back=fc()),
        loops=True,
        kinds=(Affine, LIF, Affine),
    ),
    "loop_feedback_from_none": Case(
        lambda: Net(feedback_from_none, fc1=fc(), l1=lif(), back=fc()),
        loops=True,
        kinds=(Affine, LI, Threshold, Scale, Affine),
    ),
    "loop_top_down": Case(
        lambda: Net(top_down, fc1=fc(), l1=zero(), fc2=fc(), l2=lif(), back=fc()),
        loops=True,
        kinds=(Affine, LIF, Affine, LI, Threshold, Scale, Linear),
    ),
    "loop_with_late_matrices": Case(
        lambda: Net(
            late_gate, fc1=fc(), fc2=fc(), l1=zero(), gate=zero(), l2=zero(0.5)
        ),
        shape=(5, 4),
        loops=True,
        layout="tokens",
        kinds=(Conv1d, LIF, Linear, LIF, Conv1d, Linear, LIF),
    ),
    "loop_entered_late": Case(
        lambda: Net(
            loop_entered_late,
            **{name: fc() for name in ("fc1", "fc2", "skip", "back")},
            l1=zero(),
            l2=zero(),
        ),
        loops=True,
        kinds=(Affine, LIF, Affine, Affine, LIF, Affine),
    ),
    "loop_late_skip": Case(
        lambda: Net(late_skip, fc1=fc(), l1=zero(), fc2=fc(), l2=zero(), skip=fc()),
        loops=True,
        kinds=(Affine, LIF, Affine, Delay, Linear, LIF),
    ),
    "states_by_hand": Case(
        Explicit,
        outputs=[0],
        kinds=(Affine, LI, Threshold, Scale, Scale, LI, LI, Threshold, Scale),
        options={"states": ("mem1", "syn2", "mem2")},
    ),
}
every_case = pytest.mark.parametrize("name", CASES)


# --- the module, run by itself -------------------------------------------------------


def module_of(case: Case) -> nn.Module:
    """Return the module of a case, the same each time."""
    torch.manual_seed(3)
    return case.make()


def sample_of(case: Case) -> Any:
    """Return what forward takes: all steps, or one."""
    x = case.inputs()
    states = case.options.get("states", ())
    if states:
        return [x[0], *(torch.zeros(SAMPLES, 4) for _ in states)]
    return x if case.loops else x[0]


def in_float64(module: nn.Module) -> nn.Module:
    """Return a module with float64 parameters, and spikes that keep their type."""
    made = module.double()
    for each in made.modules():
        if isinstance(each, snn.SpikingNeuron):
            each.spike_grad = lambda v: (v > 0).to(v.dtype)
    return made


def run_module(case: Case, module: nn.Module) -> list[Array]:
    """Return what the module sends, each (steps, samples, *shape)."""
    x = case.inputs().double()
    torch.set_default_dtype(torch.float64)
    try:
        return _run_in_float64(case, in_float64(module), x)
    finally:
        torch.set_default_dtype(torch.float32)


def _run_in_float64(case: Case, module: nn.Module, x: torch.Tensor) -> list[Array]:
    states = [torch.zeros(SAMPLES, 4) for _ in case.options.get("states", ())]
    with torch.no_grad():
        if case.loops:
            return [each.numpy() for each in _wanted(case, module(x))]
        rows = []
        for each in x:
            given = module(each, *states)
            states = list(given[1:]) if states else []
            rows.append(_wanted(case, given))
    return [torch.stack(each).numpy() for each in zip(*rows, strict=True)]


def _wanted(case: Case, given: Any) -> list[torch.Tensor]:
    if isinstance(given, torch.Tensor):
        return [given]
    keys = list(given) if isinstance(given, dict) else list(range(len(given)))
    return [given[key] for key in case.outputs or keys]


# --- the graph -----------------------------------------------------------------------


def as_graph_has_it(case: Case, graph: Graph, values: Array) -> Array:
    """Return (samples, steps, *graph shape) of torch's (steps, samples, *shape)."""
    wanted = np.moveaxis(values, 0, 1)
    shape = next(iter(graph.inputs.values())).shape
    if case.layout == "tokens" and wanted.ndim == 4:
        return np.moveaxis(wanted, 3, 2)
    if wanted.shape[2:] == case.shape:
        return wanted.reshape(*wanted.shape[:2], *shape)
    return wanted


def run_graph(case: Case, graph: Graph) -> list[Array]:
    """Return what the Outputs get, each (samples, steps, *shape)."""
    x = as_graph_has_it(case, graph, case.inputs().double().numpy())
    trace = run_reference(discretize(graph, dt_s=DT_S), x)
    return list(trace.outputs.values())


def assert_same(got: Array, wanted: Array) -> None:
    """Spikes are equal; real numbers are, but for the order of their sums."""
    assert got.shape == wanted.shape
    assert len(np.unique(wanted)) > 1  # neither silent nor always on
    if set(np.unique(wanted)) <= {0.0, 1.0, 2.0}:
        assert np.count_nonzero(got != wanted) == 0
    else:
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)


@cache
def exported(name: str) -> Graph:
    """Return the graph of a case, made once."""
    case = CASES[name]
    return export_snntorch(
        module_of(case), sample_of(case), dt_s=DT_S, outputs=case.outputs
    )


def sample_for(name: str, graph: Graph) -> torch.Tensor:
    """Return the inputs of a case as an imported network takes them."""
    x = as_graph_has_it(CASES[name], graph, CASES[name].inputs().numpy())
    return torch.from_numpy(np.moveaxis(x, 1, 0).copy())


def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 60


@every_case
def test_the_graph_fires_as_the_module(name: str) -> None:
    case, graph = CASES[name], exported(name)
    wanted = run_module(case, module_of(case))
    for got, one in zip(run_graph(case, graph), wanted, strict=True):
        assert_same(got, as_graph_has_it(case, graph, one))


@every_case
def test_the_graph_is_made_of_the_nodes_expected(name: str) -> None:
    kinds = [type(node) for node in exported(name).nodes.values()]
    found = [kind.__name__ for kind in kinds if kind not in (Input, Output)]
    assert sorted(found) == sorted(kind.__name__ for kind in CASES[name].kinds)


@every_case
def test_the_file_comes_back_as_a_module_that_fires_alike(
    name: str, tmp_path: Path
) -> None:
    case, path = CASES[name], tmp_path / "graph.nir"
    write_nir(exported(name), path, dt_s=DT_S)
    graph = read_nir(path)
    with torch.no_grad():
        given = import_nir(graph, dt_s=DT_S).double()(sample_for(name, graph).double())
    outputs = list(given.values()) if isinstance(given, dict) else [given]
    for got, wanted in zip(outputs, run_graph(case, graph), strict=True):
        assert_same(np.moveaxis(got.numpy(), 0, 1), wanted)


@every_case
def test_what_comes_back_is_exported_as_the_same_graph_to_the_bit(name: str) -> None:
    graph = exported(name)
    network = import_nir(graph, dt_s=DT_S)
    again = export_snntorch(network, sample_for(name, graph), dt_s=DT_S, verify=False)
    assert again.fingerprint() == graph.fingerprint()
