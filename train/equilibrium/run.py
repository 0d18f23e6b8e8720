"""A whole SpikingBERT run: teacher, new texts, stages 1 and 2; each resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spikewright.train.equilibrium.stages import general_stage, task_stage
from spikewright.train.meter import Say, ignore
from spikewright.train.settings.spikingbert import SpikingBertRun
from spikewright.train.stages.driver import Stages, train_by_stages
from spikewright.train.stages.teacher import teacher_stage

STAGES: Stages[SpikingBertRun] = {
    "teacher": teacher_stage,
    "stage1": general_stage,
    "stage2": task_stage,
}
"""none of denorm: norms of this family fold from the start, or never"""


def train_spikingbert(
    config: SpikingBertRun,
    data: Path | None,
    run: Path,
    *,
    stage: str | None = None,
    minutes: float | None = None,
    say: Say = ignore,
) -> dict[str, Any] | None:
    """Fine-tune the teacher, distill the student at equilibrium into `run/student`.

    A finished stage is not done again; an interrupted one goes on from its last
    checkpoint. `run/card.json` records configuration, data, versions, curves, results.

    Args:
        config: the run's configuration.
        data: folder with one folder a task; None if all data are of the hub.
        run: where everything goes.
        stage: the only one to do: teacher, stage1 or stage2; None: all.
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
        NoEquilibriumError: feedback grew until rates have no equilibrium.
    """
    return train_by_stages(
        config, data, run, STAGES, stage=stage, minutes=minutes, say=say
    )
