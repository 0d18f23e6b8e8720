"""Read the configuration of a SpikingBERT run; refuse what cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spikewright.errors import ConfigError
from spikewright.train.settings.config import DataConfig
from spikewright.train.settings.spikingbert import (
    SettledStage1Table,
    SettledStage2Table,
    SettledStudentTable,
    SettledTable,
    SpikingBertRun,
    settled_config,
)
from spikewright.train.settings.stage_read import (
    check_data,
    check_layers,
    check_no_classifier,
    check_task,
    check_text,
    read_tables,
)
from spikewright.train.settings.stage_tables import AugmentTable, TeacherTable

_TABLES: dict[str, type] = {
    "data": DataConfig,
    "teacher": TeacherTable,
    "student": SettledStudentTable,
    "augment": AugmentTable,
    "stage1": SettledStage1Table,
    "stage2": SettledStage2Table,
}
_CHOICES = {"words": ("random", "teacher")}


def load_settled_run(path: Path, settings: Sequence[str] = ()) -> SpikingBertRun:
    """Read the configuration of a SpikingBERT run.

    Args:
        path: of the TOML file.
        settings: KEY=VALUE instead of the file's, such as `student.steps=32`.

    Raises:
        ConfigError: the file is missing, is not TOML, has an unknown or missing key, or
            a value of another type or out of its range; so of settings.
    """
    run = SpikingBertRun(**read_tables(path, settings, _TABLES, _CHOICES))
    settled_config(run, vocabulary=1)  # refuses its options now, not after the teacher
    _check(run, path)
    return run


def _check(run: SpikingBertRun, path: Path) -> None:
    check_data(run.data, path)
    _check_stage(run, run.stage1, f"{path} [stage1]")
    _check_stage(run, run.stage2, f"{path} [stage2]")
    if run.stage1.epochs:
        _check_stage1(run.stage1, f"{path} [stage1]")
    check_task(run.stage2, f"{path} [stage2]")


def _check_stage(run: SpikingBertRun, stage: SettledTable, where: str) -> None:
    check_layers(stage.layers, run.student.blocks, where)
    if stage.score_weight and run.student.attention != "softmax":
        raise ConfigError(
            f'{where} score_weight: [student] attention = "{run.student.attention}" '
            "has no scores to compare with the teacher's; set score_weight = 0"
        )


def _check_stage1(stage: SettledStage1Table, where: str) -> None:
    check_text(stage, where)
    if not stage.feature_weight and not stage.score_weight:
        raise ConfigError(
            f"{where}: feature_weight and score_weight are both 0, so the blocks learn "
            "nothing; set one of them"
        )
    check_no_classifier(stage, where)
