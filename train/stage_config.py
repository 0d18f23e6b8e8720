"""The configuration of a SpikeBERT run: a TOML file with one table a stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spikewright.errors import ConfigError
from spikewright.train.config import DataConfig, read_seed, read_table, read_toml
from spikewright.train.spikebert_config import SpikeBertConfig

FAMILY = "spikebert"
FRESH = "fresh"
"""as [teacher] base: a BERT from random weights, for languages without one at hand"""

_CHOICES: dict[str, tuple[str, ...]] = {
    "precision": ("float32", "bf16", "fp16"),
    "schedule": ("cosine", "linear", "constant"),
    "feature_mean": ("tokens", "published"),
    "embedding_scale": ("unit", "published"),
    "replacement": ("vocabulary", "neighbors", "groups"),
    "start": ("random", "teacher"),
}
_MAY_BE_ZERO = frozenset({"epochs"})
"""no epoch: the stage is left out"""


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
class DistillTable(StageTable):
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
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for the run card."""
        return {"family": FAMILY, **asdict(self)}


def load_run(path: Path) -> SpikeBertRun:
    """Read the configuration of a SpikeBERT run.

    Raises:
        ConfigError: the file is missing, is not TOML, has an unknown or missing key, or
            a value of another type or out of its range.
    """
    raw = read_toml(path)
    tables: dict[str, type[Any]] = {
        "data": DataConfig,
        "teacher": TeacherTable,
        "student": StudentTable,
        "augment": AugmentTable,
        "stage1": Stage1Table,
        "stage2": Stage2Table,
    }
    if unknown := sorted(set(raw) - set(tables) - {"seed", "family"}):
        known = ", ".join(tables)
        raise ConfigError(
            f"{path}: unknown key {', '.join(unknown)}; known: family, seed, {known}"
        )
    parsed = {name: _table(kind, raw, name, path) for name, kind in tables.items()}
    run = SpikeBertRun(seed=read_seed(raw.get("seed", 0), path), **parsed)
    student_config(run, vocabulary=1)  # refuses its options now, not after the teacher
    _check(run, path)
    return run


def _table(kind: type[Any], raw: Mapping[str, Any], name: str, path: Path) -> Any:
    where = f"{path} [{name}]"
    table = read_table(kind, raw.get(name, {}), where, may_be_zero=_MAY_BE_ZERO)
    for key, allowed in _CHOICES.items():
        if (value := getattr(table, key, allowed[0])) not in allowed:
            raise ConfigError(
                f"{where} {key}: must be one of {', '.join(allowed)}; got {value!r}"
            )
    return table


def _check(run: SpikeBertRun, path: Path) -> None:
    for name, stage in (("stage1", run.stage1), ("stage2", run.stage2)):
        where = f"{path} [{name}]"
        if stage.layers and len(stage.layers) != run.student.blocks:
            raise ConfigError(
                f"{where} layers: names {len(stage.layers)} layers of the teacher; the "
                f"student has {run.student.blocks} blocks: give one for each"
            )
        if stage.feature_mean == "published" and run.student.pad_mask:
            raise ConfigError(
                f'{where} feature_mean: "published" compares padding, which a student '
                "with a pad mask does not compute; set [student] pad_mask = false"
            )
    _check_stage1(run.stage1, f"{path} [stage1]")
    if not run.stage2.epochs:
        raise ConfigError(f"{path} [stage2] epochs: must be above 0, got 0")
    if not run.stage2.logit_weight and not run.stage2.label_weight:
        raise ConfigError(
            f"{path} [stage2]: logit_weight and label_weight are both 0, so no loss "
            "reaches the classifier; set one of them"
        )


def _check_stage1(stage: Stage1Table, where: str) -> None:
    if not stage.epochs:
        return
    if not stage.text:
        raise ConfigError(f"{where}: lacks text; name folders, or set epochs = 0")
    if not stage.feature_weight:
        raise ConfigError(f"{where} feature_weight: must be above 0, got 0")
    if stage.logit_weight or stage.label_weight:
        raise ConfigError(
            f"{where}: its teacher has no classifier; logit_weight and label_weight "
            "belong to [stage2]"
        )


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
