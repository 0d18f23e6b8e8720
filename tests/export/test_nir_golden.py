"""The golden graphs: up to date, and run as NIR's own equations say."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.export.discretize import discretize
from spikewright.export.nir_io import read_nir, read_nir_dt, write_nir
from spikewright.graph import Graph
from spikewright.simulate.reference import run_reference

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = (
    "chip_attention",
    "heterogeneous",
    "li_readout",
    "random_branching",
    "recurrent",
    "residual_bias",
    "ties",
)


def recorded_dt_s(path: Path) -> float:
    dt_s = read_nir_dt(path)
    assert dt_s is not None
    return dt_s


def discrete(path: Path) -> Graph:
    return discretize(read_nir(path), dt_s=recorded_dt_s(path))


def spikes_for(graph: Graph, seed: int) -> Any:
    node = graph.nodes[graph.input_name]
    assert isinstance(node, n.Input)
    shape = node.shape
    return np.random.default_rng(seed).random((6, 60, *shape)) < 0.4


def test_the_files_are_all_there_and_small() -> None:
    files = sorted(GOLDEN.glob("*.nir"))
    assert tuple(file.stem for file in files) == NAMES
    assert max(file.stat().st_size for file in files) < 100_000


def test_the_script_makes_the_same_graphs(tmp_path: Path) -> None:
    runpy.run_path(str(GOLDEN / "make_golden.py"))["main"](tmp_path)
    for name in NAMES:
        made, kept = (read_nir(each / f"{name}.nir") for each in (tmp_path, GOLDEN))
        assert made.fingerprint() == kept.fingerprint(), name


@pytest.mark.parametrize("name", NAMES)
def test_reading_and_writing_changes_nothing(name: str, tmp_path: Path) -> None:
    graph = read_nir(GOLDEN / f"{name}.nir")
    write_nir(graph, tmp_path / "again.nir")
    assert read_nir(tmp_path / "again.nir").fingerprint() == graph.fingerprint()


# --- an interpreter of NIR, written from its documentation, that shares no code ----


def advance(node: Any, v: Any, a: Any, dt_s: float) -> tuple[Any, Any]:
    """Forward Euler in NIR's own variables: the next v, and what is sent."""
    if isinstance(node, nir.Threshold):
        return v, (a > node.threshold) * 1.0
    leak = (node.v_leak - v) / node.tau if hasattr(node, "tau") else 0.0
    drive = node.r * a / node.tau if hasattr(node, "tau") else node.r * a
    v = v + dt_s * (leak + drive)
    if not hasattr(node, "v_threshold"):
        return v, v
    fired = v > node.v_threshold
    return np.where(fired, node.v_reset, v), fired * 1.0


def applied(node: Any, x: Any) -> Any:
    if isinstance(node, nir.Conv1d):
        taps, length = node.weight.shape[2], node.output_type["output"][1]
        windows = np.stack([x[:, k : k + length] for k in range(taps)])
        return np.einsum("oik,kil->ol", node.weight, windows) + node.bias[:, None]
    if isinstance(node, nir.Flatten):
        return x.ravel()
    if isinstance(node, nir.Scale):
        return x * node.scale
    if isinstance(node, nir.Affine | nir.Linear):
        y = np.einsum("...oi,...i->...o", node.weight, x)
        return y + node.bias if isinstance(node, nir.Affine) else y
    return x


def interpret(
    graph: Any, order: list[str], x: Any, dt_s: float
) -> tuple[dict[str, Any], Any]:
    """Run one sample; nodes not yet computed at a step show their step before."""
    sent = {k: np.zeros(v.output_type["output"]) for k, v in graph.nodes.items()}
    v = {name: 0.0 for name in order}
    log: dict[str, list[Any]] = {name: [] for name in order}
    taken: dict[str, list[Any]] = {name: [] for name in order}
    for t in range(len(x)):
        for name in order:
            node = graph.nodes[name]
            before = [sent[source] for source, target in graph.edges if target == name]
            a = sum(before) if before else x[t]
            taken[name].append(a)
            if isinstance(node, nir.Delay):
                late = t - round(float(node.delay[0]) / dt_s)
                sent[name] = taken[name][late] if late >= 0 else np.zeros_like(a)
            elif isinstance(node, nir.LIF | nir.IF | nir.LI | nir.I | nir.Threshold):
                v[name], sent[name] = advance(node, v[name], a, dt_s)
            else:
                sent[name] = applied(node, a)
            log[name].append(sent[name])
    return {name: np.stack(each) for name, each in log.items()}, v


@pytest.mark.parametrize("name", NAMES)
def test_discrete_spikes_are_those_of_nirs_equations(name: str) -> None:
    path = GOLDEN / f"{name}.nir"
    graph, dt_s = discrete(path), recorded_dt_s(path)
    inputs = spikes_for(graph, seed=1)
    trace = run_reference(graph, inputs)
    for sample, x in enumerate(inputs):
        log, _ = interpret(nir.read(path), list(graph.nodes), x * 1.0, dt_s)
        for population, spikes in trace.spikes.items():
            np.testing.assert_array_equal(
                spikes[sample], log[population], f"{population}, sample {sample}"
            )
        np.testing.assert_allclose(trace.output[sample], log[graph.output_name], 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_every_population_of_a_golden_graph_is_alive(name: str) -> None:
    graph = discrete(GOLDEN / f"{name}.nir")
    trace = run_reference(graph, spikes_for(graph, seed=1))
    assert all(0.01 < trace.rate(each) < 0.99 for each in trace.spikes)


def test_ties_hit_the_threshold_exactly_and_often() -> None:
    # the same run with thresholds lowered by less than the grid differs at every tie
    graph = read_nir(GOLDEN / "ties.nir")
    dt_s = 2.0**-10
    inputs = spikes_for(discretize(graph, dt_s=dt_s), seed=1)
    strict = run_reference(discretize(graph, dt_s=dt_s), inputs)
    lif = graph.nodes["lif1"]
    assert isinstance(lif, n.LIF)
    lower = replace(lif, v_threshold=lif.v_threshold - 1e-9)
    loose = Graph({**graph.nodes, "lif1": lower}, graph.edges, graph.stage)
    other = run_reference(discretize(loose, dt_s=dt_s), inputs)
    assert (strict.spikes["lif1"] != other.spikes["lif1"]).sum() > 20
