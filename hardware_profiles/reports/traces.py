"""From traces to a report: count each once, place, price beside a teacher."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spikewright.counting import count_placed, nodes_of_rows
from spikewright.counting_requests import Placement as Placed
from spikewright.errors import InputError
from spikewright.graph import Graph
from spikewright.hardware_profiles.placement.capacity import (
    CHIPS,
    Capacity,
    check_capacity,
    traffic_on,
)
from spikewright.hardware_profiles.prices.baselines import Baseline
from spikewright.hardware_profiles.prices.full_comparison import CountedRun
from spikewright.hardware_profiles.profiles.profile import HardwareProfile
from spikewright.hardware_profiles.reports.early_exit import Judge, why_no_answers
from spikewright.hardware_profiles.reports.facts import finish_run
from spikewright.hardware_profiles.reports.report import Report
from spikewright.hardware_profiles.reports.run import Wanted, report_run
from spikewright.nodes import BiasLine, Input, IntArray
from spikewright.plots.sweep import answers_by_step
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
    judge: Judge | None = None,
) -> Report:
    """Count traces of the same graph, and price them beside a teacher.

    Args:
        graph: that ran, TIMED or QUANTIZED.
        parts: traces, and the tokens of their samples; taken one after the other.
        baselines: the teacher, in the format that ratios are against first.
        wanted: profiles, accountings and presets.
        embedding_bits: as for `count_run`, for the traces with tokens.
        judge: of the answers after each step, if the readout has any before the last.

    Raises:
        GraphError: the graph cannot be counted, see `count_run`.
        InputError: a trace does not fit the graph, there is none, labels do not fit,
            or a breakdown is not possible.
        ProfileError: a profile lacks what its accounting names.
    """
    counting = prepare_counting(graph, wanted.profiles, judge)
    counts = _counted(counting, parts, embedding_bits)
    if wanted.by != "sample":
        counts = (each.added(counting) for each in counts)
    return report_counts(counting, counts, baselines, wanted)


def report_counts(
    counting: Counting,
    parts: Iterable[Counts],
    baselines: Sequence[Baseline],
    wanted: Wanted,
) -> Report:
    """Price what was counted beside a teacher.

    Args:
        counting: what was counted for.
        parts: counts of some samples each, in order.
        baselines: the teacher.
        wanted: profiles, accountings and presets.

    Raises:
        InputError, ProfileError: as `report_traces`.
    """
    counted, graph = join_parts(counting, parts), counting.graph
    return finish_run(
        report_run(
            counted,
            baselines,
            wanted,
            idle_updates=_idle_updates(graph),
            judge=counting.judge,
            no_answers=counting.no_answers,
        )
    )


def count_traces(
    graph: Graph,
    parts: Iterable[tuple[SpikeTrace, Lengths]],
    profiles: Sequence[HardwareProfile],
    *,
    embedding_bits: Mapping[str, int] = _NO_BITS,
) -> CountedRun:
    """Count traces of the same graph, each once, one in memory at a time.

    Where the graph fits the chip of a profile, packets and hops are counted for it.

    Raises:
        GraphError, InputError: as `report_traces`.
    """
    counting = prepare_counting(graph, profiles)
    return join_parts(counting, _counted(counting, parts, embedding_bits))


@dataclass(frozen=True, eq=False)
class Counting:
    """A graph, and the chips on which its messages are counted."""

    graph: Graph
    traffic: Mapping[str, Placed]
    """by chip that the graph fits"""
    capacities: Mapping[str, Capacity]
    """by chip"""
    judge: Judge | None
    """of answers"""
    no_answers: str
    """why no answers are kept; empty: they are"""


@dataclass(frozen=True, eq=False)
class Counts:
    """The counts of some samples."""

    run: RunCounts
    """without packets and hops"""
    on_chip: Mapping[str, RunCounts]
    """with those of each chip"""
    answers: IntArray | None
    """after each step, (samples, steps), if they are kept"""

    def added(self, counting: Counting) -> Counts:
        """Add the samples up; every figure but those by sample stays the same."""
        rows = list(nodes_of_rows(counting.graph).values())
        on_chip = {chip: each.added(rows) for chip, each in self.on_chip.items()}
        return Counts(self.run.added(rows), on_chip, self.answers)


def prepare_counting(
    graph: Graph, profiles: Sequence[HardwareProfile], judge: Judge | None = None
) -> Counting:
    """Place a graph on the chips of profiles.

    Raises:
        GraphError: the graph cannot be placed.
        InputError: a label is no class of the network.
    """
    names = [each.name for each in profiles]
    priced = {CHIPS.get(each.name) for each in profiles if each.arithmetics}
    capacities = check_capacity(graph, names)
    traffic = {
        chip: found
        for chip, each in capacities.items()
        if chip in priced and (found := traffic_on(graph, each)) is not None
    }
    return Counting(graph, traffic, capacities, judge, why_no_answers(graph, judge))


def count_part(
    counting: Counting,
    trace: SpikeTrace,
    lengths: Lengths,
    embedding_bits: Mapping[str, int],
) -> Counts:
    """Count one trace.

    Raises:
        GraphError, InputError: as `report_traces`.
    """
    bits = embedding_bits if lengths is not None else _NO_BITS
    run, on_chip = count_placed(
        counting.graph, trace, counting.traffic, lengths=lengths, embedding_bits=bits
    )
    answers = None if counting.no_answers else answers_by_step(trace.output)
    return Counts(run, on_chip, answers)


def join_parts(counting: Counting, parts: Iterable[Counts]) -> CountedRun:
    """Join counts of the same graph; added ones are added as they come.

    Raises:
        InputError: there are none.
    """
    every = _joined(parts)
    return CountedRun(
        "student",
        counting.graph,
        every.run,
        every.on_chip,
        counting.capacities,
        every.answers,
    )


def _joined(parts: Iterable[Counts]) -> Counts:
    kept: list[Counts] = []
    for part in parts:
        kept.append(part)
        if part.run.most is not None and len(kept) > 1:
            kept = [_join(kept)]
    if not kept:
        raise InputError("no counts to join; give those of one batch at least")
    return _join(kept)


def _join(every: Sequence[Counts]) -> Counts:
    chips = every[0].on_chip
    answers = [each.answers for each in every if each.answers is not None]
    return Counts(
        join_counts(each.run for each in every),
        {chip: join_counts(each.on_chip[chip] for each in every) for chip in chips},
        np.concatenate(answers) if answers else None,
    )


def _counted(
    counting: Counting,
    parts: Iterable[tuple[SpikeTrace, Lengths]],
    embedding_bits: Mapping[str, int],
) -> Iterator[Counts]:
    for trace, lengths in parts:
        yield count_part(counting, trace, lengths, embedding_bits)


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
