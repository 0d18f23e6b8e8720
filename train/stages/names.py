"""The stages of a run by name: which there are, which need which."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from spikewright.errors import ConfigError, InputError
from spikewright.train.folders.checkpoint import read_json
from spikewright.train.settings.stage_tables import StagedRun

DENORM = "denorm"
"""done only where it is asked for"""
FOLDERS = {
    "teacher": "teacher",
    "stage1": "stage1",
    "stage2": "student",
    DENORM: DENORM,
}
"""each stage, in their order -> its folder in the run, and its name in the card"""
_NEEDS: dict[str, tuple[str, ...]] = {
    "stage2": ("teacher", "stage1"),
    DENORM: ("stage2",),
}


def chosen_stages(
    config: StagedRun, run: Path, name: str | None, *, family: Collection[str]
) -> tuple[str, ...]:
    """Return the stages to do, in order: the named one, or all but denorm.

    Args:
        config: the run's configuration.
        run: its folder.
        name: of the only stage to do.
        family: the names of all that its family has, in order.

    Raises:
        ConfigError: the named one is left out by the configuration.
        InputError: there is no such stage, or it needs one that is not done.
    """
    every = [each for each in family if each != "stage1" or config.stage1.epochs]
    if name is None:
        return tuple(each for each in every if each != DENORM)
    if name not in family:
        raise InputError(
            f"--stage {name}: no stage of family {config.family}; it has "
            f"{', '.join(family)}"
        )
    if name not in every:
        raise ConfigError(f"--stage {name}: [{name}] epochs is 0, which leaves it out")
    done = finished_stages(run)
    for needed in _NEEDS.get(name, ()):
        if needed in every and FOLDERS[needed] not in done:
            raise InputError(
                f"--stage {name}: {run} has no finished {needed}; do that first, by "
                f"--stage {needed} or without --stage"
            )
    return (name,)


def finished_stages(run: Path) -> dict[str, Any]:
    """Return the result of each finished stage, by the name of its folder."""
    results = {name: run / name / "result.json" for name in FOLDERS.values()}
    return {name: read_json(path) for name, path in results.items() if path.exists()}
