"""The configuration of a SpikingBERT run: a TOML file with one table a stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from spikewright.train.settings.stage_tables import (
    GeneralTable,
    StagedRun,
    StageTable,
    StudentSizes,
    TaskTable,
)
from spikewright.train.spikingbert.config import SpikingBertConfig


@dataclass(frozen=True, kw_only=True)
class SettledTable(StageTable):
    """What the student's rates learn from the teacher; see train.equilibrium.losses."""

    feature_weight: float = 1.0
    embedding_weight: float = 1.0
    score_weight: float = 0.0
    logit_weight: float = 0.0
    label_weight: float = 0.0
    temperature: float = 1.0
    layers: tuple[int, ...] = ()
    """the teacher's layer of each block; () is l N_teacher / N, 3, 6, 9, 12 of 12"""
    shared_projection: bool = True
    """one map of rates to the teacher's width for all layers, or one for each"""


@dataclass(frozen=True, kw_only=True)
class SettledStage1Table(GeneralTable, SettledTable):
    """General distillation of a SpikingBERT."""


@dataclass(frozen=True, kw_only=True)
class SettledStage2Table(TaskTable, SettledTable):
    """Distillation of a SpikingBERT on the task."""


@dataclass(frozen=True, kw_only=True)
class SettledStudentTable(StudentSizes):
    """The student's sizes and options, those of `SpikingBertConfig`."""

    blocks: int = 4
    heads: int = 12
    steps: int = 16
    decay: float = 1.0
    threshold: float = 1.0
    start: float = 0.5
    ties: str = "silent"
    nonlinear_reads: str = "rates"
    attention: str = "softmax"
    attention_scale: float = 0.25
    norm: str = "layer"
    activation: str = "gelu"
    readout: str = "first"
    feedback: str = "none"
    feedback_limit: float = 0.1
    training_rates: str = "equilibrium"
    solver_tolerance: float = 1e-5
    solver_evaluations: int = 60
    dropout: float = 0.1
    words: str = "random"
    """what the tables of words, places and segments and their norm start from;
    "teacher": the teacher's, for an equal width"""


@dataclass(frozen=True, kw_only=True)
class SpikingBertRun(StagedRun):
    """One run, whole."""

    family: ClassVar[str] = "spikingbert"

    student: SettledStudentTable
    stage1: SettledStage1Table
    stage2: SettledStage2Table


def settled_config(run: SpikingBertRun, *, vocabulary: int) -> SpikingBertConfig:
    """Return the model configuration of a run's student.

    Raises:
        ConfigError: an option or size that no SpikingBERT has.
    """
    options = run.model_options(vocabulary=vocabulary, ours={"words"})
    return SpikingBertConfig(**options)
