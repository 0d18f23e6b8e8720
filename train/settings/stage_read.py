"""Read the tables of a run by stages; refuse what no family's stages can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spikewright.errors import ConfigError
from spikewright.train.settings.config import (
    DataConfig,
    check_keys,
    read_seed,
    read_table,
    read_toml,
)
from spikewright.train.settings.overrides import with_settings
from spikewright.train.settings.stage_tables import GeneralTable, TaskTable

Choices = Mapping[str, tuple[str, ...]]
_CHOICES: Choices = {
    "precision": ("float32", "bf16", "fp16"),
    "schedule": ("cosine", "linear", "constant"),
    "replacement": ("vocabulary", "neighbors", "groups"),
}
_MAY_BE_ZERO = frozenset({"epochs"})
"""no epoch: the stage is left out"""


def read_tables(
    path: Path,
    settings: Sequence[str],
    kinds: Mapping[str, type[Any]],
    choices: Choices,
) -> dict[str, Any]:
    """Return the tables of a run, its seed and its settings, by their names in it.

    Args:
        path: of the TOML file.
        settings: KEY=VALUE instead of the file's.
        kinds: the dataclass of each table.
        choices: of the family: keys whose values are one of a few words.

    Raises:
        ConfigError: as `load_config`.
    """
    raw = with_settings(read_toml(path), settings)
    check_keys(raw, kinds, path, besides="family, seed")
    choices = {**_CHOICES, **choices}
    tables = {
        name: _table(kind, raw.get(name, {}), f"{path} [{name}]", choices)
        for name, kind in kinds.items()
    }
    seed = read_seed(raw.get("seed", 0), path)
    return {**tables, "seed": seed, "settings": tuple(settings)}


def _table(
    kind: type[Any], raw: Mapping[str, Any], where: str, choices: Choices
) -> Any:
    table = read_table(kind, raw, where, may_be_zero=_MAY_BE_ZERO)
    for key, allowed in choices.items():
        if (value := getattr(table, key, allowed[0])) not in allowed:
            raise ConfigError(
                f"{where} {key}: must be one of {', '.join(allowed)}; got {value!r}"
            )
    return table


# --- what cannot be ------------------------------------------------------------------


def check_data(data: DataConfig, path: Path) -> None:
    """Raise `ConfigError` for texts that only the chip family reads."""
    if data.unlabeled:
        raise ConfigError(
            f"{path} [data] unlabeled: only runs of family chip read it; name such "
            "texts in [stage1] text"
        )


def check_layers(layers: Sequence[int], blocks: int, where: str) -> None:
    """Raise `ConfigError` for layers of the teacher that are not one for each block."""
    if layers and len(layers) != blocks:
        raise ConfigError(
            f"{where} layers: names {len(layers)} layers of the teacher; the student "
            f"has {blocks} blocks: give one for each"
        )


def check_text(stage: GeneralTable, where: str) -> None:
    """Raise `ConfigError` for a stage 1 that has nothing to read."""
    if not stage.text:
        raise ConfigError(f"{where}: lacks text; name folders, or set epochs = 0")


def check_no_classifier(stage: GeneralTable, where: str) -> None:
    """Raise `ConfigError` for a stage 1 that compares answers."""
    if stage.logit_weight or stage.label_weight:
        raise ConfigError(
            f"{where}: its teacher has no classifier; logit_weight and label_weight "
            "belong to [stage2]"
        )


def check_task(stage: TaskTable, where: str) -> None:
    """Raise `ConfigError` for a stage 2 that does not train the classifier."""
    if not stage.epochs:
        raise ConfigError(f"{where} epochs: must be above 0, got 0")
    if not stage.logit_weight and not stage.label_weight:
        raise ConfigError(
            f"{where}: logit_weight and label_weight are both 0, so no loss "
            "reaches the classifier; set one of them"
        )
