"""From traces to a report: count each once, place, price beside a teacher."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from spikewright.counting import count_run
from spikewright.graph import Graph
from spikewright.hardware_profiles.placement.capacity import (
    CHIPS,
    check_capacity,
    traffic_on,
    without_traffic,
)
from spikewright.hardware_profiles.placement.traffic import Traffic
from spikewright.hardware_profiles.prices.baselines import Baseline
from spikewright.hardware_profiles.prices.full_comparison import CountedRun
from spikewright.hardware_profiles.profiles.profile import HardwareProfile
from spikewright.hardware_profiles.reports.facts import finish_run
from spikewright.hardware_profiles.reports.report import Report
from spikewright.hardware_profiles.reports.run import Wanted, report_run
from spikewright.nodes import BiasLine, Input
from spikewright.run_counts import RunCounts, join_counts
from spikewright.trace import SpikeTrace

Lengths = npt.NDArray[np.int64] | None
"""tokens of each sample, if it has tokens"""
_NO_BITS: Mapping[str, int] = {}


def report_traces(
    graph: Graph,
    parts: Iterable[tuple[SpikeTrace, Lengths]],
    baselines: Sequence[Baseline],
    wanted: Wanted,
    *,
    embedding_bits: Mapping[str, int] = _NO_BITS,
) -> Report:
    """Count traces of the same graph, and price them beside a teacher.

    Args:
        graph: that ran, TIMED or QUANTIZED.
        parts: traces, and the tokens of their samples; taken one after the other.
        baselines: the teacher, in the format that ratios are against first.
        wanted: profiles, accountings and presets.
        embedding_bits: as for `count_run`, for the traces with tokens.

    Raises:
        GraphError: the graph cannot be counted, see `count_run`.
        InputError: a trace does not fit the graph, there is none, or a breakdown is
            not possible.
        ProfileError: a profile lacks what its accounting names.
    """
    counted = count_traces(graph, parts, wanted.profiles, embedding_bits=embedding_bits)
    return finish_run(
        report_run(counted, baselines, wanted, idle_updates=_idle_updates(graph))
    )


def count_traces(
    graph: Graph,
    parts: Iterable[tuple[SpikeTrace, Lengths]],
    profiles: Sequence[HardwareProfile],
    *,
    embedding_bits: Mapping[str, int] = _NO_BITS,
) -> CountedRun:
    """Count traces of the same graph, one in memory at a time.

    Where the graph fits the chip of a profile, packets and hops are counted for it.

    Raises:
        GraphError, InputError: as `report_traces`.
    """
    names = [each.name for each in profiles]
    priced = {CHIPS.get(each.name) for each in profiles if each.arithmetics}
    capacities = check_capacity(graph, names)
    traffic = {
        chip: found
        for chip, each in capacities.items()
        if chip in priced and (found := traffic_on(graph, each)) is not None
    }
    plain: list[RunCounts] = []
    placed: dict[str, list[RunCounts]] = {chip: [] for chip in traffic}
    for trace, lengths in parts:
        bits = embedding_bits if lengths is not None else _NO_BITS
        counted = _count(graph, trace, lengths, traffic, bits)
        plain.append(counted.pop(""))
        for chip, run in counted.items():
            placed[chip].append(run)
    return CountedRun(
        "student",
        graph,
        join_counts(plain),
        {chip: join_counts(runs) for chip, runs in placed.items()},
        capacities,
    )


def _count(
    graph: Graph,
    trace: SpikeTrace,
    lengths: Lengths,
    traffic: Mapping[str, Traffic],
    embedding_bits: Mapping[str, int],
) -> dict[str, RunCounts]:
    """Count a trace by chip; with no chip, under the empty name."""

    def count(on: Traffic | None) -> RunCounts:
        return count_run(
            graph, trace, lengths=lengths, embedding_bits=embedding_bits, placement=on
        )

    if not traffic:
        return {"": count(None)}
    found = {chip: count(each) for chip, each in traffic.items()}
    return {**found, "": without_traffic(next(iter(found.values())))}


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
