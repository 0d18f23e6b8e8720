"""What the Lava backend refuses, before any child starts."""

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.errors import BackendMissingError, GraphError, InputError
from spikewright.graph import Edge, Graph, Stage
from spikewright.simulate.lava_backend import installed, supervise
from spikewright.simulate.lava_backend.supervise import run_lava

pytestmark = pytest.mark.lava

EDGES = (Edge("in", "w"), Edge("w", "a"), Edge("a", "out"))
ARRIVAL = {"in": 0, "a": 1, "out": 1}
SPIKES = np.zeros((1, 2, 2))


@pytest.fixture(autouse=True)
def no_child(monkeypatch):
    def fail(*args, **kwargs):
        pytest.fail("a child was started")

    monkeypatch.setattr(supervise, "run_in_child", fail)


def graph_with(edges=EDGES, arrival=ARRIVAL, stage=Stage.QUANTIZED, **nodes):
    usual = {
        "in": n.Input((2,)),
        "w": n.DenseSynapses(np.array([[3, -3]])),
        "a": n.QuantizedNeurons((1,), dv=0, vth=3, scale=1.0),
        "out": n.Output((1,)),
    }
    return Graph({**usual, **nodes}, edges, stage, 1e-3, arrival)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((2, 2)), r"\(2, 2\).*\(samples, steps, 2\)"),
        (np.zeros((1, 2, 3)), r"\(1, 2, 3\).*\(samples, steps, 2\)"),
        (np.zeros((0, 2, 2)), r"\(0, 2, 2\).*\(samples, steps, 2\)"),
        (np.full((1, 2, 2), 2), "takes spikes, 0 or 1"),
        (np.full((1, 2, 2), np.nan), "finite numbers"),
        (np.full((1, 2, 2), "1"), "finite numbers"),
    ],
)
def test_inputs_that_do_not_fit(inputs, message):
    with pytest.raises(InputError, match=message):
        run_lava(graph_with(), inputs)


@pytest.mark.parametrize(
    ("weight", "exponent", "message"),
    [
        ([[128, -1]], 0, "from -1 to 128 do not fit; .* magnitude up to 127"),
        ([[-128, 1]], 0, "from -128 to 1 do not fit; .* magnitude up to 127"),
        ([[256, 0]], 0, "integers of magnitude up to 255"),
        ([[-256, -1]], 0, "integers of magnitude up to 255"),
        ([[0.5, 1.0]], 0, "integers"),
        ([[3, -3]], -8, "exponent -8 is not allowed"),
        ([[3, -3]], 8, "exponent 8 is not allowed"),
    ],
)
def test_synapses_that_lava_would_change_in_silence(weight, exponent, message):
    synapses = n.DenseSynapses(np.array(weight), exponent)
    with pytest.raises(GraphError, match=f"synapses 'w': .*{message}"):
        run_lava(graph_with(w=synapses), SPIKES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w": n.DenseSynapses(np.ones((1, 3)))}, "in -> w: .* cannot take 2 signals"),
        ({"w": n.DenseSynapses(np.ones((2, 2)))}, "w -> a: 2 values do not fit 1"),
        ({"w": n.TokenSynapses(np.ones((3, 1, 1)))}, "in -> w: .* cannot take 2"),
        ({"out": n.Output((2,))}, "a -> out: 1 values do not fit 2"),
        ({"a": n.QuantizedNeurons((1,), 0, -1, 1.0)}, "vth = -1 .* 0 to 131071"),
        ({"a": n.QuantizedNeurons((1,), 5000, 1, 1.0)}, "dv = 5000 .* 0 to 4096"),
        ({"a": n.QuantizedNeurons((1,), 0, 1, 1.0, 4097)}, "du = 4097 .* 0 to 4096"),
        (
            {"a": n.QuantizedNeurons((1,), np.array([0.5]), 1, 1.0)},
            "dv = float64 .* integers from 0",
        ),
        ({"arrival": {"in": 0, "out": 1}}, "no arrival step for a"),
        ({"arrival": {**ARRIVAL, "in": 1}}, "'in' sends from step 0"),
        ({"edges": (*EDGES, Edge("w", "out"))}, "'w' have 1 edges in and 2 out"),
        ({"edges": (*EDGES, Edge("a", "in"))}, "from QuantizedNeurons to Input"),
        ({"edges": (*EDGES[:2], Edge("in", "a"), EDGES[2])}, "from Input to Quantized"),
    ],
)
def test_graphs_that_cannot_be_wired(changes, message):
    with pytest.raises(GraphError, match=message):
        run_lava(graph_with(**changes), SPIKES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threshold": np.full(1, -0.5)}, "-0.5 fires at rest"),
        ({"bias": np.full(1, 0.1)}, "let it travel on a BiasLine"),
        ({"start": np.full(1, 0.1)}, "let it travel on a BiasLine"),
        ({"decay": np.full(1, 0.1)}, "a decay of .*0.1.* would change its last bit"),
        ({"current_decay": np.array(0.1)}, "a current_decay of .*0.1.* would change"),
    ],
)
def test_neurons_that_would_not_do_the_same_on_lava(changes, message):
    # 1 - (1 - 0.1) is 0.09999999999999998
    usual = {"decay": np.ones(1), "threshold": np.ones(1), "bias": np.zeros(1)}
    graph = graph_with(a=n.SpikingNeurons(**{**usual, **changes}), stage=Stage.TIMED)
    with pytest.raises(GraphError, match=f"node 'a': .*{message}"):
        run_lava(graph, SPIKES)


def test_sums_that_lava_would_wrap():
    # 2**17 + 1 sources of 255 * 2**7 reach more than 2**31
    size = 2**17
    wide = n.DenseSynapses(np.full((1, size), 255), exponent=7)
    graph = graph_with(**{"in": n.Input((size,)), "w": wide})
    with pytest.raises(GraphError, match=r"'a': .* up to 4\.27.*e\+09, and Lava wraps"):
        run_lava(graph, np.zeros((1, 1, size)))


@pytest.mark.parametrize("what", ["runtime", "processes", "models"])
def test_an_unknown_choice(what):
    with pytest.raises(InputError, match=f"no {what} 'ray'; allowed: [a-z]+, [a-z]+"):
        run_lava(graph_with(), SPIKES, **{what: "ray"})


# --- stock processes only -----------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"a": n.QuantizedIntegrators((1,), 0, 1.0)},
            "node 'a': it sends its potential, and no stock neuron .*'auto'",
        ),
        (
            {"a": n.QuantizedNeurons((1,), 0, 1, 1.0, drop=3)},
            "node 'a': it has a soft reset, and the stock LIF .*'auto'",
        ),
        (
            {"edges": (Edge("in", "w", 60), Edge("w", "a", 3), EDGES[2])},
            "edge in -> w: a delay of 63 steps does not fit .* at most 62",
        ),
        # Mixed signs are stored doubled, and their sum is shifted one further.
        ({"w": n.DenseSynapses(np.array([[3, -3]]), -7)}, "'w': .* by -8; .* -7 to 7"),
    ],
)
def test_what_stock_processes_cannot_express(changes, message):
    with pytest.raises(GraphError, match=message):
        run_lava(graph_with(**changes), SPIKES, processes="stock")


def test_only_lowered_graphs_run():
    graph = Graph(
        {"in": n.Input((1,)), "out": n.Output((1,))},
        (Edge("in", "out"),),
        Stage.DISCRETE,
        1e-3,
    )
    with pytest.raises(GraphError, match="TIMED or QUANTIZED graph, got DISCRETE"):
        run_lava(graph, np.zeros((1, 1, 1)))


def test_without_lava_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(installed.NEEDED, "no_such_module", "lava-nc==0.10.0")
    with pytest.raises(BackendMissingError, match="--ignore-requires-python lava-nc=="):
        run_lava(graph_with(), SPIKES)
