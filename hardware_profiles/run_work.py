"""From a counted run to what is priced: its work, its spike rate, its loads."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from fractions import Fraction

from spikewright.counting import row_of_nodes
from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.graph import Graph
from spikewright.hardware_profiles.latency import Load
from spikewright.hardware_profiles.placement import Placement
from spikewright.hardware_profiles.teacher import TeacherWork
from spikewright.hardware_profiles.work import Work
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
        if _always_sends(graph, hop) or not counts[name].synops:
            possible += 0 if _always_sends(graph, hop) else _silent(graph, hop, counts)
            continue
        synops += counts[name].synops
        possible += _possible(graph, hop)
    if not possible:
        return None
    return Fraction(synops, possible * run.samples * run.steps)
