"""Doors of .npy and .npz: inputs, traces and lowered graphs."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from array_attacks import attack, attack_one, odd_zip
from commands import command
from documents import changed
from engine import Door, Maker, Way
from mutate import arrays, plain_values, texts
from random_graphs import random_graph, random_inputs
from random_ways import DT_S

from spikewright.cli.networks.lowering import read_signals
from spikewright.export.lower import lower
from spikewright.export.nir.io import read_nir
from spikewright.files import (
    read_arrays,
    read_graph,
    read_trace,
    write_graph,
    write_trace,
)
from spikewright.graph import Graph, Stage
from spikewright.hardware_profiles.placement.limits import load_limits
from spikewright.hardware_profiles.placement.place import check_placement
from spikewright.plots.rates import rates
from spikewright.simulate.inputs import check_inputs
from spikewright.simulate.integer import run_integer
from spikewright.simulate.reference import run_reference

GOLDEN = Path(__file__).parents[1] / "golden"
STEPS = 3
MOST_VALUES = 2**16
Arrays = dict[str, Any]


def _pools() -> None:
    warnings.simplefilter("ignore")
    arrays(), texts(), plain_values()


def _graphs() -> list[Graph]:
    """Return small graphs of every stage."""
    found = []
    for seed in range(6):
        graph = random_graph(seed)
        stages = (Stage.DISCRETE, Stage.TIMED, Stage.QUANTIZED, Stage.QUANTIZED)
        found += [lower(graph, dt_s=DT_S, to=each).graph for each in stages]
    return [*found, random_graph(7)]


def _saved(write: Callable[[Any, Path], None], things: Sequence[Any]) -> list[Arrays]:
    """Return what files of things hold."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for thing in things:
            path = Path(folder) / "x.npz"
            write(thing, path)
            found.append(dict(read_arrays(path)))
    return found


def _inputs() -> Maker:
    _pools()
    graph = lower(read_nir(GOLDEN / "two_ends.nir"), dt_s=1e-4).graph
    single = lower(read_nir(GOLDEN / "ties.nir"), dt_s=1e-4).graph
    given = random_inputs(graph, 0, 2, STEPS)
    (one,) = random_inputs(single, 0, 2, STEPS).values()

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        is_one = dice.random() < 0.5
        path = folder / ("x.npy" if is_one else "x.npz")
        if is_one:
            path.write_bytes(attack_one(dice, one))
        elif dice.random() < 0.1:
            odd_zip(dice, given, path)
        else:
            path.write_bytes(attack(dice, given))
        net = single if is_one else graph
        return [("inputs", lambda: _run(net, read_signals(path, net)))]

    return make


def _run(graph: Graph, signals: Any) -> None:
    inputs = check_inputs(graph, signals)
    if sum(each.size for each in inputs.values()) <= MOST_VALUES:
        run_integer(graph, inputs)


def _with_document(dice: Random, held: Arrays, name: str) -> Arrays:
    """Change the JSON text among arrays, in two cases of three."""
    if dice.random() < 0.35:
        return held
    text = json.dumps(changed(dice, json.loads(str(held[name]))), default=str)
    try:
        return {**held, name: np.array(text)}
    except UnicodeEncodeError:
        return held


def _write(dice: Random, held: Arrays, name: str, path: Path) -> None:
    made = _with_document(dice, held, name)
    if made is held or dice.random() < 0.3:
        path.write_bytes(attack(dice, made))
    else:
        with path.open("wb") as file:
            np.savez(file, **made)


def _traces() -> Maker:
    _pools()
    made = [each for each in _graphs() if each.stage is Stage.QUANTIZED]
    runs = [run_integer(each, random_inputs(each, 0, 2, STEPS)) for each in made]
    corpus = _saved(write_trace, runs)

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        path = folder / "x.npz"
        _write(dice, dice.choice(corpus), "meta", path)
        return [
            ("read_trace", lambda: read_trace(path)),
            ("rates", lambda: rates([read_trace(path)]).data()),
        ]

    return make


def _lowered() -> Maker:
    _pools()
    corpus = _saved(write_graph, _graphs())
    limits = load_limits("loihi2")

    def use(graph: Graph) -> None:
        if graph.stage is Stage.CONTINUOUS:
            return
        sizes = [int(np.prod(each.shape)) for each in graph.inputs.values()]
        if sum(sizes) <= MOST_VALUES:
            executor = run_integer if graph.stage is Stage.QUANTIZED else run_reference
            executor(graph, random_inputs(graph, 0, 1, STEPS))
        if graph.stage is Stage.QUANTIZED:
            check_placement(graph, limits)

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        path = folder / "x.npz"
        _write(dice, dice.choice(corpus), "graph", path)
        read: list[Graph] = []
        return [
            ("read_graph", lambda: read.append(read_graph(path))),
            ("run and place", lambda: [use(each) for each in read]),
        ]

    return make


def _commands() -> Maker:
    """Lowered graphs and traces at the verbs that take both."""
    _pools()
    graphs = [each for each in _graphs() if each.stage is Stage.QUANTIZED]
    inputs = [random_inputs(each, 0, 2, STEPS) for each in graphs]
    runs = [run_integer(g, x) for g, x in zip(graphs, inputs, strict=True)]
    held = list(
        zip(_saved(write_graph, graphs), _saved(write_trace, runs), inputs, strict=True)
    )

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        graph, trace, given = dice.choice(held)
        network, run, fed = (folder / f"{each}.npz" for each in ("g", "t", "x"))
        broken = dice.randrange(3)
        np.savez(network, **graph)
        np.savez(run, **trace)
        np.savez(fed, **given)
        if broken == 2:
            fed.write_bytes(attack(dice, given))
        else:
            place, name = ((network, "graph"), (run, "meta"))[broken]
            _write(dice, (graph, trace)[broken], name, place)
        out = folder / "out.npz"
        return [
            (
                "simulate",
                lambda: command("simulate", network, "--inputs", fed, "-o", out),
            ),
            (
                "report",
                lambda: command("report", network, run, "--tokens", 8, "--json"),
            ),
            ("plot", lambda: command("plot", "rates", run, "--json")),
        ]

    return make


DOORS = (
    Door("inputs", 12, _inputs),
    Door("traces", 10, _traces),
    Door("lowered", 14, _lowered),
    Door("lowered-commands", 3, _commands),
)
