"""Delays longer than a chip can hold go through relays, and lose no step."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from spikewright.errors import GraphError
from spikewright.export.lower import lower
from spikewright.export.passes import relay
from spikewright.export.passes.relay import relay_long_delays
from spikewright.graph import Edge, Graph, Stage
from spikewright.loihi import MAX_DELAY
from spikewright.nodes import (
    LI,
    LIF,
    Affine,
    BiasLine,
    Delay,
    Input,
    Node,
    Output,
    SpikingNeurons,
    Threshold,
)
from spikewright.simulate.reference import run_reference

DT_S = 1e-3


def _timed(nodes: dict[str, Node], *pairs: tuple[str, str]) -> Graph:
    graph = Graph(nodes, tuple(Edge(*pair) for pair in pairs), Stage.CONTINUOUS)
    return lower(graph, dt_s=DT_S, to=Stage.TIMED).graph


def _late(steps: int) -> Delay:
    return Delay(np.array([steps * DT_S]))


def _echo(*steps: int) -> Graph:
    """Input -> n -> Output, and n again so many steps later."""
    nodes: dict[str, Node] = {"input": Input((1,)), "n": Threshold(np.zeros(1))}
    nodes |= {f"late{i}": _late(each) for i, each in enumerate(steps)}
    nodes["output"] = Output((1,))
    ways = [("n", name) for name in nodes if name.startswith("late")]
    back = [(name, "output") for _, name in ways]
    return _timed(nodes, ("input", "n"), ("n", "output"), *ways, *back)


def _steps_to_the_output(graph: Graph) -> list[int]:
    """Return how many steps after n each way reaches the Output, by hand."""
    late, found = {"n": 0}, []
    for name in [*late, *(name for name in graph.populations() if "relay" in name)]:
        for edge in graph.out_of(name):
            if edge.target == "output":
                found.append(late[name] + edge.delay)
            else:  # a synapse, one step, into the next relay
                late[graph.out_of(edge.target)[0].target] = late[name] + edge.delay + 1
    return sorted(found)


@pytest.mark.parametrize(
    ("steps", "relays"), [(62, 0), (63, 1), (125, 1), (126, 2), (300, 4)]
)
def test_a_relay_every_63_steps(steps: int, relays: int) -> None:
    graph = relay_long_delays(_echo(steps))
    assert sum("relay" in name for name in graph.populations()) == relays
    assert max(edge.delay for edge in graph.edges) <= MAX_DELAY
    assert _steps_to_the_output(graph) == [0, steps]


def test_edges_of_one_source_share_a_chain() -> None:
    graph = relay_long_delays(_echo(70, 130, 140))
    found = [name for name in graph.populations() if "relay" in name]
    assert found == ["n_relay", "n_relay_2"]
    assert _steps_to_the_output(graph) == [0, 70, 130, 140]
    assert graph.arrival["n_relay_2"] == graph.arrival["n"] + 126


def test_a_graph_without_long_delays_stays() -> None:
    graph = _echo(62)
    assert relay_long_delays(graph).fingerprint() == graph.fingerprint()


def test_an_echo_comes_after_its_steps() -> None:
    before = _echo(70, 130)
    inputs = np.zeros((1, 140, 1))
    inputs[0, 3] = 1
    wanted = [int(step in (3, 73, 133)) for step in range(140)]
    for graph in (before, relay_long_delays(before)):
        assert run_reference(graph, inputs).output.ravel().tolist() == wanted


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("longest", [0, 1, 4])
def test_relays_change_no_spike_of_random_graphs(
    seed: int,
    longest: int,
    any_graph: Callable[[int], Graph],
    any_inputs: Callable[..., dict[str, np.ndarray]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "MAX_DELAY", longest)
    monkeypatch.setattr(relay, "STRIDE", longest + 1)
    graph = lower(any_graph(seed), dt_s=DT_S, to=Stage.TIMED).graph
    after = relay_long_delays(graph)
    assert max(edge.delay for edge in after.edges) <= longest
    inputs = any_inputs(graph, seed, 2, 10)
    wanted, got = run_reference(graph, inputs), run_reference(after, inputs)
    for name, spikes in wanted.spikes.items():
        np.testing.assert_array_equal(got.spikes[name], spikes, name)
    for name, values in wanted.outputs.items():
        np.testing.assert_array_equal(got.outputs[name], values, name)


# --- bias lines ----------------------------------------------------------------------


def _chain(length: int) -> Graph:
    """Affine and LIF in turn: n_i fires at once, from its bias and the one before."""
    one, nodes = np.ones(1), {}
    for i in range(length):
        nodes[f"fc{i}"] = Affine(np.ones((1, 1)), np.full(1, 0.5))
        nodes[f"n{i}"] = LIF(2 * DT_S * one, 2 * one, 0 * one, 1.25 * one, 0 * one)
    every: dict[str, Node] = {"input": Input((1,)), **nodes, "output": Output((1,))}
    return Graph(every, tuple(Edge(*p) for p in pairwise(every)), Stage.CONTINUOUS)


def test_bias_lines_start_later_instead() -> None:
    # n_i hears the line at step i + 1, i steps after its synapse: 0 ... 129
    before = lower(_chain(130), dt_s=DT_S, to=Stage.TIMED).graph
    after = relay_long_delays(before)
    lines = [name for name, v in after.nodes.items() if isinstance(v, BiasLine)]
    assert lines == ["bias_line", "bias_line_2", "bias_line_3"]
    assert [after.arrival[name] for name in lines] == [0, 63, 126]
    assert [len(after.out_of(name)) for name in lines] == [63, 63, 4]
    assert not any("relay" in name for name in after.nodes)
    inputs = np.random.default_rng(0).integers(0, 2, (2, 12, 1))
    wanted, got = run_reference(before, inputs), run_reference(after, inputs)
    for name, spikes in wanted.spikes.items():
        np.testing.assert_array_equal(got.spikes[name], spikes)
    assert 0.2 < wanted.rate("n129") < 0.8


def test_a_line_that_nobody_hears_any_more_goes() -> None:
    # only the last of 65 populations has a bias: 64 steps, so the line starts at 63
    nodes: dict[str, Node] = {f"n{i}": Threshold(np.zeros(1)) for i in range(64)}
    bias = Affine(np.ones((1, 1)), np.ones(1))
    nodes |= {"fc": bias, "last": Threshold(np.ones(1))}
    every = {"input": Input((1,)), **nodes, "output": Output((1,))}
    graph = relay_long_delays(_timed(every, *pairwise(every)))
    lines = [name for name, v in graph.nodes.items() if isinstance(v, BiasLine)]
    assert [graph.arrival[name] for name in lines] == [63]
    assert set(graph.arrival) <= set(graph.nodes)
    assert [edge.delay for edge in graph.out_of(lines[0])] == [1]


def test_a_chain_of_two_thousand_nodes_is_lowered_to_integers() -> None:
    graph = lower(_chain(1000), dt_s=DT_S).graph
    assert graph.stage is Stage.QUANTIZED
    assert max(edge.delay for edge in graph.edges) <= MAX_DELAY
    assert graph.arrival["output"] == 1000


# --- refusals ------------------------------------------------------------------------


def test_numbers_cannot_be_relayed() -> None:
    one = np.ones(1)
    graph = _timed(
        {
            "input": Input((1,)),
            "li": LI(2 * DT_S * one, 2 * one, 0 * one),
            "late": _late(63),
            "output": Output((1,)),
        },
        ("input", "li"),
        ("li", "output"),
        ("li", "late"),
        ("late", "output"),
    )
    match = "edge li -> output: waits 63 steps, at most 62, and 'li' sends numbers"
    with pytest.raises(GraphError, match=match):
        relay_long_delays(graph)


def test_a_relay_has_no_memory() -> None:
    node = relay_long_delays(_echo(63)).nodes["n_relay"]
    assert isinstance(node, SpikingNeurons)
    assert (node.decay[0], node.threshold[0], node.bias[0]) == (0, 0.5, 0)


def test_a_discrete_graph_is_refused() -> None:
    with pytest.raises(GraphError, match="needs a TIMED graph, got DISCRETE"):
        relay_long_delays(lower(_chain(1), dt_s=DT_S, to=Stage.DISCRETE).graph)
