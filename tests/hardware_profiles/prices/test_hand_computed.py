"""Three small nets, counted and priced with pencil and paper, to the last digit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.counting import count_run
from spikewright.counts import OperationCount as Count
from spikewright.graph import Edge, Graph, Stage
from spikewright.hardware_profiles.placement.place import place
from spikewright.hardware_profiles.placement.traffic import Mesh, spike_traffic
from spikewright.hardware_profiles.prices.accounting import load_accounting
from spikewright.hardware_profiles.prices.full_energy import FullEnergy, full_energy
from spikewright.hardware_profiles.prices.run_work import student_work
from spikewright.hardware_profiles.profiles.profile import load_profile
from spikewright.run_counts import RunCounts
from spikewright.simulate.reference import run_reference

PJ = 1e-12
SRAM = load_accounting("cmos45-sram32k").accounting
EVENTS = load_accounting("events").accounting


def wired(stage: Stage, nodes: dict, arrival: dict, *edges: str) -> Graph:
    """Return a graph of edges like `a b` or `a b 3` (delay)."""
    parsed = (each.split() for each in edges)
    joined = tuple(Edge(a, b, *map(int, rest)) for a, b, *rest in parsed)
    return Graph(nodes, joined, stage, 1e-3, arrival)


def integrate(*shape: int, vth: int) -> n.QuantizedNeurons:
    """v <- v + a; v > vth fires, v = 0 after: no decay, so sums are of integers."""
    return n.QuantizedNeurons(shape, dv=0, vth=vth, scale=1.0)


@dataclass(frozen=True)
class Net:
    """A net, what it was given, and where its neurons lie."""

    graph: Graph
    inputs: np.ndarray
    traffic: dict
    """packets and hops of a spike of each neuron, by population"""

    @property
    def spikes(self) -> list:
        """(samples, steps, neurons) of the population "n"."""
        spikes = run_reference(self.graph, {"in": self.inputs}).spikes["n"]
        return spikes.reshape(*spikes.shape[:2], -1).tolist()

    def count(self) -> RunCounts:
        trace = run_reference(self.graph, {"in": self.inputs})
        return count_run(self.graph, trace, placement=self.traffic)

    def price(self, profile: str, arithmetic: str, accounting=EVENTS) -> FullEnergy:
        work = student_work("net", self.graph, self.count())
        return full_energy(work, load_profile(profile), arithmetic, accounting)


def terms_pj(figure: FullEnergy) -> dict[str, float]:
    """Return the terms that cost something, in pJ."""
    priced = {name: term.energy_j for name, term in figure.terms.items()}
    return {name: pytest.approx(j / PJ, rel=1e-12) for name, j in priced.items() if j}


def total_pj(figure: FullEnergy) -> str:
    return f"{figure.total_j / PJ:.6f}"


# --- dense, with zero weights and a bias ---------------------------------------------
#
#   W = [ 6  0 ]   bias = [ 5 ]   vth = 10; two samples of three steps
#       [ 7 -2 ]          [ 0 ]
#       [ 0  4 ]          [ 1 ]
#
#   step  input   v0                v1            v2
#   0     1 1     6 + 5 = 11 fires  7 - 2 = 5     4 + 1 = 5
#   1     0 1     5                 5 - 2 = 3     5 + 4 + 1 = 10
#   2     1 0     5 + 6 + 5 fires   3 + 7 = 10    10 + 1 = 11 fires
#
#   0     0 0     5                 0             1
#   1     1 0     5 + 6 + 5 fires   7             1 + 1 = 2
#   2     0 1     5                 7 - 2 = 5     2 + 4 + 1 = 7


@pytest.fixture
def dense(chip) -> Net:
    nodes = {
        "in": n.Input((2,)),
        "w": n.DenseSynapses(np.array([[6, 0], [7, -2], [0, 4]])),
        "line": n.BiasLine(),
        "b": n.DenseSynapses(np.array([[5], [0], [1]])),
        "n": integrate(3, vth=10),
        "out": n.Output((3,)),
    }
    graph = wired(
        Stage.QUANTIZED,
        nodes,
        {"in": 0, "line": 0, "n": 1, "out": 1},
        *("in w", "w n", "line b", "b n", "n out"),
    )
    inputs = np.array(
        [[[1, 1], [0, 1], [1, 0]], [[0, 0], [1, 0], [0, 1]]], dtype=np.uint8
    )
    # Two neurons a core: neurons 0 and 1 in core 0, neuron 2 and the bias line in
    # core 1, one tile east of it.
    placed = place(graph, chip(neurons=2))
    assert [core.holds for core in placed.cores] == [
        (("n", 2),),
        (("line", 1), ("n", 1)),
    ]
    return Net(graph, inputs, spike_traffic(graph, placed, Mesh(2, 1, 1)))


def test_dense_net_spikes_as_on_paper(dense: Net) -> None:
    assert dense.spikes == [
        [[1, 0, 0], [0, 0, 0], [1, 0, 1]],
        [[0, 0, 0], [1, 0, 0], [0, 0, 0]],
    ]


def test_counts_of_a_dense_net(dense: Net) -> None:
    counts = dense.count()
    assert counts.totals() == {
        # Each input spikes 3 times; 2 inputs x 6 steps, a bit each. Input 0 reaches
        # core 0, input 1 both: 3 x 1 + 3 x 2 packets.
        "in": Count(spikes=6, activation_bits_written=12, packets=9),
        # Each of 6 spikes meets two weights and a zero; 7 and -2 need 3 bits and a
        # sign: 12 events x 4 bits.
        "w": Count(
            synops=12, synops_zero=6, weight_bits_read=48, activation_bits_read=12
        ),
        # 6 steps, to both cores, one of which is a tile away.
        "line": Count(spikes=6, activation_bits_written=6, packets=12, hops_ew=6),
        # 5 needs 3 bits.
        "b": Count(
            synops=12, synops_zero=6, weight_bits_read=36, activation_bits_read=6
        ),
        # 3 neurons x 6 steps; only neuron 1, without a bias, once gets nothing: in the
        # first step of sample 1. A v of 24 bits each.
        "n": Count(
            updates_active=17,
            updates_inactive=1,
            spikes=4,
            state_bits_read=432,
            state_bits_written=432,
            activation_bits_written=18,
        ),
    }
    assert counts.total().barriers == 6
    # By sample: 8 and 4 events of inputs, and 6 of the bias; the inactive one.
    first, second = counts.by_sample()
    assert (first.synops, second.synops) == (14, 10)
    assert (first.updates_inactive, second.updates_inactive) == (0, 1)
    # Where the host sits, nobody says.
    assert [name for name, why in counts.uncounted if "hops" in why] == ["in"]


def test_energy_of_a_dense_net(dense: Net) -> None:
    """Of one sample, half of what was counted."""
    # 24 x 23.6 = 566.4; 17 x 81 + 52 = 1429; 16 x 1.7 = 27.2; 6 x 3 = 18; / 2
    loihi = dense.price("loihi1", "fixed")
    assert terms_pj(loihi) == {
        "arithmetic": 283.2,
        "state": 714.5,
        "events": 13.6,
        "network": 9.0,
    }
    assert total_pj(loihi) == "1020.300000"
    # 24 x 35.5 = 852; 17 x 72.8 + 51.2 = 1288.8; 16 x 69.3 = 1108.8;
    # 21 x 111 + 6 x 3 = 2349; / 2
    silicon = dense.price("loihi1_silicon", "dense")
    assert terms_pj(silicon) == {
        "arithmetic": 426.0,
        "state": 644.4,
        "events": 554.4,
        "network": 1174.5,
    }
    assert total_pj(silicon) == "2799.300000"
    # 24 x 0.1 = 2.4; 84 bits x 0.3125 = 26.25; 864 bits x 0.3125 + 18 x 3.4 = 331.2;
    # 21 packets x 32 bits x 0.15625 = 105; / 2
    cmos = dense.price("cmos45", "int8_updates", SRAM)
    assert terms_pj(cmos) == {
        "arithmetic": 1.2,
        "weight memory": 13.125,
        "state": 165.6,
        "events": 52.5,
    }
    assert total_pj(cmos) == "232.425000"
    # A hop has no price at 45 nm, nor has a barrier: 3 of each a sample.
    missing = {each.operation: each.amount for _, each in cmos.missing}
    assert missing == {"hops_ew": 3, "barriers": 3, "leakage": 1}


# --- a 3 x 3 kernel with a border, and a residual ------------------------------------
#
#   kernel = [ 1 1 1 ]   skip = [ 2 2 2 ]   vth = 2; one sample of two steps
#            [ 1 0 1 ]          [ 2 0 2 ]
#            [ 1 1 1 ]          [ 2 2 2 ]
#
#   step  input    kernel     skip     v                fires
#   0     1 0 0    1 2 1      2 0 0    3 2 1            1 0 0
#         0 1 0    2 1 1      0 0 0    2 1 1            0 0 0
#         0 0 0    1 1 1      0 0 0    1 1 1            0 0 0
#   1     0 1 0    1 0 1      0 2 0    0+1 2+2 1+1      0 1 0
#         0 0 0    1 1 1      0 0 0    2+1 1+1 1+1      1 0 0
#         0 0 0    0 0 0      0 0 0    1   1   1        0 0 0


@pytest.fixture
def kernel(chip) -> Net:
    shape = (1, 3, 3)
    ring = np.ones((1, 1, 3, 3), dtype=np.int64)
    ring[0, 0, 1, 1] = 0
    nodes = {
        "in": n.Input(shape),
        "conv": n.ConvSynapses(ring, shape, padding=((1, 1), (1, 1))),
        "skip": n.DiagonalSynapses(2 * ring[0]),
        "n": integrate(*shape, vth=2),
        "out": n.Output(shape),
    }
    graph = wired(
        Stage.QUANTIZED,
        nodes,
        {"in": 0, "n": 1, "out": 1},
        *("in conv", "conv n", "in skip", "skip n", "n out"),
    )
    inputs = np.zeros((1, 2, *shape), dtype=np.uint8)
    inputs[0, 0, 0, 0, 0] = inputs[0, 0, 0, 1, 1] = inputs[0, 1, 0, 0, 1] = 1
    # Five neurons a core: places 0 to 4 in core 0, places 5 to 8 in core 1.
    placed = place(graph, chip(neurons=5))
    assert [core.rows[0].tolist() for core in placed.cores] == [
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8],
    ]
    return Net(graph, inputs, spike_traffic(graph, placed))


def test_kernel_spikes_as_on_paper(kernel: Net) -> None:
    assert kernel.spikes == [[[1, 0, 0, 0, 0, 0, 0, 0, 0], [0, 1, 0, 1, 0, 0, 0, 0, 0]]]


def test_counts_of_a_kernel(kernel: Net) -> None:
    assert kernel.count().totals() == {
        # 9 places x 2 steps. The corner reaches places 1, 3, 4 and itself, in core 0;
        # the center and the middle of the edge reach both cores: 1 + 2 + 2.
        "in": Count(spikes=3, activation_bits_written=18, packets=5),
        # Of 8 neighbors the corner has 3, the center 8, the middle of an edge 5; each
        # meets the zero in the center of the kernel. 1 and 0 need a bit.
        "conv": Count(
            synops=16, synops_zero=3, weight_bits_read=16, activation_bits_read=18
        ),
        # The center meets a zero. So do 2 and 0, which are 1 and 0 times 2.
        "skip": Count(
            synops=2, synops_zero=1, weight_bits_read=2, activation_bits_read=18
        ),
        # Step 0: all 9 get an event. Step 1: five neighbors, and the place itself by
        # the skip; the last row gets none. Two ways: a sum for each of 18 updates.
        "n": Count(
            updates_active=15,
            updates_inactive=3,
            spikes=3,
            residual_additions=18,
            state_bits_read=432,
            state_bits_written=432,
            activation_bits_written=18,
            packets=0,
        ),
    }


def test_energy_of_a_kernel(kernel: Net) -> None:
    # 18 x 23.6 = 424.8; 15 x 81 + 3 x 52 = 1371; 6 x 1.7 = 10.2
    loihi = kernel.price("loihi1", "fixed")
    assert terms_pj(loihi) == {"arithmetic": 424.8, "state": 1371.0, "events": 10.2}
    assert total_pj(loihi) == "1806.000000"
    # 18 x 24 = 432; 15 x 72.8 + 3 x 51.2 = 1245.6; 6 x 69.3 = 415.8; 5 x 111 = 555
    silicon = kernel.price("loihi1_silicon", "conv")
    assert terms_pj(silicon) == {
        "arithmetic": 432.0,
        "state": 1245.6,
        "events": 415.8,
        "network": 555.0,
    }
    assert total_pj(silicon) == "2648.400000"
    # (18 + 18) x 0.1 = 3.6; 18 bits x 0.3125 = 5.625; 864 bits x 0.3125 + 18 x 3.4 =
    # 331.2; 5 packets x 32 bits x 0.15625 = 25
    cmos = kernel.price("cmos45", "int8_updates", SRAM)
    assert terms_pj(cmos) == {
        "arithmetic": 3.6,
        "weight memory": 5.625,
        "state": 331.2,
        "events": 25.0,
    }
    assert total_pj(cmos) == "365.425000"


# --- recurrent, with a delay ---------------------------------------------------------
#
#   in = [ 1  0.5 ], one to one; loop = [ 0    1 ], which arrives 2 steps later
#   bias = [ 0.25  0 ]                  [ 1.5  0 ]
#   v <- v / 2 + a + bias, v > 1 fires; one sample of five steps
#
#   step  input  loop     v0                       v1
#   0     1 1    .   .    1 + 0.25 fires           0.5
#   1     0 0    .   .    0.25                     0.25
#   2     0 0    0   1.5  0.125 + 0.25 = 0.375     0.125 + 1.5 fires
#   3     1 0    0   0    0.1875 + 1 + 0.25 fires  0
#   4     0 0    1   0    1 + 0.25 fires           0
#
# The spikes of steps 3 and 4 arrive after the end; they were sent all the same.


@pytest.fixture
def loop() -> Net:
    one = np.ones(2)
    nodes = {
        "in": n.Input((2,)),
        "w": n.DiagonalSynapses(np.array([1.0, 0.5])),
        "loop": n.DenseSynapses(np.array([[0.0, 1.0], [1.5, 0.0]])),
        "n": n.SpikingNeurons(0.5 * one, one, np.array([0.25, 0.0])),
        "out": n.Output((2,)),
    }
    graph = wired(
        Stage.TIMED,
        nodes,
        {"in": 0, "n": 1, "out": 1},
        *("in w", "w n", "n loop 1", "loop n", "n out"),
    )
    inputs = np.zeros((1, 5, 2), dtype=np.uint8)
    inputs[0, 0], inputs[0, 3, 0] = 1, 1
    # A neuron a core, one north of the other: each spike is a packet to the other
    # core, and a hop if it comes from a core.
    traffic = {
        "in": {"packets": np.array([1, 1])},
        "n": {
            "packets": np.array([1, 1]),
            "hops_ew": np.array([0, 0]),
            "hops_ns": np.array([1, 1]),
        },
    }
    return Net(graph, inputs, traffic)


def test_loop_spikes_as_on_paper(loop: Net) -> None:
    assert loop.spikes == [[[1, 0], [0, 0], [0, 1], [1, 0], [1, 0]]]


def test_counts_of_a_loop(loop: Net) -> None:
    counts = loop.count()
    assert counts.totals() == {
        "in": Count(spikes=3, activation_bits_written=10, packets=3),
        # 3 events x 32 bits
        "w": Count(synops=3, weight_bits_read=96, activation_bits_read=10),
        # 4 spikes, each to the other neuron; to itself there is a zero
        "loop": Count(
            synops=4, synops_zero=4, weight_bits_read=128, activation_bits_read=10
        ),
        # Neuron 0 has a bias and is active at all 5 steps; neuron 1 at 0, by the input,
        # and at 2, by the loop. Two ways: a sum for each of 10 updates.
        "n": Count(
            updates_active=7,
            updates_inactive=3,
            spikes=4,
            residual_additions=10,
            bias_additions=5,
            state_bits_read=320,
            state_bits_written=320,
            activation_bits_written=10,
            packets=4,
            hops_ns=4,
        ),
    }
    steps = counts.by_step("n")
    assert steps["updates_active"].tolist() == [2, 1, 2, 1, 1]
    assert counts.by_step("loop")["synops"].tolist() == [1, 0, 1, 1, 1]


def test_energy_of_a_loop(loop: Net) -> None:
    # 7 x 23.6 = 165.2; 7 x 81 + 3 x 52 = 723; 7 x 1.7 = 11.9; 4 x 4 = 16
    loihi = loop.price("loihi1", "fixed")
    assert terms_pj(loihi) == {
        "arithmetic": 165.2,
        "state": 723.0,
        "events": 11.9,
        "network": 16.0,
    }
    assert total_pj(loihi) == "916.100000"
    # 7 x 2.297 = 16.079; 4 x 2.3 = 9.2
    truenorth = loop.price("truenorth", "marginal")
    assert terms_pj(truenorth) == {"arithmetic": 16.079, "network": 9.2}
    assert total_pj(truenorth) == "25.279000"
    # (7 + 10 + 5) x 0.9 = 19.8; 224 bits x 0.3125 = 70; 640 bits x 0.3125 + 10 x 4.6 =
    # 246; 7 packets x 32 bits x 0.15625 = 35
    cmos = loop.price("cmos45", "fp32_updates", SRAM)
    assert terms_pj(cmos) == {
        "arithmetic": 19.8,
        "weight memory": 70.0,
        "state": 246.0,
        "events": 35.0,
    }
    assert total_pj(cmos) == "370.800000"
