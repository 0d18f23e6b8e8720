"""The golden graphs run as NIR's own equations say.

The interpreter here is written from NIR's documentation and shares no code with ours.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.export.nir.io import read_nir, read_nir_dt
from spikewright.export.passes.discretize import discretize
from spikewright.graph import Graph
from spikewright.simulate.reference import run_reference

GOLDEN = Path(__file__).parents[2] / "golden"
NAMES = sorted(file.stem for file in GOLDEN.glob("*.nir"))
DYNAMICS = (nir.Threshold, nir.I, nir.IF, nir.LI, nir.LIF, nir.CubaLI, nir.CubaLIF)


def recorded_dt_s(path: Path) -> float:
    dt_s = read_nir_dt(path)
    assert dt_s is not None
    return dt_s


def discrete(path: Path) -> Graph:
    return discretize(read_nir(path), dt_s=recorded_dt_s(path))


def spikes_for(graph: Graph, seed: int) -> dict[str, Any]:
    """Return random spikes of 60 steps at a rate of 0.4, by Input."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.random((6, 60, *node.shape)) < 0.4
        for name, node in graph.inputs.items()
    }


# --- nodes ---------------------------------------------------------------------------


def advance(node: Any, state: Any, a: Any, dt_s: float) -> tuple[Any, Any]:
    """Forward Euler in NIR's own variables: the next (u, v), and what is sent."""
    u, v = state
    if isinstance(node, nir.Threshold):
        return state, (a > node.threshold) * 1.0
    if hasattr(node, "tau_syn"):  # the current first, then the potential
        a = u = u + dt_s / node.tau_syn * (node.w_in * a - u)
    tau = getattr(node, "tau", getattr(node, "tau_mem", None))
    if tau is None:
        v = v + dt_s * node.r * a
    else:
        v = v + dt_s / tau * (node.v_leak - v + node.r * a)
    if not hasattr(node, "v_threshold"):
        return (u, v), v
    fired = v > node.v_threshold
    return (u, np.where(fired, node.v_reset, v)), fired * 1.0


def pair(value: Any) -> tuple[int, int]:
    first, second = np.ravel(value)[[0, -1]]
    return int(first), int(second)


def around(node: Any, reach: list[int]) -> list[tuple[int, int]]:
    """Return the zeros around rows and columns; `reach` is a kernel's length less 1."""
    if isinstance(node.padding, str):
        total = [each * (node.padding == "same") for each in reach]
        return [(each // 2, each - each // 2) for each in total]
    rows, columns = pair(node.padding)
    rows *= node.weight.ndim == 4
    return [(rows, rows), (columns, columns)]


def convolved(node: Any, x: Any) -> Any:
    """Convolve (channels, rows, columns), place by place; one row for a Conv1d."""
    weight = node.weight.reshape(*node.weight.shape[:2], -1, node.weight.shape[-1])
    taps = weight.shape[2:]
    (down, right), gap = pair(node.stride), pair(node.dilation)
    reach = [g * (k - 1) for g, k in zip(gap, taps, strict=True)]
    wide = np.pad(x, [(0, 0), *around(node, reach)])
    targets, sources = weight.shape[:2]
    rows = range(0, wide.shape[1] - reach[0], down)
    columns = range(0, wide.shape[2] - reach[1], right)
    out = np.empty((targets, len(rows), len(columns)))
    for o, (i, row), (j, column) in product(
        range(targets), enumerate(rows), enumerate(columns)
    ):
        first = o // (targets // int(node.groups)) * sources
        seen = wide[first : first + sources, row :: gap[0], column :: gap[1]]
        seen = seen[:, : taps[0], : taps[1]]
        out[o, i, j] = (weight[o] * seen).sum() + node.bias[o]
    return out


def pooled(node: Any, x: Any) -> Any:
    kernel, stride, pads = map(pair, (node.kernel_size, node.stride, node.padding))
    wide = np.pad(x, [(0, 0), *((pad, pad) for pad in pads)])
    windows = np.lib.stride_tricks.sliding_window_view(wide, kernel, axis=(1, 2))
    seen = windows[:, :: stride[0], :: stride[1]]
    many = kernel[0] * kernel[1] if isinstance(node, nir.AvgPool2d) else 1
    return seen.sum(axis=(3, 4)) / many


def applied(node: Any, x: Any) -> Any:
    if isinstance(node, nir.Conv1d | nir.Conv2d):
        y = convolved(node, x if x.ndim == 3 else x[:, None])
        return y if x.ndim == 3 else y[:, 0]
    if isinstance(node, nir.SumPool2d | nir.AvgPool2d):
        return pooled(node, x)
    if isinstance(node, nir.Flatten):
        return x.ravel()
    if isinstance(node, nir.Scale):
        return x * node.scale
    if isinstance(node, nir.Affine | nir.Linear):
        y = np.einsum("...oi,...i->...o", node.weight, x)
        return y + node.bias if isinstance(node, nir.Affine) else y
    return x


def delayed(node: Any, taken: list[Any], dt_s: float) -> Any:
    """Return, for each element, what was taken its own number of steps ago."""
    late = len(taken) - 1 - np.rint(node.delay / dt_s).astype(int)
    seen = np.stack(taken)[np.maximum(late, 0), np.arange(late.size)]
    return np.where(late >= 0, seen, 0.0)


# --- graphs --------------------------------------------------------------------------


def flattened(graph: Any, prefix: str = "") -> tuple[dict[str, Any], list[Any]]:
    """Return nodes and edges, with the ends of nested graphs among the nodes."""
    nodes: dict[str, Any] = {}
    edges: list[Any] = []
    entry, leave = {}, {}
    for name, node in graph.nodes.items():
        full = entry[name] = leave[name] = prefix + name
        if isinstance(node, nir.NIRGraph):
            inner_nodes, inner_edges = flattened(node, f"{full}.")
            nodes |= inner_nodes
            edges += inner_edges
            entry[name] = f"{full}.{next(iter(node.inputs))}"
            leave[name] = f"{full}.{next(iter(node.outputs))}"
        else:
            nodes[full] = node
    return nodes, edges + [(leave[a], entry[b]) for a, b in graph.edges]


def interpret(
    graph: Any, order: list[str], inputs: dict[str, Any], dt_s: float
) -> dict[str, Any]:
    """Run one sample; nodes not yet computed at a step show their step before."""
    nodes, edges = flattened(graph)
    into = {name: [a for a, b in edges if b == name] for name in nodes}
    sent: dict[str, Any] = {name: 0.0 for name in order}
    state: dict[str, Any] = {name: (0.0, 0.0) for name in order}
    log: dict[str, list[Any]] = {name: [] for name in order}
    taken: dict[str, list[Any]] = {name: [] for name in order}

    def arriving(name: str) -> Any:
        """Add up what is sent; the ends of nested graphs pass on what arrives."""
        return sum(sent[a] if a in sent else arriving(a) for a in into[name])

    for t in range(len(next(iter(inputs.values())))):
        for name in order:
            node = nodes[name]
            a = inputs[name][t] * 1.0 if name in inputs else arriving(name)
            taken[name].append(a)
            if isinstance(node, nir.Delay):
                sent[name] = delayed(node, taken[name], dt_s)
            elif isinstance(node, DYNAMICS):
                state[name], sent[name] = advance(node, state[name], a, dt_s)
            else:
                sent[name] = applied(node, a)
            log[name].append(sent[name])
    return {name: np.stack(each) for name, each in log.items()}


@pytest.mark.parametrize("name", NAMES)
def test_discrete_spikes_are_those_of_nirs_equations(name: str) -> None:
    path = GOLDEN / f"{name}.nir"
    dt_s = recorded_dt_s(path)
    graph, order = discrete(path), list(read_nir(path).nodes)
    inputs = spikes_for(graph, seed=1)
    trace = run_reference(graph, inputs)
    document = nir.read(path, type_check=False)
    for sample in range(trace.samples):
        one = {key: values[sample] for key, values in inputs.items()}
        log = interpret(document, order, one, dt_s)
        for population, spikes in trace.spikes.items():
            np.testing.assert_array_equal(
                spikes[sample], log[population], f"{population}, sample {sample}"
            )
        for output, values in trace.outputs.items():
            np.testing.assert_allclose(values[sample], log[output], 1e-9, 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_every_population_of_a_golden_graph_is_alive(name: str) -> None:
    graph = discrete(GOLDEN / f"{name}.nir")
    trace = run_reference(graph, spikes_for(graph, seed=1))
    rates = {each: round(trace.rate(each), 3) for each in trace.spikes}
    assert min(rates.values()) > 0.01, rates
    assert max(rates.values()) < 0.99, rates


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


def test_a_soft_reset_is_snntorchs_and_meets_its_threshold_often() -> None:
    # snn.Leaky(beta=1): v <- v + a - theta s, s <- v > theta; multiples of 1/4
    path = GOLDEN / "soft_reset.nir"
    graph = read_nir(path)
    x = spikes_for(graph, seed=1)["input"][0]
    log = interpret(nir.read(path), list(graph.nodes), {"input": x}, 2.0**-10)
    fc, spike = graph.nodes["fc1"], graph.nodes["spike1"]
    assert isinstance(fc, n.Affine)
    assert isinstance(spike, n.Threshold)
    v, s = np.zeros(8), np.zeros(8)
    for t, each in enumerate(x):
        v = v + fc.weight @ each + fc.bias - spike.threshold * s
        s = (v > spike.threshold) * 1.0
        np.testing.assert_array_equal(v, log["v1"][t])
        np.testing.assert_array_equal(s, log["spike1"][t])
    assert (log["v1"] == spike.threshold).sum() > 20
