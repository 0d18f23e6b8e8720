"""Which tools load a graph: the rules, one by one. `make conformance` tries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from spikewright.errors import GraphError
from spikewright.export.passes.discretize import discretize
from spikewright.export.tools.judge import TOOLS, tool_verdicts
from spikewright.export.tools.text import describe_verdicts, verdict_dict
from spikewright.export.tools.ties import find_ties
from spikewright.export.tools.verdict import Effect, Obstacle, ToolVerdict
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    IF,
    LI,
    LIF,
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    CubaLIF,
    Delay,
    Flatten,
    Input,
    Linear,
    Node,
    Output,
    SumPool2d,
)

DT_S = 1e-4
WEIGHT = np.random.default_rng(0).normal(size=(3, 3))
BIAS = np.array([0.1234567, 0.0, 0.2])
FC = Affine(WEIGHT, BIAS)


def chain(**nodes: Node) -> Graph:
    return wired(nodes, ",".join(f"{a} {b}" for a, b in pairwise(nodes)))


def wired(nodes: Mapping[str, Node], edges: str) -> Graph:
    pairs = tuple(Edge(*pair.split()) for pair in edges.split(","))
    return Graph(nodes, pairs, Stage.CONTINUOUS)


def lif(shape: Any = (3,), tau_s: Any = 5e-4, **given: Any) -> LIF:
    """tau = 5 dt and r = tau / dt = 5: v <- 0.8 v + a."""
    values = {"tau_s": tau_s, "r": np.asarray(tau_s) / DT_S, "v_leak": 0}
    values |= {"v_threshold": 1, "v_reset": 0, **given}
    full = {k: np.broadcast_to(np.asarray(v, float), shape) for k, v in values.items()}
    return LIF(**{name: each + 0.0 for name, each in full.items()})


def cuba(**given: float) -> CubaLIF:
    """tau_syn = 2 dt, tau_mem = 5 dt; w_in = 2 and r = 5 count the input in full."""
    values = {"tau_syn_s": 2e-4, "tau_mem_s": 5e-4, "r": 5, "v_leak": 0}
    values |= {"v_threshold": 1, "v_reset": 0, "w_in": 2, **given}
    return CubaLIF(**{name: np.full(3, float(each)) for name, each in values.items()})


def if_(r: float = 1 / DT_S, **given: Any) -> IF:
    values = {"r": r, "v_threshold": 1, "v_reset": 0, **given}
    return IF(**{name: np.full(3, each, float) for name, each in values.items()})


def behind(node: Node) -> Graph:
    return chain(input=Input((3,)), fc=FC, n=node, output=Output((3,)))


def obstacles(graph: Graph, dt_s: float = DT_S) -> dict[str, list[str]]:
    """tool -> "node: reason", without those that load."""
    return {
        each.tool: [f"{o.node}: {o.reason}" for o in each.obstacles]
        for each in tool_verdicts(graph, dt_s=dt_s)
        if not each.loads
    }


IGNORED_R = "n: has an r that is not 1, and r is ignored"


def test_r_is_tau_by_dt_for_two_tools_and_1_for_three() -> None:
    assert obstacles(behind(lif())) == {"Norse": [IGNORED_R]}
    assert obstacles(behind(lif(r=1))) == {}


SPIKING: dict[str, tuple[Node, dict[str, str]]] = {
    "r_3": (
        lif(r=3),
        {
            "SpikingJelly": "n: has an r that is neither 1 nor tau / dt",
            "Norse": IGNORED_R,
        },
    ),
    "tau_is_dt": (
        lif(tau_s=1e-4),
        {"SpikingJelly": "n: has a tau of one step, tau must be longer than dt"},
    ),
    "v_reset": (
        lif(r=1, v_reset=-1),
        dict.fromkeys(
            ("snnTorch", "SpikingJelly", "Norse"), "n: has a v_reset that is not 0"
        ),
    ),
    "v_leak": (
        lif(r=1, v_leak=0.1),
        dict.fromkeys(
            ("snnTorch", "SpikingJelly", "Norse"), "n: has a v_leak that is not 0"
        ),
    ),
    "thresholds": (
        lif(r=1, v_threshold=[1, 2, 3]),
        dict.fromkeys(
            ("snnTorch", "SpikingJelly"), "n: has several values of v_threshold"
        ),
    ),
    "negative_threshold": (
        lif(r=1, v_threshold=-1),
        {"snnTorch": "n: has a negative v_threshold"},
    ),
    "taus": (
        lif(tau_s=[5e-4, 6e-4, 7e-4]),
        {"SpikingJelly": "n: has several values of tau", "Norse": IGNORED_R},
    ),
    "if_r_1": (
        if_(r=1),
        {
            "snnTorch": "n: is an IF, which becomes a Leaky with beta = 0.9",
            "SpikingJelly": "n: has an r that is not 1 / dt",
            "Norse": "n: has an r that is not 1 / dt",
        },
    ),
    "if": (if_(), {"snnTorch": "n: is an IF, which becomes a Leaky with beta = 0.9"}),
    "cuba": (cuba(), {}),
    "cuba_r_1": (
        cuba(r=1),
        dict.fromkeys(
            ("snnTorch", "SpikingJelly"), "n: has an r that is not tau_mem / dt"
        ),
    ),
    "cuba_w_in_1": (
        cuba(w_in=1),
        {"SpikingJelly": "n: has a w_in that is not tau_syn / dt"},
    ),
}


@pytest.mark.parametrize("name", SPIKING)
def test_parameters_of_neurons(name: str) -> None:
    node, wanted = SPIKING[name]
    found = obstacles(behind(node))
    assert {tool: each[0] for tool, each in found.items()} == wanted


def test_snntorch_divides_by_one_gain_for_all_neurons() -> None:
    """r dt / tau = 1 dt / (5, 6, 7) dt: the smallest, 1/7, would serve all."""
    found = obstacles(behind(lif(tau_s=[5e-4, 6e-4, 7e-4], r=1)))
    assert found["snnTorch"] == ["n: has several values of r dt / tau"]
    assert "Norse" not in found


def test_snntorch_knows_one_time_step() -> None:
    """tau = 5 dt, at ten times the step; the others take dt as an argument."""
    graph = behind(lif(tau_s=5e-3, r=1))
    assert obstacles(graph, 1e-3) == {
        "snnTorch": ["n: is meant for steps of 0.001 s, and dt = 0.0001 s is assumed"]
    }


def test_an_unknown_time_step_is_taken_for_the_usual_one() -> None:
    graph = behind(if_(r=1e4))
    assert tool_verdicts(graph) == tool_verdicts(graph, dt_s=1e-4)
    assert tool_verdicts(graph) != tool_verdicts(graph, dt_s=1e-3)


def conv2d(taps: tuple[int, int], groups: int = 1) -> Graph:
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(4, 2 // groups, *taps))
    kernel = Conv2d(weight, rng.normal(size=4), (5, 5), groups=groups)
    shape = (4, 6 - taps[0], 6 - taps[1])
    ends = Input((2, 5, 5)), Output(shape)
    return chain(input=ends[0], conv=kernel, n=lif(shape, r=1), output=ends[1])


def test_kernels_that_nir_cannot_read() -> None:
    assert obstacles(conv2d((3, 3))) == {}
    assert obstacles(conv2d((3, 2))) == {
        tool.name: ["conv: has a kernel that is not square, which nir cannot read"]
        for tool in TOOLS
    }
    assert obstacles(conv2d((3, 3), groups=2)) == {
        tool.name: ["conv: is a convolution in groups, which nir cannot read"]
        for tool in TOOLS
    }


def test_conv1d_is_what_norse_lacks() -> None:
    kernel = Conv1d(np.random.default_rng(0).normal(size=(4, 3, 1)), np.zeros(4), 5)
    ends = Input((3, 5)), Output((4, 5))
    graph = chain(input=ends[0], conv=kernel, n=lif((4, 5), r=1), output=ends[1])
    assert obstacles(graph) == {"Norse": ["conv: is of a kind it lacks: Conv1d"]}


@pytest.mark.parametrize(
    ("pool", "wanted"),
    [
        (SumPool2d((1, 4, 4), (2, 2), (2, 2)), set()),
        (SumPool2d((1, 4, 4), (2, 2), (2, 2), (1, 1)), set("SJN")),
        (AvgPool2d((1, 4, 4), (2, 2), (2, 2), (1, 1)), set("N")),
    ],
)
def test_pools(pool: Node, wanted: set[str]) -> None:
    """SumPool2d loses its padding, AvgPool2d does not; Norse has none of these."""
    graph = chain(input=Input((1, 4, 4)), pool=pool, output=Output((1, 2, 2)))
    letters = {"snnTorch": "S", "SpikingJelly": "J", "Norse": "N"}
    assert {letters[tool] for tool in obstacles(graph)} == wanted


def test_flatten_counts_the_batch_but_in_spikingjelly() -> None:
    flatten = Flatten((2, 3), (6,))
    graph = chain(input=Input((2, 3)), f=flatten, output=Output((6,)))
    reason = ["f: joins dimensions, counted with that of the batch"]
    assert obstacles(graph) == {"snnTorch": reason, "Norse": reason}


def test_kinds_that_nobody_has() -> None:
    li = LI(np.full(3, 5e-4), np.ones(3), np.zeros(3))
    delay = Delay(np.full(3, 1e-4))
    graph = chain(input=Input((3,)), d=delay, li=li, output=Output((3,)))
    assert set(obstacles(graph)) == {tool.name for tool in TOOLS}
    effects = {
        each.tool: {o.effect for o in each.obstacles} for each in tool_verdicts(graph)
    }
    assert effects["snnTorch"] == {Effect.RAISES}
    assert effects["Norse"] == {Effect.DIFFERS}  # it skips them without a word


# --- wiring ---------------------------------------------------------------------------

NODES = {
    "input": Input((3,)),
    "a": FC,
    "la": lif(r=1),
    "b": replace(FC, weight=WEIGHT[::-1]),
    "lb": lif(r=1),
    "c": replace(FC, weight=WEIGHT.T),
    "lc": lif(r=1),
    "back": Linear(WEIGHT[::-1].T),
    "output": Output((3,)),
}


def some(edges: str, **extra: Node) -> Graph:
    used = set(edges.replace(",", " ").split())
    nodes = {**NODES, **extra}
    return wired({k: v for k, v in nodes.items() if k in used}, edges)


def test_norse_needs_the_branch_before_the_skip() -> None:
    """It follows edges depth first: by the skip it meets c before lb has run."""
    branch = "input a,a la,la b,b lb,lb c,la c,c lc,lc output"
    assert obstacles(some(branch)) == {}
    skip = "input a,a la,la c,la b,b lb,lb c,c lc,lc output"
    assert obstacles(some(skip)) == {
        "Norse": [
            "c: is run before its source 'lb'",
            "lb: is run last and given in place of the Output",
        ]
    }


def test_a_sum_at_the_output_comes_out_one_by_one() -> None:
    found = obstacles(some("input a,a la,la b,b lb,lb output,la output"))
    reason = ["output: takes a sum, but an Output gives its edges one by one"]
    assert found == {"snnTorch": reason, "SpikingJelly": reason}


def test_second_ends() -> None:
    graph = some(
        "input a,a la,la output,la end,more la", more=Input((3,)), end=Output((3,))
    )
    found = {
        each.tool: {(o.node, o.effect) for o in each.obstacles}
        for each in tool_verdicts(graph, dt_s=DT_S)
    }
    wanted = {("more", Effect.RAISES), ("end", Effect.HANGS)}
    assert found["snnTorch"] == found["SpikingJelly"] == wanted
    assert found["Norse"] == {("more", Effect.DIFFERS), ("end", Effect.DIFFERS)}


def test_loops() -> None:
    """snnTorch nests a neuron with its weight; Norse must meet it before the end."""
    loop = some("input a,a la,la back,back la,la output")
    nested = {"snnTorch": ["la: is in a loop with 'back'"]}
    assert obstacles(loop) == nested
    last = "back: is run last and given in place of the Output"
    found = obstacles(some("input a,a la,la output,la back,back la"))
    assert found == {**nested, "Norse": [last]}
    assert obstacles(some("input a,a la,la b,b back,back la,la output")) == {}
    assert obstacles(some("input a,a la,la la,la output")) == {}


def test_two_loops_are_cut_at_the_wrong_edge() -> None:
    """lb is met before b: NIRTorch takes what it gets to be late, and back not."""
    graph = some("input a,a la,la b,b lb,lb back,back la,lb c,c lb,lb output")
    found = obstacles(graph)["SpikingJelly"]
    assert found == [
        "lb: is run before its source 'b'",
        "la: is run after 'back', which closes a loop",
    ]


# --- names ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stopped"),
    [
        ("forward", {"snnTorch", "SpikingJelly", "Norse"}),
        ("keys", {"snnTorch", "SpikingJelly"}),
        ("is_none", {"snnTorch", "SpikingJelly"}),
        ('a"b', {"snnTorch", "SpikingJelly"}),
        ("execution_order", {"Norse"}),
        ("state", set()),
        ("block.lif", set()),
    ],
)
def test_names(name: str, stopped: set[str]) -> None:
    graph = chain(
        **{"input": Input((3,)), "fc": FC, name: lif(r=1), "output": Output((3,))}
    )
    assert set(obstacles(graph)) == stopped


def test_names_that_become_one() -> None:
    nodes = {"input": Input((3,)), "a_b": FC, "a.b": lif(r=1), "output": Output((3,))}
    reason = ["a_b: gets the same name as 'a.b': 'a_b'"]
    assert obstacles(chain(**nodes)) == {tool.name: reason for tool in TOOLS}


def test_a_graph_in_the_graph_stops_two_tools() -> None:
    verdicts = tool_verdicts(behind(lif(r=1)), dt_s=DT_S, nested=["block"])
    stopped = (Obstacle("block", "is a graph in the graph", Effect.RAISES),)
    assert [each.obstacles for each in verdicts] == [stopped, stopped, ()]


# --- ties -----------------------------------------------------------------------------


def weighted(weight: Any, threshold: float, tau_s: float = 2e-4, r: float = 2) -> Graph:
    """tau = 2 dt: decay 1/2; r = 2: gain 1."""
    matrix = np.asarray(weight, np.float32)
    targets, sources = matrix.shape
    neurons = lif((targets,), tau_s=tau_s, r=r, v_threshold=threshold)
    ends = Input((sources,)), Output((targets,))
    return chain(input=ends[0], fc=Linear(matrix), n=neurons, output=ends[1])


@pytest.mark.parametrize(
    ("graph", "is_exact"),
    [
        (weighted([[0.5, 0.25]], 1), True),  # 0.5 + 2 x 0.25 = 1
        (weighted([[0.5, 0.25]], 1, r=1), True),  # a gain of 1/2
        (weighted([[0.1, 0.2]], 0.3), False),  # 0.1 + 0.2 = 0.30000000000000004
        (weighted([[0.5, 0.25]], 1, tau_s=3e-4, r=3), False),  # a decay of 2/3
        (weighted([[0.777]], 0.777), False),  # one spike is the threshold
        (chain(input=Input((3,)), n=lif(tau_s=2e-4), output=Output((3,))), True),
    ],
)
def test_round_numbers_tie(graph: Graph, is_exact: bool) -> None:
    (tie,) = find_ties(graph, DT_S)
    assert (tie.node, tie.is_exact) == ("n", is_exact)
    found = {
        each.tool: {o.effect for o in each.obstacles}
        for each in tool_verdicts(graph, dt_s=DT_S)
    }
    assert found["SpikingJelly"] == {Effect.MAY_DIFFER}
    assert found["snnTorch"] == (set() if is_exact else {Effect.MAY_DIFFER})


def test_trained_numbers_do_not_tie() -> None:
    assert [*find_ties(weighted(WEIGHT, 1), DT_S)] == []
    assert [*find_ties(weighted(WEIGHT, 0.9876), DT_S)] == []


def test_a_round_layer_behind_a_trained_one_does_not_tie() -> None:
    """No spikes between them: what arrives is not a multiple of 1/2."""
    maps = {"fc": Linear(WEIGHT), "half": Linear(np.eye(3) / 2)}
    graph = chain(input=Input((3,)), **maps, n=lif(), output=Output((3,)))
    assert [*find_ties(graph, DT_S)] == []
    spikes = {"fc": Linear(WEIGHT), "l": lif(), "half": Linear(np.eye(3) / 2)}
    graph = chain(input=Input((3,)), **spikes, n=lif(), output=Output((3,)))
    assert [each.node for each in find_ties(graph, DT_S)] == ["n"]


# --- in words -------------------------------------------------------------------------


def test_who_loads_comes_first_and_alike_reasons_once() -> None:
    nodes = {"fc": FC, "l1": lif(), "fc2": FC, "l2": lif(), "fc3": FC, "l3": lif()}
    graph = chain(input=Input((3,)), **nodes, output=Output((3,)))
    assert describe_verdicts(tool_verdicts(graph, dt_s=DT_S)) == (
        "Loads exactly in: snnTorch 1.0.0, SpikingJelly 2.0.0\n"
        "\n"
        "Does not load exactly in Norse 1.1.0:\n"
        "- node 'l1' (and 2 more) has an r that is not 1, and r is ignored: "
        "other outputs"
    )


def test_three_reasons_are_written_out() -> None:
    found = [Obstacle(f"n{i}", f"has fault {i}", Effect.RAISES) for i in range(5)]
    verdict = ToolVerdict("tool", "1.0", tuple(found))
    assert describe_verdicts([verdict]).splitlines() == [
        "Loads exactly in: none of the tools below",
        "",
        "Does not load exactly in tool 1.0:",
        "- node 'n0' has fault 0: an error",
        "- node 'n1' has fault 1: an error",
        "- node 'n2' has fault 2: an error",
        "- and 2 other reasons (all with --json)",
    ]
    listed = verdict_dict(verdict)["obstacles"]
    assert isinstance(listed, list) and len(listed) == 5


def test_a_lowered_graph_is_no_nir_file() -> None:
    with pytest.raises(GraphError, match="needs a CONTINUOUS graph, got DISCRETE"):
        tool_verdicts(discretize(behind(lif()), dt_s=DT_S))
