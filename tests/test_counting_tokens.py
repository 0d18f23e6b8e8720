"""Tokens and padding of a network like the student's, by hand."""

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.counting import count_run
from spikewright.counting_signals import read_projections
from spikewright.counting_tokens import token_slots
from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.graph import Edge, Graph, Stage
from spikewright.trace import SpikeTrace

TOKENS, STEPS = 4, 2


def lif(*shape):
    return n.QuantizedNeurons(shape, dv=4096, vth=1, scale=1.0)


def gated():
    """Two channels; q per token, a gate for all tokens, and q AND gate."""
    ones = np.ones((2, TOKENS), dtype=np.int64)
    nodes = {
        "in": n.Input((1, TOKENS + 1)),
        "one": n.BiasLine(),
        "q_map": n.TokenSynapses(np.array([[[1], [1]], [[1], [0]]])),
        "q_bias": n.DenseSynapses(np.array([[1]] * 4 + [[0]] * 4)),
        "q": lif(2, TOKENS),
        "sum": n.ChannelSynapses(ones[:, np.newaxis]),
        "gate": lif(2, 1),
        "spread": n.ChannelSynapses(ones[:, :, np.newaxis]),
        "same": n.DiagonalSynapses(ones),
        "passed": lif(2, TOKENS),
        "head": n.DenseSynapses(np.ones((3, 2 * TOKENS), dtype=np.int64)),
        "class": lif(3),
        "out": n.Output((3,)),
    }
    edges = "in q_map,q_map q,one q_bias,q_bias q,q sum,sum gate,gate spread"
    edges += ",spread passed,q same 1,same passed,passed head,head class,class out"
    parsed = [each.split() for each in edges.split(",")]
    joined = tuple(Edge(a, b, *map(int, rest)) for a, b, *rest in parsed)
    arrival = {"in": 0, "one": 0, "q": 1, "gate": 2, "passed": 3, "class": 4, "out": 4}
    return Graph(nodes, joined, Stage.QUANTIZED, 1e-3, arrival)


def silent(graph, samples=1):
    spikes = {
        name: np.zeros((samples, STEPS, *node.shape), dtype=np.uint8)
        for name, node in graph.populations().items()
        if not isinstance(node, n.BiasLine)
    }
    return SpikeTrace(spikes, {"out": np.zeros((samples, STEPS, 3))})


def test_synapses_tell_which_populations_have_tokens():
    graph = gated()
    slots = token_slots(graph, read_projections(graph))
    assert slots == {
        **dict.fromkeys(("q", "passed"), TOKENS),
        "in": TOKENS + 1,
        "gate": 1,
        **dict.fromkeys(graph.nodes.keys() - {"q", "passed", "in", "gate"}, None),
    }


def test_synapses_that_disagree_tell_nothing():
    graph = gated()
    odd = {**graph.nodes, "same": n.TokenSynapses(np.ones((1, 4, 4), dtype=np.int64))}
    other = Graph(odd, graph.edges, Stage.QUANTIZED, 1e-3, graph.arrival)
    # q: 2 x 4 for `sum`, 4 x 2 for `same`
    assert token_slots(other, read_projections(other))["q"] is None


def test_padding_is_the_work_of_and_for_positions_without_a_token():
    graph = gated()
    trace = silent(graph)
    trace.spikes["in"][0, 0, 0, :2] = 1  # token 0, and the padding at 1
    trace.spikes["q"][0, 1, :, 3] = 1  # padding that spiked
    trace.spikes["gate"][0, 1, 0] = 1
    counts = count_run(graph, trace, lengths=[1])
    padding = counts.padding
    # Token 0 meets tap 0 of both channels. Token 1: tap 0 of both, and tap 1 of
    # channel 0, and the zero of tap 1 of channel 1.
    assert counts.totals()["q_map"].synops == 5
    assert padding["q_map"].synops == 3
    assert padding["q_map"].synops_zero == 1
    # The bias of channel 0 serves 4 tokens, 3 of them padding, in 2 steps.
    assert counts.totals()["q_bias"].synops == 8
    assert padding["q_bias"].synops == 6
    # The gate's spike goes to 4 tokens, and nobody but the receivers can tell which.
    assert padding["spread"].synops == 3
    # 2 channels x 3 tokens x 2 steps. Channel 0 is always active; channel 1 by its
    # spike at step 1 and by the input's token 1 at step 0.
    assert padding["q"].updates_active == 3 * 2 + 2
    assert padding["q"].updates_inactive == 3 * 2 - 2
    assert padding["q"].spikes == 2
    # A bit for each of 4 of the Input's 5 places, in 2 steps.
    assert padding["in"].activation_bits_written == 8
    # One for all tokens: never padding.
    assert padding["gate"] == OperationCount()
    listed = {name for name, why in counts.uncounted if why.startswith("padding")}
    assert listed == {"class"}


def test_work_by_token_position():
    graph = gated()
    trace = silent(graph, samples=2)
    trace.spikes["q"][:, :, 0, 2] = 1
    counts = count_run(graph, trace)
    # 2 samples x 2 steps
    assert counts.by_token("q")["spikes"].tolist() == [0, 0, 4, 0]
    assert counts.by_token("same")["synops"].tolist() == [0, 0, 4, 0]
    # The bias goes to channel 0 of each token.
    assert counts.by_token("q_bias")["synops"].tolist() == [4, 4, 4, 4]
    assert counts.padding == {}
    with pytest.raises(InputError, match="no token positions of node 'gate'"):
        counts.by_token("gate")


def test_the_host_reads_a_row_of_its_tables_for_each_token():
    graph = gated()
    counts = count_run(
        graph, silent(graph, samples=3), lengths=[1, 4, 2], embedding_bits={"in": 10}
    )
    found = counts.counts["in"]
    # At the first step, as often as there are tokens.
    assert found["embedding_bits_read"].tolist() == [[10, 0], [40, 0], [20, 0]]
    # Bits are the elements of these tables.
    assert (found["lookups"] == found["embedding_bits_read"]).all()
    assert counts.by_token("in")["lookups"].tolist() == [30, 20, 10, 10, 0]
    assert counts.padding["in"].lookups == 0


@pytest.mark.parametrize(
    "options", [{"embedding_bits": {"q": 1}}, {"embedding_bits": {"in": 0}}]
)
def test_refuses_tables_that_are_none(options):
    graph = gated()
    with pytest.raises(InputError, match="allowed: a positive number for"):
        count_run(graph, silent(graph), lengths=[1], **options)
