"""Packets and hops of placed graphs, by hand and against a loop over synapses."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.counting import count_run
from spikewright.errors import GraphError, ProfileError
from spikewright.graph import Graph, Stage
from spikewright.hardware_profiles.placement.place import place
from spikewright.hardware_profiles.placement.traffic import Mesh, spike_traffic
from spikewright.linear import to_sparse
from spikewright.nodes import (
    BiasLine,
    DenseSynapses,
    DiagonalSynapses,
    Input,
    Output,
    TokenSynapses,
)
from spikewright.trace import SpikeTrace

ROW = Mesh(columns=4, rows=1, cores_of_tile=1)


@pytest.fixture
def chain(build, lif, ones):
    """Eight neurons in two cores, then four in a third."""
    weight = np.zeros((4, 8), dtype=np.int64)
    weight[:, 0] = 1
    weight[0, 7] = 1
    nodes = {
        "input": Input((8,)),
        "w": DiagonalSynapses(ones(8)),
        "a": lif(8),
        "x": DenseSynapses(weight),
        "b": lif(4),
        "output": Output((4,)),
    }
    return build(nodes, "input w", "w a", "a x", "x b", "b output")


def test_a_spike_sends_a_packet_to_each_core_that_it_reaches(chain, chip) -> None:
    placement = place(chain, chip())
    assert [core.holds for core in placement.cores] == [
        (("a", 4),),
        (("a", 4),),
        (("b", 4),),
    ]
    found = spike_traffic(chain, placement, ROW)
    # Each input reaches one core; four synapses of neuron 0 share one packet.
    assert found["input"]["packets"].tolist() == [1] * 8
    assert found["a"]["packets"].tolist() == [1, 0, 0, 0, 0, 0, 0, 1]
    # Core 0 to core 2 is two tiles east, core 1 to core 2 one.
    assert found["a"]["hops_ew"].tolist() == [2, 0, 0, 0, 0, 0, 0, 1]
    assert found["a"]["hops_ns"].tolist() == [0] * 8
    # What the host reads is no packet.
    assert found["b"]["packets"].tolist() == [0] * 4


def test_packets_run_along_rows_and_columns_of_tiles(chain, chip) -> None:
    placement = place(chain, chip())
    # Cores 0, 1 | 2: two columns, so core 2 lies below core 0.
    found = spike_traffic(chain, placement, Mesh(columns=2, rows=2, cores_of_tile=1))
    assert found["a"]["hops_ew"].tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
    assert found["a"]["hops_ns"].tolist() == [1, 0, 0, 0, 0, 0, 0, 1]
    # Two cores share a tile: only core 2 lies in another.
    found = spike_traffic(chain, placement, Mesh(columns=2, rows=1, cores_of_tile=2))
    assert found["a"]["hops_ew"].tolist() == [1, 0, 0, 0, 0, 0, 0, 1]


def test_what_is_unknown_is_absent(chain, chip) -> None:
    placement = place(chain, chip())
    assert all(
        set(each) == {"packets"} for each in spike_traffic(chain, placement).values()
    )
    found = spike_traffic(chain, placement, ROW)
    # Nothing says where the host sits.
    assert set(found["input"]) == {"packets"}
    # Two cores a chip: `a` sends to the next chip, `b` sends to none.
    small = spike_traffic(chain, placement, Mesh(columns=2, rows=1, cores_of_tile=1))
    assert set(small["a"]) == {"packets"}
    assert small["b"]["hops_ew"].tolist() == [0] * 4


def test_counts_multiply_spikes_with_their_traffic(chain, chip) -> None:
    graph = Graph(
        chain.nodes,
        chain.edges,
        Stage.QUANTIZED,
        1e-3,
        {"input": 0, "a": 1, "b": 2, "output": 2},
    )
    found = spike_traffic(graph, place(graph, chip()), ROW)
    spikes = {
        "input": np.zeros((2, 3, 8), np.uint8),
        "a": np.zeros((2, 3, 8), np.uint8),
        "b": np.ones((2, 3, 4), np.uint8),
    }
    spikes["a"][0, 1, 0] = spikes["a"][1, 2, 7] = spikes["a"][1, 2, 3] = 1
    trace = SpikeTrace(spikes, {"output": np.zeros((2, 3, 4))})
    counts = count_run(graph, trace, placement=found)
    assert counts.counts["a"]["packets"].tolist() == [[0, 1, 0], [0, 0, 1]]
    assert counts.counts["a"]["hops_ew"].tolist() == [[0, 2, 0], [0, 0, 1]]
    assert counts.totals()["b"].packets == 0
    assert counts.peaks["a"] == {"spikes": 2, "packets": 1}
    assert [name for name, _ in counts.uncounted] == ["input"]
    assert "hops_ew, hops_ns" in counts.uncounted[0][1]


@pytest.mark.parametrize("seed", range(4))
def test_traffic_equals_a_loop_over_synapses(build, lif, chip, seed) -> None:
    rng = np.random.default_rng(seed)

    def weights(*shape):
        return rng.integers(-3, 4, shape) * (rng.random(shape) < 0.3)

    nodes = {
        "input": Input((2, 5)),
        "one": BiasLine(),
        "w": TokenSynapses(weights(2, 3, 2)),
        "a": lif(3, 4),
        "bias": DenseSynapses(weights(12, 1)),
        "x": DenseSynapses(weights(7, 12)),
        "b": lif(7),
        "back": DenseSynapses(weights(12, 7)),
        "head": DenseSynapses(weights(2, 7)),
        "output": Output((2,)),
    }
    edges = "input w,w a,one bias,bias a,a x,x b,b back,back a,b head,head output"
    graph = build(nodes, *edges.split(","))
    placement, mesh = place(graph, chip()), Mesh(columns=3, rows=4, cores_of_tile=1)
    home = {
        (name, neuron): core
        for core, each in enumerate(placement.cores)
        for (name, _), rows in zip(each.holds, each.rows, strict=True)
        for neuron in rows.tolist()
    }
    found = spike_traffic(graph, placement, mesh)
    for name, population in graph.populations().items():
        size = int(np.prod(population.shape))
        reached = [set() for _ in range(size)]
        for edge in graph.out_of(name):
            target = graph.out_of(edge.target)[0].target
            single = to_sparse(graph.nodes[edge.target], size)
            for to, from_ in zip(single.targets, single.sources, strict=True):
                reached[from_].add(home[target, int(to)])
        assert found[name]["packets"].tolist() == [len(each) for each in reached]
        if name == "input":
            continue
        east = [
            sum(abs(home[name, i] % 3 - core % 3) for core in each)
            for i, each in enumerate(reached)
        ]
        south = [
            sum(abs(home[name, i] // 3 - core // 3) for core in each)
            for i, each in enumerate(reached)
        ]
        assert found[name]["hops_ew"].tolist() == east
        assert found[name]["hops_ns"].tolist() == south


def test_refuses_the_placement_of_another_graph(chain, chip, build, lif, ones) -> None:
    nodes = {
        "input": Input((8,)),
        "w": DiagonalSynapses(ones(8)),
        "a": lif(8),
        "output": Output((8,)),
    }
    other = build(nodes, "input w", "w a", "a output")
    with pytest.raises(GraphError, match="no population 'b' like the one"):
        spike_traffic(other, place(chain, chip()))
    with pytest.raises(GraphError, match="'b': 4 neurons lie in no core"):
        spike_traffic(chain, place(other, chip()))


def test_refuses_a_mesh_without_tiles() -> None:
    with pytest.raises(ProfileError, match="mesh: rows is 0"):
        Mesh(columns=2, rows=0, cores_of_tile=4)
