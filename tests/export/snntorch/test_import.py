"""Graphs of others as snnTorch modules: exact, trainable, or refused by name."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import snntorch
import torch

from spikewright.errors import GraphError, InputError
from spikewright.export.from_snntorch import export_snntorch
from spikewright.export.nir.io import read_nir, read_nir_dt
from spikewright.export.passes.discretize import discretize
from spikewright.export.to_snntorch import NirNetwork, import_nir
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    LI,
    LIF,
    Affine,
    Conv1d,
    CubaLIF,
    Input,
    Node,
    Output,
    Scale,
    Threshold,
)
from spikewright.simulate.reference import run_reference

DT_S = 1e-3
GOLDEN = Path(__file__).parents[2] / "golden"
SAME = [
    *("chip_attention", "conv1d_options", "conv2d_pool", "delays", "heterogeneous"),
    *("li_readout", "nested_recurrent", "random_branching", "recurrent"),
    *("residual_bias", "soft_reset", "ties", "two_ends"),
]
Array = npt.NDArray[Any]


def golden(name: str) -> tuple[Graph, float]:
    """Return a golden graph and its time step."""
    path = GOLDEN / f"{name}.nir"
    dt_s = read_nir_dt(path)
    assert dt_s is not None
    return read_nir(path), dt_s


def inputs_of(graph: Graph) -> dict[str, Array]:
    """Return random spikes (samples, steps, *shape) for each Input."""
    rng = np.random.default_rng(0)
    return {
        name: (rng.random((2, 12, *node.shape)) < 0.5).astype(float)
        for name, node in graph.inputs.items()
    }


def as_torch(x: dict[str, Array]) -> dict[str, torch.Tensor]:
    return {k: torch.from_numpy(np.moveaxis(v, 1, 0).copy()) for k, v in x.items()}


def run_torch(graph: Graph, dt_s: float, x: dict[str, Array]) -> dict[str, Array]:
    """Return what the Outputs of the module get, (samples, steps, *shape)."""
    with torch.no_grad():
        given = import_nir(graph, dt_s=dt_s).double()(as_torch(x))
    named = given if isinstance(given, dict) else {graph.output_name: given}
    return {k: np.moveaxis(v.numpy(), 0, 1) for k, v in named.items()}


def assert_alike(got: Array, wanted: Array) -> None:
    """Spikes are equal; real numbers are, but for the order of their sums."""
    assert len(np.unique(wanted)) > 1
    if set(np.unique(wanted)) <= {0.0, 1.0, 2.0}:
        np.testing.assert_array_equal(got, wanted)
    else:
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", SAME)
def test_a_golden_graph_comes_in_and_goes_out_and_fires_alike(name: str) -> None:
    graph, dt_s = golden(name)
    x = inputs_of(graph)
    wanted = run_reference(discretize(graph, dt_s=dt_s), x).outputs
    got = run_torch(graph, dt_s, x)
    network = import_nir(graph, dt_s=dt_s)
    again = export_snntorch(network, {"inputs": as_torch(x)}, dt_s=dt_s)
    out = run_reference(discretize(again, dt_s=dt_s), x).outputs
    for output, values in wanted.items():
        assert_alike(got[output], values)
    for back, values in zip(out.values(), wanted.values(), strict=True):
        assert_alike(back, values)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("v_reset", "node 'lif': v_reset is not 0, but snnTorch's neurons reset to 0"),
        ("cuba", "node 'cuba_lif': has a v_leak, but snnTorch's Synaptic has none"),
    ],
)
def test_what_snntorch_cannot_do_is_refused(name: str, match: str) -> None:
    graph, dt_s = golden(name)
    with pytest.raises(GraphError, match=match):
        import_nir(graph, dt_s=dt_s)


# --- nodes ---------------------------------------------------------------------------


def chain(*nodes: tuple[str, Node], size: int = 2) -> Graph:
    """Return nodes in a row, between an Input and an Output."""
    given = dict(nodes)
    shape = (size,)
    ends: dict[str, Node] = {"input": Input(shape), **given, "output": Output(shape)}
    names = list(ends)
    edges = tuple(Edge(a, b) for a, b in pairwise(names))
    return Graph(ends, edges, Stage.CONTINUOUS)


def full(value: float, size: int = 2) -> Array:
    return np.full(size, value)


def lif(tau_s: float = 2e-3, r: float = 2.0, threshold: float = 1.0, **kw: Any) -> LIF:
    given = {"v_leak": full(0.0), "v_reset": full(0.0), **kw}
    return LIF(tau_s=full(tau_s), r=full(r), v_threshold=full(threshold), **given)


def test_a_gain_divides_the_threshold() -> None:
    """r dt / tau = 1 * 1e-3 / 2e-3 = 0.5 per unit: v > 1 is a sum above 2 of inputs."""
    neuron = import_nir(chain(("lif", lif(r=1.0))), dt_s=DT_S).get_submodule("lif")
    assert isinstance(neuron, snntorch.Leaky)
    assert float(neuron.threshold) == 2.0 and float(neuron.beta) == 0.5
    assert neuron.reset_mechanism == "zero"


def test_a_leak_is_a_bias_of_the_input() -> None:
    """A v_leak of 3 with r = 2 is 3 / 2 per step in units of the input."""
    network = import_nir(chain(("lif", lif(v_leak=full(3.0)))), dt_s=DT_S)
    np.testing.assert_array_equal(network.biases["lif"].detach().numpy(), full(1.5))


def soft_reset(scale: float, threshold: float = 1.0) -> Graph:
    """LI -> Threshold with a loop of `scale`; tau = 2 dt."""
    nodes: dict[str, Node] = {
        "input": Input((2,)),
        "mem": LI(full(2e-3), full(2.0), full(0.0)),
        "spikes": Threshold(full(threshold)),
        "back": Scale(full(scale)),
        "output": Output((2,)),
    }
    pairs = ["input mem", "mem spikes", "spikes back", "back mem", "spikes output"]
    edges = tuple(Edge(*pair.split()) for pair in pairs)
    return Graph(nodes, edges, Stage.CONTINUOUS)


def test_a_loop_of_minus_the_threshold_is_reset_by_subtraction() -> None:
    network = import_nir(soft_reset(-0.75, 0.75), dt_s=DT_S)
    assert [name for name, _ in network.named_children()][-1] == "spikes"
    neuron = network.get_submodule("spikes")
    assert neuron.reset_mechanism == "subtract" and neuron.reset_delay


@pytest.mark.parametrize("scale", [-0.5, 0.25])
def test_a_loop_of_another_weight_stays_a_loop(scale: float) -> None:
    graph = soft_reset(scale, 2.2)
    names = dict(import_nir(graph, dt_s=DT_S).named_children())
    assert {"mem", "spikes", "back"} <= set(names)
    x = {"input": 2 * np.random.default_rng(1).random((2, 20, 2))}
    wanted = run_reference(discretize(graph, dt_s=DT_S), x).outputs["output"]
    assert_alike(run_torch(graph, DT_S, x)["output"], wanted)


def test_names_that_modules_cannot_have_are_changed() -> None:
    """A dot separates modules, and every module has a `forward` and `biases`."""
    nodes = [("block.lif", lif()), ("forward", lif()), ("biases", lif())]
    found = [k for k, _ in import_nir(chain(*nodes), dt_s=DT_S).named_children()]
    assert {"block_lif", "forward_", "biases_"} <= set(found)


def test_numbers_that_float32_does_not_hold_are_float64() -> None:
    for value, dtype in ((0.5, torch.float32), (0.1, torch.float64)):
        graph = chain(("fc", Affine(np.full((2, 2), value), full(0.0))), ("lif", lif()))
        network = import_nir(graph, dt_s=DT_S)
        assert {p.dtype for p in network.parameters()} == {dtype}
        assert network(torch.ones(3, 1, 2, dtype=dtype)).dtype == dtype


def test_padding_that_torch_cannot_say_is_refused() -> None:
    conv = Conv1d(np.ones((1, 1, 2)), np.zeros(1), 4, padding=(3, 0))
    nodes: dict[str, Node] = {
        "input": Input((1, 4)),
        "conv": conv,
        "output": Output((1, 6)),
    }
    edges = (Edge("input", "conv"), Edge("conv", "output"))
    with pytest.raises(GraphError, match="torch cannot pad by"):
        import_nir(Graph(nodes, edges, Stage.CONTINUOUS), dt_s=DT_S)


def test_the_time_step_matters() -> None:
    """tau = 2e-3 s keeps 1 - 1/2 of v at 1 ms and 1 - 1/4 at 0.5 ms."""
    graph = chain(("lif", lif()))
    for dt_s, beta in ((1e-3, 0.5), (5e-4, 0.75)):
        assert float(import_nir(graph, dt_s=dt_s).get_submodule("lif").beta) == beta
    with pytest.raises(GraphError, match=r"time constant 0\.002 s is shorter"):
        import_nir(graph, dt_s=4e-3)


# --- training ------------------------------------------------------------------------


def network_of(*, learn_neurons: bool) -> NirNetwork:
    weight = np.array([[1.0, -0.5], [0.25, 2.0]])
    graph = chain(("fc", Affine(weight, full(0.25))), ("lif", lif()))
    return import_nir(graph, dt_s=DT_S, learn_neurons=learn_neurons)


def test_gradients_reach_every_parameter_and_a_step_lowers_the_loss() -> None:
    torch.manual_seed(0)
    network, x = network_of(learn_neurons=True), torch.rand(10, 4, 2)
    names = [name for name, _ in network.named_parameters()]
    assert sorted(names) == ["fc.bias", "fc.weight", "lif.beta", "lif.threshold"]
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    losses = []
    for _ in range(30):
        loss = ((network(x).mean(0) - torch.tensor([0.9, 0.1])) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.any() for p in network.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


def test_a_tuned_network_is_exported_with_its_new_values() -> None:
    network = network_of(learn_neurons=True)
    with torch.no_grad():
        network.get_submodule("fc").weight.add_(0.5)
        network.get_submodule("lif").beta.fill_(0.75)
    graph = export_snntorch(network, torch.rand(6, 2, 2), dt_s=DT_S)
    fc, neuron = graph.nodes["fc"], graph.nodes["lif"]
    assert isinstance(fc, Affine) and isinstance(neuron, LIF)
    np.testing.assert_array_equal(fc.weight, [[1.5, 0.0], [0.75, 2.5]])
    np.testing.assert_array_equal(neuron.tau_s, full(4e-3))  # 1e-3 / (1 - 0.75)


def test_neurons_learn_only_if_asked_to() -> None:
    names = [name for name, _ in network_of(learn_neurons=False).named_parameters()]
    assert names == ["fc.weight", "fc.bias"]


def test_inputs_are_checked_by_name() -> None:
    graph, dt_s = golden("two_ends")
    network = import_nir(graph, dt_s=dt_s)
    for wrong in (torch.ones(3, 1, 4), {"left": torch.ones(3, 1, 4)}):
        with pytest.raises(InputError, match="the network takes the inputs"):
            network(wrong)


def test_a_current_decays_in_synaptic() -> None:
    """tau_syn = 2 dt and tau_mem = 4 dt: alpha = 1/2, beta = 3/4."""
    node = CubaLIF(
        *(full(2e-3), full(4e-3), full(4.0), full(0.0), full(1.0), full(0.0), full(2.0))
    )
    neuron = import_nir(chain(("cuba", node)), dt_s=DT_S).get_submodule("cuba")
    assert isinstance(neuron, snntorch.Synaptic)
    assert (float(neuron.alpha), float(neuron.beta)) == (0.5, 0.75)
    assert neuron.reset_mechanism == "zero" and not neuron.reset_delay
