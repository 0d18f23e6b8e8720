"""What other exporters do wrong in silence, and what users write."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

from spikewright.errors import GraphError
from spikewright.export.from_snntorch import export_snntorch
from spikewright.export.passes.discretize import discretize
from spikewright.export.to_snntorch import import_nir
from spikewright.graph import Edge
from spikewright.nodes import LI, LIF, Affine, Conv2d, Input, Output, Scale, Threshold

DT_S = 1e-3


class Net(nn.Module):
    """Layers by name, and what they do."""

    def __init__(self, forward: Callable[..., Any], **layers: Any) -> None:
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self._does = forward

    def forward(self, x: torch.Tensor) -> Any:
        return self._does(self, x)


def lif(**kwargs: Any) -> snn.Leaky:
    return snn.Leaky(0.75, init_hidden=True, **kwargs)


def zero(**kwargs: Any) -> snn.Leaky:
    return lif(reset_mechanism="zero", **kwargs)


def names(graph: Any) -> list[str]:
    return list(graph.nodes)


# --- the example of snnTorch's documentation -----------------------------------------


class Documented(nn.Module):
    """The network of `snntorch.export_to_nir`'s docstring."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(784, 128), snn.Leaky(0.9, init_hidden=True)
        self.fc2 = nn.Linear(128, 10)
        self.lif2 = snn.Leaky(0.9, init_hidden=True, output=True)

    def forward(self, x: torch.Tensor) -> Any:
        return self.lif2(self.fc2(self.lif1(self.fc1(x))))


def test_the_documented_example_is_exported() -> None:
    graph = export_snntorch(Documented(), torch.rand(1, 784), dt_s=1e-4)
    assert [type(graph.nodes[name]) for name in ("fc1", "lif1_mem", "lif1")] == [
        Affine,
        LI,
        Threshold,
    ]
    # what forward returns: spikes, and the potential that the loop subtracts from
    assert graph.into("output_0") == (Edge("lif2", "output_0"),)
    assert graph.into("output_1") == (Edge("lif2_mem", "output_1"),)


# --- memory and order ----------------------------------------------------------------


def test_the_graph_does_not_share_memory_with_the_module() -> None:
    recurrent = snn.RLeaky(0.5, linear_features=3, init_hidden=True)
    net = nn.Sequential(nn.Linear(4, 3), recurrent, nn.BatchNorm1d(3)).eval()
    graph = export_snntorch(net, torch.rand(2, 4), dt_s=DT_S)
    before = graph.fingerprint()
    with torch.no_grad():
        for each in net.parameters():
            each.add_(1)
    assert graph.fingerprint() == before


SCRIPT = """
import hashlib, json, sys, torch, snntorch as snn
from torch import nn
from spikewright.export.from_snntorch import export_snntorch
from spikewright.export.nir.io import write_nir

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.ModuleList([nn.Linear(4, 4) for _ in range(6)])
        self.l = nn.ModuleList([snn.Leaky(0.5, init_hidden=True) for _ in range(6)])
    def forward(self, x):
        h = [l(f(x)) for l, f in zip(self.l, self.fc)]
        return h[0] + h[1] + h[2], h[3] + h[4] + h[5]

torch.manual_seed(0)
graph = export_snntorch(Net(), torch.rand(2, 4), dt_s=1e-3)
write_nir(graph, sys.argv[1], dt_s=1e-3)
print(json.dumps([graph.fingerprint(), list(graph.nodes)]))
"""


def test_the_same_module_gives_the_same_bytes_with_any_hash_seed(
    tmp_path: Path,
) -> None:
    found = set()
    for seed in ("0", "1", "4242"):
        path = tmp_path / f"{seed}.nir"
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        )
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.add((json.dumps(json.loads(done.stdout)), content))
    assert len(found) == 1


# --- names ---------------------------------------------------------------------------


def test_nodes_are_named_by_the_paths_of_their_layers() -> None:
    block = nn.Sequential(nn.Linear(4, 4), zero())
    net = Net(lambda net, x: net.deep(x), deep=nn.Sequential(block, lif()))
    graph = export_snntorch(net, torch.rand(2, 4), dt_s=DT_S)
    assert names(graph) == [
        *("input", "deep_0_0", "deep_0_1", "deep_1_mem", "deep_1", "output"),
        "deep_1_reset",
    ]


def test_names_that_collide_are_told_apart() -> None:
    """Two layers come to a_0, two nodes to lif_mem and to input, two to output."""
    net = Net(
        lambda net, x: net.output(
            net.input(net.lif(net.lif_mem(net.a_0(net.a[0](x)))))
        ),
        a=nn.ModuleList([nn.Linear(4, 4)]),
        a_0=nn.Linear(4, 4),
        lif_mem=zero(),
        lif=lif(),
        input=nn.Linear(4, 4),
        output=zero(),
    )
    found = names(export_snntorch(net, torch.rand(2, 4), dt_s=DT_S))
    assert sorted(found) == [
        *("a_0", "a_0_2", "input", "input_2", "lif_2", "lif_2_mem", "lif_2_reset"),
        *("lif_mem", "output", "output_2"),
    ]


# --- every decay ---------------------------------------------------------------------


def test_every_decay_survives_the_way_to_seconds_and_back() -> None:
    """10 000 decays of float32, near 0 and near 1 too, come back bit by bit."""
    rng = np.random.default_rng(0)
    decays = np.concatenate(
        [rng.random(9000), 1 - rng.random(500) * 1e-5, rng.random(500) * 1e-5]
    ).astype(np.float32)
    neuron = snn.Leaky(
        torch.from_numpy(decays), init_hidden=True, reset_mechanism="zero"
    )
    for dt_s in (1e-3, 1e-4, 3.7e-5):
        graph = export_snntorch(neuron, torch.rand(1, 10_000), dt_s=dt_s, verify=False)
        back = discretize(graph, dt_s=dt_s).nodes["leaky"].decay
        np.testing.assert_array_equal(back, decays.astype(np.float64))
        again = import_nir(graph, dt_s=dt_s).get_submodule("leaky").beta
        np.testing.assert_array_equal(again.numpy(), decays)


# --- arguments and results -----------------------------------------------------------


class TwoInputs(nn.Module):
    """Adds what two layers make of two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.fc_a, self.fc_b, self.l1 = nn.Linear(3, 4), nn.Linear(2, 4), zero()

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return self.l1(self.fc_a(left) + self.fc_b(right))


class Mapped(TwoInputs):
    """The same from one mapping."""

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return super().forward(inputs["left"], inputs["right"])


def test_several_inputs_are_named_by_their_arguments() -> None:
    left, right = torch.rand(2, 3), torch.rand(2, 2)
    for module, sample in (
        (TwoInputs(), [left, right]),
        (TwoInputs(), {"right": right, "left": left}),
        (Mapped(), {"inputs": {"left": left, "right": right}}),
    ):
        graph = export_snntorch(module, sample, dt_s=DT_S)
        shapes = {name: node.shape for name, node in graph.inputs.items()}
        assert shapes == {"left": (3,), "right": (2,)}


class Heads(NamedTuple):
    """What a network with two heads returns."""

    spikes: torch.Tensor
    votes: torch.Tensor


def heads(kind: Callable[..., Any]) -> nn.Module:
    return Net(
        lambda net, x: kind(net.l1(x), net.fc(x)),
        l1=zero(),
        fc=nn.Linear(4, 2),
    )


def test_outputs_are_named_by_what_forward_returns() -> None:
    kinds: list[tuple[Callable[..., Any], list[str]]] = [
        (lambda a, b: (a, b), ["output_0", "output_1"]),
        (lambda a, b: [a, None, b], ["output_0", "output_2"]),
        (lambda a, b: {"low": a, "high": b}, ["low", "high"]),
        (Heads, ["spikes", "votes"]),
        (lambda a, b: {"all": (a, b)}, ["all_0", "all_1"]),
        (lambda a, b: b, ["output"]),
    ]
    for kind, wanted in kinds:
        graph = export_snntorch(heads(kind), torch.rand(2, 4), dt_s=DT_S)
        assert sorted(graph.outputs) == sorted(wanted)


def test_loops_return_lists_stacks_or_the_last_step() -> None:
    def loop(wrap: Callable[..., Any]) -> Callable[..., Any]:
        return lambda net, x: wrap([net.l1(net.fc(x)) for _ in range(6)])

    for wrap in (list, torch.stack, lambda rows: torch.stack(rows, 1), lambda r: r[-1]):
        net = Net(loop(wrap), fc=nn.Linear(4, 4), l1=lif())
        graph = export_snntorch(net, 3 * torch.rand(2, 4), dt_s=DT_S)
        assert names(graph) == ["input", "fc", "l1_mem", "l1", "output", "l1_reset"]


def test_the_steps_may_lie_behind_the_samples() -> None:
    def loop(net: Any, x: torch.Tensor) -> torch.Tensor:
        rows = [net.l1(net.fc(x[:, t])) for t in range(x.size(1))]
        rows_2 = [net.l2(spk) for spk in rows]
        return torch.stack(rows_2, dim=1)

    net = Net(loop, fc=nn.Linear(4, 4), l1=zero(), l2=lif())
    graph = export_snntorch(net, 3 * torch.rand(2, 5, 4), dt_s=DT_S)
    assert graph.inputs["input"].shape == (4,)
    last = Net(lambda net, x: loop(net, x.movedim(-1, 1)), **dict(net.named_children()))
    again = export_snntorch(last, 3 * torch.rand(2, 4, 5), dt_s=DT_S)
    assert again.fingerprint() == graph.fingerprint()


def test_what_a_step_ago_came_in_passes_a_delay() -> None:
    def loop(net: Any, x: torch.Tensor) -> torch.Tensor:
        before, rows = torch.zeros(2, 4), []
        for each in x:
            rows.append(net.l1(each + before))
            before = each
        return torch.stack(rows)

    graph = export_snntorch(Net(loop, l1=zero()), torch.rand(5, 2, 4), dt_s=DT_S)
    assert names(graph) == ["input", "input_delay", "l1", "output"]


# --- what users write ----------------------------------------------------------------


@pytest.mark.parametrize(
    "surrogate",
    [
        snn.surrogate.atan(),
        snn.surrogate.fast_sigmoid(),
        snn.surrogate.sigmoid(),
        snn.surrogate.straight_through_estimator(),
        snn.surrogate.spike_rate_escape(),
        snn.surrogate.SSO(),
        snn.surrogate.SFS(),
        snn.surrogate.heaviside(),
    ],
)
def test_any_surrogate_gradient_will_do(surrogate: Any) -> None:
    net = nn.Sequential(nn.Linear(4, 4), zero(spike_grad=surrogate))
    graph = export_snntorch(net, torch.rand(2, 4), dt_s=DT_S)
    assert isinstance(graph.nodes["layer_1"], LIF)


def test_a_subclass_that_changes_nothing_is_a_neuron_like_its_base() -> None:
    class Named(snn.Leaky):
        def __init__(self) -> None:
            super().__init__(0.5, init_hidden=True, reset_mechanism="zero")

        def rate(self) -> float:
            return 0.0

    assert isinstance(
        export_snntorch(Named(), torch.rand(2, 4), dt_s=DT_S).nodes["named"], LIF
    )


def test_images_with_channels_last_pass_linear_layers() -> None:
    """(rows, columns, channels) in torch are (channels, rows, columns) in the graph."""
    net = nn.Sequential(nn.Linear(4, 6), zero())
    graph = export_snntorch(net, 3 * torch.rand(2, 3, 5, 4), dt_s=DT_S)
    conv = graph.nodes["layer_0"]
    assert isinstance(conv, Conv2d) and conv.weight.shape == (6, 4, 1, 1)
    assert graph.inputs["input"].shape == (4, 3, 5)
    assert graph.outputs["output"].shape == (6, 3, 5)


def test_rsynaptic_ignores_that_it_should_reset_at_once() -> None:
    """SnnTorch 1.0.0 resets a local variable: the same graph as with the delay."""

    def graph(*, reset_delay: bool) -> str:
        torch.manual_seed(2)
        neuron = snn.RSynaptic(0.5, 0.75, linear_features=4, reset_delay=reset_delay)

        def loop(net: Any, x: torch.Tensor) -> torch.Tensor:
            spk, syn, mem = (torch.zeros(2, 4) for _ in range(3))
            rows = []
            for each in x:
                spk, syn, mem = net.l1(each, spk, syn, mem)
                rows.append(spk)
            return torch.stack(rows)

        sample = 2 * torch.rand(8, 2, 4, generator=torch.Generator().manual_seed(0))
        return export_snntorch(Net(loop, l1=neuron), sample, dt_s=DT_S).fingerprint()

    assert graph(reset_delay=False) == graph(reset_delay=True)


def test_hooks_of_layers_are_part_of_what_they_do() -> None:
    net = nn.Sequential(nn.Linear(4, 4, bias=False), zero())
    net[0].register_forward_hook(lambda layer, args, out: 2 * out)
    graph = export_snntorch(net, torch.rand(2, 4), dt_s=DT_S)
    scales = [node for node in graph.nodes.values() if isinstance(node, Scale)]
    assert len(scales) == 1 and np.all(scales[0].scale == 2)


def test_keywords_and_out_of_the_way_spellings_are_understood() -> None:
    def does(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = net.fc(input=torch.flatten(input=x, start_dim=1))
        h = torch.add(input=h, other=h, alpha=2).subtract(0.5).multiply(0.5)
        h = torch.mul(h.float().to(torch.float32), torch.tensor(2.0)).type_as(x)
        return net.l1(input_=torch.neg(h).neg_().clone().contiguous())

    net = Net(does, fc=nn.Linear(4, 4), l1=zero())
    graph = export_snntorch(net, 3 * torch.rand(2, 2, 2), dt_s=DT_S)
    assert {"input", "fc_flat", "fc", "l1", "output"} <= set(names(graph))


def test_masks_and_parameters_are_constants_of_the_graph() -> None:
    """0.5 * sigmoid(0) = 0.25 is what the second number is scaled by."""

    def does(net: Any, x: torch.Tensor) -> torch.Tensor:
        mask = torch.ones_like(x)
        mask[:, 1] = 0.5
        return net.l1(x * mask * torch.sigmoid(net.gate))

    net = Net(does, gate=nn.Parameter(torch.zeros(4)), l1=zero())
    graph = export_snntorch(net, 3 * torch.rand(2, 4), dt_s=DT_S)
    factors = [n.scale for n in graph.nodes.values() if isinstance(n, Scale)]
    np.testing.assert_array_equal(np.prod(factors, axis=0), [0.5, 0.25, 0.5, 0.5])


def test_a_graph_without_neurons_is_a_map() -> None:
    graph = export_snntorch(nn.Linear(4, 2), torch.rand(2, 4), dt_s=DT_S)
    kinds = [type(node) for node in graph.nodes.values()]
    assert kinds == [Input, Affine, Output]


def test_an_untouched_input_can_be_an_output() -> None:
    graph = export_snntorch(nn.Identity(), torch.rand(2, 4), dt_s=DT_S)
    assert graph.edges == (Edge("input", "output"),)


def test_a_constant_in_a_way_back_alone_is_refused() -> None:
    def loop(net: Any, x: torch.Tensor) -> torch.Tensor:
        back, rows = torch.zeros(2, 4), []
        for each in x:
            spk = net.l1(each + back)
            back = 0.5 * spk + 0.25
            rows.append(spk)
        return torch.stack(rows)

    with pytest.raises(GraphError, match="but not at the first step"):
        export_snntorch(Net(loop, l1=zero()), torch.rand(5, 2, 4), dt_s=DT_S)
