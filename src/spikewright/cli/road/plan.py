"""What of a road is to be done, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from spikewright.cli.output.documents import versions
from spikewright.cli.road.config import Step
from spikewright.cli.road.options import Made, Words
from spikewright.cli.road.store import Store, hash_path, key_of
from spikewright.train.settings.config import read_toml

Record: TypeAlias = Mapping[str, Any]
_NO_MATTER = frozenset({"minutes"})
"""options that change when a result is there, but not what it is"""
KEPT, RUNS, DEPENDS = "kept", "runs", "depends"
"""what becomes of a step; depends: on whether a step before it makes other bytes"""


@dataclass(frozen=True)
class Decision:
    """What becomes of a step."""

    step: Step
    action: str
    why: str
    key: str
    """empty if it depends"""
    parts: Record
    """what the key is of"""


def decide(
    step: Step,
    store: Store,
    at: Mapping[str, Path],
    last: Record | None,
    forced: Collection[str],
) -> Decision:
    """Compare what a step reads with what results were made of.

    Args:
        step: to decide on; those before it are done.
        store: has the results.
        at: folder of the result of each step before.
        last: the record of the last result of the step, to tell what is new.
        forced: names of steps to do in any case.

    Raises:
        InputError: a file that it reads is missing.
    """
    parts = _parts(step, at)
    key = key_of(parts)
    if store.record(step.name, key) is None:
        return Decision(step, RUNS, _why(last, parts), key, parts)
    if step.name in forced:
        return Decision(step, RUNS, "forced", key, parts)
    return Decision(step, KEPT, "unchanged", key, parts)


def foresee(step: Step, doubtful: Collection[str]) -> Decision | None:
    """Return that a step depends, if one before it is among `doubtful`."""
    waits = [each for each in step.after if each in doubtful]
    if not waits:
        return None
    why = f"runs if {' or '.join(waits)} makes other bytes"
    return Decision(step, DEPENDS, why, "", {})


def _parts(step: Step, at: Mapping[str, Path]) -> dict[str, Any]:
    return {
        "versions": versions(),
        "step": step.name,
        "options": {
            name: _hashed(words, at)
            for name, words in step.options.items()
            if name not in _NO_MATTER
        },
        "inputs": _hashed(step.given, at) + _named_in(step),
        "makes": list(step.makes),
    }


def _hashed(words: Words, at: Mapping[str, Path]) -> list[str]:
    return [_hash(each, at) for each in words]


def _hash(word: str | Path | Made, at: Mapping[str, Path]) -> str:
    """Return a word itself, or the hash of the bytes that it names."""
    match word:
        case Made(step, name):
            return f"{step}/{name} {hash_path(at[step] / name)}"
        case Path():
            return f"{word.name} {hash_path(word)}"
    return word


def _named_in(step: Step) -> list[str]:
    """Return the hashes of files and folders that a training configuration names."""
    if step.name != "train":
        return []
    (path,) = step.given
    assert isinstance(path, Path)  # noqa: S101 - road_config made it
    found = [Path(each) for each in _texts(read_toml(path))]
    return [f"{each} {hash_path(each)}" for each in found if each.exists()]


def _texts(value: object) -> list[str]:
    match value:
        case str():
            return [value] if value else []
        case list():
            return [text for each in value for text in _texts(each)]
        case dict():
            return [text for each in value.values() for text in _texts(each)]
    return []


# --- why -----------------------------------------------------------------------------


def _why(last: Record | None, parts: Record) -> str:
    """Say how a step differs from its last result."""
    if last is None:
        return "no result yet"
    found = [*_changes("", last.get("versions", {}), parts["versions"])]
    found += _changes("--", last.get("options", {}), parts["options"])
    found += [f"{each.split()[0]} changed" for each in _new("inputs", last, parts)]
    found += [f"makes {each}, too" for each in _new("makes", last, parts)]
    return ", ".join(found) or "its files were changed"


def _new(key: str, last: Record, parts: Record) -> list[str]:
    return [each for each in parts[key] if each not in last.get(key, [])]


def _changes(
    dashes: str, before: Mapping[str, Any], now: Mapping[str, Any]
) -> list[str]:
    return [
        f"{dashes}{name} {_shown(before.get(name))} -> {_shown(now.get(name))}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]


_LONGEST = 30


def _shown(value: object) -> str:
    if value is None:
        return "none"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return (text or "yes") if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
