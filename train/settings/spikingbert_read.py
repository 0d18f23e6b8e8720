"""Read the configuration of a SpikingBERT run; refuse what cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spikewright.errors import ConfigError
from spikewright.suggest import did_you_mean
from spikewright.train.settings.config import (
    DataConfig,
    read_seed,
    read_table,
    read_toml,
)
from spikewright.train.settings.overrides import with_settings
from spikewright.train.settings.spikebert import AugmentTable, TeacherTable
from spikewright.train.settings.spikingbert import (
    SettledStage1Table,
    SettledStage2Table,
    SettledStudentTable,
    SettledTable,
    SpikingBertRun,
    settled_config,
)

_CHOICES: dict[str, tuple[str, ...]] = {
    "precision": ("float32", "bf16", "fp16"),
    "schedule": ("cosine", "linear", "constant"),
    "replacement": ("vocabulary", "neighbors", "groups"),
    "words": ("random", "teacher"),
}
_MAY_BE_ZERO = frozenset({"epochs"})
"""no epoch: the stage is left out"""


def load_settled_run(path: Path, settings: Sequence[str] = ()) -> SpikingBertRun:
    """Read the configuration of a SpikingBERT run.

    Args:
        path: of the TOML file.
        settings: KEY=VALUE instead of the file's, such as `student.steps=32`.

    Raises:
        ConfigError: the file is missing, is not TOML, has an unknown or missing key, or
            a value of another type or out of its range; so of settings.
    """
    raw = with_settings(read_toml(path), settings)
    tables: dict[str, type[Any]] = {
        "data": DataConfig,
        "teacher": TeacherTable,
        "student": SettledStudentTable,
        "augment": AugmentTable,
        "stage1": SettledStage1Table,
        "stage2": SettledStage2Table,
    }
    if unknown := sorted(set(raw) - set(tables) - {"seed", "family"}):
        known = ", ".join(tables)
        raise ConfigError(
            f"{path}: unknown key {', '.join(unknown)}; known: family, seed, {known}"
            f"{did_you_mean(unknown[0], tables)}"
        )
    parsed = {name: _table(kind, raw, name, path) for name, kind in tables.items()}
    seed = read_seed(raw.get("seed", 0), path)
    run = SpikingBertRun(seed=seed, settings=tuple(settings), **parsed)
    settled_config(run, vocabulary=1)  # refuses its options now, not after the teacher
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


def _check(run: SpikingBertRun, path: Path) -> None:
    if run.data.unlabeled:
        raise ConfigError(
            f"{path} [data] unlabeled: only runs of family chip read it; name such "
            "texts in [stage1] text"
        )
    _check_stage(run, run.stage1, f"{path} [stage1]")
    _check_stage(run, run.stage2, f"{path} [stage2]")
    _check_stage1(run.stage1, f"{path} [stage1]")
    if not run.stage2.epochs:
        raise ConfigError(f"{path} [stage2] epochs: must be above 0, got 0")
    if not run.stage2.logit_weight and not run.stage2.label_weight:
        raise ConfigError(
            f"{path} [stage2]: logit_weight and label_weight are both 0, so no loss "
            "reaches the classifier; set one of them"
        )


def _check_stage(run: SpikingBertRun, stage: SettledTable, where: str) -> None:
    if stage.layers and len(stage.layers) != run.student.blocks:
        raise ConfigError(
            f"{where} layers: names {len(stage.layers)} layers of the teacher; the "
            f"student has {run.student.blocks} blocks: give one for each"
        )
    if stage.score_weight and run.student.attention != "softmax":
        raise ConfigError(
            f'{where} score_weight: [student] attention = "{run.student.attention}" '
            "has no scores to compare with the teacher's; set score_weight = 0"
        )


def _check_stage1(stage: SettledStage1Table, where: str) -> None:
    if not stage.epochs:
        return
    if not stage.text:
        raise ConfigError(f"{where}: lacks text; name folders, or set epochs = 0")
    if not stage.feature_weight and not stage.score_weight:
        raise ConfigError(
            f"{where}: feature_weight and score_weight are both 0, so the blocks learn "
            "nothing; set one of them"
        )
    if stage.logit_weight or stage.label_weight:
        raise ConfigError(
            f"{where}: its teacher has no classifier; logit_weight and label_weight "
            "belong to [stage2]"
        )
