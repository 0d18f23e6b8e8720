"""From a trace, or from texts, to a report: count, find the teacher, price both."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from spikewright.counting import count_run
from spikewright.export.deployment import Deployment
from spikewright.export.teacher_work import ONNX, teacher_work
from spikewright.graph import Graph
from spikewright.hardware_profiles.baselines import (
    Baseline,
    file_baselines,
    list_baselines,
)
from spikewright.hardware_profiles.capacity import (
    CHIPS,
    check_capacity,
    traffic_on,
    without_traffic,
)
from spikewright.hardware_profiles.full_comparison import CountedRun
from spikewright.hardware_profiles.preset_files import load_preset
from spikewright.hardware_profiles.profile import HardwareProfile, load_profile
from spikewright.hardware_profiles.report_facts import finish_run
from spikewright.hardware_profiles.reports import Report
from spikewright.hardware_profiles.run_report import Wanted, report_run
from spikewright.hardware_profiles.teacher import (
    FORMATS,
    TransformerShape,
    count_teacher_sentences,
    read_teacher_config,
)
from spikewright.hardware_profiles.traffic import Traffic
from spikewright.nodes import BiasLine, Input
from spikewright.run_counts import RunCounts, join_counts
from spikewright.trace import SpikeTrace

PROFILES = ("cmos45", "loihi1")
PRESETS = ("bert-mac", "spikebert-flop2")
"""the same teacher by its MACs, and by its FLOPs at the price of MACs"""
FORM = "int8"
"""of the teacher that a student with 8-bit weights is compared with"""
SPECIAL_TOKENS = 2
"""[CLS] and [SEP], which a BERT teacher reads and the student does not"""
Lengths = npt.NDArray[np.int64] | None
"""tokens of each sample, if it has tokens"""


# --- counting ------------------------------------------------------------------------


def count_traces(
    graph: Graph,
    parts: Iterable[tuple[SpikeTrace, Lengths]],
    profiles: Sequence[HardwareProfile],
    deployment: Deployment | None = None,
) -> CountedRun:
    """Count traces of the same graph, one in memory at a time.

    Where the graph fits the chip of a profile, packets and hops are counted for it.

    Args:
        graph: that ran.
        parts: traces, and the tokens of their samples.
        profiles: whose chips it is placed on.
        deployment: has the tables of the host, if it is a student.
    """
    names = [each.name for each in profiles]
    priced = {CHIPS.get(each.name) for each in profiles if each.arithmetics}
    capacities = check_capacity(graph, names)
    traffic = {
        chip: found
        for chip, each in capacities.items()
        if chip in priced and (found := traffic_on(graph, each)) is not None
    }
    bits = _embedding_bits(graph, deployment)
    plain: list[RunCounts] = []
    placed: dict[str, list[RunCounts]] = {chip: [] for chip in traffic}
    for trace, lengths in parts:
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


def _embedding_bits(graph: Graph, deployment: Deployment | None) -> dict[str, int]:
    """Return what the host reads of its tables for a token: a bit for each channel."""
    if deployment is None:
        return {}
    tables = deployment.tables
    return {graph.input_name: 8 * (tables.words.shape[1] + tables.positions.shape[1])}


def _count(
    graph: Graph,
    trace: SpikeTrace,
    lengths: Lengths,
    traffic: Mapping[str, Traffic],
    embedding_bits: Mapping[str, int],
) -> dict[str, RunCounts]:
    """Count a trace by chip; with no chip, under the empty name."""
    bits = embedding_bits if lengths is not None else {}
    if not traffic:
        return {"": count_run(graph, trace, lengths=lengths, embedding_bits=bits)}
    found = {
        chip: count_run(
            graph, trace, lengths=lengths, embedding_bits=bits, placement=each
        )
        for chip, each in traffic.items()
    }
    return {**found, "": without_traffic(next(iter(found.values())))}


# --- the teacher ---------------------------------------------------------------------


def named_baselines(
    teacher: str,
    lengths: Sequence[int],
    *,
    steps: int | None,
    form: str | None,
    gamma: float | None,
) -> tuple[Baseline, ...]:
    """Return a teacher by name, config or file, in the formats to compare with.

    Raises:
        InputError: there is no such teacher, it cannot be counted, or a format is given
            for a file that has its own.
        BackendMissingError: it is an ONNX file, and onnx is not installed.
    """
    if teacher.lower().endswith(ONNX):
        form_given = None if form is None else FORMATS[form]
        work = teacher_work(teacher, lengths, form=form_given)
        return file_baselines(work, gamma=gamma)
    return list_baselines(
        lambda each: teacher_work(teacher, lengths, form=each),
        steps=steps,
        form=form or FORM,
        gamma=gamma,
    )


def card_baselines(
    deployment: Deployment,
    lengths: Sequence[int],
    *,
    steps: int | None,
    form: str | None = None,
    gamma: float | None = None,
) -> tuple[Baseline, ...]:
    """Return the teacher that a deployment was distilled from."""
    shape: TransformerShape = read_teacher_config(deployment.card["teacher"])
    return list_baselines(
        lambda each: count_teacher_sentences(shape, lengths, each),
        steps=steps,
        form=form or FORM,
        gamma=gamma,
    )


# --- both ----------------------------------------------------------------------------


def price_trace(
    graph: Graph, trace: SpikeTrace, lengths: npt.NDArray[np.int64], student: Deployment
) -> Report:
    """Price a deployed student's trace against its teacher, on the usual profiles."""
    profiles = [load_profile(each) for each in PROFILES]
    counted = count_traces(graph, [(trace, lengths)], profiles, student)
    tokens = [int(each) + SPECIAL_TOKENS for each in lengths]
    baselines = card_baselines(student, tokens, steps=trace.steps)
    presets = [load_preset(each) for each in PRESETS]
    return price_counted(counted, baselines, Wanted(profiles, presets=presets))


def price_counted(
    counted: CountedRun, baselines: Sequence[Baseline], wanted: Wanted
) -> Report:
    """Price a counted run and its teacher."""
    idle = _idle_updates(counted.graph)
    return finish_run(report_run(counted, baselines, wanted, idle_updates=idle))


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
