"""Weights of 1 to 8 bits on Lava: the same spikes as `integer`, and so many bits.

Lava is imported in children only: its import sets how Python starts processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.export.lower import lower
from spikewright.export.passes.quantize import quantize
from spikewright.export.passes.rounding import Quantization
from spikewright.graph import Edge, Graph, Stage
from spikewright.loihi import needed_bits
from spikewright.simulate.compare import compare_traces
from spikewright.simulate.lava_backend.job import Job, LavaOptions, write_job
from spikewright.simulate.lava_backend.supervise import run_lava
from spikewright.simulate.run import run

pytestmark = pytest.mark.lava

random_graphs = import_module("random_graphs")  # of the benchmarks
ALL_BITS = range(1, 9)


def ternary_beside_a_bias() -> Graph:
    """1, 0 and -1 as 64, 0 and -64, dense and sparse; 3 and 1; and a bias of 100."""
    ternary = 64 * np.array([[1, -1], [0, 1]])
    both = np.arange(2)
    nodes = {
        "in": n.Input((2,)),
        "line": n.BiasLine(),
        "ternary": n.DenseSynapses(ternary, 7),
        "sparse": n.SparseSynapses(np.array([-64, 64]), both, both, (2, 2)),
        "three": n.DenseSynapses(np.array([[3, 1], [1, 3]])),
        "bias": n.DenseSynapses(np.array([[101], [-1]])),
        "a": n.QuantizedNeurons((2,), dv=0, vth=3, scale=1.0),
        "out": n.Output((2,)),
    }
    into = ("ternary", "sparse", "three", "bias")
    edges = [Edge("line" if each == "bias" else "in", each) for each in into]
    edges += [*(Edge(each, "a") for each in into), Edge("a", "out")]
    arrival = {"in": 0, "line": 0, "a": 1, "out": 1}
    return Graph(nodes, tuple(edges), Stage.QUANTIZED, 1e-3, arrival)


def test_lava_keeps_weights_with_as_few_bits_as_they_need(tmp_path):
    child = Path(__file__).with_name("lava_weight_bits_child.py")
    job = Job(ternary_beside_a_bias(), {"in": np.zeros((1, 2, 2))}, LavaOptions())
    write_job(job, tmp_path)
    words = [sys.executable, str(child), str(tmp_path)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    counts, given = json.loads(done.stdout)
    # 8 widths x 3 signs x 14 exponents; none is changed, none keeps a bit too many
    assert counts == [8 * 3 * 14, 0, 0]
    # -64 and 64 are -1 and 1: a bit and a sign; 3 has 2 bits; 101 has 7, and a sign
    assert given == {"ternary": 2, "sparse": 2, "three": 2, "bias": 8}


def few_bits(graph: Graph, dt_s: float, bits: int, seed: int) -> Graph:
    """Lower, with weights that are no dyadic numbers; of 1 bit they have no sign."""
    seen: dict[str, Graph] = {}
    lower(graph, dt_s=dt_s, after_pass=seen.__setitem__)
    timed, rng = seen["relay_long_delays"], np.random.default_rng(seed)

    def drawn(node: n.Node) -> n.Node:
        if not isinstance(node, n.SYNAPSES):
            return node
        weight = node.weight * rng.uniform(0.5, 2)
        return replace(node, weight=np.abs(weight) if bits == 1 else weight)

    nodes = {name: drawn(node) for name, node in timed.nodes.items()}
    choices = Quantization(scale="mse", weight_bits=bits)
    return quantize(replace(timed, nodes=nodes), choices)


def bits_of_weights(graph: Graph) -> list[int]:
    """Those of biases are left out, which keep eight."""
    return [
        needed_bits(node.weight)
        for name, node in graph.nodes.items()
        if isinstance(node, n.SYNAPSES)
        and not isinstance(graph.nodes[graph.into(name)[0].source], n.BiasLine)
    ]


@pytest.mark.parametrize(
    ("seed", "processes", "models"),
    [(300, "auto", "fast"), (303, "stock", "stock")],
)
def test_lava_equals_integer_for_all_bits(
    any_graph, any_inputs, dt_s, seed, processes, models
):
    """Biases, branches, loops, delays and kernels of eight widths."""
    graphs = {
        f"{bits} bits": few_bits(any_graph(seed), dt_s, bits, seed) for bits in ALL_BITS
    }
    for bits in ALL_BITS:
        assert max(bits_of_weights(graphs[f"{bits} bits"])) == bits
    whole = random_graphs.side_by_side(graphs)
    inputs = any_inputs(whole, 0, samples=2, steps=9)
    judge = run(whole, inputs, backend="integer")
    same = compare_traces(
        judge, run_lava(whole, inputs, processes=processes, models=models)
    )
    assert same.mismatches == 0 < same.spikes < same.compared
    assert same.is_equal
