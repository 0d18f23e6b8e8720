"""From a counted run to what is priced: its work, its spike rate, its loads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from spikewright.counting import nodes_of_rows
from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.graph import Graph
from spikewright.hardware_profiles.placement.place import Placement
from spikewright.hardware_profiles.prices.latency import Load
from spikewright.hardware_profiles.prices.work import Work
from spikewright.hardware_profiles.teachers.operations import TeacherWork
from spikewright.hops import Hop, hops
from spikewright.linear import fan_out
from spikewright.nodes import GRADED, POPULATIONS, BiasLine
from spikewright.run_counts import RunCounts

BARRIERS = "barriers"
"""where the barriers of a run stand among its nodes"""


def student_work(name: str, graph: Graph, run: RunCounts) -> Work:
    """Return the work of a counted run, with its measured rate, on no chip yet.

    Raises:
        InputError: the graph has a node of the name that barriers take.
    """
    if BARRIERS in run.counts:
        raise InputError(f"node '{BARRIERS}': the name is taken; rename the node")
    barriers = OperationCount(barriers=run.samples * run.steps)
    return Work(
        name=name,
        counts={**run.totals(), BARRIERS: barriers},
        samples=run.samples,
        steps=run.steps,
        is_teacher=False,
        rate=measured_rate(graph, run),
    )


def teacher_work(teacher: TeacherWork) -> Work:
    """Return the work of a teacher, which is priced as a student is."""
    return Work(
        name=teacher.name,
        counts=teacher.counts,
        samples=teacher.sentences,
        steps=1,
        is_teacher=True,
        parameter_bits=teacher.parameter_bits or None,
    )


def measured_rate(graph: Graph, run: RunCounts) -> Fraction | None:
    """Return spikes per source neuron and step, weighted by fan-out.

    It is synops over the synops of a run in which every source spikes at each step;
    bias lines and graded populations, which always send, are left out. None if nothing
    spikes into synapses.
    """
    counts = run.totals()
    synops = possible = 0
    for name, hop in _projections(graph):
        count = counts.get(name, OperationCount())
        if _always_sends(graph, hop) or count.macs or count.graded_synops:
            continue
        synops += count.synops
        possible += _fan_out(graph, hop)
    if not possible:
        return None
    return Fraction(synops, possible * run.samples * run.steps)


def steady_nodes(graph: Graph) -> tuple[str, ...]:
    """Name the nodes of a graph whose events do not follow the spike rate.

    Bias lines and graded populations send at every step, whatever fires.
    """
    sources = [
        name
        for name, node in graph.nodes.items()
        if isinstance(node, (BiasLine, *GRADED))
    ]
    behind = [name for name, hop in _projections(graph) if _always_sends(graph, hop)]
    return (*sources, *behind)


def loads_of_run(graph: Graph, run: RunCounts, placement: Placement) -> list[Load]:
    """Return what each population and the synapses into it do in their fullest step.

    A population has the cores that hold a part of it; what shares a core is taken to
    work side by side. Inputs are on no core and have no load.
    """
    nodes = nodes_of_rows(graph)
    cores = {
        row: sum(row in dict(core.holds) for core in placement.cores) for row in nodes
    }
    return [
        Load(row, OperationCount(**run.peak(nodes[row])), number)
        for row, number in cores.items()
        if number
    ]


def _projections(graph: Graph) -> Iterator[tuple[str, Hop]]:
    for hop in hops(graph):
        if hop.synapses is not None:
            yield hop.first.target, hop


def _always_sends(graph: Graph, hop: Hop) -> bool:
    return isinstance(graph.nodes[hop.source], (BiasLine, *GRADED))


def _fan_out(graph: Graph, hop: Hop) -> int:
    source = graph.nodes[hop.source]
    assert isinstance(source, POPULATIONS)  # noqa: S101 - hops start at populations
    assert hop.synapses is not None  # noqa: S101 - projections have synapses
    return int(fan_out(hop.synapses, math.prod(source.shape)).sum())
