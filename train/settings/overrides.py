"""Single values set instead of a configuration's: `stage2.logit_weight=0`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from spikewright.errors import ConfigError
from spikewright.train.settings.toml_text import parse_toml

_KEY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)?", re.ASCII)
_WORD = re.compile(r"[A-Za-z][\w:/.-]*", re.ASCII)
_NUMBERS = frozenset({"inf", "nan"})
_FORM = "write KEY=VALUE, such as student.steps=2 or seed=1"


def with_settings(raw: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Return a configuration as read, with these values instead of its own.

    A key is `seed` or `TABLE.KEY`; a value is written as in TOML, where a word needs no
    quotes. Whether they fit is checked with all others when the tables are built.

    Args:
        raw: the configuration as read; it stays as it is.
        settings: KEY=VALUE of each.

    Raises:
        ConfigError: not of that form, a value that is none, or a key set twice.
    """
    made = {k: dict(v) if isinstance(v, dict) else v for k, v in raw.items()}
    seen: set[str] = set()
    for setting in settings:
        key, value = _read(setting)
        if key in seen:
            raise ConfigError(f"--set {setting}: {key} is set twice; set it once")
        seen.add(key)
        table, _, name = key.rpartition(".")
        place = made.setdefault(table, {}) if table else made
        if not isinstance(place, dict):
            raise ConfigError(f"--set {setting}: {table} is no table; {_FORM}")
        place[name] = value
    return made


def _read(setting: str) -> tuple[str, Any]:
    key, equals, text = setting.partition("=")
    key, text = key.strip(), text.strip()
    if not equals or not _KEY.fullmatch(key) or not text:
        raise ConfigError(f"--set {setting!r}: {_FORM}")
    if _WORD.fullmatch(text) and text not in ("true", "false", *_NUMBERS):
        return key, text
    try:
        read = parse_toml(f"value = {text}")
    except ValueError as error:
        raise ConfigError(
            f"--set {setting!r}: {text} is no TOML value: {error}; quote a text"
        ) from error
    if list(read) != ["value"]:
        raise ConfigError(f"--set {setting!r}: {_FORM}; one at a time")
    return key, read["value"]
