"""Read the configuration of a SpikeBERT run; refuse what cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spikewright.errors import ConfigError
from spikewright.train.settings.config import DataConfig
from spikewright.train.settings.spikebert import (
    DenormTable,
    SpikeBertRun,
    Stage1Table,
    Stage2Table,
    StudentTable,
    student_config,
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
    "student": StudentTable,
    "augment": AugmentTable,
    "stage1": Stage1Table,
    "stage2": Stage2Table,
    "denorm": DenormTable,
}
_CHOICES = {
    "feature_mean": ("tokens", "published"),
    "embedding_scale": ("unit", "published"),
    "start": ("random", "teacher"),
}


def load_run(path: Path, settings: Sequence[str] = ()) -> SpikeBertRun:
    """Read the configuration of a SpikeBERT run.

    Args:
        path: of the TOML file.
        settings: KEY=VALUE instead of the file's, such as `student.steps=2`.

    Raises:
        ConfigError: the file is missing, is not TOML, has an unknown or missing key, or
            a value of another type or out of its range; so of settings.
    """
    run = SpikeBertRun(**read_tables(path, settings, _TABLES, _CHOICES))
    student_config(run, vocabulary=1)  # refuses its options now, not after the teacher
    _check(run, path)
    return run


def _check(run: SpikeBertRun, path: Path) -> None:
    check_data(run.data, path)
    for name, stage in (("stage1", run.stage1), ("stage2", run.stage2)):
        where = f"{path} [{name}]"
        check_layers(stage.layers, run.student.blocks, where)
        if stage.feature_mean == "published" and run.student.pad_mask:
            raise ConfigError(
                f'{where} feature_mean: "published" compares padding, which a student '
                "with a pad mask does not compute; set [student] pad_mask = false"
            )
    if run.stage1.epochs:
        _check_stage1(run.stage1, f"{path} [stage1]")
    check_task(run.stage2, f"{path} [stage2]")
    if not run.denorm.epochs or not run.denorm.calibration:
        raise ConfigError(
            f"{path} [denorm] epochs and calibration: must be above 0; the stage runs "
            "only where --stage denorm asks for it"
        )


def _check_stage1(stage: Stage1Table, where: str) -> None:
    check_text(stage, where)
    if not stage.feature_weight:
        raise ConfigError(f"{where} feature_weight: must be above 0, got 0")
    check_no_classifier(stage, where)
