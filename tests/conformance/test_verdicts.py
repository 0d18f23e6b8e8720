"""Each rule of `tool_verdicts`, tried on the tools: a verdict that rots fails here.

Where it says that a file loads, the tool's outputs are those of the reference executor,
all of them; where it says that it does not, the tool raises, hangs or is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from spikewright.export.tools.names import EXECUTOR_NAMES, GRAPH_MODULE_NAMES
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    IF,
    LI,
    LIF,
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    CubaLI,
    CubaLIF,
    Delay,
    Flatten,
    I,
    Input,
    Linear,
    Node,
    Output,
    Scale,
    SumPool2d,
    Threshold,
)

NEEDED = ("snntorch", "spikingjelly", "norse", "nirtorch")
if not all(map(find_spec, NEEDED)):
    pytest.skip("needs other tools: make conformance", allow_module_level=True)
DT_S = 1e-4
TOOLS = ("snnTorch", "SpikingJelly", "Norse")
SPREAD = np.linspace(0.3, 0.9, 8)
ONES = np.ones(8)


def chain(**nodes: Node) -> Graph:
    edges = tuple(Edge(a, b) for a, b in pairwise(nodes))
    return Graph(nodes, edges, Stage.CONTINUOUS)


def wired(nodes: dict[str, Node], edges: str) -> Graph:
    pairs = tuple(Edge(*pair.split()) for pair in edges.split(","))
    return Graph(nodes, pairs, Stage.CONTINUOUS)


def normal(*shape: int, seed: int = 1, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32)


def affine(targets: int, sources: int, scale: float = 1.0, seed: int = 1) -> Affine:
    bias = normal(targets, seed=seed + 1, scale=0.2 * scale)
    return Affine(normal(targets, sources, seed=seed, scale=scale), bias)


def lif(shape: Any = (8,), beta: Any = 0.9, dt_s: float = DT_S, **given: Any) -> LIF:
    """v <- beta v + a, v > 1 fires, v = 0 after; but for what is given."""

    def full(value: Any) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, float), shape) + 0.0

    tau_s = full(dt_s / (1 - np.asarray(beta, float)))
    values = {"r": tau_s / dt_s, "v_leak": 0, "v_threshold": 1, "v_reset": 0, **given}
    return LIF(tau_s, **{name: full(value) for name, value in values.items()})


def behind(node: Node, scale: float = 1.0, seed: int = 1) -> Graph:
    """6 inputs -> weights -> 8 neurons."""
    weights = affine(8, 6, scale, seed)
    return chain(input=Input((6,)), fc=weights, n=node, output=Output((8,)))


def if_(r: float = 1 / DT_S, threshold: Any = 1.0, reset: float = 0.0) -> IF:
    return IF(r * ONES, threshold * ONES, reset * ONES)


def cuba(**given: Any) -> CubaLIF:
    tau_syn, tau_mem = given.pop("syn", 2e-4) * ONES, given.pop("mem", 5e-4) * ONES
    values = {
        "r": tau_mem / DT_S,
        "v_leak": 0,
        "v_threshold": 1,
        "v_reset": 0,
        "w_in": tau_syn / DT_S,
        **given,
    }
    return CubaLIF(tau_syn, tau_mem, **{k: v * ONES for k, v in values.items()})


def conv1d(taps: int, length: int, **given: Any) -> Graph:
    groups = given.get("groups", 1)
    kernel = Conv1d(normal(4, 6 // groups, taps), normal(4, scale=0.2), 5, **given)
    neurons = lif((4, length))
    ends = Input((6, 5)), Output((4, length))
    return chain(input=ends[0], conv=kernel, n=neurons, output=ends[1])


def conv2d(taps: tuple[int, int], size: tuple[int, int], r: Any = (), **given: Any):
    groups = given.get("groups", 1)
    weight = normal(4, 2 // groups, *taps, scale=10 if r else 1)
    kernel = Conv2d(weight, normal(4, scale=0.2), (7, 7), **given)
    neurons = lif((4, *size), **({"r": 1} if r else {}))
    ends = Input((2, 7, 7)), Output((4, *size))
    return chain(input=ends[0], conv=kernel, n=neurons, output=ends[1])


def pooled(kind: Any, size: int, padding: int, r: Any = ()) -> Graph:
    pool = kind((2, 6, 6), (2, 2), (2, 2), (padding, padding))
    given = {"r": 1} if r else {}
    neurons = lif((3, size, size), v_threshold=0.9871, **given)
    mix = Conv2d(normal(3, 2, 1, 1, scale=4 if r else 1), normal(3), (size, size))
    ends = Input((2, 6, 6)), Output((3, size, size))
    return chain(input=ends[0], pool=pool, mix=mix, n=neurons, output=ends[1])


def flat(first: bool = True) -> Graph:
    if first:
        flatten = Flatten((2, 3, 3), (18,))
        nodes = {"fc": affine(8, 18), "n": lif()}
        return chain(input=Input((2, 3, 3)), f=flatten, **nodes, output=Output((8,)))
    kernel = Conv2d(normal(4, 2, 2, 2), normal(4), (3, 3))
    flatten = Flatten((4, 2, 2), (4, 4))
    ends = Input((2, 3, 3)), Output((4, 4))
    return chain(input=ends[0], conv=kernel, f=flatten, n=lif((4, 4)), output=ends[1])


def rounded(part: int, threshold: float, beta: float) -> Graph:
    """Weights that are multiples of 1 / part: sums of them meet the threshold."""
    values = np.random.default_rng(3).integers(-part // 2, part + 1, (8, 6)) / part
    weight = Affine(values.astype(np.float32), np.zeros(8, np.float32))
    neurons = lif(beta=beta, v_threshold=threshold)
    return chain(input=Input((6,)), fc=weight, n=neurons, output=Output((8,)))


def between(node: Node) -> Graph:
    """A node between weights and neurons that Norse would load."""
    neurons = lif(r=1)
    ends = Input((6,)), Output((8,))
    return chain(input=ends[0], fc=affine(8, 6, 8), k=node, n=neurons, output=ends[1])


# --- one node -------------------------------------------------------------------------

NODES: dict[str, Callable[[], Graph]] = {
    "lif": lambda: behind(lif()),
    "lif_r_1": lambda: behind(lif(r=1), 8),
    "lif_r_3": lambda: behind(lif(r=3), 4),
    "lif_tau_is_dt": lambda: behind(lif(beta=0)),
    "lif_v_reset": lambda: behind(lif(v_reset=-0.3)),
    "lif_v_leak": lambda: behind(lif(r=1, v_leak=0.3), 8),
    "lif_v_leak_is_v_reset": lambda: behind(lif(v_leak=-0.3, v_reset=-0.3)),
    "lif_taus": lambda: behind(lif(beta=SPREAD)),
    "lif_taus_r_1": lambda: behind(lif(beta=SPREAD, r=1), 8),
    "lif_thresholds": lambda: behind(lif(v_threshold=SPREAD)),
    "lif_thresholds_r_1": lambda: behind(lif(v_threshold=SPREAD, r=1), 8),
    "lif_negative_threshold": lambda: behind(lif(v_threshold=-0.5, r=1), 8),
    "if": lambda: behind(if_()),
    "if_r_1": lambda: behind(if_(1, 1e-4)),
    "if_r_3": lambda: behind(if_(3 / DT_S, 2)),
    "if_v_reset": lambda: behind(if_(reset=-0.4)),
    "if_thresholds": lambda: behind(if_(threshold=SPREAD)),
    "cuba": lambda: behind(cuba()),
    "cuba_r_1": lambda: behind(cuba(r=1), 6),
    "cuba_w_in_1": lambda: behind(cuba(w_in=1)),
    "cuba_w_in_3": lambda: behind(cuba(w_in=3)),
    "cuba_v_reset": lambda: behind(cuba(v_reset=-0.3)),
    "cuba_v_leak": lambda: behind(cuba(v_leak=0.2)),
    "cuba_thresholds": lambda: behind(cuba(v_threshold=SPREAD)),
    "cuba_negative_threshold": lambda: behind(cuba(v_threshold=-0.5)),
    "cuba_taus": lambda: behind(cuba(mem=SPREAD * 1e-3)),
    "cuba_currents": lambda: behind(cuba(syn=SPREAD * 1e-3)),
    "cuba_currents_w_in_1": lambda: behind(cuba(syn=SPREAD * 1e-3, w_in=1), 4),
    "linear": lambda: chain(
        input=Input((6,)), fc=Linear(normal(8, 6)), n=lif(), output=Output((8,))
    ),
    "affine_of_3_axes": lambda: chain(
        input=Input((5, 6)),
        fc=Affine(normal(5, 4, 6), normal(5, 4)),
        n=lif((5, 4)),
        output=Output((5, 4)),
    ),
    "affine_at_the_end": lambda: chain(
        input=Input((6,)),
        fc=affine(8, 6),
        n=lif(),
        out=affine(3, 8),
        output=Output((3,)),
    ),
    "conv1d_one_tap": lambda: conv1d(1, 5),
    "conv1d_three_taps": lambda: conv1d(3, 3),
    "conv1d_padded": lambda: conv1d(3, 5, padding=(1, 1)),
    "conv1d_same": lambda: conv1d(2, 5, padding=(0, 1)),
    "conv1d_strided": lambda: conv1d(3, 2, stride=2),
    "conv1d_dilated": lambda: conv1d(3, 1, dilation=2),
    "conv1d_groups": lambda: conv1d(1, 5, groups=2),
    "conv2d": lambda: conv2d((3, 3), (5, 5)),
    "conv2d_r_1": lambda: conv2d((3, 3), (5, 5), r=1),
    "conv2d_padded": lambda: conv2d((3, 3), (7, 7), padding=((1, 1), (1, 1))),
    "conv2d_strided": lambda: conv2d((3, 3), (3, 5), stride=(2, 1), r=1),
    "conv2d_dilated": lambda: conv2d((3, 3), (3, 3), dilation=(2, 2)),
    "conv2d_same": lambda: conv2d((2, 2), (7, 7), padding=((0, 1), (0, 1))),
    "conv2d_groups": lambda: conv2d((3, 3), (5, 5), groups=2),
    "conv2d_not_square": lambda: conv2d((3, 2), (5, 6)),
    "sum_pool": lambda: pooled(SumPool2d, 3, 0),
    "sum_pool_r_1": lambda: pooled(SumPool2d, 3, 0, r=1),
    "sum_pool_padded": lambda: pooled(SumPool2d, 4, 1, r=1),
    "average_pool": lambda: pooled(AvgPool2d, 3, 0),
    "average_pool_padded": lambda: pooled(AvgPool2d, 4, 1),
    "flatten": flat,
    "flatten_rows": lambda: flat(first=False),
    "flatten_nothing": lambda: chain(
        input=Input((6,)),
        f=Flatten((6,), (6,)),
        fc=affine(8, 6, 8),
        n=lif(r=1),
        output=Output((8,)),
    ),
    "scale": lambda: between(Scale(0.5 * ONES)),
    "delay": lambda: between(Delay(2 * DT_S * ONES)),
    "threshold": lambda: between(Threshold(0.5 * ONES)),
    "li": lambda: between(LI(2 * DT_S * ONES, 2 * ONES, 0 * ONES)),
    "i": lambda: between(I(ONES / DT_S)),
    "cuba_li": lambda: between(
        CubaLI(2 * DT_S * ONES, 2 * DT_S * ONES, 2 * ONES, 0 * ONES, 2 * ONES)
    ),
    "ties_of_binary_fractions": lambda: rounded(8, 0.75, 0.5),
    "ties_of_decimal_fractions": lambda: rounded(10, 0.6, 0.75),
}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("name", NODES)
def test_verdicts_of_nodes_are_true(bench, name: str, tool: str) -> None:
    bench.try_graph(NODES[name](), tool, dt_s=DT_S).check()


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("r", [{}, {"r": 1}])
def test_another_time_step_is_no_matter_but_to_snntorch(bench, r, tool: str) -> None:
    graph = behind(lif(dt_s=1e-3, **r), 8 if r else 1)
    trial = bench.try_graph(graph, tool, dt_s=1e-3)
    trial.check()
    assert trial.verdict.loads == (
        tool == "SpikingJelly" or (tool == "Norse" and "r" in r)
    )


def test_ties_fire_in_spikingjelly_alone(bench) -> None:
    """v = 0.75 = v_threshold: no spike by NIR, a spike by SpikingJelly's >=."""
    graph = rounded(8, 0.75, 0.5)
    assert bench.try_graph(graph, "snnTorch", dt_s=DT_S).wrong == 0
    assert bench.try_graph(graph, "SpikingJelly", dt_s=DT_S).wrong > 0


# --- wiring ---------------------------------------------------------------------------


def blocks(r: Any = 1) -> dict[str, Node]:
    scale = 8 if r else 1
    given = {"r": 1} if r else {}
    return {
        "input": Input((6,)),
        "a": affine(8, 6, scale, 3),
        "la": lif(**given),
        "b": affine(8, 8, scale, 5),
        "lb": lif(beta=0.8, **given),
        "c": affine(8, 8, scale, 7),
        "lc": lif(beta=0.7, **given),
        "back": Linear(normal(8, 8, seed=9, scale=0.4 * scale)),
        "output": Output((8,)),
    }


def some(edges: str, r: Any = 1, **renamed: str) -> Graph:
    nodes = {renamed.get(name, name): node for name, node in blocks(r).items()}
    used = set(edges.replace(",", " ").split())
    return wired({k: v for k, v in nodes.items() if k in used}, edges)


WIRINGS: dict[str, Callable[[], Graph]] = {
    "residual": lambda: some("input a,a la,la b,b lb,lb c,la c,c lc,lc output", r=None),
    "residual_r_1": lambda: some("input a,a la,la b,b lb,lb c,la c,c lc,lc output"),
    # Norse follows the edges as they stand, depth first: c is met before lb.
    "residual_skip_first": lambda: some(
        "input a,a la,la c,la b,b lb,lb c,c lc,lc output"
    ),
    "side_by_side": lambda: some(
        "input a,a la,la b,b lb,la c,c lc,lb output,lc back,back lb"
    ),
    "sum_at_output": lambda: some("input a,a la,la output,la b,b lb,lb output"),
    "sum_at_output_last": lambda: some("input a,a la,la b,b lb,lb output,la output"),
    "loop": lambda: some("input a,a la,la back,back la,la output"),
    "loop_last": lambda: some("input a,a la,la output,la back,back la"),
    "loop_onto_itself": lambda: some("input a,a la,la la,la output"),
    "long_loop": lambda: some("input a,a la,la b,b back,back la,la output"),
    "loop_with_bias": lambda: some("input a,a la,la b,b la,la output"),
    "two_loops": lambda: some(
        "input a,a la,la b,b lb,lb back,back la,lb c,c lb,lb output"
    ),
    "two_inputs": lambda: Graph(
        {**some("input a,a la,la output").nodes, "other": Input((8,))},
        (
            *some("input a,a la,la output").edges,
            Edge("other", "la"),
        ),
        Stage.CONTINUOUS,
    ),
    "two_outputs": lambda: Graph(
        {**some("input a,a la,la b,b lb,lb output").nodes, "other": Output((8,))},
        (*some("input a,a la,la b,b lb,lb output").edges, Edge("la", "other")),
        Stage.CONTINUOUS,
    ),
}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("name", WIRINGS)
def test_verdicts_of_wirings_are_true(bench, name: str, tool: str) -> None:
    bench.try_graph(WIRINGS[name](), tool, dt_s=DT_S).check()


def random_wiring(seed: int) -> Graph:
    """Layers in a random order with random names, skips, and now and then a loop."""
    rng = np.random.default_rng(seed)
    letters = [str(each) for each in rng.permutation(list("abcdefgh"))]
    nodes: dict[str, Node] = {"input": Input((6,))}
    edges, layers = list[tuple[str, str]](), list[str]()
    for index in range(4):
        fc, neurons = letters[index], f"n{letters[index]}"
        scale = 8 if index == 0 else 5
        nodes[fc] = affine(8, 8 if index else 6, scale, seed + 10 * index)
        nodes[neurons] = lif(beta=float(rng.uniform(0.6, 0.9)), r=1)
        skips = [each for each in layers[:-1] if rng.random() < 0.4]
        edges += [(each, fc) for each in (*skips, layers[-1] if layers else "input")]
        edges.append((fc, neurons))
        layers.append(neurons)
    if rng.random() < 0.5:
        early, late = sorted(rng.choice(4, 2, replace=False))
        nodes[letters[7]] = Linear(normal(8, 8, seed=seed, scale=3))
        edges += [(layers[late], letters[7]), (letters[7], layers[early])]
    nodes["output"] = Output((8,))
    edges.append((layers[-1], "output"))
    mixed = [edges[each] for each in rng.permutation(len(edges))]
    return Graph(nodes, tuple(Edge(*each) for each in mixed), Stage.CONTINUOUS)


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("seed", range(40))
def test_verdicts_of_random_wirings_are_true(bench, seed: int, tool: str) -> None:
    bench.try_graph(random_wiring(seed), tool, dt_s=DT_S).check()


# --- names ----------------------------------------------------------------------------


def named(*names: str) -> Graph:
    first, second = names if len(names) == 2 else ("fc", *names)
    nodes = {"input": Input((6,)), first: affine(8, 6, 8), second: lif(r=1)}
    return chain(**{**nodes, "output": Output((8,))})


NAMES = (
    *("is_none", "state", "A", "a b", "a-b", "a.b", "if", "1a", "self", "torch", "ün"),
    *("it's", 'a"b', "a\\b", "{x}", "_x", "get", "add", "input_1", "code", "graph"),
)
every_name = sorted({*NAMES, *GRAPH_MODULE_NAMES, *EXECUTOR_NAMES})


@pytest.mark.parametrize("tool", TOOLS)
def test_verdicts_of_names_are_true(bench, tool: str) -> None:
    for name in every_name:
        bench.try_graph(named(name), tool, dt_s=DT_S).check()


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    "names", [("a.b", "a_b"), ("if", "nir_node_if"), ("l_raw", "l")]
)
def test_verdicts_of_alike_names_are_true(bench, names, tool: str) -> None:
    bench.try_graph(named(*names), tool, dt_s=DT_S).check()


# --- graphs in graphs -----------------------------------------------------------------


def nested(path: Path) -> Path:
    """Write a block in a graph, as spikewright itself never does."""

    def inside(size: int, seed: int) -> dict[str, Any]:
        one, weights = np.ones(8), affine(8, size, 8, seed)
        return {
            "input": nir.Input({"input": np.array([size])}),
            "fc": nir.Affine(weights.weight, weights.bias),
            "lif": nir.LIF(one * 1e-3, one, one * 0, one, one * 0),
            "output": nir.Output({"output": np.array([8])}),
        }

    block = nir.NIRGraph(inside(8, 3), [*pairwise(inside(8, 3))])
    nodes = {**inside(6, 1), "block": block}
    order = ["input", "fc", "lif", "block", "output"]
    nir.write(path, nir.NIRGraph(nodes, [*pairwise(order)]))
    return path


@pytest.mark.parametrize("tool", TOOLS)
def test_verdicts_of_graphs_in_graphs_are_true(bench, tmp_path, tool: str) -> None:
    trial = bench.try_file(nested(tmp_path / "nested.nir"), tool, dt_s=DT_S)
    trial.check()
    assert trial.verdict.loads == (tool == "Norse")
