"""Placement: what is counted, how it is cut and packed, and everything that breaks."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import GraphError
from spikewright.graph import Edge, Graph, Stage
from spikewright.hardware_profiles.placement.limits import load_limits
from spikewright.hardware_profiles.placement.place import (
    Placement,
    check_placement,
    place,
)
from spikewright.nodes import (
    BiasLine,
    DenseSynapses,
    DiagonalSynapses,
    Input,
    Output,
    QuantizedIntegrators,
    TokenSynapses,
)

LOIHI1, LOIHI2 = load_limits("loihi1"), load_limits("loihi2")


def _most(placement: Placement, resource: str) -> int:
    (found,) = (each for each in placement.uses if each.resource == resource)
    return found.most


def _kinds(placement: Placement) -> list[str]:
    return [each.kind for each in placement.violations]


@pytest.fixture
def relays(build, lif, ones):
    """One neuron for each of n inputs, one synapse each."""

    def make(n: int, **changes) -> Graph:
        nodes = {
            "input": Input((n,)),
            "w": DiagonalSynapses(100 * ones(n)),
            "n": lif(n, **changes),
            "output": Output((n,)),
        }
        return build(nodes, "input w", "w n", "n output")

    return make


@pytest.fixture
def dense(build, lif):
    """A weight into one population."""

    def make(weight: np.ndarray, delay: int = 0, **changes) -> Graph:
        targets, sources = weight.shape
        nodes = {
            "input": Input((sources,)),
            "w": DenseSynapses(weight),
            "n": lif(targets, **changes),
            "output": Output((targets,)),
        }
        return build(nodes, f"input w {delay}", "w n", "n output")

    return make


# --- what is counted -----------------------------------------------------------------


def test_neurons_synapses_and_readouts_are_counted(build, lif, ones) -> None:
    nodes = {
        "input": Input((3,)),
        "line": BiasLine(),
        "w": DenseSynapses(np.array([[1, 0, 2], [0, 0, 3]])),
        "b": DenseSynapses(ones(2, 1)),
        "n": lif(2),
        "head": DenseSynapses(ones(4, 2)),
        "read": Output((4,)),
        "spikes": Output((2,)),
    }
    edges = ("input w", "w n", "line b", "b n", "n head", "head read", "n spikes")
    demand = place(build(nodes, *edges), LOIHI1).demand
    # The Input and an Output that only reads spikes are the host's.
    assert {each.name: each.neurons for each in demand.populations} == {
        "line": 1,
        "n": 2,
        "read": 4,
    }
    assert demand.neurons == 1 + 2 + 4
    # 3 of the 6 weights are not 0; 2 biases; 4 x 2 into the readout
    assert {each.name: each.synapses for each in demand.projections} == {
        "w": 3,
        "b": 2,
        "head": 8,
    }
    assert [each.fan_in for each in demand.projections] == [2, 1, 2]
    assert (demand.count("bias line"), demand.count("readout")) == (1, 1)


def test_delays_of_one_source_share_a_line(build, lif, ones) -> None:
    nodes = {
        "input": Input((3,)),
        "a": DiagonalSynapses(ones(3)),
        "b": DiagonalSynapses(ones(3)),
        "c": DiagonalSynapses(ones(3)),
        "n": lif(3),
        "output": Output((3,)),
    }
    edges = ("input a 2", "input b 5", "input c", "a n", "b n", "c n", "n output")
    (line,) = place(build(nodes, *edges), LOIHI1).demand.delay_lines
    assert (line.source, line.taps) == ("input", (2, 5))
    assert line.cells == 3 * 5


def test_a_relay_is_what_sends_just_what_arrives(relays) -> None:
    memoryless = {"dv": 4096, "du": 4096}
    assert place(relays(3, **memoryless, vth=99), LOIHI1).demand.count("relay") == 1
    # 100 > 100 is false; and what remembers the step before is no relay.
    assert place(relays(3, **memoryless, vth=100), LOIHI1).demand.count("relay") == 0
    assert place(relays(3, dv=4095, vth=99), LOIHI1).demand.count("relay") == 0


# --- synapse memory ------------------------------------------------------------------


def test_a_dense_axon_takes_words_of_64_bits(dense, ones) -> None:
    # 64 targets: one entry of 64 x 8 + 10 = 522 bits, 9 words of 64: 576; 3 axons
    weight = 255 * ones(65, 3)
    assert _most(place(dense(weight[:64]), LOIHI1), "synapse_bits") == 3 * 576
    # 65 targets: a second entry of 8 + 10 bits: 1 word more
    assert _most(place(dense(weight), LOIHI1), "synapse_bits") == 3 * (576 + 64)


def test_a_delay_takes_its_bits_in_each_synapse(dense, ones) -> None:
    # 5 steps: 3 bits; 64 x (8 + 3) + 10 = 714, 12 words: 768
    weight = 255 * ones(64, 3)
    assert _most(place(dense(weight, 5), LOIHI1), "synapse_bits") == 3 * 768


@pytest.mark.parametrize(
    ("weight", "bits", "words"),
    [
        ([1, 0], 1, 2),  # 64 x 1 + 10 = 74 bits
        ([-64, 0], 1, 2),  # -1 and an exponent
        ([1, -1], 2, 3),  # 64 x 2 + 10 = 138
        ([96, -32], 3, 4),  # 3 and -1: 64 x 3 + 10 = 202
        ([63, 1], 6, 7),  # 64 x 6 + 10 = 394
        ([127, 1], 7, 9),  # 7 bits are stored as 8: 64 x 8 + 10 = 522
        ([63, -63], 7, 9),
        ([127, -127], 8, 9),
    ],
)
def test_a_weight_takes_the_bits_that_it_needs(dense, weight, bits, words) -> None:
    # one axon to 64 targets, without index
    placement = place(dense(np.array([weight] * 32).reshape(64, 1)), LOIHI1)
    assert _most(placement, "synapse_bits") == words * 64
    assert [each.weight_bits for each in placement.demand.projections] == [bits]


def test_few_synapses_are_stored_with_an_index(dense, ones) -> None:
    weight = np.zeros((1000, 10), dtype=np.int64)
    weight[7] = 255
    # One synapse an axon: 8 + 10 bits of index + 10 = 28, 1 word
    assert _most(place(dense(weight), LOIHI1), "synapse_bits") == 10 * 64
    # Of 20 targets 3 used: 3 x 18 + 10 = 64, still 1 word
    weight = np.zeros((20, 10), dtype=np.int64)
    weight[:3] = 255
    assert _most(place(dense(weight), LOIHI1), "synapse_bits") == 10 * 64
    # Of 20 targets 12 used: with index 12 x 18 + 10 = 226, 4 words;
    # without 20 x 8 + 10 = 170, 3 words: the smaller is taken
    weight[:12] = 255
    assert _most(place(dense(weight), LOIHI1), "synapse_bits") == 10 * 3 * 64


def test_without_a_format_weights_alone_are_counted_as_the_least(dense, ones) -> None:
    placement = place(dense(127 * ones(64, 3)), LOIHI2)
    assert _most(placement, "synapse_bits") == 64 * 3 * 7
    assert placement.is_memory_least


# --- cutting and packing -------------------------------------------------------------


def test_a_core_is_filled_to_its_last_neuron(relays) -> None:
    placement = place(relays(1024), LOIHI1)
    assert len(placement.cores) == 1
    assert placement.tightest is not None
    assert placement.tightest.resource == "neurons"
    assert placement.tightest.share == 1.0
    assert len(place(relays(1025), LOIHI1).cores) == 2


def test_input_axons_cut_a_population(dense, ones) -> None:
    # An axon may take 2**20 / 4096 = 256 bits: 8 n + 10 <= 256, so n = 30;
    # 64 = 30 + 30 + 4
    placement = place(dense(255 * ones(64, 4096)), LOIHI1)
    assert [core.holds for core in placement.cores] == [
        (("n", 30),),
        (("n", 30),),
        (("n", 4),),
    ]
    assert placement.violations == ()
    assert _most(placement, "input_axons") == 4096
    assert _most(placement, "synapse_bits") == 4096 * 256


@pytest.fixture
def side_by_side(build, lif, ones):
    """Populations of given sizes `n0`, `n1`… beside each other."""

    def make(*sizes: int, decays: int = 1, exponents: int = 1) -> Graph:
        nodes = {"input": Input((1,)), "output": Output((sizes[0],))}
        edges = ["n0 output"]
        for i, size in enumerate(sizes):
            nodes[f"n{i}"] = lif(size, dv=np.arange(size) % decays + 100 * i)
            for k in range(exponents):
                name = f"w{i}_{k}"
                nodes[name] = DenseSynapses(ones(size, 1), i * exponents + k - 7)
                edges += [f"input {name}", f"{name} n{i}"]
        return build(nodes, *edges)

    return make


@pytest.mark.parametrize(
    ("sizes", "cores"),
    [
        ((600, 424), [{"n0": 600, "n1": 424}]),
        ((600, 425), [{"n0": 600}, {"n1": 425}]),
        # the first core with room, whichever it is
        ((600, 700, 300, 400), [{"n0": 600, "n2": 300}, {"n1": 700}, {"n3": 400}]),
        ((900, 600, 424), [{"n0": 900}, {"n1": 600, "n2": 424}]),
        # 1030 = 1024 + 6; the 6 find room beside another population
        ((1030, 424), [{"n0": 1024}, {"n0": 6, "n1": 424}]),
    ],
)
def test_small_populations_share_a_core(side_by_side, sizes, cores) -> None:
    placement = place(side_by_side(*sizes), LOIHI1)
    assert [dict(core.holds) for core in placement.cores] == cores


def test_populations_share_a_core_only_if_their_profiles_fit_together(
    side_by_side,
) -> None:
    assert len(place(side_by_side(50, 50, decays=16), LOIHI1).cores) == 1  # 32
    assert len(place(side_by_side(50, 50, decays=17), LOIHI1).cores) == 2  # 34


def test_populations_share_a_core_only_if_their_formats_fit_together(
    side_by_side,
) -> None:
    assert len(place(side_by_side(2, 2, exponents=4), LOIHI1).cores) == 1  # 8
    assert len(place(side_by_side(2, 2, exponents=5), LOIHI1).cores) == 2  # 10


def test_a_core_has_32_pairs_of_decays(relays) -> None:
    assert len(place(relays(32, dv=np.arange(32)), LOIHI1).cores) == 1
    assert len(place(relays(33, dv=np.arange(33)), LOIHI1).cores) == 2
    # The pair counts: 2 x 17 = 34 of them
    pairs = {"dv": np.repeat([1, 2], 17), "du": np.tile(np.arange(1, 18), 2)}
    assert len(place(relays(34, **pairs), LOIHI1).cores) == 2


@pytest.mark.parametrize(("populations", "cores"), [(8, 1), (9, 2)])
def test_a_core_has_8_thresholds(build, lif, ones, populations, cores) -> None:
    nodes = {"input": Input((1,)), "output": Output((1,))}
    edges = []
    for i in range(populations):
        nodes |= {f"w{i}": DiagonalSynapses(ones(1)), f"n{i}": lif(1, vth=i)}
        edges += [f"input w{i}", f"w{i} n{i}"]
    placement = place(build(nodes, *edges, "n0 output"), LOIHI1)
    assert len(placement.cores) == cores
    assert placement.violations == ()


@pytest.mark.parametrize(("projections", "kinds"), [(8, []), (9, ["formats"])])
def test_a_neuron_has_synapses_of_8_formats(
    build, lif, ones, projections, kinds
) -> None:
    nodes = {"input": Input((1,)), "n": lif(1), "output": Output((1,))}
    edges = ["n output"]
    for i in range(projections):
        nodes[f"w{i}"] = DiagonalSynapses(ones(1), exponent=i - 4)
        edges += [f"input w{i}", f"w{i} n"]
    placement = place(build(nodes, *edges), LOIHI1)
    assert _kinds(placement) == kinds


def test_formats_of_different_neurons_are_cut_apart(build, lif, chip) -> None:
    # Exponent 0 reaches neuron 0, exponent 1 neuron 1; a core has one format.
    nodes = {
        "input": Input((2,)),
        "a": DiagonalSynapses(np.array([1, 0])),
        "b": DiagonalSynapses(np.array([0, 1]), exponent=1),
        "n": lif(2),
        "output": Output((2,)),
    }
    graph = build(nodes, "input a", "input b", "a n", "b n", "n output")
    assert len(place(graph, chip(formats=2)).cores) == 1
    placement = place(graph, chip(formats=1))
    assert len(placement.cores) == 2
    assert placement.violations == ()


def test_output_axons_cut_the_source(build, lif, ones, chip) -> None:
    # 8 targets need 2 cores of 4, so each of the 3 sources has 2 output axons.
    nodes = {
        "input": Input((3,)),
        "in": DiagonalSynapses(ones(3)),
        "m": lif(3),
        "w": DenseSynapses(ones(8, 3)),
        "n": lif(8),
        "output": Output((8,)),
    }
    graph = build(nodes, "input in", "in m", "m w", "w n", "n output")
    assert [core.holds for core in place(graph, chip(output_axons=6)).cores] == [
        (("n", 4),),
        (("m", 3),),
        (("n", 4),),
    ]
    finer = place(graph, chip(output_axons=4))  # 2 + 2 fit, 2 + 2 + 2 do not
    assert [core.holds for core in finer.cores] == [
        (("m", 2),),
        (("n", 4),),
        (("m", 1),),
        (("n", 4),),
    ]
    assert finer.violations == ()
    broken = place(graph, chip(output_axons=1))
    assert [str(each) for each in broken.violations] == [
        "m: 3 neurons need up to 2 output axons alone; allowed: 1 a core; "
        "send through relays, each to a part of the targets"
    ]


def test_tokens_are_cut_token_by_token(build, lif, ones, chip) -> None:
    # 2 channels x 4 tokens, from 2 channels: a token has 2 sources of its own.
    nodes = {
        "input": Input((2, 4)),
        "w": TokenSynapses(ones(1, 2, 2)),
        "n": lif(2, 4),
        "output": Output((2, 4)),
    }
    graph = build(nodes, "input w", "w n", "n output")
    # Two tokens in a core: 4 neurons, 4 axons; channel by channel it would be 8 axons.
    placement = place(graph, chip(input_axons=4))
    assert [core.holds for core in placement.cores] == [(("n", 4),), (("n", 4),)]
    assert _most(placement, "input_axons") == 4


def test_chips_follow_cores_neurons_and_synapses(relays, chip) -> None:
    # 12 neurons: 3 cores of 4; a chip has 2 cores
    assert place(relays(12), chip()).chips == 2
    assert place(relays(12), chip(neurons_of_chip=3)).chips == 4
    assert place(relays(12), chip(synapses_of_chip=2)).chips == 6


def test_every_neuron_is_placed_once_and_no_core_is_too_full(build, lif) -> None:
    rng = np.random.default_rng(0)
    nodes = {"input": Input((500,)), "output": Output((900,))}
    edges, source, size = [], "input", 500
    for i, targets in enumerate((2000, 700, 3000, 900)):
        weight = rng.integers(-9, 10, (targets, size)) * (
            rng.random((targets, size)) < 0.2
        )
        decays = rng.integers(1, 80, targets)
        nodes |= {f"w{i}": DenseSynapses(weight), f"n{i}": lif(targets, dv=decays)}
        edges += [f"{source} w{i} {i}", f"w{i} n{i}"]
        source, size = f"n{i}", targets
    placement = place(build(nodes, *edges, f"{source} output"), LOIHI1)
    assert placement.violations == ()
    for i, targets in enumerate((2000, 700, 3000, 900)):
        holds = [dict(core.holds).get(f"n{i}", 0) for core in placement.cores]
        assert sum(holds) == targets
    for use in placement.uses:
        assert use.limit is not None
        assert use.most <= use.limit


def test_a_graph_that_only_reads_its_input_needs_no_core(build) -> None:
    graph = build({"input": Input((3,)), "output": Output((3,))}, "input output")
    check = check_placement(graph, LOIHI1)
    assert (len(check.replicated.cores), check.replicated.chips) == (0, 0)
    assert check.fits


# --- what breaks ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weight", "fits"),
    [
        ([[255, 0]], True),
        ([[256, 0]], False),
        ([[-255, 0]], True),
        ([[-256, 0]], False),
        ([[127, -128]], True),  # both signs: 7 bits and the sign
        ([[128, -1]], False),
        ([[127, -129]], False),
        ([[254, -256]], True),  # even: stored as 127 and -128, times 2
        ([[256, -2]], False),
    ],
)
def test_weights_have_8_bits(dense, weight, fits: bool) -> None:
    assert _kinds(place(dense(np.array(weight)), LOIHI1)) == (
        [] if fits else ["weight_bits"]
    )


@pytest.mark.parametrize(
    ("weight", "allowed"),
    [
        ([[15, 0]], None),
        ([[240, 16]], None),  # 15 and 1, times 16
        ([[-112, 112]], None),  # 7 times 16
        ([[-256, 224]], None),  # -8 and 7, times 32
        ([[17, 0]], "0 to 15 (4 bits)"),
        ([[34, 2]], "0 to 30 (4 bits)"),
        ([[-9, 1]], "-8 to 7 (4 bits)"),
        ([[-256, 256]], "-256 to 224 (4 bits)"),  # beyond eight bits
    ],
)
def test_a_chip_may_have_weights_of_4_bits(dense, weight, allowed, chip) -> None:
    violations = place(dense(np.array(weight)), chip(weight_bits=4)).violations
    assert [each.allowed for each in violations] == ([allowed] if allowed else [])


def test_weights_of_different_widths_have_different_formats(build, lif, chip) -> None:
    nodes = {
        "input": Input((1,)),
        "a": DenseSynapses(np.array([[1], [1]])),
        "b": DenseSynapses(np.array([[3], [1]])),
        "n": lif(2),
        "output": Output((2,)),
    }
    graph = build(nodes, "input a", "input b", "a n", "b n", "n output")
    placement = place(graph, chip(has_format=True))
    assert _most(placement, "formats") == 2
    assert [each.weight_bits for each in placement.demand.projections] == [1, 2]


@pytest.mark.parametrize(
    ("weight", "exponent", "fits"),
    [
        (1, 7, True),
        (1, 8, False),
        (1, -7, True),
        (1, -8, False),
        # an odd weight of both signs is stored doubled, with an exponent less
        ([1, -1], -6, True),
        ([1, -1], -7, False),
        ([2, -2], -7, True),
    ],
)
def test_exponents_go_from_minus_7_to_7(build, lif, weight, exponent, fits) -> None:
    nodes = {
        "input": Input((2,)),
        "w": DiagonalSynapses(np.broadcast_to(weight, 2), exponent),
        "n": lif(2),
        "output": Output((2,)),
    }
    graph = build(nodes, "input w", "w n", "n output")
    assert _kinds(place(graph, LOIHI1)) == ([] if fits else ["exponent"])


@pytest.mark.parametrize(("delay", "kinds"), [(62, []), (63, ["delay"])])
def test_delays_go_to_62_steps(dense, ones, delay: int, kinds: list[str]) -> None:
    placement = place(dense(ones(1, 1), delay), LOIHI1)
    assert _kinds(placement) == kinds


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"vth": 131071}, []),  # 2**17 - 1
        ({"vth": 131072}, ["threshold_bits"]),
        ({"vth": -1}, ["threshold_bits"]),
        ({"dv": 4096, "du": 0}, []),
        ({"dv": 4097}, ["decay_bits"]),
        ({"du": np.array([5, -1, 3])}, ["decay_bits"]),
    ],
)
def test_thresholds_have_17_bits_and_decays_12(
    relays, changes: dict[str, object], kinds: list[str]
) -> None:
    assert _kinds(place(relays(3, **changes), LOIHI1)) == kinds


def test_a_neuron_has_4096_sources(dense, ones) -> None:
    assert place(dense(ones(2, 4096)), LOIHI1).violations == ()
    weight = ones(3, 4097)
    weight[1, 0] = 0  # this one has 4096
    (violation,) = place(dense(weight), LOIHI1).violations
    assert str(violation) == (
        "n: 2 neurons need up to 4,097 input axons alone; allowed: 4,096 a core; "
        "sum in two stages, or let the host add what it can read"
    )


def test_a_neuron_that_is_too_big_does_not_scatter_its_population(dense, ones) -> None:
    # 30 neurons of 8 x 30 + 10 = 250 bits an axon, as if there were axons enough:
    # 4097 x 256 bits exceed the memory, 4097 x 192 (22 neurons) do not.
    placement = place(dense(255 * ones(44, 4097)), LOIHI1)
    assert [core.holds for core in placement.cores] == [(("n", 22),), (("n", 22),)]


def test_a_neuron_has_the_memory_of_one_core(dense, ones, chip) -> None:
    weight = 255 * ones(1, 11)
    assert place(dense(weight[:, :10]), chip(synapse_bits=80)).violations == ()
    placement = place(dense(weight), chip(synapse_bits=80))
    assert [str(each) for each in placement.violations] == [
        "n: 1 neuron needs 88 bits of synapse memory alone; allowed: 80 a core; "
        "give the neurons fewer sources, or sum in two stages"
    ]
    # As Loihi 1 stores them: 8 + 10 bits, a word for each of 3 axons
    stored = chip(has_format=True, synapse_bits=3 * 64)
    assert place(dense(weight[:, :3]), stored).violations == ()
    assert _kinds(place(dense(weight[:, :4]), stored)) == ["synapse_bits"]


def test_a_readout_is_told_to_let_the_host_add(build, ones) -> None:
    nodes = {
        "input": Input((4097,)),
        "head": DenseSynapses(ones(2, 4097)),
        "output": Output((2,)),
    }
    graph = build(nodes, "input head", "head output")
    (violation,) = place(graph, LOIHI1).violations
    assert violation.where == "output"
    assert "the host may add" in violation.cure


def test_loihi_1_sends_no_numbers(build, lif, ones) -> None:
    nodes = {
        "input": Input((2,)),
        "in": DiagonalSynapses(ones(2)),
        "li": QuantizedIntegrators((2,), 100, 1.0),
        "w": DiagonalSynapses(ones(2)),
        "n": lif(2),
        "output": Output((2,)),
    }
    graph = build(nodes, "input in", "in li", "li w", "w n", "n output")
    (violation,) = place(graph, LOIHI1).violations
    assert (violation.kind, violation.where) == ("payload_bits", "w")
    assert violation.got == "'li' sends numbers"
    assert place(graph, LOIHI2).violations == ()


def test_everything_that_breaks_is_listed_at_once(build, lif, ones) -> None:
    nodes = {
        "input": Input((5000,)),
        "wide": DenseSynapses(300 * ones(2, 5000), exponent=9),
        "n": lif(2, vth=200_000, dv=5000),
        "back": DenseSynapses(ones(2, 2)),
        "output": Output((2,)),
    }
    edges = ("input wide 70", "wide n", "n back 80", "back n", "n output")
    placement = place(build(nodes, *edges), LOIHI1)
    assert [(each.kind, each.where) for each in placement.violations] == [
        ("weight_bits", "wide"),
        ("exponent", "wide"),
        ("delay", "wide"),
        ("delay", "back"),
        ("threshold_bits", "n"),
        ("decay_bits", "n"),
        ("input_axons", "n"),
    ]
    assert str(placement.violations[1]) == (
        "wide: exponent 9; allowed: -7 to 7; "
        "bring the weights into the population to one order of magnitude"
    )
    assert not check_placement(build(nodes, *edges), LOIHI1).fits


def test_what_is_not_public_is_not_checked_but_said(dense, ones) -> None:
    placement = place(dense(ones(2, 5000)), LOIHI2)
    assert placement.violations == ()
    assert "input axons a core: no public number" in placement.unchecked


def test_a_soft_reset_is_said_to_be_unchecked(relays) -> None:
    soft = place(relays(2, drop=64), LOIHI1)
    assert "whether the chip can do the soft reset of 'n'" in soft.unchecked[-1]
    assert not any("soft reset" in each for each in place(relays(2), LOIHI1).unchecked)


def test_only_a_quantized_graph_is_placed() -> None:
    nodes = {"input": Input((1,)), "output": Output((1,))}
    graph = Graph(nodes, (Edge("input", "output"),), Stage.TIMED, 1e-3)
    with pytest.raises(GraphError, match="needs a QUANTIZED graph, got TIMED"):
        place(graph, LOIHI1)
