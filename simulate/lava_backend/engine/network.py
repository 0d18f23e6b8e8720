"""Builds a network of Lava processes from a graph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIF

from spikewright import nodes as n
from spikewright.errors import UnsupportedNodeError
from spikewright.graph import Edge, Graph, Stage
from spikewright.simulate.lava_backend.engine.processes.delay import DelayLine
from spikewright.simulate.lava_backend.engine.processes.integrator import Integrator
from spikewright.simulate.lava_backend.engine.processes.recorder import Recorder
from spikewright.simulate.lava_backend.engine.processes.synapses import (
    ChannelWise,
    Diagonal,
    LinearSynapses,
    TokenWise,
)
from spikewright.simulate.lava_backend.plan import (
    MIXED_LIMITS,
    Plan,
    ends,
    row_bound,
    synapse_shapes,
    weight_limits,
)

Array = npt.NDArray[Any]

GRADED_BITS = 24
"""num_message_bits of a Dense behind a graded source; 0 would make it boolean"""
FLOAT32_EXACT = 1 << 24
"""float32 holds every integer up to here"""


@dataclass(frozen=True)
class Network:
    """Connected processes, not yet compiled."""

    source: RingBuffer
    """plays the sample; also the handle of the whole network"""
    tag: str

    @property
    def config(self) -> Loihi2SimCfg:
        """Which models the compiler chooses."""
        return Loihi2SimCfg(select_tag=self.tag)


def build_network(graph: Graph, plan: Plan, sample: Array, folder: Path) -> Network:
    """Make the processes of a graph for one sample, and connect them.

    Args:
        graph: checked by `make_plan`.
        plan: of this graph.
        sample: (steps, *input shape)
        folder: where recorder i writes `i.npy`: the populations of `plan.recorded`,
            then the Output.
    """
    made = {
        name: _make(graph, plan, name, folder)
        for name in graph.nodes
        if name != graph.input_name
    }
    made[graph.input_name] = source = RingBuffer(data=played(sample, plan.run_steps))
    for edge in graph.edges:
        _join(edge, made)
    for index, name in enumerate(plan.recorded):
        recorder = _recorder(graph, plan, name, folder / f"{index}.npy", np.uint8)
        _connect(made[name], recorder)
    return Network(source, plan.tag)


def played(sample: Array, run_steps: int) -> Array:
    """Put time last and silence behind: (steps, *shape) to (*shape, run_steps)."""
    silence = [(0, run_steps - len(sample))] + [(0, 0)] * (sample.ndim - 1)
    return np.moveaxis(np.pad(sample, silence), 0, -1)


def _make(graph: Graph, plan: Plan, name: str, folder: Path) -> AbstractProcess:
    match node := graph.nodes[name]:
        case n.Output():
            dtype = np.int64 if graph.stage is Stage.QUANTIZED else np.float64
            path = folder / f"{len(plan.recorded)}.npy"
            return _recorder(graph, plan, name, path, dtype)
        case n.BiasLine():
            ones = np.ones((plan.steps, *node.shape))
            return RingBuffer(data=played(ones, plan.run_steps))
        case n.SpikingNeurons() | n.QuantizedNeurons():
            return _spiking(name, node)
        case n.Integrators() | n.QuantizedIntegrators():
            return _integrating(name, node)
        case (
            n.DenseSynapses()
            | n.TokenSynapses()
            | n.ChannelSynapses()
            | n.DiagonalSynapses()
        ):
            return _synapses(graph, plan, name, node)
    known = [kind.__name__ for kind in (*n.POPULATIONS, *n.SYNAPSES, n.Output)]
    raise UnsupportedNodeError(name, type(node).__name__, "the Lava backend", known)


def _spiking(name: str, node: n.SpikingNeurons | n.QuantizedNeurons) -> LIF:
    if isinstance(node, n.QuantizedNeurons):
        # Lava adds 1 to du: 4095 is no memory of the current.
        return LIF(shape=node.shape, du=4095, dv=node.dv, vth=node.vth, name=name)
    return LIF(
        shape=node.shape,
        du=1.0,
        dv=1.0 - node.decay,
        vth=node.threshold,
        name=name,
    )


def _integrating(name: str, node: n.Integrators | n.QuantizedIntegrators) -> Integrator:
    if isinstance(node, n.QuantizedIntegrators):
        return Integrator(shape=node.shape, kept=4096 - node.dv, name=name)
    return Integrator(shape=node.shape, kept=node.decay, gain=node.gain, name=name)


def _synapses(graph: Graph, plan: Plan, name: str, node: n.Synapses) -> AbstractProcess:
    source, _ = ends(graph, name)
    graded = source in plan.graded
    fixed = graph.stage is Stage.QUANTIZED
    if isinstance(node, n.DenseSynapses):
        if fixed and not graded:
            return _fixed_dense(name, node)
        if not fixed:
            bits = GRADED_BITS if graded else 0
            weights = node.weight * 2.0**node.exponent
            return Dense(weights=weights, num_message_bits=bits, name=name)
        # Stock Dense would wrap large products in silence: one token, one tap.
        node = n.TokenSynapses(node.weight[np.newaxis], node.exponent)
    kinds: dict[type[n.Synapses], type[LinearSynapses]] = {
        n.TokenSynapses: TokenWise,
        n.ChannelSynapses: ChannelWise,
        n.DiagonalSynapses: Diagonal,
    }
    size = math.prod(graph.nodes[source].shape)  # type: ignore[union-attr]
    x_shape, a_shape = synapse_shapes(name, node, size)
    # A power of two changes no digit, so the product stays exact.
    weight = node.weight * 2.0**node.exponent
    if fixed and not graded and row_bound(node) < FLOAT32_EXACT:
        weight = weight.astype(np.float32)
    return kinds[type(node)](
        weight=weight, in_shape=x_shape, out_shape=a_shape, name=name
    )


def _fixed_dense(name: str, node: n.DenseSynapses) -> Dense:
    """Lava drops the lowest bit of mixed signs, so double them and halve the sum."""
    weight, exponent = node.weight.astype(np.int32), node.exponent
    if weight_limits(weight) == MIXED_LIMITS:
        weight, exponent = 2 * weight, exponent - 1
    return Dense(weights=weight, weight_exp=exponent, name=name)


def _recorder(
    graph: Graph, plan: Plan, name: str, path: Path, dtype: type[np.generic]
) -> Recorder:
    shape: n.Shape = graph.nodes[name].shape  # type: ignore[union-attr]
    return Recorder(
        shape=shape,
        first=graph.arrival[name],
        steps=plan.steps,
        dtype=dtype,
        path=path,
        name=f"recorder of {name}",
    )


def _join(edge: Edge, made: dict[str, AbstractProcess]) -> None:
    source, target = made[edge.source], made[edge.target]
    if edge.delay:
        (sender,) = source.out_ports.members
        name = f"delay of {edge.source} -> {edge.target}"
        line = DelayLine(shape=sender.shape, steps=edge.delay, name=name)
        _connect(source, line)
        source = line
    _connect(source, target)


def _connect(source: AbstractProcess, target: AbstractProcess) -> None:
    """Connect the one OutPort with the one InPort, reshaping in C order."""
    (sender,), (receiver,) = source.out_ports.members, target.in_ports.members
    if sender.shape != receiver.shape:
        sender = sender.reshape(receiver.shape)
    sender.connect(receiver)
