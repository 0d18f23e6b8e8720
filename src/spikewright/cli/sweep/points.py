"""A sweep file: a configuration of `spikewright run`, and values for some options."""

from __future__ import annotations

import itertools
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spikewright.cli.road.config import Road, road_of
from spikewright.cli.road.steps import STEPS
from spikewright.cli.road.store import Store
from spikewright.errors import ConfigError, InputError
from spikewright.files import read_arrays
from spikewright.suggest import did_you_mean
from spikewright.train.settings.config import read_toml

SWEEP, LABELS, POINTS = "sweep", "labels", "points"
SHARED = ".results"
"""in the folder of a sweep: what all its points share"""
_MOST = 100_000
"""points; a file that says more is wrong sooner than wanted"""
_TABLES = (*STEPS, "checkpoint", "network")


@dataclass(frozen=True, eq=False)
class Point:
    """One choice of a value for each swept option."""

    number: int
    values: Mapping[str, Any]
    """`step.option` -> its value here"""
    road: Road
    store: Store


@dataclass(frozen=True, eq=False)
class Sweep:
    """All points, in the order of the product: the last option changes first."""

    path: Path
    folder: Path
    axes: Mapping[str, Sequence[Any]]
    """`step.option` -> values"""
    labels: Sequence[int] | None
    """the right class of each sample"""
    raw: Mapping[str, Any]
    parser: ArgumentParser

    @property
    def count(self) -> int:
        """Number of points."""
        return int(np.prod([len(each) for each in self.axes.values()], dtype=object))

    def points(self) -> Iterator[Point]:
        """Yield all points.

        Raises:
            ConfigError: a step has no such option, or refuses a value.
        """
        for number, values in enumerate(itertools.product(*self.axes.values())):
            chosen = dict(zip(self.axes, values, strict=True))
            folder = self.folder / POINTS / f"{number:0{len(str(self.count - 1))}d}"
            road = road_of(self.parser, self.path, self._raw_of(chosen), folder)
            store = Store(folder, self.folder / SHARED)
            yield Point(number, chosen, road, store)

    def point(self, number: int) -> Point:
        """Return one point.

        Raises:
            InputError: there is none of this number.
        """
        if not 0 <= number < self.count:
            raise InputError(
                f"--point {number}: the sweep has points 0 to {self.count - 1}"
            )
        return next(itertools.islice(self.points(), number, None))

    def _raw_of(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration with the values of a point in it."""
        found = {key: each for key, each in self.raw.items() if key != SWEEP}
        for key, value in chosen.items():
            table, _, option = key.partition(".")
            found[table] = {**found.get(table, {}), option: value}
        return found


def read_sweep(parser: ArgumentParser, path: Path, output: Path | None) -> Sweep:
    """Read a sweep file; `output` takes the place of its folder.

    Args:
        parser: of all verbs.
        path: a TOML file.
        output: a folder, or None for that of the file.

    Raises:
        ConfigError: it is no TOML, or its [sweep] has no values or unknown steps.
        InputError: nothing says where results go.
    """
    raw = read_toml(path)
    table = raw.get(SWEEP)
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: has no table [{SWEEP}]; `spikewright run` goes it")
    axes = dict(_axes(path, table))
    if not axes:
        raise ConfigError(
            f"{path} [{SWEEP}]: sweeps nothing; write [{SWEEP}.simulate] and "
            "steps = [1, 2, 4], say"
        )
    folder = output or (path.parent / raw["folder"] if "folder" in raw else None)
    if folder is None:
        raise InputError(f"{path}: says no `folder` for results; add it, or give -o")
    labels = _labels(path, table.get(LABELS))
    found = Sweep(path, folder, axes, labels, raw, parser)
    if found.count > _MOST:
        raise ConfigError(f"{path} [{SWEEP}]: {found.count} points; at most {_MOST}")
    return found


def _axes(path: Path, table: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    for step, options in table.items():
        if step == LABELS:
            continue
        if step not in _TABLES or not isinstance(options, dict):
            known = (*_TABLES, LABELS)
            raise ConfigError(
                f"{path} [{SWEEP}]: unknown key '{step}'; known: tables of "
                f"{', '.join(_TABLES)}, and {LABELS}{did_you_mean(step, known)}"
            )
        for option, values in options.items():
            if not isinstance(values, list) or not values:
                raise ConfigError(
                    f"{path} [{SWEEP}.{step}] {option}: must be a list of values, such "
                    f"as [1, 2], got {values!r}"
                )
            yield f"{step}.{option.replace('_', '-')}", values


def _labels(path: Path, given: object) -> list[int] | None:
    """Return labels from a list, or from a .npy beside the sweep file."""
    match given:
        case None:
            return None
        case str(name):
            found = read_arrays(path.parent / name).get("inputs")
            if found is None or found.dtype.kind not in "iu" or found.ndim != 1:
                raise InputError(f"{name}: must be a .npy of integers, one a sample")
            return [int(each) for each in found]
        case [*numbers] if all(type(each) is int for each in numbers):
            return [int(str(each)) for each in numbers]
    raise ConfigError(
        f"{path} [{SWEEP}] {LABELS}: must be a .npy file or a list of integers"
    )
