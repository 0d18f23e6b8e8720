"""Makes the Lava processes of sources, neurons and recorders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.process.process import AbstractProcess
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIF

from spikewright import nodes as n
from spikewright.errors import UnsupportedNodeError
from spikewright.graph import Graph
from spikewright.loihi import DECAY_ONE
from spikewright.nodes import Array
from spikewright.simulate.lava_backend.engine.processes.neurons import (
    Integrator,
    SoftResetLIF,
)
from spikewright.simulate.lava_backend.engine.processes.recorder import Recorder
from spikewright.simulate.lava_backend.plan import Plan


@dataclass(frozen=True)
class Parts:
    """What all parts of one network need to know."""

    graph: Graph
    """checked"""
    plan: Plan
    """of this graph"""
    is_stock: bool
    """whether only stock processes are allowed"""
    folder: Path
    """where recorder i writes `i.npy`, in the order of `plan.recorded`"""


def make_population(parts: Parts, name: str) -> AbstractProcess:
    """Make the process of a population other than an Input.

    Raises:
        UnsupportedNodeError: the node is no such population.
    """
    plan, node = parts.plan, parts.graph.nodes[name]
    common: dict[str, Any] = {"name": name, "interval": plan.run_steps}
    if isinstance(node, n.BiasLine):
        ones = np.ones((plan.steps, *node.shape))
        return make_source(plan, ones, parts.graph.arrival[name])
    if isinstance(node, n.SPIKING) and node.drop is None:
        return LIF(shape=node.shape, **_decays_of_lif(node), **common)
    if isinstance(node, n.SPIKING):
        vth = node.vth if isinstance(node, n.QuantizedNeurons) else node.threshold
        common |= {"vth": vth, "drop": node.drop}
        return SoftResetLIF(shape=node.shape, **_kept(node), **common)
    if isinstance(node, n.GRADED):
        gain = node.gain if isinstance(node, n.Integrators) else 1
        return Integrator(shape=node.shape, gain=gain, **_kept(node), **common)
    known = [kind.__name__ for kind in (*n.POPULATIONS, *n.SYNAPSES, n.Output)]
    raise UnsupportedNodeError(name, type(node).__name__, "the Lava backend", known)


def _decays_of_lif(node: n.Neurons) -> dict[str, Any]:
    """Return LIF's du, dv and vth. Its fixed-point models add 1 to du."""
    if isinstance(node, n.QuantizedNeurons):
        du = np.asarray(node.du) - 1
        return {"du": _same(du), "dv": _same(node.dv), "vth": node.vth}
    return {
        "du": _same(1.0 - node.current_decay),
        "dv": _same(1.0 - node.decay),
        "vth": _same(node.threshold),
    }


def _same(values: npt.ArrayLike) -> Array | float:
    """Return one number if all agree, as Lava declares; arrays work on a CPU only."""
    array = np.asarray(values)
    first: float = array.flat[0].item()
    return first if np.all(array == first) else array


def _kept(node: n.Neurons | n.Graded) -> dict[str, Any]:
    if isinstance(node, n.SpikingNeurons | n.Integrators):
        return {"kept_u": node.current_decay, "kept_v": node.decay}
    kept_u = (DECAY_ONE - np.asarray(node.du)) / DECAY_ONE
    kept_v = (DECAY_ONE - np.asarray(node.dv)) / DECAY_ONE
    return {"kept_u": kept_u, "kept_v": kept_v}


def make_source(plan: Plan, sample: Array, start: int) -> RingBuffer:
    """Make a RingBuffer that plays a sample (steps, *shape) from step `start` on."""
    process = RingBuffer(data=played(plan, sample, start))
    process.proc_params["interval"] = plan.run_steps
    return process


def played(plan: Plan, sample: Array, start: int = 0) -> Array:
    """Put time last and silence around: (steps, *shape) to (*shape, run_steps)."""
    silent = [(start, plan.run_steps - start - len(sample))]
    around = silent + [(0, 0)] * (sample.ndim - 1)
    return np.moveaxis(np.pad(sample, around), 0, -1)


def make_recorder(parts: Parts, name: str) -> Recorder:
    """Make the recorder of a spiking population, or of what an Output receives."""
    plan, node = parts.plan, parts.graph.nodes[name]
    is_output = isinstance(node, n.Output)
    number = np.int64 if plan.is_fixed else np.float64
    return Recorder(
        shape=node.shape,  # type: ignore[union-attr]  # it is recorded
        window=(parts.graph.arrival[name], plan.steps),
        interval=plan.run_steps,
        dtype=number if is_output else np.uint8,
        path=parts.folder / f"{plan.recorded.index(name)}.npy",
        name=name if is_output else f"recorder of {name}",
    )
