"""The configuration of a SpikeBERT run: a TOML file with one table a stage."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from spikewright.train.settings.config import DataConfig
from spikewright.train.spikebert.config import SpikeBertConfig

FAMILY = "spikebert"
FRESH = "fresh"
"""as [teacher] base: a BERT from random weights, for languages without one at hand"""


@dataclass(frozen=True, kw_only=True)
class StageTable:
    """How long and how fast a stage trains."""

    epochs: float = 3.0
    learning_rate: float = 5e-4
    batch_size: int = 32
    """rows a process reads at once"""
    accumulate: int = 1
    """such batches to one update"""
    weight_decay: float = 0.005
    warmup_ratio: float = 0.05
    schedule: str = "cosine"
    evaluations: int = 10
    """on validation, evenly over the stage; each is also a checkpoint"""
    patience: int = 0
    """evaluations without a better one that end the stage; 0: never"""
    precision: str = "float32"


@dataclass(frozen=True, kw_only=True)
class TeacherTable(StageTable):
    """The teacher, and how it is fine-tuned; with no epoch it is taken as it is.

    `base` is a folder, a hub name, `package:NAME` for an encoder that the installed
    package NAME carries in its folder `model`, or `fresh` for a new BERT of random
    weights with a tokenizer of the training texts' own characters and words.
    """

    base: str
    learning_rate: float = 5e-5
    weight_decay: float = 0.01
    schedule: str = "linear"
    fresh_width: int = 256
    fresh_layers: int = 4
    fresh_heads: int = 4


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
class Stage1Table(DistillTable):
    """General distillation on unlabeled text, from the teacher before fine-tuning."""

    text: tuple[str, ...] = ()
    """folders of the data directory, or hub:NAME, whose texts are read"""
    held_out: int = 256
    """texts that the stage is evaluated on"""


@dataclass(frozen=True, kw_only=True)
class Stage2Table(DistillTable):
    """Distillation on the task, from the fine-tuned teacher."""

    feature_weight: float = 0.1
    embedding_weight: float = 0.1
    logit_weight: float = 1.0
    label_weight: float = 0.1


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
class AugmentTable:
    """New texts for stage 2 (Tang et al. 2019); the originals are kept."""

    rounds: int = 0
    mask_probability: float = 0.1
    replace_probability: float = 0.1
    """of a word that was not masked"""
    ngram_probability: float = 0.25
    longest_ngram: int = 5
    replacement: str = "neighbors"
    """by any "vocabulary" of the texts; the "neighbors" of a word in the teacher's
    embedding; or a word of its line in the file `groups`: synonyms, parts of speech"""
    groups: str = ""
    fill: str = ""
    """a masked language model that fills the masks; without one they stay"""


@dataclass(frozen=True, kw_only=True)
class StudentTable:
    """The student's sizes and options, those of `SpikeBertConfig`."""

    width: int = 384
    blocks: int = 6
    heads: int = 8
    hidden: int = 0
    """0: four times the width"""
    steps: int = 4
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
class SpikeBertRun:
    """One run, whole."""

    data: DataConfig
    teacher: TeacherTable
    student: StudentTable
    augment: AugmentTable
    stage1: Stage1Table
    stage2: Stage2Table
    denorm: DenormTable = DenormTable()
    seed: int = 0
    settings: tuple[str, ...] = ()
    """KEY=VALUE that were set instead of the file's"""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for the run card, without those of stage denorm."""
        values = asdict(self)
        del values["denorm"], values["settings"]
        return {"family": FAMILY, **values}


def student_config(run: SpikeBertRun, *, vocabulary: int) -> SpikeBertConfig:
    """Return the model configuration of a run's student.

    Raises:
        ConfigError: an option or size that no SpikeBERT has.
    """
    options = asdict(run.student)
    del options["checkpointing"], options["start"]
    return SpikeBertConfig(
        vocab_size=vocabulary,
        hidden_size=options.pop("width"),
        num_hidden_layers=options.pop("blocks"),
        num_attention_heads=options.pop("heads"),
        intermediate_size=options.pop("hidden") or None,
        max_position_embeddings=run.data.max_tokens,
        id2label=dict(enumerate(run.data.labels)),
        **options,
    )
