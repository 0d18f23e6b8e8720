"""A whole SpikeBERT run: teacher, new texts, stages 1, 2, denorm; each resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spikewright.errors import ConfigError
from spikewright.train.meter import Say, ignore
from spikewright.train.settings.spikebert import SpikeBertRun
from spikewright.train.stages.denorm import denorm_stage
from spikewright.train.stages.driver import Stages, train_by_stages
from spikewright.train.stages.names import DENORM
from spikewright.train.stages.stages import general_stage, task_stage
from spikewright.train.stages.teacher import teacher_stage

STAGES: Stages[SpikeBertRun] = {
    "teacher": teacher_stage,
    "stage1": general_stage,
    "stage2": task_stage,
    DENORM: denorm_stage,
}


def train_spikebert(
    config: SpikeBertRun,
    data: Path | None,
    run: Path,
    *,
    stage: str | None = None,
    minutes: float | None = None,
    say: Say = ignore,
) -> dict[str, Any] | None:
    """Fine-tune the teacher, distill the student in two stages into `run/student`.

    A finished stage is not done again; an interrupted one goes on from its last
    checkpoint, and ends as if it had not been interrupted. `run/card.json` records
    configuration, data, versions, curves and results.

    Args:
        config: the run's configuration.
        data: folder with one folder a task; None if all data are of the hub.
        run: where everything goes.
        stage: the only one to do: teacher, stage1, stage2, or denorm, which is done
            only so and goes to `run/denorm`; None: the first three.
        minutes: after which to save and stop; None: at the end.
        say: receives a line for each stage and each evaluation.

    Returns:
        The card, or None where the time ended first: call again to go on.

    Raises:
        BackendMissingError: a package that the configuration names is not installed.
        ConfigError: the sizes do not fit, or the loss is no longer a finite number.
        InputError: data or encoder are missing or unfit, `run` holds a run of another
            configuration or of other data or is at work in another process, there is
            no such stage, or it needs another that is not done.
    """
    if stage == DENORM and config.student.norm != "layer":
        raise ConfigError(
            f'--stage {stage}: the norm is "{config.student.norm}", which folds '
            'already; the stage is for [student] norm = "layer"'
        )
    return train_by_stages(
        config, data, run, STAGES, stage=stage, minutes=minutes, say=say
    )
