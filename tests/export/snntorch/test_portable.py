"""The portable dialect: only what other tools load exactly, or a refusal."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

from spikewright.errors import GraphError
from spikewright.export.from_snntorch import export_snntorch
from spikewright.export.passes.discretize import discretize
from spikewright.export.tools.judge import tool_verdicts
from spikewright.graph import Graph
from spikewright.nodes import LIF, Affine, Conv1d, SpikingNeurons
from spikewright.simulate.reference import run_reference

DT_S = 1e-3


def zero(beta: Any = 0.5, **kwargs: Any) -> snn.Leaky:
    return snn.Leaky(beta, init_hidden=True, reset_mechanism="zero", **kwargs)


def portable(module: nn.Module, *shape: int, **options: Any) -> Graph:
    sample = torch.rand(2, *(shape or (4,)))
    return export_snntorch(module, sample, dt_s=DT_S, dialect="portable", **options)


class Residual(nn.Module):
    """A skip around a layer; names with capitals."""

    def __init__(self) -> None:
        super().__init__()
        self.FC0, self.L0 = nn.Linear(4, 4), zero()
        self.fc1, self.l1 = nn.Linear(4, 4, bias=False), zero(0.9)
        self.fc2, self.l2 = nn.Linear(4, 3), zero()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.L0(self.FC0(x))
        return self.l2(self.fc2(h + self.l1(self.fc1(h))))


def test_a_residual_network_is_affine_and_lif_under_small_names() -> None:
    graph = portable(Residual())
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert kinds == {
        "input": "Input",
        "fc0": "Affine",
        "l0": "LIF",
        "fc1": "Affine",
        "l1": "LIF",
        "fc2": "Affine",
        "l2": "LIF",
        "output": "Output",
    }
    fc1 = graph.nodes["fc1"]
    assert isinstance(fc1, Affine) and not np.any(fc1.bias)  # a Linear there


def test_decays_are_time_constants_in_float64() -> None:
    """tau = dt / (1 - beta) = 1e-3 / 0.5 = 2e-3 and r = tau / dt = 2."""
    lif = portable(nn.Sequential(nn.Linear(4, 3), zero())).nodes["layer_1"]
    assert isinstance(lif, LIF) and lif.tau_s.dtype == np.float64
    np.testing.assert_array_equal(lif.tau_s, np.full(3, 2e-3))
    np.testing.assert_array_equal(lif.r, np.full(3, 2.0))
    assert not np.any(lif.v_leak) and not np.any(lif.v_reset)


def test_a_neuron_that_forgets_is_a_lif_with_a_tau_just_above_one_step() -> None:
    """SpikingJelly refuses tau = dt; one rounding more, and the decay is still 0."""
    graph = portable(nn.Sequential(nn.Linear(4, 3), zero(0.0)))
    lif = graph.nodes["layer_1"]
    assert isinstance(lif, LIF)
    assert np.all(lif.tau_s / DT_S == 1 + 2.0**-52)
    neurons = discretize(graph, dt_s=DT_S).nodes["layer_1"]
    assert isinstance(neurons, SpikingNeurons) and not np.any(neurons.decay)


def test_names_that_torch_modules_have_already_get_a_number() -> None:
    """A module may be called `keys`, but NIRTorch's containers have a method `keys`."""
    net = nn.Sequential(OrderedDict([("keys", nn.Linear(4, 3)), ("l", zero())]))
    assert list(portable(net).nodes) == ["input", "keys_2", "l", "output"]


def test_tokens_are_a_convolution_of_one_tap() -> None:
    graph = portable(nn.Sequential(nn.Linear(4, 3), zero()), 5, 4)
    conv = graph.nodes["layer_0"]
    assert isinstance(conv, Conv1d) and conv.weight.shape == (3, 4, 1)
    assert graph.inputs["input"].shape == (4, 5)  # (channels, tokens)


def test_both_dialects_fire_alike() -> None:
    torch.manual_seed(1)
    net = Residual()
    sample = 5 * torch.rand(2, 4)
    x = 5 * np.random.default_rng(0).random((2, 10, 4))
    outputs = [
        run_reference(
            discretize(
                export_snntorch(net, sample, dt_s=DT_S, dialect=dialect), dt_s=DT_S
            ),
            x,
        ).output
        for dialect in ("chip", "portable")
    ]
    assert 0 < outputs[0].mean() < 1
    np.testing.assert_array_equal(*outputs)


def test_what_is_portable_loads_in_snntorch_and_spikingjelly() -> None:
    """By `check`; tests/conformance loads such files in the tools themselves."""
    torch.manual_seed(0)
    nets = (Residual(), nn.Sequential(nn.Linear(4, 3), zero(0.0)))
    for net in nets:
        graph = export_snntorch(net, torch.rand(2, 4), dt_s=1e-4, dialect="portable")
        verdicts = tool_verdicts(graph, dt_s=1e-4)
        assert {"snnTorch", "SpikingJelly"} <= {e.tool for e in verdicts if e.loads}


def late(x: torch.Tensor, layers: Any) -> torch.Tensor:
    spk, rows = torch.zeros(2, 4), []
    for _ in range(3):
        spk = layers.l1(layers.fc(x) + layers.back(spk))
        rows.append(spk)
    return torch.stack(rows)


class Loops(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.back, self.l1 = nn.Linear(4, 4), nn.Linear(4, 4), zero()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return late(x, self)


class Heads(nn.Module):
    def __init__(self, *, summed: bool) -> None:
        super().__init__()
        self.a, self.b, self.summed = zero(), zero(0.9), summed

    def forward(self, x: torch.Tensor) -> Any:
        return self.a(x) + self.b(x) if self.summed else (self.a(x), self.b(x))


REFUSED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {
    "subtract": (
        lambda: nn.Sequential(nn.Linear(4, 3), snn.Leaky(0.5, init_hidden=True)),
        (4,),
        "node 'layer_1_mem': is a LI; .*dialect='chip'",
    ),
    "integrate": (lambda: zero(1.0), (4,), "node 'leaky': is a IF"),
    "vector_beta": (
        lambda: zero(torch.tensor([0.1, 0.2, 0.3, 0.4])),
        (4,),
        "node 'leaky': has several values of tau_s",
    ),
    "vector_threshold": (
        lambda: zero(threshold=torch.tensor([1.0, 2.0, 3.0, 4.0])),
        (4,),
        "node 'leaky': has several values of v_threshold",
    ),
    "negative_threshold": (
        lambda: zero(threshold=-1.0),
        (4,),
        "node 'leaky': has a negative v_threshold",
    ),
    "convolution": (
        lambda: nn.Sequential(nn.Conv1d(1, 2, 3), zero()),
        (1, 5),
        "node 'layer_0': is a convolution over several tokens",
    ),
    "convolution2d": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), zero()),
        (1, 4, 4),
        "node 'layer_0': is a Conv2d",
    ),
    "scale": (
        lambda: nn.Sequential(nn.BatchNorm1d(4).eval(), zero()),
        (4,),
        "node 'layer_0': is a Scale",
    ),
    "loop": (Loops, (4,), "node '.*': is in a loop"),
    "two_outputs": (
        lambda: Heads(summed=False),
        (4,),
        "node 'output_1': is one of 2 Outputs",
    ),
    "sum_at_output": (
        lambda: Heads(summed=True),
        (4,),
        "node 'output': takes a sum",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_others_do_not_load_is_refused(name: str) -> None:
    make, shape, match = REFUSED[name]
    with pytest.raises(GraphError, match=match):
        portable(make(), *shape)
    export_snntorch(make(), torch.rand(2, *shape), dt_s=DT_S)  # the chip dialect does


def test_a_constant_goes_into_a_bias_or_is_refused() -> None:
    class Shifts(nn.Module):
        def __init__(self, *layers: nn.Module) -> None:
            super().__init__()
            self.fc, self.l1 = nn.Sequential(*layers), zero()
            self.shift = nn.Parameter(torch.tensor([0.1, 0.2, 0.3, 0.4]))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.l1(self.fc(x) + self.shift)

    graph = portable(Shifts(nn.Linear(4, 4)))
    assert sorted(graph.nodes) == ["fc_0", "input", "l1", "output"]
    with pytest.raises(GraphError, match="node 'l1': has several values of v_leak"):
        portable(Shifts())


def test_the_dialect_of_norse_has_the_gain_in_the_weights() -> None:
    net = Residual()
    graph, norse = portable(net), portable_for_norse(net)
    weights = {k: v.weight for k, v in graph.nodes.items() if isinstance(v, Affine)}
    # r = tau/dt = 1 / (1 - beta): 2 for beta = 0.5, about 10 for 0.9
    for name, gain in (("fc0", "l0"), ("fc1", "l1"), ("fc2", "l2")):
        r = graph.nodes[gain].r.flat[0]  # type: ignore[union-attr]
        np.testing.assert_array_equal(
            norse.nodes[name].weight,  # type: ignore[union-attr]
            weights[name].astype(np.float64) * r,
        )
    assert all(np.all(v.r == 1) for v in norse.nodes.values() if isinstance(v, LIF))
    verdicts = {each.tool: each.loads for each in tool_verdicts(norse, dt_s=DT_S)}
    assert verdicts["Norse"]


def portable_for_norse(module: nn.Module) -> Graph:
    return export_snntorch(module, torch.rand(2, 4), dt_s=DT_S, dialect="norse")


class Shared(nn.Module):
    """Two neurons behind one layer, and perhaps a skip past the next."""

    def __init__(self, beta: float, skips: bool = False) -> None:
        super().__init__()
        self.fc0, self.l0, self.l1 = nn.Linear(4, 4), zero(), zero(beta)
        self.fc2, self.l2, self.skips = nn.Linear(4, 4), zero(), skips

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.fc0(x)
        a = self.l0(h)
        b = self.fc2(a + self.l1(h))
        return self.l2(b + a if self.skips else b)


def test_neurons_behind_one_layer_have_one_gain_for_norse() -> None:
    portable_for_norse(Shared(0.5))
    with pytest.raises(GraphError, match="'fc0': leads to neurons of different decay"):
        portable_for_norse(Shared(0.9))


def test_a_skip_into_a_neuron_has_no_weights_to_take_its_gain() -> None:
    portable(Shared(0.5, skips=True))
    with pytest.raises(GraphError, match="'l2': takes 'l0' without weights"):
        portable_for_norse(Shared(0.5, skips=True))
