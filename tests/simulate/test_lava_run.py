"""Real Lava processes against traces worked out by hand: each of Lava's traps.

The numbers of the traps are those of our notes on Lava:
1, 2 paths out of step; only synapses take a step     test_a_residual_branch…
3    no range is enforced                             test_an_overflow…, test_lava_plan
4    weights of mixed signs lose their lowest bit     test_a_tie_is_silent…
5    a negative exponent floors the sum               test_a_negative_exponent…
6    graded values become 0 or 1                      test_a_float_graph_takes…
7-9  Conv: 8-bit sizes, slow, flips, no exponent      test_a_wide_convolution…
10   float parameters in fixed point                  test_lava_plan
12, 13 models by exact type; files beside a Process   test_lava_engine
17   states survive                                   test_samples…
18   BLAS threads                                     test_lava_supervise
Besides: du counts from 1 in fixed point, what is not connected, bias lines.
"""

import math

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.errors import LavaRunError
from spikewright.graph import Edge, Graph, Stage
from spikewright.simulate.lava_backend.doctor import doctor
from spikewright.simulate.lava_backend.supervise import run_lava

pytestmark = pytest.mark.lava

SETUPS = [
    {"processes": "auto", "models": "fast"},
    {"processes": "stock", "models": "stock"},
]
every_setup = pytest.mark.parametrize("setup", SETUPS, ids=["ours", "stock"])


def chain(nodes, *edges, arrival, stage=Stage.QUANTIZED):
    return Graph(nodes, tuple(Edge(*edge) for edge in edges), stage, 1e-3, arrival)


def one_population(synapses, neurons, sources=1, stage=Stage.QUANTIZED):
    """in -> w -> a -> out."""
    nodes = {
        "in": n.Input((sources,)),
        "w": synapses,
        "a": neurons,
        "out": n.Output(neurons.shape),
    }
    edges = [("in", "w"), ("w", "a"), ("a", "out")]
    return chain(nodes, *edges, arrival={"in": 0, "a": 1, "out": 1}, stage=stage)


def spikes_of(trace, name="a"):
    return trace.spikes[name].ravel().tolist()


def played(*steps):
    """One sample; a step is a number, or one for each source."""
    return np.array(steps).reshape(1, len(steps), -1)


# --- time ---------------------------------------------------------------------------


def hand_graph():
    """in -> a -> b, in -> (late) b, bias -> b, b -> b: all weights powers of two."""
    ones, zeros = np.ones(1), np.zeros(1)
    nodes = {
        "in": n.Input((1,)),
        "bias": n.BiasLine(),
        "in_a": n.DenseSynapses(np.array([[1.0]])),
        "a": n.SpikingNeurons(zeros, 0.5 * ones, zeros),
        "a_b": n.DiagonalSynapses(np.array([1.0])),
        "skip": n.DenseSynapses(np.array([[0.5]])),
        "bias_b": n.DenseSynapses(np.array([[0.25]])),
        "b_b": n.DiagonalSynapses(np.array([-1.0])),
        "b": n.SpikingNeurons(ones, 1.5 * ones, zeros),
        "out": n.Output((1,)),
    }
    return chain(
        nodes,
        ("in", "in_a"),
        ("in_a", "a"),
        ("a", "a_b"),
        ("a_b", "b"),
        ("in", "skip", 1),
        ("skip", "b"),
        ("bias", "bias_b", 1),
        ("bias_b", "b"),
        ("b", "b_b"),
        ("b_b", "b"),
        ("b", "out"),
        arrival={"in": 0, "bias": 0, "a": 1, "b": 2, "out": 2},
        stage=Stage.TIMED,
    )


@every_setup
def test_a_residual_branch_a_bias_line_and_a_loop(setup):
    # b: step 0: 1 + 0.5 + 0.25 = 1.75 > 1.5 fires, v = 0
    #    step 1: -1 (loop) + 0.25 = -0.75
    #    step 2: -0.75 + 1.75 = 1.0
    #    step 3: 1.0 + 0.25 = 1.25
    #    step 4: 1.25 + 0.25 = 1.5, a tie: silent
    #    step 5: 1.5 + 0.25 = 1.75 fires
    trace = run_lava(hand_graph(), played(1, 0, 1, 0, 0, 0), **setup)
    assert spikes_of(trace, "a") == [1, 0, 1, 0, 0, 0]
    assert spikes_of(trace, "b") == [1, 0, 0, 0, 0, 1]
    assert trace.output.ravel().tolist() == [1, 0, 0, 0, 0, 1]
    assert trace.spikes.keys() == {"in", "a", "b"}


@every_setup
def test_delays_of_one_source_at_an_output_and_before_synapses(setup):
    # out = in[t-1] + 10 in[t-3] + 100 in[t-4]; in fires at 0 and 2. The synapses of 10
    # have a delay before and one behind, and one step of their own.
    nodes = {
        "in": n.Input((1,)),
        "ten": n.DenseSynapses(np.array([[10]])),
        "hundred": n.DiagonalSynapses(np.array([100])),
        "out": n.Output((1,)),
    }
    edges = [("in", "out", 1), ("in", "ten", 1), ("ten", "out", 1)]
    edges += [("in", "hundred", 3), ("hundred", "out")]
    graph = chain(nodes, *edges, arrival={"in": 0, "out": 1})
    trace = run_lava(graph, played(1, 0, 1, 0, 0, 0), **setup)
    assert trace.output.ravel().tolist() == [1, 0, 11, 100, 10, 100]


@every_setup
def test_a_bias_line_starts_with_its_arrival_and_ends_with_the_sample(setup):
    # Without leak, v counts the bias: 64, 128, 192, and then the sample is over. The
    # threshold is 2 << 6 = 128: only 192 fires. The spike of step 2 would be one of
    # step 0 if the line had started with the run.
    nodes = {
        "in": n.Input((1,)),
        "bias": n.BiasLine(),
        "w": n.DenseSynapses(np.array([[1]])),
        "a": n.QuantizedNeurons((1,), dv=0, vth=2, scale=1.0),
        "out": n.Output((1,)),
    }
    edges = [("bias", "w"), ("w", "a"), ("a", "out"), ("in", "out", 3)]
    arrival = {"in": 0, "bias": 2, "a": 3, "out": 3}
    trace = run_lava(chain(nodes, *edges, arrival=arrival), played(0, 0, 0), **setup)
    assert spikes_of(trace) == [0, 0, 1]


# --- neurons ------------------------------------------------------------------------


@every_setup
def test_a_tie_is_silent_and_decay_rounds_towards_zero(setup):
    # dv = 1: v = 3<<6 = 192 is the threshold: silent. rsz(192 * 4095, 12) = 191.
    # The last bit of the odd weight 3 beside a negative one must survive.
    # 192 silent; 191 + 192 - 64 = 319 fires; -64; rsz(-64 * 4095, 12) + 192 = 129
    graph = one_population(
        n.DenseSynapses(np.array([[3, -1]])),
        n.QuantizedNeurons((1,), dv=1, vth=3, scale=1.0),
        sources=2,
    )
    trace = run_lava(graph, played([1, 0], [1, 1], [0, 1], [1, 0]), **setup)
    assert spikes_of(trace) == [0, 1, 0, 0]


@every_setup
def test_du_of_each_neuron(setup):
    # a = 3 at step 0, dv = 4096: v = u. Lava adds 1 to du, we do not.
    # du = 0: u = 192 for ever; 2048: 192, 96, 48; 4096: 192, 0, 0. Threshold 64.
    du = np.array([0, 2048, 4096])
    graph = one_population(
        n.DenseSynapses(np.array([[3], [3], [3]])),
        n.QuantizedNeurons((3,), dv=4096, vth=1, scale=1.0, du=du),
    )
    trace = run_lava(graph, played(1, 0, 0), **setup)
    assert trace.spikes["a"][0].tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]


@every_setup
def test_current_decay_of_a_float_graph(setup):
    # u: 1, 0.75, 0.5625; v = v / 2 + u: 1, 1.25 > 1 fires, 0 + 0.5625
    graph = one_population(
        n.DenseSynapses(np.array([[1.0]])),
        n.SpikingNeurons(
            np.array([0.5]), np.ones(1), np.zeros(1), current_decay=np.array([0.75])
        ),
        stage=Stage.TIMED,
    )
    trace = run_lava(graph, played(1, 0, 0, 0), **setup)
    assert spikes_of(trace) == [0, 1, 0, 0]


@pytest.mark.parametrize(
    "neurons",
    [
        n.SpikingNeurons(
            np.array([0.5]), np.ones(1), np.zeros(1), drop=np.array([1.25])
        ),
        n.QuantizedNeurons((1,), dv=2048, vth=4, scale=4.0, drop=5),
    ],
    ids=["float", "fixed"],
)
def test_a_soft_reset_drops_one_step_later_after_the_decay(neurons):
    # a = 3 at step 0, threshold 1, drop 1.25 (in integers all are times 4 and 2**6):
    # 3 fires; 1.5 - 1.25 = 0.25; 0.125 + 3 fires; 1.5625 - 1.25 = 0.3125
    stage = Stage.TIMED
    weight = np.array([[3.0]])
    if isinstance(neurons, n.QuantizedNeurons):
        stage, weight = Stage.QUANTIZED, np.array([[12]])
    graph = one_population(n.DenseSynapses(weight), neurons, stage=stage)
    for models in ("fast", "stock"):
        trace = run_lava(graph, played(1, 0, 1, 0), models=models)
        assert spikes_of(trace) == [1, 0, 1, 0]


def test_fixed_integrators_feed_synapses_exactly():
    # v = 5 << 6 = 320, then 640; a = 100 * 2 * v = 64000, 128000, 128000
    graph = chain(
        {
            "in": n.Input((1,)),
            "w": n.DenseSynapses(np.array([[5]])),
            "i": n.QuantizedIntegrators((1,), dv=0, scale=1.0),
            "w2": n.DenseSynapses(np.array([[100]]), exponent=1),
            "out": n.Output((1,), scale=0.5),
        },
        ("in", "w"),
        ("w", "i"),
        ("i", "w2"),
        ("w2", "out"),
        arrival={"in": 0, "i": 1, "out": 2},
    )
    trace = run_lava(graph, played(1, 1, 0))
    assert trace.output.ravel().tolist() == [32000, 64000, 64000]


@every_setup
def test_who_is_not_connected_hears_nothing(setup):
    nodes = {
        "in": n.Input((1,)),
        "unused": n.Input((2,)),
        "a": n.QuantizedNeurons((1,), dv=0, vth=0, scale=1.0),
        "w": n.DenseSynapses(np.array([[7]])),
        "b": n.QuantizedNeurons((1,), dv=0, vth=0, scale=1.0),
        "out": n.Output((1,)),
        "empty": n.Output((2,)),
    }
    edges = [("in", "out"), ("a", "w"), ("w", "b")]
    arrival = dict.fromkeys(["in", "unused", "a", "b", "out", "empty"], 0)
    inputs = {"in": played(1, 0), "unused": played([1, 1], [0, 1])}
    trace = run_lava(chain(nodes, *edges, arrival=arrival), inputs, **setup)
    assert spikes_of(trace, "a") == spikes_of(trace, "b") == [0, 0]
    assert trace.outputs["out"].tolist() == [[[1.0], [0.0]]]
    assert trace.outputs["empty"].tolist() == [[[0.0, 0.0], [0.0, 0.0]]]
    assert spikes_of(trace, "unused") == [1, 1, 0, 1]


# --- synapses -----------------------------------------------------------------------


@every_setup
@pytest.mark.parametrize("kind", ["dense", "sparse", "diagonal"])
def test_a_negative_exponent_floors_the_sum(setup, kind):
    # 2**-1 times 3 is 1, times -3 is -2; each output has one source
    synapses = {
        "dense": n.DenseSynapses(np.diag([3, -3]), exponent=-1),
        "sparse": n.SparseSynapses(
            np.array([3, -3]), np.arange(2), np.arange(2), (2, 2), exponent=-1
        ),
        "diagonal": n.DiagonalSynapses(np.array([3, -3]), exponent=-1),
    }
    nodes = {"in": n.Input((2,)), "w": synapses[kind], "out": n.Output((2,))}
    edges = [("in", "w"), ("w", "out")]
    graph = chain(nodes, *edges, arrival={"in": 0, "out": 1})
    trace = run_lava(graph, played([1, 1], [1, 0]), **setup)
    assert trace.output[0].tolist() == [[1, -2], [1, 0]]


@every_setup
def test_a_float_graph_takes_real_numbers(setup):
    # Stock Dense would make them booleans. a sends 1 where 2 x > 1.
    graph = one_population(
        n.DenseSynapses(np.diag([1.0, 1.0]), exponent=1),
        n.SpikingNeurons(np.zeros(2), np.ones(2), np.zeros(2)),
        sources=2,
        stage=Stage.TIMED,
    )
    trace = run_lava(graph, np.array([[[0.6, 0.4], [-3.0, 2.5]]]), **setup)
    assert trace.spikes["a"].tolist() == [[[1, 0], [0, 1]]]
    assert "in" not in trace.spikes


@every_setup
def test_a_wide_convolution_is_not_flipped_and_keeps_its_exponent(setup):
    # 130 groups: a[c, i] = 2 (x[c, i] + 3 x[c, i + 1]); x[c] = 0, 1, 1 or 0, 1, 0
    kernel = np.tile(np.array([1, 3]), (130, 1, 1, 1))
    nodes = {
        "in": n.Input((130, 1, 3)),
        "w": n.ConvSynapses(kernel, (130, 1, 3), groups=130, exponent=1),
        "out": n.Output((130, 1, 2)),
    }
    edges = [("in", "w"), ("w", "out")]
    graph = chain(nodes, *edges, arrival={"in": 0, "out": 1})
    inputs = np.zeros((1, 1, 130, 1, 3))
    inputs[..., 1], inputs[:, :, ::2, :, 2] = 1, 1
    output = run_lava(graph, inputs, **setup).output[0, 0, :, 0]
    assert output[0::2].tolist() == [[6, 8]] * 65
    assert output[1::2].tolist() == [[6, 2]] * 65


# --- registers ----------------------------------------------------------------------


def test_an_overflow_of_the_current_raises_where_lava_wraps():
    # a = 5 * 255 * 2**7 = 163200, a << 6 = 10444800 >= 2**23: it becomes -6332416
    graph = one_population(
        n.DenseSynapses(np.full((1, 5), 255), exponent=7),
        n.QuantizedNeurons((1,), dv=0, vth=3, scale=1.0),
        sources=5,
    )
    inputs = played([0] * 5, [1] * 5)
    assert spikes_of(run_lava(graph, inputs, models="stock")) == [0, 0]
    with pytest.raises(LavaRunError) as caught:
        run_lava(graph, inputs)
    wanted = (
        r"OverflowDetectedError: node 'a', neuron [0], step 2: weighted input a is "
        "163200; allowed: |a| below 131072"
    )
    assert wanted in str(caught.value)


def test_an_overflow_of_the_potential_raises_where_lava_saturates():
    # a = -4 * 255 * 2**7 = -130560 fits; v = -8355840, then twice that
    graph = one_population(
        n.DenseSynapses(np.full((1, 4), -255), exponent=7),
        n.QuantizedNeurons((1,), dv=0, vth=3, scale=1.0),
        sources=4,
    )
    inputs = played([1] * 4, [1] * 4)
    assert spikes_of(run_lava(graph, inputs, models="stock")) == [0, 0]
    with pytest.raises(LavaRunError, match="step 2: membrane potential v is -16711680"):
        run_lava(graph, inputs)


def test_an_overflow_of_a_slow_current_raises():
    # a = -130560 fits; u = -8355840, then -8355840 * 4095 / 4096 - 8355840
    graph = one_population(
        n.DenseSynapses(np.full((1, 4), -255), exponent=7),
        n.QuantizedNeurons((1,), dv=4096, vth=3, scale=1.0, du=1),
        sources=4,
    )
    with pytest.raises(LavaRunError, match="step 2: synaptic current u is -16709640"):
        run_lava(graph, played([1] * 4, [1] * 4))


@every_setup
def test_the_largest_state_is_still_exact(setup):
    # a = 4 * 255 * 2**7 = 130560: v = 8355840 < 2**23, above the threshold of 130559
    # and at that of 130560.
    for vth, spike in ((130559, 1), (130560, 0)):
        graph = one_population(
            n.DenseSynapses(np.full((1, 4), 255), exponent=7),
            n.QuantizedNeurons((1,), dv=0, vth=vth, scale=1.0),
            sources=4,
        )
        assert spikes_of(run_lava(graph, played([1] * 4), **setup)) == [spike]


# --- samples ------------------------------------------------------------------------


def ringing_graph():
    """Neurons without leak, a loop that never ends, and delay lines with spikes."""
    nodes = {
        "in": n.Input((2,)),
        "in_a": n.DenseSynapses(np.array([[2, 0], [0, 3]])),
        "a_a": n.SparseSynapses(
            np.array([4, 4]), np.arange(2), np.array([1, 0]), (2, 2)
        ),
        "a": n.QuantizedNeurons((2,), dv=0, vth=3, scale=1.0, du=2000),
        "out": n.Output((2,)),
    }
    edges = [("in", "in_a", 1), ("in_a", "a"), ("a", "a_a", 2), ("a_a", "a")]
    edges += [("a", "out", 2)]
    return chain(nodes, *edges, arrival={"in": 0, "a": 2, "out": 4})


@pytest.mark.parametrize("runtime", ["local", "lava"])
@every_setup
def test_samples_start_from_rest_whatever_ran_before(setup, runtime):
    loud, silent = np.ones((1, 5, 2)), np.zeros((1, 5, 2))
    mixed = played([1, 0], [0, 1], [1, 1], [0, 0], [0, 1])
    inputs = np.concatenate([mixed, loud, silent, mixed])
    trace = run_lava(ringing_graph(), inputs, runtime=runtime, **setup)
    alone = run_lava(ringing_graph(), mixed)
    assert trace.spikes["a"][1].sum() > 0
    assert trace.spikes["a"][2].sum() == trace.output[2].sum() == 0
    for index in (0, 3):
        assert trace.spikes["a"][index].tolist() == alone.spikes["a"][0].tolist()
        assert trace.output[index].tolist() == alone.output[0].tolist()


def test_more_processes_than_python_recurses():
    # 200 networks of some six processes each in one graph; Python recurses 1000 times
    nodes, edges, arrival = {}, [], {}
    neurons = n.QuantizedNeurons((1,), 4096, 1, 1.0)
    for i in range(200):
        one, two, three, four = f"in{i}", f"w{i}", f"a{i}", f"out{i}"
        nodes |= {one: n.Input((1,)), two: n.DiagonalSynapses(np.array([2]))}
        nodes |= {three: neurons, four: n.Output((1,))}
        edges += [(one, two), (two, three), (three, four)]
        arrival |= {one: 0, three: 1, four: 1}
    graph = chain(nodes, *edges, arrival=arrival)
    sent = {f"in{i}": played(i % 2, 1, i // 2 % 2) for i in range(200)}
    trace = run_lava(graph, sent)
    for i in range(200):
        # 2 > 1: each spike is repeated
        assert spikes_of(trace, f"a{i}") == sent[f"in{i}"].ravel().tolist()


@pytest.mark.parametrize("runtime", ["local", "lava"])
def test_finished_samples_are_counted(runtime):
    counts = []
    inputs = np.ones((3, 2, 1))
    run_lava(hand_graph(), inputs, runtime=runtime, on_sample=counts.append)
    assert counts == [1, 2, 3]


def test_the_trace_records_how_it_was_made():
    graph = hand_graph()
    trace = run_lava(graph, np.ones((1, 2, 1)), processes="stock", models="stock")
    assert trace.meta["backend"] == "lava"
    assert trace.meta["runtime"] == "local"
    assert trace.meta["processes"] == "stock"
    assert trace.meta["models"] == "stock"
    assert trace.meta["arithmetic"] == "float"
    assert trace.meta["steps"] == 2
    assert math.isclose(trace.meta["dt_s"], 1e-3)
    assert trace.meta["graph_sha256"] == graph.fingerprint()
    assert trace.meta["lava_nc"] == "0.10.0"
    assert trace.meta["versions"].keys() >= {"numpy", "python"}


def test_doctor_finds_both_runtimes_well():
    found = doctor()
    assert found["local runtime"] == "ok"
    assert found["lava runtime"] == "ok"
    assert found["lava-nc"] == "0.10.0"
