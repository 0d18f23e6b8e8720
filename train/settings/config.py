"""The training configuration: a TOML file with one table a stage."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from spikewright.errors import ConfigError
from spikewright.suggest import did_you_mean
from spikewright.train.settings.overrides import with_settings
from spikewright.train.settings.toml_text import parse_toml

Table = TypeVar("Table")

# What a number must be beyond its type; any other: finite, 0 or more.
_ABOVE_ZERO = {"epochs", "learning_rate", "batch_size", "max_tokens", "longest_piece"}
_AT_MOST_ONE = {
    *("drop_probability", "splice_probability", "replace_probability"),
    *("warmup_ratio", "dropout", "average", "rate_target"),
}
_AT_LEAST = {"train": 1, "labels": 2}
_ONE_OF = {"compile": ("auto", "always", "never")}


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which folders of the data directory to read."""

    train: tuple[str, ...]
    validation: str
    labels: tuple[str, ...]
    """name of each class, in the order of the labels in the data"""
    max_tokens: int = 64
    unlabeled: tuple[str, ...] = ()
    """folders whose texts, without their labels, the teacher labels as well"""


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """How the BERT encoder is fine-tuned.

    `base` is a folder, a hub name, or `package:NAME` for an encoder that the
    installed Python package NAME carries in its folder `model`.
    """

    base: str
    epochs: float = 2.0
    learning_rate: float = 5e-5
    batch_size: int = 64
    weight_decay: float = 0.01
    warmup_ratio: float = 0.06
    average: float = 0.0
    """decay of the averaged weights, which are evaluated and kept; 0: none"""


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How many new texts each training text yields, and how (Tang et al. 2019)."""

    rounds: int = 1
    long_rounds: int = 0
    """for texts of `long_words` words or more, if above `rounds`"""
    long_words: int = 8
    replace_probability: float = 0.0
    """of a word, to become one that the teacher embeds alike"""
    drop_probability: float = 0.15
    splice_probability: float = 0.5
    longest_piece: int = 12


@dataclass(frozen=True, kw_only=True)
class StudentConfigTable:
    """The size of the deployable student."""

    channels: int = 192
    word_channels: int = 0
    """bits of a word; 0: as many as `channels`"""
    position_channels: int = 32
    hidden: int = 384
    blocks: int = 2
    steps: int = 4
    window: int = 3
    block_window: int = 1
    beta: float = 0.5


@dataclass(frozen=True, kw_only=True)
class LessonConfig:
    """How long and how fast the student learns, and what each loss weighs."""

    epochs: float
    learning_rate: float
    batch_size: int = 128
    weight_decay: float = 0.01
    warmup_ratio: float = 0.03
    logit_weight: float = 1.0
    label_weight: float = 0.1
    rate_weight: float = 0.0
    """what a mean spike per neuron and step adds to the loss"""


@dataclass(frozen=True, kw_only=True)
class DistillConfig(LessonConfig):
    """How the student learns from the teacher's logits and the labels."""

    epochs: float = 8.0
    learning_rate: float = 1e-3
    dropout: float = 0.1
    average: float = 0.0
    """decay of the averaged weights, which are evaluated and kept; 0: none"""
    compile: str = "auto"
    """whether neurons and norms train by compiled loops: always, never, or auto,
    where a C++ compiler is at hand"""


@dataclass(frozen=True, kw_only=True)
class QuantizeConfig(LessonConfig):
    """How the distilled student learns on in the chip's integers."""

    epochs: float = 0.0
    """0: not at all"""
    learning_rate: float = 2e-4
    rate_target: float = 0.0
    """only a rate above it costs; a student at or below it is kept before any other"""
    average: float = 0.0
    """decay of the averaged weights, which are evaluated and kept; 0: none"""
    compile: str = "auto"
    """as in [distill]"""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run, whole."""

    data: DataConfig
    teacher: TeacherConfig
    augment: AugmentConfig
    student: StudentConfigTable
    distill: DistillConfig
    quantize: QuantizeConfig = QuantizeConfig()
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for the run card."""
        return asdict(self)


def load_config(path: Path, settings: Sequence[str] = ()) -> TrainConfig:
    """Read a training configuration.

    Args:
        path: of the TOML file.
        settings: KEY=VALUE instead of the file's, such as `student.steps=2`.

    Raises:
        ConfigError: the file is missing, is not TOML, has an unknown or missing key, or
            a value of another type or out of its range; so of settings.
    """
    return _parse(with_settings(read_toml(path), settings), path)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: the file is missing or is not TOML.
    """
    try:
        return parse_toml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a readable TOML file: {error}") from error


def _parse(raw: Mapping[str, Any], path: Path) -> TrainConfig:
    tables = {
        "data": DataConfig,
        "teacher": TeacherConfig,
        "augment": AugmentConfig,
        "student": StudentConfigTable,
        "distill": DistillConfig,
        "quantize": QuantizeConfig,
    }
    skipped = {"quantize": frozenset({"epochs"})}
    check_keys(raw, tables, path, besides="seed")
    parsed: dict[str, Any] = {
        name: read_table(
            kind,
            raw.get(name, {}),
            f"{path} [{name}]",
            may_be_zero=skipped.get(name, frozenset()),
        )
        for name, kind in tables.items()
    }
    return TrainConfig(seed=read_seed(raw.get("seed", 0), path), **parsed)


def check_keys(
    raw: Mapping[str, Any], tables: Iterable[str], path: Path, *, besides: str
) -> None:
    """Raise `ConfigError` for a key that is no table; `besides` are known too."""
    if unknown := sorted(set(raw) - {*tables, "seed", "family"}):
        raise ConfigError(
            f"{path}: unknown key {', '.join(unknown)}; "
            f"known: {besides}, {', '.join(tables)}{did_you_mean(unknown[0], tables)}"
        )


def read_seed(value: object, path: Path) -> int:
    """Return a seed.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:
        raise ConfigError(f"{path}: seed: must be 0 to 2**32 - 1, got {value!r}")
    return value


def read_table(
    kind: type[Table],
    raw: Mapping[str, Any],
    where: str,
    *,
    may_be_zero: frozenset[str] = frozenset(),
) -> Table:
    """Build one table; each value must have the type of the field's default.

    Args:
        kind: a dataclass of the table's keys.
        raw: the table as read.
        where: the file and the table's name in brackets, for messages.
        may_be_zero: keys that may be 0 here.

    Raises:
        ConfigError: an unknown or missing key, or a value that does not fit it.
    """
    if not isinstance(raw, dict):
        path, _, name = where.rpartition(" ")
        raise ConfigError(f"{path}: {name[1:-1]} must be a table; write {name}")
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(raw) - set(known)):
        raise ConfigError(
            f"{where}: unknown key {', '.join(unknown)}; known: {', '.join(known)}"
            f"{did_you_mean(unknown[0], known)}"
        )
    required = {k for k, v in known.items() if v.default is MISSING}
    if missing := sorted(required - set(raw)):
        raise ConfigError(f"{where}: lacks {', '.join(missing)}; add it")
    values = {
        key: _value(value, str(known[key].type), f"{where} {key}")
        for key, value in raw.items()
    }
    for key, value in values.items():
        if value != 0 or key not in may_be_zero:
            _check_range(key, value, f"{where} {key}")
    return kind(**values)


def _value(value: object, kind: str, where: str) -> object:
    match kind, value:
        case "tuple[str, ...]", list() if all(isinstance(v, str) for v in value):
            return tuple(value)
        case "tuple[int, ...]", list() if all(_is_whole(v) for v in value):
            return tuple(value)
        case "str", str():
            return value
        case "bool", bool():
            return value
        case "int", int() if _is_whole(value):
            return value
        case "float", int() | float() if not isinstance(value, bool):
            return float(value)
    raise ConfigError(f"{where}: must be {kind}, got {value!r}")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_range(key: str, value: object, where: str) -> None:
    match value:
        case tuple() if len(value) < (least := _AT_LEAST.get(key, 0)):
            raise ConfigError(f"{where}: must name {least} or more, got {len(value)}")
        case str() if key in _ONE_OF and value not in _ONE_OF[key]:
            allowed = ", ".join(_ONE_OF[key])
            raise ConfigError(f"{where}: must be one of {allowed}, got {value!r}")
        case int() | float() if key in _ABOVE_ZERO and not 0 < value < math.inf:
            raise ConfigError(f"{where}: must be above 0, got {value}")
        case int() | float() if key in _AT_MOST_ONE and not 0 <= value <= 1:
            raise ConfigError(f"{where}: must be 0 to 1, got {value}")
        case int() | float() if not 0 <= value < math.inf:
            raise ConfigError(f"{where}: must be 0 or more, got {value}")
