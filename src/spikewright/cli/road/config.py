"""The configuration of `spikewright run`: each table holds the options of a verb."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from spikewright.cli.networks.texts import SENTENCES
from spikewright.cli.road.options import Made, Words, read_options
from spikewright.cli.road.steps import STEPS
from spikewright.errors import ConfigError, InputError
from spikewright.suggest import did_you_mean
from spikewright.train.settings.config import read_seed, read_toml

SOURCES = ("train", "checkpoint", "network")
"""tables that say where the network comes from; one of them"""
PAGE = "report.html"
"""the report that needs matplotlib"""
REPORTS = (PAGE, "report.json", "report.txt")
SHIPPED = "sst2_chip"
"""the student of the package; train.student knows it, too, but needs torch"""
STUDENT, LOWERED, TRACE = "student", "lowered.npz", "trace.npz"


@dataclass(frozen=True)
class Step:
    """A verb with its arguments."""

    name: str
    given: Words
    """positional arguments"""
    options: Mapping[str, Words]
    """name without dashes -> values, none for a flag"""
    makes: tuple[str, ...] = ()
    """what `-o` names, once for each"""

    @property
    def after(self) -> tuple[str, ...]:
        """Return the steps whose results this one reads."""
        words = [
            *self.given,
            *(word for each in self.options.values() for word in each),
        ]
        return tuple(
            dict.fromkeys(each.step for each in words if isinstance(each, Made))
        )


@dataclass(frozen=True)
class Road:
    """All steps, in order."""

    folder: Path
    """where results go"""
    steps: tuple[Step, ...]
    config: Mapping[str, Any]
    """as it was read"""

    @property
    def lacks_page(self) -> bool:
        """Whether the report comes without a page, for want of matplotlib."""
        return PAGE not in self.steps[-1].makes


def read_road(parser: ArgumentParser, path: Path, output: Path | None) -> Road:
    """Read a configuration; `output` takes the place of its folder.

    Args:
        parser: of all verbs, whose options the tables hold.
        path: a TOML file.
        output: a folder, or None for that of the configuration.

    Raises:
        ConfigError: it is no TOML, has an unknown key, or a verb refuses a value.
        InputError: nothing says where results go.
    """
    return road_of(parser, path, read_toml(path), output)


def road_of(
    parser: ArgumentParser, path: Path, raw: Mapping[str, Any], output: Path | None
) -> Road:
    """Return the road of a configuration that was read from `path`.

    Raises:
        ConfigError, InputError: as `read_road`.
    """
    _check_keys(path, raw)
    folder = output or (path.parent / raw["folder"] if "folder" in raw else None)
    if folder is None:
        raise InputError(f"{path}: says no `folder` for results; add it, or give -o")
    reader = _Reader(parser, path, raw)
    return Road(folder, tuple(reader.steps()), raw)


def check_files(road: Road) -> None:
    """Raise `InputError` if a step reads a file of the user's that is not there."""
    for step in road.steps:
        for words in (step.given, *step.options.values()):
            for each in words:
                if isinstance(each, Path) and not each.exists():
                    raise InputError(f"[{step.name}] {each}: no such file or folder")


def _check_keys(path: Path, raw: Mapping[str, Any]) -> None:
    known = ("folder", "seed", *SOURCES, *STEPS[1:])
    for key in raw:
        if key not in known:
            raise ConfigError(
                f"{path}: unknown key '{key}'; known: {', '.join(known)}"
                f"{did_you_mean(key, known)}"
            )
    for key in (*SOURCES, *STEPS):
        if not isinstance(raw.get(key, {}), dict):
            raise ConfigError(f"{path}: {key} must be a table; write [{key}]")
    if not isinstance(raw.get("folder", ""), str):
        raise ConfigError(f"{path}: folder must be a text")
    if len(sources := [each for each in SOURCES if each in raw]) > 1:
        raise ConfigError(f"{path}: has {' and '.join(sources)}; one of them is enough")


@dataclass(frozen=True)
class _Reader:
    """Makes steps of tables."""

    parser: ArgumentParser
    path: Path
    raw: Mapping[str, Any]

    def steps(self) -> list[Step]:
        """Return the steps of the road."""
        trained = [self._train()] if "train" in self.raw else []
        if "network" in self.raw:
            network, dt, student = self._network()
            return [*self._to_report(network, dt, student)]
        checkpoint = self._checkpoint()
        export = Step("export", checkpoint, self._options("export"), (STUDENT,))
        student = (Made("export", STUDENT),)
        return [*trained, export, *self._to_report(student, {}, student)]

    def _to_report(
        self, network: Words, dt: Mapping[str, Words], student: Words
    ) -> tuple[Step, ...]:
        """Return what follows once there is a network."""
        beside = {"student": student} if student else {}
        lowered: Words = (Made("lower", LOWERED),)
        given = (*lowered, Made("simulate", TRACE))
        lower = self._options("lower")
        return (
            Step("check", network, {**dt, **_bits_of(lower), **self._options("check")}),
            Step("lower", network, {**dt, **lower}, (LOWERED,)),
            Step("simulate", lowered, {**beside, **self._signals(student)}, (TRACE,)),
            Step("report", given, {**beside, **self._options("report")}, _reports()),
        )

    def _train(self) -> Step:
        options = dict(self._options("train", extra=("config",)))
        if "config" not in options:
            raise ConfigError(f"{self.path} [train]: lacks config; add it")
        return Step("train", options.pop("config"), options, ("run",))

    def _last_stage(self) -> str:
        """Return the folder of the student that the training ends with."""
        (path,) = self._train().given
        assert isinstance(path, Path)  # noqa: S101 - an option of [train] that is a file
        return "quantized" if "quantize" in read_toml(path) else "student"

    def _checkpoint(self) -> Words:
        if "train" in self.raw:
            return (Made("train", f"run/{self._last_stage()}"),)
        found = self._place("checkpoint", "path")
        if found is not None:
            return (found,)
        with as_file(files("spikewright.train") / "students" / SHIPPED) as folder:
            return (folder,)

    def _network(self) -> tuple[Words, dict[str, Words], Words]:
        place = self._place("network", "file", "dt")
        if place is None:
            raise ConfigError(f"{self.path} [network]: lacks file; add it")
        dt = self.raw["network"].get("dt")
        named: dict[str, Words] = {} if dt is None else {"dt": (str(dt),)}
        return (place,), named, (place,) if place.is_dir() else ()

    def _place(self, table: str, key: str, *others: str) -> Path | None:
        """Return the path that a table of a source names."""
        found = self.raw.get(table, {})
        for each in found:
            if each not in (key, *others):
                meant = did_you_mean(each, (key, *others))
                raise ConfigError(f"{self.path} [{table}]: unknown key '{each}'{meant}")
        match found.get(key):
            case None:
                return None
            case str(place):
                return self.path.parent / place
        raise ConfigError(f"{self.path} [{table}] {key}: must be a text")

    def _signals(self, student: Words) -> Mapping[str, Words]:
        """Return the options of simulate; a student without texts gets the demo's."""
        options = self._options("simulate")
        if options.keys() & {"text", "inputs"}:
            return options
        if not student:
            raise ConfigError(f"{self.path} [simulate]: lacks inputs; add it")
        return {**options, "text": SENTENCES}

    def _options(self, verb: str, extra: tuple[str, ...] = ()) -> Mapping[str, Words]:
        raw = dict(self.raw.get(verb, {}))
        if "seed" in self.raw and _draws(verb, raw):
            raw.setdefault("seed", read_seed(self.raw["seed"], self.path))
        return read_options(self.parser, verb, raw, self.path, extra)


def _bits_of(options: Mapping[str, Words]) -> Mapping[str, Words]:
    """Return what a check must know of the options of lower."""
    return {key: each for key, each in options.items() if key == "weight-bits"}


def _draws(verb: str, raw: Mapping[str, Any]) -> bool:
    """Say whether a step draws random numbers."""
    return verb in ("train", "report") or raw.get("rounding") == "stochastic"


def _reports() -> tuple[str, ...]:
    """Return the files that the report makes with what is installed."""
    return REPORTS if find_spec("matplotlib") else REPORTS[1:]
