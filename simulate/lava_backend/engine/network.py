"""Builds a network of Lava processes from a graph."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIF
from lava.proc.sparse.process import DelaySparse, Sparse

from spikewright.simulate.lava_backend.engine.connections import (
    make_stock_delay,
    make_synapses,
)
from spikewright.simulate.lava_backend.engine.populations import (
    Parts,
    make_population,
    make_recorder,
    make_source,
)
from spikewright.simulate.lava_backend.engine.processes import stock, stock_synapses
from spikewright.simulate.lava_backend.engine.processes.delay import DelayLine
from spikewright.simulate.lava_backend.engine.processes.recorder import Recorder
from spikewright.simulate.lava_backend.job import Job, Models, input_file
from spikewright.simulate.lava_backend.plan import (
    FIXED_TAG,
    FLOAT_TAG,
    Link,
    Plan,
)

Made = dict[str, AbstractProcess]
Taps = dict[tuple[str, int], AbstractProcess]
"""by population and delay: who sends what the population sent so long ago"""

FAST_MODELS = {
    FIXED_TAG: {
        LIF: stock.PyLifFixed,
        Dense: stock_synapses.PyDenseFixed,
        DelayDense: stock_synapses.PyDelayDenseFixed,
        Sparse: stock_synapses.PySparseFixed,
        DelaySparse: stock_synapses.PyDelaySparseFixed,
        RingBuffer: stock.PyStreamFixed,
    },
    FLOAT_TAG: {
        LIF: stock.PyLifFloat,
        Dense: stock_synapses.PyDenseFloat,
        DelayDense: stock_synapses.PyDelayDenseFloat,
        Sparse: stock_synapses.PySparseFloat,
        DelaySparse: stock_synapses.PyDelaySparseFloat,
        RingBuffer: stock.PyStreamFloat,
    },
}
"""our models of Lava's own processes, by arithmetic; Lava itself finds only those that
lie beside a Process, and takes the exact type of the Process"""


@dataclass(frozen=True)
class Network:
    """Connected processes, not yet compiled."""

    handle: AbstractProcess
    """any of them: Lava finds the others"""
    config: Loihi2SimCfg
    """which models the compiler chooses"""
    sources: Mapping[str, RingBuffer]
    """by Input; each holds the first sample"""
    states: tuple[Var, ...]
    """what Lava's own models keep from one sample to the next"""


def build_network(job: Job, plan: Plan, folder: Path, recording: Path) -> Network:
    """Make the processes of a job, and connect them.

    Args:
        job: what to run.
        plan: of its graph and inputs.
        folder: of the job, where its inputs lie.
        recording: where recorder i writes `i.npy`, in the order of `plan.recorded`.
    """
    parts = Parts(job.graph, plan, job.options.processes == "stock", recording)
    names = [name for name in job.graph.populations() if _is_built(plan, name)]
    sources = {
        name: _input(job, plan, name, folder)
        for name in job.graph.inputs
        if name in names
    }
    others = (name for name in names if name not in sources)
    made: Made = {**sources, **{name: make_population(parts, name) for name in others}}
    recorders = {name: make_recorder(parts, name) for name in plan.recorded}
    synapses = _join(parts, made, recorders)
    for one, other in pairwise(plan.islands):
        _tie(recorders, one, other)
    is_stock = job.options.models == "stock"
    return Network(
        recorders[plan.recorded[-1]],
        run_config(plan.tag, job.options.models),
        sources,
        tuple(_states([*made.values(), *synapses])) if is_stock else (),
    )


def run_config(tag: str, models: Models) -> Loihi2SimCfg:
    """Return how the compiler chooses: by arithmetic, and ours before Lava's."""
    chosen = FAST_MODELS[tag] if models == "fast" else {}
    return Loihi2SimCfg(select_tag=tag, exception_proc_model_map=chosen)


def _is_built(plan: Plan, name: str) -> bool:
    """Leave out what nobody would see: it is connected to nothing that is recorded."""
    return any(name in island for island in plan.islands)


def _input(job: Job, plan: Plan, name: str, folder: Path) -> RingBuffer:
    process = make_source(plan, job.inputs[name][0], start=0)
    index = list(job.graph.inputs).index(name)
    process.proc_params["stream"] = input_file(folder, index)
    process.name = name
    return process


def _states(processes: Iterable[AbstractProcess]) -> Iterable[Var]:
    for process in processes:
        if isinstance(process, LIF):
            yield from (process.u, process.v)
        if isinstance(process, Dense | Sparse):
            yield process.a_buff


# --- connections ---------------------------------------------------------------------


def _join(
    parts: Parts, made: Made, recorders: Mapping[str, Recorder]
) -> list[AbstractProcess]:
    """Connect all populations, and return the synapses between them."""
    synapses = []
    taps = _taps(parts, made)
    for link in (each for each in parts.plan.links if each.source in made):
        sender = made[link.source] if parts.is_stock else taps[link.source, link.delay]
        if between := _between(parts, link, sender):
            _connect(sender, between)
            synapses.append(between)
        _connect(between or sender, made.get(link.target) or recorders[link.target])
    for name in (each for each in made if each in recorders):
        _connect(made[name], recorders[name])
    return synapses


def _between(
    parts: Parts, link: Link, sender: AbstractProcess
) -> AbstractProcess | None:
    if link.synapses is not None:
        return make_synapses(parts, link, link.synapses)
    if parts.is_stock and link.delay:
        return make_stock_delay(parts, link, math.prod(_sends(sender).shape))
    return None


def _taps(parts: Parts, made: Made) -> Taps:
    """Make one delay line for each population, of pieces between its delays."""
    taps: Taps = {(name, 0): process for name, process in made.items()}
    if parts.is_stock:
        return taps
    for name, process in made.items():
        delays = {link.delay for link in parts.plan.links if link.source == name}
        for before, delay in pairwise(sorted({0, *delays})):
            line = DelayLine(
                shape=_sends(process).shape,
                steps=delay - before,
                interval=parts.plan.run_steps,
                name=f"{name}, {delay} steps late",
            )
            _connect(taps[name, before], line)
            taps[name, delay] = line
    return taps


def _sends(process: AbstractProcess) -> Any:
    """Return the port that carries a signal; only a recorder has others."""
    (port,) = process.out_ports.members
    return port


def _connect(sender: AbstractProcess, receiver: AbstractProcess) -> None:
    """Connect two signals, reshaping in C order."""
    leaves, enters = _sends(sender), receiver.in_ports.members[0]
    if leaves.shape != enters.shape:
        leaves = leaves.reshape(enters.shape)
    leaves.connect(enters)


def _tie(
    recorders: Mapping[str, Recorder], one: frozenset[str], other: frozenset[str]
) -> None:
    first, second = (
        next(recorders[name] for name in recorders if name in island)
        for island in (one, other)
    )
    first.tie_out.connect(second.tie_in)
