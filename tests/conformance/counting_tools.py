"""Count one snnTorch module by NeuroBench, by SpikingJelly, and by ourselves.

Imported by conftest.py on request only: the tools are not everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import snntorch as snn
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.utils.layers import single_layer_MACs
from neurobench.metrics.workload import NeuronOperations, SynapticOperations
from neurobench.models import NeuroBenchModel, SNNTorchModel, TorchModel
from snntorch import utils
from spikingjelly.activation_based import op_counter
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from spikewright.counting import count_run
from spikewright.counts import OperationCount
from spikewright.export.from_snntorch import export_snntorch
from spikewright.export.lower import lower
from spikewright.graph import Graph, Stage
from spikewright.nodes import BiasLine
from spikewright.run_counts import RunCounts
from spikewright.simulate.reference import run_reference
from spikewright.spike_products import (
    count_coincidences,
    count_mixtures,
    count_scores,
)
from spikewright.trace import SpikeTrace

__all__ = (
    "TorchModel",
    "count_coincidences",
    "count_mixtures",
    "count_scores",
    "op_counter",
    "single_layer_MACs",
    "utils",
)

# --- modules --------------------------------------------------------------------------


class Loop(nn.Module):
    """A module for one step over the steps of (samples, steps, ...)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        utils.reset(self.net)
        return torch.stack([self.net(x[:, step]) for step in range(x.shape[1])])


def leaky(beta: float = 0.9, **given: Any) -> snn.Leaky:
    return snn.Leaky(beta, init_hidden=True, **given)


def thinned(layer: nn.Module, *, share: float = 0.3, scale: float = 3.0) -> nn.Module:
    """Make weights larger, so that neurons spike, and a share of them zero."""
    with torch.no_grad():
        layer.weight.mul_(scale)
        layer.weight[torch.rand(layer.weight.shape) < share] = 0.0
    return layer


def spikes(*shape: int, rate: float = 0.3) -> torch.Tensor:
    return (torch.rand(shape) < rate).float()


# --- ours -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Ours:
    """A counted run of the exported graph."""

    graph: Graph
    trace: SpikeTrace
    run: RunCounts

    @property
    def weights(self) -> OperationCount:
        """All synapses, without those behind a bias line."""
        return self._sum(behind_a_line=False)

    @property
    def biases(self) -> OperationCount:
        return self._sum(behind_a_line=True)

    @property
    def updates(self) -> int:
        total = self.run.total()
        return total.updates_active + total.updates_inactive

    @property
    def dense(self) -> int:
        """Synops if every source spiked at every step, zero weights included."""
        full = {k: np.ones_like(v) for k, v in self.trace.spikes.items()}
        trace = replace(self.trace, spikes=full)
        counted = replace(self, run=count_run(self.graph, trace)).weights
        return counted.synops + counted.synops_zero

    def _sum(self, *, behind_a_line: bool) -> OperationCount:
        totals, nodes = self.run.totals(), self.graph.nodes
        sources = {edge.target: nodes[edge.source] for edge in self.graph.edges}
        chosen = (
            count
            for name, count in totals.items()
            if type(nodes[name]).__name__.endswith("Synapses")
            and isinstance(sources[name], BiasLine) == behind_a_line
        )
        return sum(chosen, OperationCount())


def ours(net: nn.Module, x: torch.Tensor) -> Ours:
    """Export, lower, run and count; integers and real numbers as what they are."""
    graph = export_snntorch(net, x[:, 0], dt_s=1e-3)
    graph = lower(graph, dt_s=1e-3, to=Stage.TIMED).graph
    given = x.numpy()
    trace = run_reference(graph, {graph.input_name: given})
    inputs = {}
    if graph.input_name not in trace.spikes:
        is_whole = bool((given == np.round(given)).all())
        typed = given.astype(np.int64) if is_whole else given
        inputs = {graph.input_name: typed}
    return Ours(graph, trace, count_run(graph, trace, inputs=inputs))


# --- theirs ---------------------------------------------------------------------------


@dataclass(frozen=True)
class NeuroBench:
    """What `Benchmark` says, of all samples together."""

    acs: int
    macs: int
    dense: int
    neuron_ops: int | None
    """None: its metric failed, which it says nowhere"""
    dense_neuron_ops: int | None


def neurobench(net: nn.Module, x: torch.Tensor, batch: int | None = None) -> NeuroBench:
    model = SNNTorchModel(Loop(net), custom_forward=True)
    return effective_operations(model, x, batch)


def effective_operations(
    model: NeuroBenchModel, x: torch.Tensor, batch: int | None = None
) -> NeuroBench:
    data = DataLoader(TensorDataset(x, torch.zeros(len(x))), batch or len(x))
    metrics = [SynapticOperations, NeuronOperations]
    found = Benchmark(model, data, [], [], [[], metrics]).run(quiet=True)
    synapses, neurons = found["SynapticOperations"], found["NeuronOperations"]
    keys = "Effective_ACs", "Effective_MACs", "Dense"
    totals = [_whole(synapses[key] * len(x)) for key in keys]
    if isinstance(neurons, float):
        return NeuroBench(*totals, None, None)
    keys = "Effective Neuron Ops", "Neuron Dense Ops"
    return NeuroBench(*totals, *(_whole(neurons[key] * len(x)) for key in keys))


def _whole(value: float) -> int:
    assert math.isclose(value, round(value), abs_tol=1e-6), value
    return round(value)


@dataclass(frozen=True)
class SpikingJelly:
    """What its counters say, of all samples together."""

    synops: int
    acs: int
    macs: int
    unsupported: frozenset[str]
    """operations of which `MACCounter` says that it does not know them"""


def spikingjelly(
    module: nn.Module, *inputs: torch.Tensor, ignore: tuple[type[nn.Module], ...] = ()
) -> SpikingJelly:
    """Count one forward of a module as it stands."""
    kinds = op_counter.SynOpCounter, op_counter.ACCounter, op_counter.MACCounter
    counters = [kind(extra_ignore_modules=list(ignore)) for kind in kinds]
    mode = op_counter.DispatchCounterMode(counters)
    with torch.no_grad(), mode:
        module(*inputs)
    unsupported = frozenset(mode.get_unsupported(counters[2]))
    return SpikingJelly(*(each.get_total() for each in counters), unsupported)
