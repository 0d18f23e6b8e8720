"""From a counted run to work, rate and loads."""

from fractions import Fraction

import numpy as np
import pytest

from spikewright.counting import count_run
from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.graph import Edge, Graph, Stage
from spikewright.hardware_profiles.placement.place import place
from spikewright.hardware_profiles.prices.latency import estimate_latency
from spikewright.hardware_profiles.prices.run_work import (
    BARRIERS,
    loads_of_run,
    measured_rate,
    steady_nodes,
    student_work,
    teacher_work,
)
from spikewright.hardware_profiles.profiles.profile import load_profile
from spikewright.hardware_profiles.teachers.operations import (
    SHAPES,
    count_teacher_sentences,
)
from spikewright.nodes import BiasLine, DenseSynapses, Input, Output
from spikewright.trace import SpikeTrace


@pytest.fixture
def graph(lif):
    """Two inputs into three neurons: fan-outs 3 and 1, and a bias line into all."""
    nodes = {
        "input": Input((2,)),
        "line": BiasLine(),
        "w": DenseSynapses(np.array([[1, 2], [3, 0], [4, 0]])),
        "b": DenseSynapses(np.ones((3, 1), dtype=np.int64)),
        "n": lif(3),
        "output": Output((3,)),
    }
    edges = [("input", "w"), ("w", "n"), ("line", "b"), ("b", "n"), ("n", "output")]
    joined = tuple(Edge(a, b) for a, b in edges)
    arrival = {"input": 0, "line": 0, "n": 1, "output": 1}
    return Graph(nodes, joined, Stage.QUANTIZED, 1e-3, arrival=arrival)


@pytest.fixture
def trace():
    """1 sample of 4 steps; input 0 spikes twice, input 1 three times, neuron 0 once."""
    sent = np.array([[[1, 1], [0, 1], [1, 0], [0, 1]]], dtype=np.uint8)
    fired = np.zeros((1, 4, 3), dtype=np.uint8)
    fired[0, 2, 0] = 1
    return SpikeTrace(
        {"input": sent, "n": fired}, {"output": fired.astype(float)}, 1e-3
    )


def test_the_rate_is_weighted_by_fan_out(graph, trace):
    run = count_run(graph, trace)
    # 2 x 3 + 3 x 1 = 9 synops of 4 steps x (3 + 1) = 16; the bias line is left out
    assert measured_rate(graph, run) == Fraction(9, 16)


def test_work_of_a_student(graph, trace):
    work = student_work("net", graph, count_run(graph, trace))
    assert (work.samples, work.steps, work.rate) == (1, 4, Fraction(9, 16))
    assert work.counts["w"].synops == 9
    assert work.counts["b"].synops == 12
    assert work.counts[BARRIERS] == OperationCount(barriers=4)
    assert work.cores is None
    assert not work.is_teacher


def test_steady_nodes_are_those_of_bias_lines(graph):
    assert steady_nodes(graph) == ("line", "b")


def test_loads_are_populations_with_their_synapses(graph, trace, chip):
    run, placement = count_run(graph, trace), place(graph, chip())
    line, load = loads_of_run(graph, run, placement)
    assert (line.name, load.name) == ("line", "n")
    assert load.cores == 1
    # In the first step both inputs spike: 3 + 1 synops, and 3 from the bias line.
    assert load.peak.synops == 7
    assert load.peak.spikes == 1
    assert load.peak.updates_active == 3
    # The bias line is a neuron of the chip, which spikes at every step.
    assert line.peak.spikes == 1


def test_cores_of_a_population_are_those_that_hold_a_part(graph, trace, chip):
    run = count_run(graph, trace)
    loads = loads_of_run(graph, run, place(graph, chip(neurons=2)))
    assert {each.name: each.cores for each in loads} == {"n": 2, "line": 1}


def test_latency_of_a_run(graph, trace, chip):
    run, placement = count_run(graph, trace), place(graph, chip())
    loads = loads_of_run(graph, run, placement)
    latency = estimate_latency(loads, load_profile("loihi1"), steps=4, depth=1, chips=1)
    # 7 x 3.5 + 3 x 8.4 = 49.7 ns, and a barrier of 465 ns; 5 steps
    assert latency.sample_s == pytest.approx(5 * 514.7e-9)


def test_work_of_a_teacher():
    teacher = count_teacher_sentences(SHAPES["minilm-l6"], [10, 20])
    work = teacher_work(teacher)
    assert (work.samples, work.steps, work.is_teacher) == (2, 1, True)
    assert work.total == sum(teacher.counts.values(), OperationCount())
    assert work.parameter_bits == teacher.parameter_bits


def test_refuses_a_node_called_as_the_barriers(graph, trace):
    run = count_run(graph, trace)
    taken = type(run)(
        run.samples, run.steps, {BARRIERS: {}}, run.tokens, run.padding, run.uncounted
    )
    with pytest.raises(InputError, match="the name is taken"):
        student_work("net", graph, taken)
