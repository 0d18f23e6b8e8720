"""What the integer simulator keeps of a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spikewright.nodes import QuantizedNeurons
from spikewright.simulate.inputs import Signals
from spikewright.simulate.integer_plan import Plan
from spikewright.simulate.kernels import Batch, Sent
from spikewright.trace import Counts, Keep, Spikes, SpikeTrace, TracePolicy, Values


@dataclass(frozen=True, eq=False)
class Recorder:
    """Arrays of (batch, steps, …) that fill step by step."""

    plan: Plan
    policy: TracePolicy
    spikes: Mapping[str, npt.NDArray[np.bool_]]
    """(batch, steps, neurons)"""
    counts: Mapping[str, npt.NDArray[np.float32]]
    """(batch, steps)"""
    outputs: Mapping[str, Values]
    """(batch, steps, neurons), in the units of the float graph"""
    scales: Mapping[str, float]
    """what an integer is worth in them"""

    def take_spikes(self, name: str, step: int, sent: Sent) -> None:
        """Keep what a population sent, as the policy says."""
        if step >= self.plan.steps or sent.mask is None:
            return
        if name in self.spikes:
            self.spikes[name][:, step] = sent.mask.T
        elif name in self.counts:  # BLAS adds float32 exactly below 2**24
            ones = np.ones(len(sent.values), np.float32)
            np.matmul(ones, sent.values, out=self.counts[name][step])

    def take_output(self, name: str, step: int, total: Batch) -> None:
        """Keep what an Output received."""
        if step < self.plan.steps:
            np.add(total, 0.0, out=total)  # so that a zero has no sign
            room = self.outputs[name][:, step]
            np.multiply(total.T, self.scales[name], out=room, dtype=np.float64)

    def trace(self, inputs: Signals) -> SpikeTrace:
        """Return the trace of the samples of `inputs`; the batch may be larger."""
        graph = self.plan.graph
        samples = len(next(iter(inputs.values())))
        given = SpikeTrace({k: v.astype(np.uint8) for k, v in inputs.items()}, {})
        kept = self.policy.apply(given)
        spikes: dict[str, Spikes] = dict(kept.spikes)
        for name, array in self.spikes.items():
            shape = graph.nodes[name].shape  # type: ignore[union-attr]
            whole = array[:samples].view(np.uint8)
            spikes[name] = whole.reshape(*whole.shape[:2], *shape)
        counts: dict[str, Counts] = dict(kept.counts)
        for name, each in self.counts.items():
            counts[name] = each[:, :samples].T.astype(np.int64)
        outputs = {
            name: self.outputs[name][:samples].reshape(samples, -1, *node.shape)
            for name, node in graph.outputs.items()
        }
        return SpikeTrace(spikes, outputs, counts=counts)


def make_recorder(plan: Plan, policy: TracePolicy, batch: int) -> Recorder:
    """Allocate what the policy keeps of a batch."""
    spiking = {
        name: math.prod(node.shape)
        for name, node in plan.graph.nodes.items()
        if isinstance(node, QuantizedNeurons)
    }
    return Recorder(
        plan,
        policy,
        {
            name: np.zeros((batch, plan.steps, size), np.bool_)
            for name, size in spiking.items()
            if policy.of(name) is Keep.FULL
        },
        {
            name: np.zeros((plan.steps, batch), np.float32)
            for name in spiking
            if policy.of(name) is Keep.COUNTS
        },
        {
            name: np.zeros((batch, plan.steps, math.prod(node.shape)))
            for name, node in plan.graph.outputs.items()
        },
        {name: node.scale for name, node in plan.graph.outputs.items()},
    )
