"""The time step is in the file's metadata, and can be told from its neurons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

from spikewright.export.from_snntorch import export_snntorch
from spikewright.export.graphs.time_step import deduce_dt_s
from spikewright.export.nir.io import read_nir, read_nir_dt, write_nir
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import IF, LIF, CubaLIF, Input, Node, Output, Threshold

NEURONS = {
    "leaky": lambda: snn.Leaky(0.9, init_hidden=True, reset_mechanism="zero"),
    "vector": lambda: snn.Leaky(torch.tensor([0.1, 0.5, 1.0]), init_hidden=True),
    "integrates": lambda: snn.Leaky(1.0, init_hidden=True, reset_mechanism="zero"),
    "subtracts": lambda: snn.Leaky(0.3, init_hidden=True),
    "synaptic": lambda: snn.Synaptic(
        0.3, 0.7, init_hidden=True, reset_mechanism="zero", reset_delay=False
    ),
}


@pytest.mark.parametrize("name", NEURONS)
@pytest.mark.parametrize("dt_s", [1e-3, 1e-4, 3.7e-5, 1 / 3000, 2.0**-10])
def test_an_export_says_its_time_step_twice(
    name: str, dt_s: float, tmp_path: Path
) -> None:
    net = nn.Sequential(nn.Linear(4, 3), NEURONS[name]())
    graph = export_snntorch(net, torch.rand(2, 4), dt_s=dt_s, verify=False)
    write_nir(graph, tmp_path / "net.nir", dt_s=dt_s)
    assert read_nir_dt(tmp_path / "net.nir") == dt_s
    assert deduce_dt_s(read_nir(tmp_path / "net.nir")) == pytest.approx(dt_s, rel=1e-15)


def graph_of(*neurons: Node) -> Graph:
    """Return neurons beside each other."""
    nodes: dict[str, Node] = {"input": Input((2,)), "output": Output((2,))}
    edges = []
    for index, node in enumerate(neurons):
        nodes[f"n{index}"] = node
        edges += [Edge("input", f"n{index}"), Edge(f"n{index}", "output")]
    return Graph(nodes, tuple(edges), Stage.CONTINUOUS)


def full(value: float) -> np.ndarray:
    return np.full(2, value)


def lif(tau_s: float, r: float) -> LIF:
    return LIF(full(tau_s), full(r), full(0.0), full(1.0), full(0.0))


def test_the_step_is_tau_by_r_or_one_by_r() -> None:
    """2e-3 / 2 = 4e-3 / 4 = 1 / 1000 = 1e-3."""
    graph = graph_of(lif(2e-3, 2.0), lif(4e-3, 4.0), IF(full(1e3), full(1), full(0)))
    assert deduce_dt_s(graph) == 1e-3


def test_both_filters_of_a_current_must_agree() -> None:
    """4e-3 / 4 = 1e-3; 2e-3 / 2 = 1e-3, but 2e-3 / 1 = 2e-3."""
    for w_in, wanted in ((2.0, 1e-3), (1.0, None)):
        times = full(2e-3), full(4e-3), full(4.0)
        node = CubaLIF(*times, full(0.0), full(1.0), full(0.0), full(w_in))
        assert deduce_dt_s(graph_of(node)) == wanted


def test_parameters_that_went_through_float32_point_to_the_same_step() -> None:
    """As in the files of snnTorch: tau and r of beta 0.9, rounded."""
    tau = np.float32(1e-4) / (1 - np.float32(0.9))
    node = lif(float(tau), float(tau / np.float32(1e-4)))
    assert deduce_dt_s(graph_of(node)) == 1e-4


@pytest.mark.parametrize(
    "neurons",
    [
        (),
        (Threshold(full(1.0)),),
        (lif(2e-3, 1.0),),  # may be dt = 2e-3 s, or a gain that is in the weights
        (lif(2e-3, 1.0), lif(4e-3, 1.0)),
        (lif(2e-3, 2.0), lif(4e-3, 2.0)),  # 1e-3 or 2e-3
        (lif(2e-3, -2.0),),
        (lif(2e-3, 0.0),),
    ],
)
def test_neurons_that_do_not_agree_say_nothing(neurons: tuple[Node, ...]) -> None:
    assert deduce_dt_s(graph_of(*neurons)) is None
