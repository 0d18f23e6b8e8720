"""Doors of HDF5: NIR files and netx files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
from commands import command
from engine import Door, Maker, Way
from hdf5_attacks import attack
from mutate import arrays, damage, texts

from spikewright.export.lower import lower
from spikewright.export.netx.io import read_netx, read_netx_in_seconds
from spikewright.export.nir.io import read_nir, read_nir_dt
from spikewright.graph import Graph
from spikewright.simulate.integer import run_integer

GOLDEN = Path(__file__).parents[1] / "golden"
STEPS = 3
MOST_VALUES = 2**16
DT_S = 1e-4


def use(graph: Graph) -> None:
    """Lower and run what was read, if it is small enough to be run at all."""
    _run(lower(graph, dt_s=DT_S).graph)


def _ways_of_nir(path: Path) -> Sequence[Way]:
    read: list[Graph] = []
    return [
        ("read_nir", lambda: read.append(read_nir(path))),
        ("read_nir_dt", lambda: read_nir_dt(path)),
        ("lower and run", lambda: [use(each) for each in read]),
    ]


def _ways_of_netx(path: Path) -> Sequence[Way]:
    read: list[Graph] = []
    return [
        ("read_netx", lambda: read.append(read_netx(path, dt_s=DT_S))),
        ("read_netx_in_seconds", lambda: read_netx_in_seconds(path, dt_s=DT_S)),
        ("run", lambda: [_run(each) for each in read]),
    ]


def _run(graph: Graph) -> None:
    shapes = {name: each.shape for name, each in graph.inputs.items()}
    if sum(int(np.prod(each)) for each in shapes.values()) <= MOST_VALUES:
        ones = {k: np.ones((1, STEPS, *v), np.uint8) for k, v in shapes.items()}
        run_integer(graph, ones)


def _bytes_door(suffix: str, ways: Callable[[Path], Sequence[Way]]) -> Maker:
    corpus = [path.read_bytes() for path in sorted(GOLDEN.glob(f"*{suffix}"))]
    corpus.sort(key=len)

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        path = folder / f"x{suffix}"
        path.write_bytes(damage(dice, dice.choice(corpus), corpus))
        return ways(path)

    return make


def _made_door(suffix: str, ways: Callable[[Path], Sequence[Way]]) -> Maker:
    corpus = sorted(GOLDEN.glob(f"*{suffix}"))
    arrays(), texts()

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        path, beside = folder / f"x{suffix}", folder / "beside.h5"
        shutil.copyfile(dice.choice(corpus), path)
        shutil.copyfile(dice.choice(corpus), beside)
        attack(dice, path, beside)
        return ways(path)

    return make


def _commands_of(path: Path) -> Sequence[Way]:
    out = path.parent / "out.npz"
    return [
        ("check", lambda: command("check", path, "--dt", DT_S)),
        ("lower", lambda: command("lower", path, "-o", out, "--dt", DT_S)),
    ]


DOORS = (
    Door("nir-bytes", 10, lambda: _bytes_door(".nir", _ways_of_nir)),
    Door("nir-hdf5", 16, lambda: _made_door(".nir", _ways_of_nir)),
    Door("nir-commands", 3, lambda: _made_door(".nir", _commands_of)),
    Door("netx-bytes", 5, lambda: _bytes_door(".net", _ways_of_netx)),
    Door("netx-hdf5", 8, lambda: _made_door(".net", _ways_of_netx)),
)
