"""The configuration of a SpikingBERT run: a TOML file with one table a stage."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from spikewright.train.settings.config import DataConfig
from spikewright.train.settings.spikebert import (
    AugmentTable,
    SpikeBertRun,
    Stage1Table,
    Stage2Table,
    StageTable,
    StudentTable,
    TeacherTable,
)
from spikewright.train.spikingbert.config import SpikingBertConfig

FAMILY = "spikingbert"


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
class SettledStage1Table(SettledTable):
    """General distillation on unlabeled text, from the teacher before fine-tuning."""

    text: tuple[str, ...] = ()
    """folders of the data directory, or hub:NAME, whose texts are read"""
    held_out: int = 256
    """texts that the stage is evaluated on"""


@dataclass(frozen=True, kw_only=True)
class SettledStage2Table(SettledTable):
    """Distillation on the task, from the fine-tuned teacher."""

    feature_weight: float = 0.1
    embedding_weight: float = 0.1
    logit_weight: float = 1.0
    label_weight: float = 0.1


@dataclass(frozen=True, kw_only=True)
class SettledStudentTable:
    """The student's sizes and options, those of `SpikingBertConfig`."""

    width: int = 384
    blocks: int = 4
    heads: int = 12
    hidden: int = 0
    """0: four times the width"""
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
class SpikingBertRun:
    """One run, whole."""

    data: DataConfig
    teacher: TeacherTable
    student: SettledStudentTable
    augment: AugmentTable
    stage1: SettledStage1Table
    stage2: SettledStage2Table
    seed: int = 0
    settings: tuple[str, ...] = ()
    """KEY=VALUE that were set instead of the file's"""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for the run card."""
        values = asdict(self)
        del values["settings"]
        return {"family": FAMILY, **values}

    @property
    def shared(self) -> SpikeBertRun:
        """Return what a run of family spikebert has too: data, teacher, new texts."""
        return SpikeBertRun(
            data=self.data,
            teacher=self.teacher,
            student=StudentTable(),
            augment=self.augment,
            stage1=Stage1Table(epochs=self.stage1.epochs, text=self.stage1.text),
            stage2=Stage2Table(),
            seed=self.seed,
            settings=self.settings,
        )


def settled_config(run: SpikingBertRun, *, vocabulary: int) -> SpikingBertConfig:
    """Return the model configuration of a run's student.

    Raises:
        ConfigError: an option or size that no SpikingBERT has.
    """
    options = asdict(run.student)
    del options["words"]
    return SpikingBertConfig(
        vocab_size=vocabulary,
        hidden_size=options.pop("width"),
        num_hidden_layers=options.pop("blocks"),
        num_attention_heads=options.pop("heads"),
        intermediate_size=options.pop("hidden") or None,
        max_position_embeddings=run.data.max_tokens,
        id2label=dict(enumerate(run.data.labels)),
        **options,
    )
