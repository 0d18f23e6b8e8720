"""A deployed student beside the teacher that it was distilled from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spikewright.export.deployment.folder import Deployment
from spikewright.export.teacher_work import USUAL_FORM
from spikewright.graph import Graph
from spikewright.hardware_profiles.prices.baselines import Baseline, list_baselines
from spikewright.hardware_profiles.prices.preset_files import load_preset
from spikewright.hardware_profiles.profiles.profile import load_profile
from spikewright.hardware_profiles.reports.early_exit import Judge
from spikewright.hardware_profiles.reports.report import Report
from spikewright.hardware_profiles.reports.run import Wanted
from spikewright.hardware_profiles.reports.traces import report_traces
from spikewright.hardware_profiles.teachers.operations import (
    TransformerShape,
    count_teacher_sentences,
    read_teacher_config,
)
from spikewright.trace import SpikeTrace

PROFILES = ("cmos45", "loihi1")
PRESETS = ("bert-mac", "spikebert-flop2")
"""the same teacher by its MACs, and by its FLOPs at the price of MACs"""
SPECIAL_TOKENS = 2
"""[CLS] and [SEP], which a BERT teacher reads and the student does not"""


def embedding_bits(graph: Graph, deployment: Deployment | None) -> dict[str, int]:
    """Return what the host reads of its tables for a token: a bit for each channel."""
    if deployment is None:
        return {}
    tables = deployment.tables
    return {graph.input_name: 8 * (tables.words.shape[1] + tables.positions.shape[1])}


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
        form=form or USUAL_FORM,
        gamma=gamma,
    )


def price_trace(
    graph: Graph, trace: SpikeTrace, lengths: npt.NDArray[np.int64], student: Deployment
) -> Report:
    """Price a deployed student's trace against its teacher, on the usual profiles."""
    tokens = [int(each) + SPECIAL_TOKENS for each in lengths]
    return report_traces(
        graph,
        [(trace, lengths)],
        card_baselines(student, tokens, steps=trace.steps),
        Wanted(
            [load_profile(each) for each in PROFILES],
            presets=[load_preset(each) for each in PRESETS],
        ),
        embedding_bits=embedding_bits(graph, student),
        judge=Judge(),
    )
