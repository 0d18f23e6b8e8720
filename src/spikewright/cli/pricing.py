"""From a trace to a report: count, find the teacher, price both."""

from __future__ import annotations

import math
from collections.abc import Sequence

from spikewright.counting import count_operations, row_of_nodes
from spikewright.graph import Graph
from spikewright.hardware_profiles.comparison import StudentWork
from spikewright.hardware_profiles.profile import load_profile
from spikewright.hardware_profiles.report import ComparisonReport, compare
from spikewright.hardware_profiles.teacher import TeacherWork
from spikewright.nodes import BiasLine, Input
from spikewright.trace import SpikeTrace

PROFILES = ("cmos45", "loihi1")
SPECIAL_TOKENS = 2
"""[CLS] and [SEP], which a BERT teacher reads and the student does not"""


def price_trace(
    graph: Graph,
    trace: SpikeTrace,
    teacher: TeacherWork,
    profiles: Sequence[str] = PROFILES,
) -> ComparisonReport:
    """Count and price a trace against the work of a teacher."""
    work = StudentWork(
        count_operations(graph, trace),
        row_of_nodes(graph),
        trace.samples,
        _idle_updates(graph),
    )
    loaded = [load_profile(name) for name in profiles]
    return compare(work, teacher, loaded)


def _idle_updates(graph: Graph) -> int:
    """Count the updates outside the windows of a sample that runs alone.

    The chip updates every neuron from the first step until the output has left.
    """
    neurons = sum(
        math.prod(node.shape)
        for node in graph.populations().values()
        if not isinstance(node, Input | BiasLine)
    )
    return neurons * max(graph.arrival.values())
