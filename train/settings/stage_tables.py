"""What runs by stages share, whatever their student: tables, and the run as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from spikewright.train.settings.config import DataConfig

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
class GeneralTable(StageTable):
    """Stage 1: general distillation on unlabeled text, before the teacher's tuning."""

    logit_weight: float = 0.0
    """0, as that of labels: this teacher has no classifier"""
    label_weight: float = 0.0
    text: tuple[str, ...] = ()
    """folders of the data directory, or hub:NAME, whose texts are read"""
    held_out: int = 256
    """texts that the stage is evaluated on"""


@dataclass(frozen=True, kw_only=True)
class TaskTable(StageTable):
    """Stage 2: distillation on the task, from the fine-tuned teacher."""

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
class StudentSizes:
    """The sizes that every student has."""

    width: int = 384
    blocks: int = 6
    heads: int = 8
    hidden: int = 0
    """0: four times the width"""
    steps: int = 4


@dataclass(frozen=True, kw_only=True)
class StagedRun:
    """One run, whole; each family narrows the tables of its student."""

    family: ClassVar[str]

    data: DataConfig
    teacher: TeacherTable
    student: StudentSizes
    augment: AugmentTable
    stage1: GeneralTable
    stage2: TaskTable
    seed: int = 0
    settings: tuple[str, ...] = ()
    """KEY=VALUE that were set instead of the file's"""

    @property
    def later(self) -> Mapping[str, dict[str, Any]]:
        """Return the values that may come after the run began, by their stage."""
        return {}

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for the run card, without those that may come later."""
        values = asdict(self)
        for key in ("settings", *self.later):
            del values[key]
        return {"family": self.family, **values}

    def model_options(self, *, vocabulary: int, ours: set[str]) -> dict[str, Any]:
        """Return what the configuration of the student's model is made with.

        Args:
            vocabulary: words of the teacher.
            ours: keys of [student] that are no option of the model.
        """
        options = {k: v for k, v in asdict(self.student).items() if k not in ours}
        return {
            "vocab_size": vocabulary,
            "hidden_size": options.pop("width"),
            "num_hidden_layers": options.pop("blocks"),
            "num_attention_heads": options.pop("heads"),
            "intermediate_size": options.pop("hidden") or None,
            "max_position_embeddings": self.data.max_tokens,
            "id2label": dict(enumerate(self.data.labels)),
            **options,
        }
