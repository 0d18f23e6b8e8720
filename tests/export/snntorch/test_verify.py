"""An export proves itself: what fires otherwise is not exported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from snntorch import utils
from torch import nn

from spikewright.errors import ExportMismatchError, GraphError
from spikewright.export.from_snntorch import export_snntorch
from spikewright.export.passes.discretize import discretize
from spikewright.export.passes.soft_reset import merge_soft_resets
from spikewright.export.snntorch.convert import graph as snntorch_graph
from spikewright.nodes import LIF, Affine, SpikingNeurons
from spikewright.simulate.reference import run_reference

DT_S = 1e-3


def two_layers() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(4, 5),
        snn.Leaky(0.5, init_hidden=True, reset_mechanism="zero"),
        nn.Linear(5, 3),
        snn.Leaky(0.5, init_hidden=True, reset_mechanism="zero"),
    )
    with torch.no_grad():
        net[0].weight.mul_(4)
        net[2].weight.mul_(4)
    return net


def wrong_graph(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Let the exporter make a wrong graph."""
    finished = snntorch_graph.Sketch.finished

    def changed(sketch: Any) -> Any:
        change(sketch.nodes)
        return finished(sketch)

    monkeypatch.setattr(snntorch_graph.Sketch, "finished", changed)


def test_a_dropped_bias_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(nodes: Any) -> None:
        node = nodes["layer_2"]
        nodes["layer_2"] = Affine(node.weight, np.zeros(3))

    wrong_graph(monkeypatch, change)
    match = r"node 'layer_3', neuron \[\d\]: on .*, sample \d, step \d+, the module"
    with pytest.raises(ExportMismatchError, match=match):
        export_snntorch(two_layers(), torch.rand(2, 4), dt_s=DT_S)
    export_snntorch(two_layers(), torch.rand(2, 4), dt_s=DT_S, verify=False)


def test_the_first_population_and_step_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both neurons get a threshold that is never reached: the first is to blame.

    x = 1 into weights of 1 gives v = 1, 1.5, 1.75: above 1.6 at step 2.
    """

    def change(nodes: Any) -> None:
        for name in ("layer_1", "layer_3"):
            node = nodes[name]
            deaf = np.full(node.v_threshold.shape, 100.0)
            nodes[name] = LIF(node.tau_s, node.r, node.v_leak, deaf, node.v_reset)

    net = nn.Sequential(
        *(nn.Linear(1, 1, bias=False), snn.Leaky(0.5, threshold=1.6)),
        *(nn.Linear(1, 1, bias=False), snn.Leaky(0.5, threshold=0.5)),
    )
    for layer in (net[0], net[2]):
        nn.init.ones_(layer.weight)
    for neuron in (net[1], net[3]):
        neuron.init_hidden, neuron.state_function = True, neuron._base_zero
        neuron.reset_mechanism = "zero"
    wrong_graph(monkeypatch, change)
    with pytest.raises(
        ExportMismatchError,
        match=r"node 'layer_1', neuron \[0\]: on the sample, sample 0, step 2, the "
        r"module gives 1 and the graph 0 \(v 1.75, threshold 100\)",
    ):
        export_snntorch(net, torch.ones(1, 1), dt_s=DT_S)


def test_a_wrong_number_at_an_output_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(nodes: Any) -> None:
        node = nodes["layer_4"]
        nodes["layer_4"] = Affine(node.weight, node.bias + 1e-6)

    net = two_layers().append(nn.Linear(3, 2))
    wrong_graph(monkeypatch, change)
    with pytest.raises(ExportMismatchError, match=r"node 'output', neuron \[0\]: on t"):
        export_snntorch(net, torch.rand(2, 4), dt_s=DT_S)


def test_a_silent_sample_is_not_all_that_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def change(nodes: Any) -> None:
        node = nodes["layer_0"]
        nodes["layer_0"] = Affine(2 * node.weight, node.bias)

    wrong_graph(monkeypatch, change)
    with pytest.raises(ExportMismatchError, match=r"on random .*, sample"):
        export_snntorch(two_layers(), torch.zeros(2, 4), dt_s=DT_S)


class Meddles(nn.Module):
    """Changes a neuron's state behind its back."""

    def __init__(self) -> None:
        super().__init__()
        self.l1 = snn.Leaky(0.9, init_hidden=True, reset_mechanism="zero")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spk = self.l1(x)
        self.l1.mem = 0.5 * self.l1.mem
        return spk


def test_a_state_that_is_changed_between_steps_is_found() -> None:
    """Before the proof: its numbers are not what the neuron left."""
    match = "neuron 'l1', step 1: its state mem is not what the step before left"
    with pytest.raises(GraphError, match=match):
        export_snntorch(Meddles(), torch.full((1, 2), 0.6), dt_s=DT_S)


# --- subtract without delay ----------------------------------------------------------


def prompt(threshold: float = 1.0) -> snn.Leaky:
    return snn.Leaky(0.5, init_hidden=True, reset_delay=False, threshold=threshold)


def test_subtracting_at_once_is_exact_while_v_stays_below_the_threshold() -> None:
    """Inputs to 0.99: v <= 0.99 / (1 - 0.5) = 1.98 < 2 thresholds, so v - 1 < 1."""
    sample = torch.linspace(0, 0.99, 8).reshape(2, 4)
    graph = export_snntorch(prompt(), sample, dt_s=DT_S)
    merged = merge_soft_resets(discretize(graph, dt_s=DT_S)).nodes["leaky"]
    assert isinstance(merged, SpikingNeurons)
    np.testing.assert_array_equal(merged.drop, np.full(4, 0.5))  # beta * threshold


@pytest.mark.parametrize("drive", [3.0, 4.0])
def test_subtracting_at_once_is_refused_where_v_stays_above_the_threshold(
    drive: float,
) -> None:
    """v = 3: less 1 it is still 2, so snnTorch subtracts again at the next step.

    Even where both go on to fire at every step, as here on the sample.
    """
    with pytest.raises(ExportMismatchError, match="subtracts it once more"):
        export_snntorch(prompt(), torch.full((1, 2), drive), dt_s=DT_S)


def test_subtracting_at_once_is_not_exported_without_a_proof() -> None:
    with pytest.raises(GraphError, match="subtracts its threshold without delay"):
        export_snntorch(prompt(), torch.zeros(1, 2), dt_s=DT_S, verify=False)


# --- what is left alone --------------------------------------------------------------


def test_a_trained_module_is_exported_and_left_as_it_is() -> None:
    net = two_layers()
    for _ in range(3):
        last = net(torch.rand(2, 4))
    last.sum().backward()
    state = {name: each.clone() for name, each in net.state_dict().items()}
    mem, grad = net[1].mem, net[0].weight.grad.clone()
    export_snntorch(net, torch.rand(2, 4), dt_s=DT_S)
    assert net[1].mem is mem and mem.requires_grad  # states of the run go on
    assert torch.equal(net[0].weight.grad, grad)
    assert all(torch.equal(state[k], v) for k, v in net.state_dict().items())
    assert net[0].weight.dtype == torch.float32 and "forward" not in net[0].__dict__


def test_states_of_earlier_runs_do_not_matter() -> None:
    net, sample = two_layers(), torch.rand(2, 4)
    before = export_snntorch(net, sample, dt_s=DT_S).fingerprint()
    for _ in range(5):
        net(10 * sample)
    assert export_snntorch(net, sample, dt_s=DT_S).fingerprint() == before


def test_resetting_all_neurons_in_a_forward_does_not_reach_other_networks() -> None:
    class Resets(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.l1 = snn.Leaky(0.9, init_hidden=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            utils.reset(self)
            return torch.stack([self.l1(each) for each in x])

    other = snn.Leaky(0.9, init_hidden=True)
    other(torch.full((1, 2), 0.5))
    export_snntorch(Resets(), torch.rand(5, 1, 2), dt_s=DT_S)
    assert torch.equal(other.mem, torch.full((1, 2), 0.5))


def test_a_float64_module_is_exported_too() -> None:
    net = two_layers().double()
    with torch.no_grad():
        net[0].weight.mul_(1 / 3)
    for neuron in (net[1], net[3]):
        neuron.spike_grad = lambda v: (v > 0).to(v.dtype)
    graph = export_snntorch(net, torch.rand(2, 4).double(), dt_s=DT_S)
    weight = graph.nodes["layer_0"].weight
    assert weight.dtype == np.float64
    np.testing.assert_array_equal(weight, net[0].weight.detach().numpy())


def test_ties_at_the_threshold_do_not_fire() -> None:
    """0.5 * v + 0.5 comes to 1 - 2**-n: never above 1; the threshold of 0.75 is met."""
    neuron = snn.Leaky(0.5, threshold=0.75, init_hidden=True, reset_mechanism="zero")
    graph = export_snntorch(neuron, torch.full((1, 1), 0.5), dt_s=DT_S)
    trace = run_reference(discretize(graph, dt_s=DT_S), np.full((1, 4, 1), 0.5))
    # v = 0.5, 0.75 (a tie), 0.875 fires, 0.5
    assert trace.output[0, :, 0].tolist() == [0, 0, 1, 0]
