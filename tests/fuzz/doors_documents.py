"""Doors of TOML and JSON: configurations, profiles, reports, cards."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from commands import command
from documents import json_file, toml_file
from engine import Door, Maker, Way
from mutate import plain_values, texts

from spikewright.cli import main
from spikewright.hardware_profiles.placement.limits import load_limits
from spikewright.hardware_profiles.prices.accounting import load_accounting
from spikewright.hardware_profiles.prices.preset_files import load_preset
from spikewright.hardware_profiles.profiles.profile import load_profile
from spikewright.hardware_profiles.teachers.config import read_teacher_config
from spikewright.hardware_profiles.teachers.flops import all_macs
from spikewright.train.settings.config import load_config
from spikewright.train.settings.overrides import with_settings
from spikewright.train.settings.spikebert_read import load_run
from spikewright.train.settings.spikingbert_read import load_settled_run

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "hardware_profiles"
CONFIGS = ROOT / "train" / "configs"
Loader = Callable[[Path], object]
CARD = {
    "seed": 0,
    "stage1": {"curve": [{"step": 1, "loss": 2.0}, {"step": 9, "loss": 1.5}]},
    "stage2": {"curve": [{"step": 2, "eval_accuracy": 0.5, "epoch": 1.0}]},
}
ROAD = {
    "folder": "out",
    "seed": 0,
    "network": {"file": "net.nir", "dt": 1e-4},
    "check": {"profile": ["loihi1", "loihi2"]},
    "lower": {"rounding": "nearest"},
    "simulate": {"backend": "integer", "inputs": "x.npy"},
    "report": {"profile": ["cmos45"], "by": "layer", "tokens": 8},
}
BERT = {
    "model_type": "bert",
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "vocab_size": 30522,
    "hidden_act": "gelu",
    "id2label": {"0": "a", "1": "b"},
}


def _toml_door(folder: Path, load: Loader, *patterns: str) -> Maker:
    paths = sorted(path for each in patterns for path in folder.glob(each))
    return _loads([_read(each) for each in paths], load)


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _loads(corpus: Sequence[Any], load: Loader) -> Maker:
    plain_values(), texts()

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        path = folder / "x.toml"
        path.write_bytes(toml_file(dice, dice.choice(corpus)))
        return [("load", lambda: load(path))]

    return make


def _runs(load: Callable[[Path], Any], pattern: str) -> Maker:
    """Read configurations of runs, as shipped and with all that they leave out."""
    paths = sorted(CONFIGS.glob(pattern))
    whole = [json.loads(_card_of(load(each))) for each in paths]
    return _loads([*map(_read, paths), *whole], lambda path: _card_of(load(path)))


def _card_of(run: Any) -> str:
    """Return what the card of a run tells of its configuration."""
    return json.dumps(run.as_dict())


def _settings() -> Maker:
    plain_values()
    raw = tomllib.loads((CONFIGS / "sst2_chip.toml").read_text(encoding="utf-8"))
    keys = [
        f"{table}.{key}"
        for table, each in raw.items()
        if table != "seed"
        for key in each
    ]

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        value = dice.choice(plain_values())
        given = dice.choice((*keys, "seed", dice.choice(texts()), "a.b", "data"))
        equals = dice.choice(("=", "=", "=", "", "==", "=\n"))
        said = f"{given}{equals}{value}"
        return [
            (
                "with_settings",
                lambda: with_settings(raw, [said]),
            )
        ]

    return make


def _roads() -> Maker:
    plain_values(), texts()
    network = (ROOT / "tests" / "golden" / "ties.nir").read_bytes()

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        path = folder / "run.toml"
        (folder / "net.nir").write_bytes(network)
        (folder / "x.npy").write_bytes(b"")
        path.write_bytes(toml_file(dice, ROAD))
        return [("run", lambda: command("run", path, "--dry-run"))]

    return make


def _json_door(corpus: Sequence[Any], ways: Callable[[Path], Sequence[Way]]) -> Maker:
    plain_values(), texts()

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        path = folder / "x.json"
        path.write_bytes(json_file(dice, dice.choice(corpus)))
        return ways(path)

    return make


def _plots_of_report(path: Path) -> Sequence[Way]:
    out = path.with_name("x.svg")

    def plot(kind: str, *options: object) -> Way:
        return kind, lambda: command("plot", kind, path, *options, "--json")

    return [
        plot("energy"),
        plot("energy", "--by", "component"),
        plot("profiles"),
        plot("break-even"),
        ("picture", lambda: _unless_refused(path, out)),
    ]


def _unless_refused(path: Path, out: Path) -> None:
    """Draw one report in eight: a picture takes ten times as long as its data."""
    if path.stat().st_size % 8 == 0:
        command("plot", "profiles", path, "-o", out)


def _reports() -> Maker:
    """Plot what `report --json` wrote."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "x.npy"
        np.save(place, np.ones((1, 3, 6), np.uint8))
        network = ROOT / "tests" / "golden" / "ties.nir"
        made = []
        for profile in ("cmos45", "loihi1"):
            said = io.StringIO()
            words = ["report", network, "--inputs", place, "--profile", profile]
            words += ["--tokens", 8, "--json"]
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                status = main([str(each) for each in words])
            text = said.getvalue()
            if status:
                raise RuntimeError(text)
            made.append(json.loads(text[text.index("{\n") :]))
    return _json_door(made, _plots_of_report)


def _plot_of_card(path: Path) -> Sequence[Way]:
    return [("curve", lambda: command("plot", "curve", path, "--json"))]


def _teacher(path: Path) -> Sequence[Way]:
    return [
        ("read_teacher_config", lambda: read_teacher_config(path)),
        ("count", lambda: all_macs(read_teacher_config(path), 8)),
    ]


DOORS = (
    Door("config-chip", 6, lambda: _runs(load_config, "sst2_chip.toml")),
    Door("config-spikebert", 6, lambda: _runs(load_run, "spikebert*.toml")),
    Door("config-spikingbert", 6, lambda: _runs(load_settled_run, "spikingbert*.toml")),
    Door("settings", 4, _settings),
    Door("roads", 6, _roads),
    Door("profiles", 8, lambda: _toml_door(PROFILES, load_profile, "*.toml")),
    Door("chips", 4, lambda: _toml_door(PROFILES / "chips", load_limits, "*.toml")),
    Door("presets", 4, lambda: _toml_door(PROFILES / "presets", load_preset, "*.toml")),
    Door(
        "accountings",
        3,
        lambda: _toml_door(PROFILES / "accountings", load_accounting, "*.toml"),
    ),
    Door("reports", 5, _reports),
    Door("run-cards", 3, lambda: _json_door([CARD], _plot_of_card)),
    Door("teacher-configs", 4, lambda: _json_door([BERT], _teacher)),
)
