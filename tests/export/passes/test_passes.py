"""No pass changes a spike: random graphs of every node kind, before and after each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from spikewright.export.lower import lower
from spikewright.export.passes.align import align_weights
from spikewright.export.passes.balance import balance_delays
from spikewright.export.passes.discretize import discretize
from spikewright.export.passes.fold import fold_connections
from spikewright.export.passes.relay import relay_long_delays
from spikewright.export.passes.soft_reset import merge_soft_resets
from spikewright.graph import Graph
from spikewright.nodes import IN_SECONDS, MAPS, Input, Output, SpikingNeurons
from spikewright.simulate.reference import run_reference
from spikewright.simulate.reference_neurons import State
from spikewright.trace import SpikeTrace

PASSES = (
    merge_soft_resets,
    fold_connections,
    align_weights,
    balance_delays,
    relay_long_delays,
)
SEEDS = range(48)
STEPS = 11
MakeGraph = Callable[[int], Graph]
MakeInputs = Callable[..., dict[str, np.ndarray]]


def each_pass(graph: Graph, dt_s: float) -> Iterator[tuple[str, Graph]]:
    graph = discretize(graph, dt_s=dt_s)
    yield "discretize", graph
    for run in PASSES:
        graph = run(graph)
        yield run.__name__, graph


def assert_same(before: SpikeTrace, after: SpikeTrace, where: str) -> None:
    assert before.outputs.keys() == after.outputs.keys()
    for name, values in after.outputs.items():
        np.testing.assert_array_equal(before.outputs[name], values, f"{where}: {name}")
    for name, spikes in after.spikes.items():
        np.testing.assert_array_equal(before.spikes[name], spikes, f"{where}: {name}")


@pytest.mark.parametrize("seed", SEEDS)
def test_every_pass_keeps_every_spike_and_output(
    seed: int, any_graph: MakeGraph, any_inputs: MakeInputs, dt_s: float
) -> None:
    graph = any_graph(seed)
    inputs = any_inputs(graph, seed, 2, STEPS)
    (_, discrete), *after = each_pass(graph, dt_s)
    judge = run_reference(discrete, inputs)
    for name, lowered in after:
        trace = run_reference(lowered, inputs)
        assert judge.spikes.keys() == trace.spikes.keys()
        assert_same(judge, trace, f"after {name}")


@pytest.mark.parametrize("seed", SEEDS)
def test_passes_of_the_same_graph_give_the_same_graph(
    seed: int, any_graph: MakeGraph, dt_s: float
) -> None:
    once, again = (dict(each_pass(any_graph(seed), dt_s)) for _ in range(2))
    for name, graph in once.items():
        assert graph.fingerprint() == again[name].fingerprint(), name


@pytest.mark.parametrize("seed", range(6))
def test_a_run_of_fewer_steps_is_the_start_of_a_longer_one(
    seed: int, any_graph: MakeGraph, any_inputs: MakeInputs, dt_s: float
) -> None:
    graph = any_graph(seed)
    inputs = any_inputs(graph, seed, 2, STEPS)
    *_, (_, timed) = each_pass(graph, dt_s)
    whole, part = run_reference(timed, inputs), run_reference(timed, inputs, steps=5)
    for name, spikes in part.spikes.items():
        np.testing.assert_array_equal(whole.spikes[name][:, :5], spikes)


# --- are the random graphs worth comparing? ------------------------------------------


def test_the_random_graphs_have_every_node_kind(any_graph: MakeGraph) -> None:
    graphs = [any_graph(seed) for seed in SEEDS]
    found = {type(node) for graph in graphs for node in graph.nodes.values()}
    assert found == {Input, Output, *MAPS, *IN_SECONDS}
    assert max(len(graph.inputs) for graph in graphs) > 1
    assert max(len(graph.outputs) for graph in graphs) > 2


def test_the_random_graphs_use_every_field_of_neurons(
    any_graph: MakeGraph, dt_s: float
) -> None:
    merged = [
        node
        for seed in SEEDS
        for node in dict(each_pass(any_graph(seed), dt_s))[
            "merge_soft_resets"
        ].nodes.values()
        if isinstance(node, SpikingNeurons)
    ]
    assert any(np.any(node.bias) for node in merged)
    assert any(np.any(node.start) for node in merged)
    assert any(np.any(node.current_decay * node.start) for node in merged)
    assert any(node.drop is not None and np.any(node.drop) for node in merged)
    assert any(node.drop is not None and not np.any(node.drop) for node in merged)
    assert any(np.ptp(node.threshold) > 0 and np.ptp(node.decay) > 0 for node in merged)


def rate_and_ties(graph: Graph, inputs: dict[str, np.ndarray]) -> tuple[float, int]:
    """Return the spikes a neuron and step, and how often v was just the threshold."""
    ties = []

    def watch(name: str, step: int, a: np.ndarray, state: State) -> None:
        node = graph.nodes[name]
        if isinstance(node, SpikingNeurons):
            ties.append(int((state.reached == node.threshold).sum()))

    trace = run_reference(graph, inputs, probe=watch)
    fired = [each.ravel() for name, each in trace.spikes.items() if name not in inputs]
    return float(np.concatenate(fired).mean()), sum(ties)


def test_neurons_of_most_random_graphs_fire_at_a_useful_rate(
    any_graph: MakeGraph, any_inputs: MakeInputs, dt_s: float
) -> None:
    graphs = [any_graph(seed) for seed in SEEDS]
    found = [
        rate_and_ties(discretize(each, dt_s=dt_s), any_inputs(each, seed, 2, STEPS))
        for seed, each in enumerate(graphs)
    ]
    assert sum(0.05 <= rate <= 0.6 for rate, _ in found) >= 0.75 * len(found)
    assert sum(ties > 0 for _, ties in found) >= 0.75 * len(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_random_graphs_can_be_quantized_and_run(
    seed: int, any_graph: MakeGraph, any_inputs: MakeInputs, dt_s: float
) -> None:
    graph = any_graph(seed)
    lowered = lower(graph, dt_s=dt_s).graph
    trace = run_reference(lowered, any_inputs(graph, seed, 2, STEPS))
    assert trace.outputs.keys() == graph.outputs.keys()
