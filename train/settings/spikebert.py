"""The configuration of a SpikeBERT run: a TOML file with one table a stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from spikewright.train.settings.stage_tables import (
    GeneralTable,
    StagedRun,
    StageTable,
    StudentSizes,
    TaskTable,
)
from spikewright.train.spikebert.config import SpikeBertConfig


@dataclass(frozen=True, kw_only=True)
class CompiledTable(StageTable):
    """A stage that trains spiking layers."""

    compile: str = "auto"
    """whether they train by compiled loops: always, never, or auto, where a C++
    compiler is at hand"""


@dataclass(frozen=True, kw_only=True)
class DistillTable(CompiledTable):
    """What the student learns from the teacher; see stage_losses."""

    feature_weight: float = 1.0
    embedding_weight: float = 1.0
    logit_weight: float = 0.0
    label_weight: float = 0.0
    temperature: float = 1.0
    layers: tuple[int, ...] = ()
    """the teacher's layer of each block; () is 1 + (l - 1) N_teacher / N"""
    skip_layers: int = 0
    """blocks, from the first, whose features are not compared"""
    feature_mean: str = "tokens"
    """over real tokens, or "published": over padding too, then divided by the batch"""
    embedding_scale: str = "unit"
    """the teacher's words at deviation 1, or "published", as they are: small, so they
    would shrink the student's until places alone decide the bits"""


@dataclass(frozen=True, kw_only=True)
class Stage1Table(GeneralTable, DistillTable):
    """General distillation of a SpikeBERT."""


@dataclass(frozen=True, kw_only=True)
class Stage2Table(TaskTable, DistillTable):
    """Distillation of a SpikeBERT on the task."""


@dataclass(frozen=True, kw_only=True)
class DenormTable(CompiledTable):
    """From a student with LayerNorm to one whose norms fold; see stage_denorm."""

    epochs: float = 2.0
    learning_rate: float = 2e-4
    feature_weight: float = 1.0
    """of the stream after each block, compared as it is"""
    logit_weight: float = 1.0
    label_weight: float = 0.1
    temperature: float = 1.0
    calibration: int = 256
    """training texts that the norms are measured on before the first update"""

    def as_distill(self) -> DistillTable:
        """Return the table that the losses read: words are not compared."""
        values = asdict(self)
        del values["calibration"]
        return DistillTable(embedding_weight=0.0, **values)


@dataclass(frozen=True, kw_only=True)
class StudentTable(StudentSizes):
    """The student's sizes and options, those of `SpikeBertConfig`."""

    beta: float = 0.5
    leak: str = "divided"
    threshold: float = 1.0
    attention_threshold: float = 0.5
    ties: str = "silent"
    surrogate: str = "atan"
    sharpness: float = 2.0
    encoding: str = "heaviside"
    positions: str = "learned"
    distance_levels: int = 4
    pad_mask: bool = True
    norm: str = "layer"
    attention: str = "ssa"
    readout: str = "mean"
    classifier_dropout: float = 0.1
    start: str = "random"
    """of the words; "teacher": its words at deviation 1, for an equal width"""
    checkpointing: bool = False
    """compute activations again in the backward pass: less memory, more time"""


@dataclass(frozen=True, kw_only=True)
class SpikeBertRun(StagedRun):
    """One run, whole."""

    family: ClassVar[str] = "spikebert"

    student: StudentTable
    stage1: Stage1Table
    stage2: Stage2Table
    denorm: DenormTable = DenormTable()

    @property
    def later(self) -> Mapping[str, dict[str, Any]]:
        """Return the table of stage denorm, which may come after stage 2."""
        return {"denorm": asdict(self.denorm)}


def student_config(run: SpikeBertRun, *, vocabulary: int) -> SpikeBertConfig:
    """Return the model configuration of a run's student.

    Raises:
        ConfigError: an option or size that no SpikeBERT has.
    """
    ours = {"checkpointing", "start"}
    return SpikeBertConfig(**run.model_options(vocabulary=vocabulary, ours=ours))
