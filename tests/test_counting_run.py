"""Every field of every sample and step, against a loop over messages and weights."""

import itertools
import math
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from spikewright import (
    counting_cells,
    counting_kernels,
    counting_packed,
    counting_sparks,
    counting_sums,
    counting_touch,
    counting_updates,
)
from spikewright import nodes as n
from spikewright.counting import count_operations, count_placed, count_run
from spikewright.counts import OperationCount
from spikewright.errors import CountError, InputError
from spikewright.graph import Edge, Graph, Stage
from spikewright.run_counts import join_counts
from spikewright.trace import SpikeTrace

SAMPLES, STEPS = 3, 5


def sparse(rng, *shape, zeros=0.5):
    """Weights of which some are zero."""
    return rng.integers(-9, 10, shape) * (rng.random(shape) >= zeros) * 1.0


def neurons(rng, *shape, biased=0.0):
    bias = (rng.random(shape) < biased) * 0.25
    return n.SpikingNeurons(np.full(shape, 0.5), np.ones(shape), bias)


# --- the loop ------------------------------------------------------------------------


def stored_weights(synapses, source_shape, target_shape):
    """Yield (target, source, weight) for each stored weight, zeros too, by equation."""
    taken, given = math.prod(source_shape), math.prod(target_shape)
    weight = synapses.weight
    match synapses:
        case n.DenseSynapses():
            yield from (
                (i, j, weight[i, j]) for i in range(given) for j in range(taken)
            )
        case n.DiagonalSynapses():
            yield from ((i, i, each) for i, each in enumerate(weight.reshape(-1)))
        case n.SparseSynapses():
            yield from zip(synapses.targets, synapses.sources, weight, strict=True)
        case n.TokenSynapses():
            taps, channels, sources = weight.shape
            tokens = taken // sources
            length = tokens - taps + 1
            for k, o, c, at in np.ndindex(taps, channels, sources, length):
                yield o * length + at, c * tokens + at + k, weight[k, o, c]
        case n.ChannelSynapses():
            channels, targets, sources = weight.shape
            for c, i, j in np.ndindex(channels, targets, sources):
                yield c * targets + i, c * sources + j, weight[c, i, j]
        case n.ConvSynapses():
            yield from kernel_weights(synapses)


def kernel_weights(synapses):
    weight, (channels, height, width) = synapses.weight, synapses.shape
    targets, rows, columns = synapses.target_shape
    shared = targets // synapses.groups
    for o, i, j in np.ndindex(targets, rows, columns):
        first = o // shared * (channels // synapses.groups)
        for c, p, q in np.ndindex(weight.shape[1:]):
            y = synapses.stride[0] * i + synapses.dilation[0] * p
            x = synapses.stride[1] * j + synapses.dilation[1] * q
            y, x = y - synapses.padding[0][0], x - synapses.padding[1][0]
            if 0 <= y < height and 0 <= x < width:
                source = ((first + c) * height + y) * width + x
                yield (o * rows + i) * columns + j, source, weight[o, c, p, q]


class Loop:
    """Counts one message, one weight and one step at a time."""

    def __init__(self, graph, trace, inputs, slots=None, lengths=None):
        self.graph, self.trace, self.inputs = graph, trace, inputs
        self.slots, self.lengths = slots or {}, lengths
        zeros = lambda: np.zeros((trace.samples, trace.steps), dtype=np.int64)  # noqa: E731
        self.found = defaultdict(lambda: defaultdict(zeros))
        self.tokens = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
        self.padding = defaultdict(lambda: defaultdict(int))
        self.active = set()
        for name, node in graph.nodes.items():
            if isinstance(node, n.SYNAPSES):
                self.synapses(name, node)
        for name, node in graph.nodes.items():
            if isinstance(node, n.POPULATIONS):
                self.population(name, node)

    def add(self, node, field, cell, amount, token=None):
        self.found[node][field][cell] += amount
        if token is not None:
            self.tokens[node][field][token] += amount
            if self.lengths is not None and token >= self.lengths[cell[0]]:
                self.padding[node][field] += amount

    def token(self, population, neuron):
        slots = self.slots.get(population) or 1
        return neuron % slots if slots > 1 else None

    def cells(self):
        return itertools.product(range(self.trace.samples), range(self.trace.steps))

    def sent(self, name, node):
        """(samples, steps, neurons) of messages, and what they are."""
        shape = (self.trace.samples, self.trace.steps, -1)
        if isinstance(node, n.BiasLine):
            return np.ones((*shape[:2], 1), int), "spike"
        if isinstance(node, n.GRADED):
            return np.ones((*shape[:2], math.prod(node.shape)), int), "graded"
        if name in self.trace.spikes:
            return self.trace.spikes[name].reshape(shape), "spike"
        values = self.inputs[name].reshape(shape)
        return values, "level" if values.dtype.kind == "i" else "real"

    def synapses(self, name, node):
        (into,), (out_of,) = self.graph.into(name), self.graph.out_of(name)
        source, target = into.source, out_of.target
        population = self.graph.nodes[source]
        shapes = population.shape, self.graph.nodes[target].shape
        shift = into.delay + 1
        shift -= self.graph.arrival[target] - self.graph.arrival[source]
        values, kind = self.sent(source, population)
        for to, from_, weight in stored_weights(node, *shapes):
            token = self.token(source, from_)
            token = self.token(target, to) if token is None else token
            for cell in self.cells():
                value = values[(*cell, from_)]
                self.event(name, kind, cell, value, weight, token)
                if weight and (value or kind == "real"):
                    step = cell[1] + shift
                    if step < self.trace.steps:
                        self.active.add((target, cell[0], step, to))
        bits = {"spike": 1, "graded": 32, "level": 64, "real": 64}[kind]
        for cell in self.cells():
            for neuron in range(values.shape[2]):
                token = self.token(source, neuron)
                self.add(name, "activation_bits_read", cell, bits, token)

    def event(self, name, kind, cell, value, weight, token):
        width = 32  # floats
        if kind == "real":
            self.add(name, "macs", cell, 1, token)
            self.add(name, "macs_zero", cell, int(value == 0), token)
            self.add(name, "weight_bits_read", cell, width, token)
        elif value and weight:
            graded = "graded_synops" if kind != "spike" else "synops"
            self.add(name, graded, cell, 1, token)
            self.add(name, "weight_bits_read", cell, width, token)
            if kind == "level":
                self.add(name, "graded_levels", cell, abs(int(value)), token)
        elif value:
            self.add(name, "synops_zero", cell, 1, token)

    def population(self, name, node):
        ways = [
            edge
            for edge in self.graph.into(name)
            if not isinstance(
                self.graph.nodes[self.graph.into(edge.source)[0].source], n.BiasLine
            )
        ]
        values, kind = self.sent(name, node) if not self.is_silent(node) else (None, "")
        bits = {"spike": 1, "graded": 32, "level": 64, "real": 64, "": 32}[kind]
        for cell in self.cells():
            for neuron in range(math.prod(node.shape)):
                token = self.token(name, neuron)
                self.add(name, "activation_bits_written", cell, bits, token)
                if kind == "spike":
                    spike = int(values[(*cell, neuron)])
                    self.add(name, "spikes", cell, spike, token)
                if isinstance(node, n.SpikingNeurons | n.Integrators):
                    self.update(name, node, cell, neuron, token, len(ways))

    def is_silent(self, node):
        return isinstance(node, n.GRADED)

    def update(self, name, node, cell, neuron, token, ways):
        bias = node.bias.reshape(-1)[neuron] != 0
        own = self.trace.spikes.get(name)
        spiked = own is not None and own.reshape(*own.shape[:2], -1)[(*cell, neuron)]
        active = bias or spiked or (name, *cell, neuron) in self.active
        kept = 32 * int(node.decay.reshape(-1)[neuron] != 0)  # v; u has no memory
        for field, amount in (
            ("updates_active", int(active)),
            ("updates_inactive", int(not active)),
            ("bias_additions", int(bias)),
            ("residual_additions", max(0, ways - 1)),
            ("state_bits_read", kept),
            ("state_bits_written", kept),
        ):
            self.add(name, field, cell, int(amount), token)


def assert_equal(counts, loop):
    for name, fields in counts.counts.items():
        for field in vars(OperationCount()):
            wanted = loop.found[name][field]
            got = fields.get(field, np.zeros_like(wanted))
            assert got.dtype == np.int64
            assert (got == wanted).all(), (name, field)
    assert {k for k, v in loop.found.items() if v} == set(counts.counts)


# --- one kind of synapses at a time --------------------------------------------------


def kinds(rng, zeros):
    """Synapses of each kind, with the shapes at their ends."""
    conv = n.ConvSynapses(
        sparse(rng, 4, 1, 3, 2, zeros=zeros),
        (2, 6, 5),
        stride=(2, 1),
        padding=((1, 0), (0, 2)),
        dilation=(1, 2),
        groups=2,
    )
    wide = n.ConvSynapses(
        sparse(rng, 3, 2, 2, 2, zeros=zeros), (2, 4, 4), padding=((1, 1), (1, 1))
    )
    same = n.ConvSynapses(
        sparse(rng, 3, 2, 3, 3, zeros=zeros),
        (2, 5, 9),
        stride=(1, 2),
        padding=((1, 1), (1, 1)),
    )
    matrix = sparse(rng, 7, 9, zeros=0.7)
    places = np.nonzero(matrix)
    listed = n.SparseSynapses(matrix[places], *places, (7, 9))
    return {
        "dense": (n.DenseSynapses(sparse(rng, 7, 9, zeros=zeros)), (3, 3), (7,)),
        "wide dense": (n.DenseSynapses(sparse(rng, 5, 90, zeros=zeros)), (90,), (5,)),
        "token": (n.TokenSynapses(sparse(rng, 3, 4, 2, zeros=zeros)), (2, 6), (4, 4)),
        "shared": (n.TokenSynapses(sparse(rng, 1, 3, 9, zeros=zeros)), (9, 8), (3, 8)),
        "channel": (
            n.ChannelSynapses(sparse(rng, 3, 4, 8, zeros=zeros)),
            (3, 8),
            (3, 4),
        ),
        "spread": (
            n.ChannelSynapses(sparse(rng, 3, 4, 1, zeros=zeros)),
            (3, 1),
            (3, 4),
        ),
        "diagonal": (
            n.DiagonalSynapses(sparse(rng, 3, 4, zeros=zeros)),
            (3, 4),
            (3, 4),
        ),
        "groups": (conv, (2, 6, 5), conv.target_shape),
        "conv": (wide, (2, 4, 4), wide.target_shape),
        "same": (same, (2, 5, 9), same.target_shape),
        "sparse": (listed, (9,), (7,)),
    }


def one_way(rng, synapses, source, target, *, delay=0, biased=0.0):
    nodes = {
        "in": n.Input(source),
        "syn": synapses,
        "lif": neurons(rng, *target, biased=biased),
        "out": n.Output(target),
    }
    edges = (Edge("in", "syn", delay), Edge("syn", "lif"), Edge("lif", "out"))
    return Graph(nodes, edges, Stage.TIMED, 1e-3, {"in": 0, "lif": 1, "out": 1})


def spikes_of(rng, graph, *, rate, skip=()):
    return {
        name: (rng.random((SAMPLES, STEPS, *node.shape)) < rate).astype(np.uint8)
        for name, node in graph.nodes.items()
        if isinstance(node, n.SpikingNeurons | n.Input) and name not in skip
    }


def trace_of(graph, spikes):
    outputs = {
        name: np.zeros((SAMPLES, STEPS, *node.shape))
        for name, node in graph.outputs.items()
    }
    return SpikeTrace(spikes, outputs)


KINDS = tuple(kinds(np.random.default_rng(0), 0.5))


@pytest.fixture(params=[2**20, 40], ids=["at once", "in chunks"])
def chunks(request, monkeypatch):
    monkeypatch.setattr(counting_sums, "CELLS", request.param)
    monkeypatch.setattr(counting_sums, "CACHED", request.param)
    monkeypatch.setattr(counting_sparks, "CACHED", request.param)
    monkeypatch.setattr(counting_packed, "CACHED", request.param)
    monkeypatch.setattr(counting_updates, "CELLS", request.param)


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("zeros", [0.0, 0.1, 0.6])
@pytest.mark.parametrize(("rate", "biased", "delay"), [(0.1, 0, 0), (0.4, 0.6, 2)])
def test_synapses_of_each_kind_count_like_their_weights(
    kind, zeros, rate, biased, delay
):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        synapses, source, target = kinds(rng, zeros)[kind]
        graph = one_way(rng, synapses, source, target, delay=delay, biased=biased)
        trace = trace_of(graph, spikes_of(rng, graph, rate=rate))
        assert_equal(count_run(graph, trace), Loop(graph, trace, {}))


@pytest.mark.parametrize("kind", ["token", "shared", "conv", "same", "groups", "dense"])
@pytest.mark.parametrize("few_zeros", [0.0, 1.0])
@pytest.mark.parametrize("enough", [0.0, np.inf])
@pytest.mark.parametrize("few_sets", [0, 16])
def test_each_way_of_looking_at_windows_finds_the_same(
    kind, few_zeros, enough, few_sets, monkeypatch
):
    monkeypatch.setattr(counting_touch, "FEW_ZEROS", few_zeros)
    monkeypatch.setattr(counting_kernels, "ENOUGH", enough)
    monkeypatch.setattr(counting_kernels, "FEW_SETS", few_sets)
    monkeypatch.setattr(counting_kernels, "PATCHED", 7)
    for seed, zeros in ((1, 0.2), (2, 0.05)):
        rng = np.random.default_rng(seed)
        synapses, source, target = kinds(rng, zeros)[kind]
        graph = one_way(rng, synapses, source, target)
        trace = trace_of(graph, spikes_of(rng, graph, rate=0.2))
        assert_equal(count_run(graph, trace), Loop(graph, trace, {}))


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("rate", [0.05, 0.2, 0.6])
@pytest.mark.parametrize("few_places", [0.0, 1.0])
@pytest.mark.parametrize("zeros", [0.1, 0.6])
def test_windows_elementwise_skips_and_delays_meet(
    rate, few_places, zeros, monkeypatch
):
    monkeypatch.setattr(counting_cells, "FEW_PLACES", few_places)
    monkeypatch.setattr(counting_kernels, "FEW_PLACES", few_places)
    rng = np.random.default_rng(11)
    nodes = {
        "in": n.Input((9, 8)),
        "other": n.Input((3, 10)),
        "mix": n.TokenSynapses(sparse(rng, 1, 9, 9, zeros=zeros)),
        "wide": n.TokenSynapses(sparse(rng, 3, 9, 3, zeros=zeros)),
        "skip": n.DiagonalSynapses(sparse(rng, 9, 8, zeros=0.3)),
        "lif": neurons(rng, 9, 8),
        "out": n.Output((9, 8)),
    }
    edges = [Edge("in", "mix", 1), Edge("other", "wide"), Edge("lif", "skip", 2)]
    edges += [Edge(name, "lif") for name in ("mix", "wide", "skip")]
    arrival = {"in": 0, "other": 0, "lif": 1, "out": 1}
    graph = Graph(nodes, (*edges, Edge("lif", "out")), Stage.TIMED, 1e-3, arrival)
    trace = trace_of(graph, spikes_of(rng, graph, rate=rate))
    slots, lengths = {"in": 8, "other": 10, "lif": 8}, np.array([2, 8, 5])
    loop = Loop(graph, trace, {}, slots, lengths)
    counts = count_run(graph, trace, lengths=lengths)
    assert_equal(counts, loop)
    assert counts.padding["lif"].updates_active == loop.padding["lif"]["updates_active"]
    tokens = [loop.tokens["lif"]["updates_active"][token] for token in range(8)]
    assert counts.by_token("lif")["updates_active"].tolist() == tokens


@pytest.mark.parametrize("left", [0.0, 1.0])
@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_sources_beyond_the_first_are_seen(left, rate, monkeypatch):
    monkeypatch.setattr(counting_touch, "FEW_ZEROS", -1.0)
    monkeypatch.setattr(counting_touch, "FIRST", 4)
    monkeypatch.setattr(counting_touch, "FEW_LEFT", left)
    rng = np.random.default_rng(2)
    synapses, source, target = kinds(rng, 0.7)["wide dense"]
    graph = one_way(rng, synapses, source, target)
    trace = trace_of(graph, spikes_of(rng, graph, rate=rate))
    assert_equal(count_run(graph, trace), Loop(graph, trace, {}))


@pytest.mark.parametrize("kind", KINDS)
def test_integer_inputs_are_events_with_a_level(kind):
    rng = np.random.default_rng(3)
    synapses, source, target = kinds(rng, 0.3)[kind]
    graph = one_way(rng, synapses, source, target)
    trace = trace_of(graph, spikes_of(rng, graph, rate=0.1, skip=["in"]))
    inputs = {"in": rng.integers(-2, 4, (SAMPLES, STEPS, *source))}
    loop = Loop(graph, trace, inputs)
    assert_equal(count_run(graph, trace, inputs=inputs), loop)
    assert loop.found["syn"]["graded_levels"].sum() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_real_inputs_are_macs_and_their_zeros_are_told_apart(kind):
    rng = np.random.default_rng(4)
    synapses, source, target = kinds(rng, 0.3)[kind]
    graph = one_way(rng, synapses, source, target)
    trace = trace_of(graph, spikes_of(rng, graph, rate=0.1, skip=["in"]))
    values = rng.normal(size=(SAMPLES, STEPS, *source))
    inputs = {"in": np.where(values < 0, 0.0, values)}
    loop = Loop(graph, trace, inputs)
    assert_equal(count_run(graph, trace, inputs=inputs), loop)
    syn = loop.found["syn"]
    assert 0 < syn["macs_zero"].sum() < syn["macs"].sum()


def test_levels_too_large_for_float_products_stay_exact():
    rng = np.random.default_rng(5)
    graph = one_way(rng, n.DenseSynapses(np.ones((3, 2))), (2,), (3,))
    trace = trace_of(graph, spikes_of(rng, graph, rate=0.1, skip=["in"]))
    for level in (2**24 + 1, 2**53 + 1):
        inputs = {"in": np.full((SAMPLES, STEPS, 2), level)}
        counts = count_run(graph, trace, inputs=inputs)
        # 2 neurons x 3 targets
        assert (counts.counts["syn"]["graded_levels"] == 6 * level).all()


# --- all of them together ------------------------------------------------------------


def random_graph(rng):
    """All kinds of synapses and of signals, delays, loops and biases."""
    wide = n.ConvSynapses(sparse(rng, 2, 1, 1, 3), (1, 1, 4), padding=((0, 0), (1, 1)))
    back = sparse(rng, 12, 6)
    nodes = {
        "in": n.Input((2, 5)),
        "level": n.Input((1, 1, 4)),
        "real": n.Input((3,)),
        "one": n.BiasLine(),
        "stem_syn": n.TokenSynapses(sparse(rng, 3, 4, 2)),
        "stem": neurons(rng, 4, 3, biased=0.2),
        "mix_syn": n.ChannelSynapses(sparse(rng, 4, 3, 3)),
        "mix": neurons(rng, 4, 3),
        "skip_syn": n.DiagonalSynapses(sparse(rng, 4, 3)),
        "loop_syn": n.DiagonalSynapses(sparse(rng, 4, 3)),
        "bias_syn": n.DenseSynapses(sparse(rng, 12, 1)),
        "head_syn": n.DenseSynapses(sparse(rng, 6, 12)),
        "head": neurons(rng, 6),
        "back_syn": n.SparseSynapses(back[back != 0], *np.nonzero(back), (12, 6)),
        "seen_syn": wide,
        "seen": neurons(rng, 2, 1, 4),
        "real_syn": n.DenseSynapses(sparse(rng, 6, 3)),
        "slow_syn": n.DenseSynapses(sparse(rng, 5, 8)),
        "slow": n.Integrators(np.full(5, 0.5), np.zeros(5), np.ones(5)),
        "read_syn": n.DenseSynapses(sparse(rng, 6, 5)),
        "out": n.Output((6,)),
    }
    edges = [
        *(Edge("in", "stem_syn"), Edge("stem_syn", "stem")),
        *(Edge("stem", "mix_syn"), Edge("mix_syn", "mix")),
        *(Edge("stem", "skip_syn", 1), Edge("skip_syn", "mix")),
        *(Edge("mix", "loop_syn"), Edge("loop_syn", "mix")),
        *(Edge("one", "bias_syn", 3), Edge("bias_syn", "mix")),
        *(Edge("mix", "head_syn"), Edge("head_syn", "head")),
        *(Edge("head", "back_syn", 2), Edge("back_syn", "stem")),
        *(Edge("level", "seen_syn"), Edge("seen_syn", "seen")),
        *(Edge("real", "real_syn", 3), Edge("real_syn", "head")),
        *(Edge("seen", "slow_syn"), Edge("slow_syn", "slow")),
        *(Edge("slow", "read_syn"), Edge("read_syn", "out")),
        Edge("head", "out"),
    ]
    arrival = {"in": 0, "level": 0, "real": 0, "one": 0, "stem": 1, "mix": 2}
    arrival |= {"head": 3, "seen": 1, "slow": 2, "out": 3}
    return Graph(nodes, tuple(edges), Stage.TIMED, 1e-3, arrival)


def random_run(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng)
    trace = trace_of(graph, spikes_of(rng, graph, rate=0.1, skip=["level", "real"]))
    inputs = {
        "level": rng.integers(0, 3, (SAMPLES, STEPS, 1, 1, 4)),
        "real": np.maximum(0, rng.normal(size=(SAMPLES, STEPS, 3))),
    }
    return graph, trace, inputs


SLOTS = {"in": 5, "stem": 3, "mix": 3}
"""what the token and channel synapses of `random_graph` tell"""


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("seed", range(4))
def test_a_graph_of_everything_counts_like_its_messages(seed):
    graph, trace, inputs = random_run(seed)
    lengths = np.array([1, 2, 4])
    counts = count_run(graph, trace, inputs=inputs, lengths=lengths)
    loop = Loop(graph, trace, inputs, SLOTS, lengths)
    assert_equal(counts, loop)
    for name, total in counts.padding.items():
        wanted = {k: int(v) for k, v in loop.padding[name].items() if v}
        assert {k: v for k, v in vars(total).items() if v} == wanted, name
    for name in counts.counts:
        found = {
            (field, token): int(value)
            for field, values in counts.tokens.get(name, {}).items()
            for token, value in enumerate(values)
            if value
        }
        wanted = {
            (field, token): value
            for field, values in loop.tokens[name].items()
            for token, value in values.items()
            if value
        }
        assert found == wanted, name


def test_sums_over_steps_and_samples_are_the_totals():
    graph, trace, inputs = random_run(0)
    counts = count_run(graph, trace, inputs=inputs)
    totals = counts.totals()
    for name, total in totals.items():
        steps = counts.by_step(name)
        assert {k: int(v.sum()) for k, v in steps.items()} == {
            k: v for k, v in vars(total).items() if k in steps
        }
    assert sum(counts.by_sample(), OperationCount()) == counts.total()
    # 3 samples x 5 steps: the only work that belongs to no node
    rest = OperationCount(barriers=SAMPLES * STEPS)
    assert sum(totals.values(), rest) == counts.total()
    assert counts.barriers.sum() == SAMPLES * STEPS
    assert count_operations(graph, trace).keys() == totals.keys()


def part(trace, inputs, lengths, chosen):
    spikes = {name: each[chosen] for name, each in trace.spikes.items()}
    outputs = {name: each[chosen] for name, each in trace.outputs.items()}
    some = {name: each[chosen] for name, each in inputs.items()}
    return SpikeTrace(spikes, outputs), some, lengths[chosen]


def test_counts_of_parts_join_to_those_of_the_whole():
    graph, trace, inputs = random_run(1)
    lengths = np.array([1, 2, 4])
    whole = count_run(graph, trace, inputs=inputs, lengths=lengths)
    parts = []
    for chosen in (slice(0, 1), slice(1, 3)):
        some, values, tokens = part(trace, inputs, lengths, chosen)
        parts.append(count_run(graph, some, inputs=values, lengths=tokens))
    joined = join_counts(parts)
    assert joined.samples == SAMPLES
    assert joined.by_sample() == whole.by_sample()
    assert joined.totals() == whole.totals()
    assert joined.padding == whole.padding
    assert joined.uncounted == whole.uncounted
    for name in whole.counts:
        for field, values in whole.counts[name].items():
            assert (joined.counts[name][field] == values).all()
        for field, values in whole.tokens.get(name, {}).items():
            assert (joined.by_token(name)[field] == values).all()
    totals = [each.total() for each in parts]
    assert totals[0] + totals[1] == whole.total()


def two_placements(graph):
    """Packets and hops of each neuron on one chip; on the other, packets of some."""
    rng = np.random.default_rng(12)
    sizes = {k: math.prod(each.shape) for k, each in graph.populations().items()}
    big = {
        name: {key: rng.integers(0, 9, size) for key in ("packets", "hops_ew")}
        for name, size in sizes.items()
    }
    return {"big": big, "small": {"mix": {"packets": np.arange(sizes["mix"])}}}


def test_several_placements_count_as_each_does_alone():
    graph, trace, inputs = random_run(1)
    options = {"inputs": inputs, "lengths": np.array([1, 2, 4])}
    placements = two_placements(graph)
    plain, placed = count_placed(graph, trace, placements, **options)
    assert_same(plain, count_run(graph, trace, **options))
    for name, placement in placements.items():
        alone = count_run(graph, trace, placement=placement, **options)
        assert_same(placed[name], alone)
    assert plain.total().packets == 0
    big, small = (placed[name].totals() for name in placements)
    packets, sent = placements["big"]["head"]["packets"], trace.spikes["head"]
    assert big["head"].packets == (sent.sum(axis=(0, 1)) * packets).sum() > 0
    assert small["head"].packets == 0 < small["mix"].packets
    assert ("mix", "hops_ew, hops_ns: the placement does not tell them") in placed[
        "small"
    ].uncounted


def assert_same(one, other):
    assert one.totals() == other.totals()
    assert one.by_sample() == other.by_sample()
    assert one.padding == other.padding
    assert one.uncounted == other.uncounted
    assert one.counts.keys() == other.counts.keys()
    for name, fields in one.counts.items():
        assert fields.keys() == other.counts[name].keys()
        for field, values in fields.items():
            assert (values == other.counts[name][field]).all()
        tokens = other.tokens.get(name, {})
        assert one.tokens.get(name, {}).keys() == tokens.keys()
        assert all((one.tokens[name][key] == tokens[key]).all() for key in tokens)


def test_counts_of_different_options_do_not_join():
    graph, trace, inputs = random_run(1)
    one = count_run(graph, trace, inputs=inputs)
    other = count_run(graph, trace, inputs=inputs, lengths=[1, 1, 1])
    with pytest.raises(InputError, match="different graphs, steps or options"):
        join_counts([one, other])
    with pytest.raises(InputError, match="no counts to join"):
        join_counts([])


def test_peaks_are_the_largest_of_one_step():
    rng = np.random.default_rng(6)
    graph = one_way(rng, n.DenseSynapses(np.ones((3, 2))), (2,), (3,))
    spikes = spikes_of(rng, graph, rate=0.0)
    spikes["in"][1, 2] = 1  # both at one step of one sample
    spikes["in"][0, :, 0] = 1
    peaks = count_run(graph, trace_of(graph, spikes)).peaks
    # 2 spikes x 3 targets
    assert peaks == {"in": {"spikes": 2}, "syn": {"synops": 6}, "lif": {"spikes": 0}}


# --- what cannot be counted ----------------------------------------------------------


def test_what_is_unknown_is_listed_and_strict_refuses_it():
    graph, trace, inputs = random_run(2)
    counts = count_run(graph, trace, inputs={"level": inputs["level"]}, lengths=[1] * 3)
    listed = {(name, why.partition(":")[0]) for name, why in counts.uncounted}
    assert listed == {
        ("real", "macs_zero"),
        ("slow", "graded_levels"),
        *((name, "padding") for name in ("level", "real", "head", "seen", "slow")),
    }
    with pytest.raises(CountError, match="'real': macs_zero: the values"):
        count_run(graph, trace, inputs={"level": inputs["level"]}, strict=True)


def test_a_run_that_tells_everything_passes_strict():
    rng = np.random.default_rng(7)
    graph = one_way(rng, n.DenseSynapses(np.ones((3, 2))), (2,), (3,))
    trace = trace_of(graph, spikes_of(rng, graph, rate=0.3))
    assert count_run(graph, trace, strict=True).uncounted == ()


def numbers_only(trace, *names):
    counts = {name: each for name, each in trace.counted().items() if name in names}
    spikes = {k: v for k, v in trace.spikes.items() if k not in names}
    return replace(trace, spikes=spikes, counts=counts)


def test_numbers_of_spikes_suffice_where_all_neurons_have_one_fan_out():
    rng = np.random.default_rng(8)
    graph = one_way(rng, n.DenseSynapses(np.ones((3, 2))), (2,), (3,))
    trace = trace_of(graph, spikes_of(rng, graph, rate=0.3))
    known = count_run(graph, trace)
    counts = count_run(graph, numbers_only(trace, "in", "lif"))
    for name, field in (("in", "spikes"), ("lif", "spikes"), ("syn", "synops")):
        assert (counts.counts[name][field] == known.counts[name][field]).all()
    assert {(name, why.partition(":")[0]) for name, why in counts.uncounted} == {
        ("lif", "updates_active"),
        ("lif", "updates_inactive"),
    }


def test_numbers_of_spikes_do_not_tell_synops_of_unequal_fan_outs():
    rng = np.random.default_rng(9)
    weight = np.array([[1.0, 0.0], [1.0, 1.0]])
    graph = one_way(rng, n.DenseSynapses(weight), (2,), (2,), biased=1.0)
    trace = trace_of(graph, spikes_of(rng, graph, rate=0.3))
    counts = count_run(graph, numbers_only(trace, "in"))
    assert "synops" not in counts.counts["syn"]
    listed = [(name, why.partition(":")[0]) for name, why in counts.uncounted]
    assert ("syn", "synops") in listed
    assert ("syn", "weight_bits_read") in listed
    # Neurons with a bias are active, whoever sent what.
    assert counts.totals()["lif"].updates_active == SAMPLES * STEPS * 2


# --- refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lengths": [1, 2]}, r"lengths of type int64 and shape \(2,\)"),
        ({"lengths": [1.5, 2, 3]}, "lengths of type float64"),
        ({"lengths": [-1, 2, 3]}, "whole numbers from 0 on"),
        ({"inputs": {"x": np.zeros(1)}}, "inputs for 'x', but the graph has"),
        ({"inputs": {"in": np.zeros(1)}}, "'in': the trace has its spikes already"),
        ({"embedding_bits": {"in": 8}}, "embedding_bits: 8 for 'in'"),
        ({"placement": {"x": {}}}, "placement of 'x', which the graph lacks"),
        ({"placement": {"in": {"packets": np.ones(3)}}}, "3 numbers of 'packets'"),
        ({"placement": {"in": {"joules": np.ones(2)}}}, "2 numbers of 'joules'"),
    ],
)
def test_refuses_what_does_not_fit(options, words):
    rng = np.random.default_rng(10)
    graph = one_way(rng, n.DenseSynapses(np.ones((3, 2))), (2,), (3,))
    trace = trace_of(graph, spikes_of(rng, graph, rate=0.3))
    with pytest.raises(InputError, match=words):
        count_run(graph, trace, **options)


def test_refuses_inputs_of_another_shape():
    graph, trace, inputs = random_run(0)
    inputs["real"] = inputs["real"][:, :, :2]
    with pytest.raises(InputError, match=r"'real': spikes of shape \(3, 5, 2\)"):
        count_run(graph, trace, inputs=inputs)


def test_refuses_nodes_and_tokens_that_were_not_counted():
    graph, trace, inputs = random_run(0)
    counts = count_run(graph, trace, inputs=inputs)
    with pytest.raises(InputError, match="no counts of node 'x'"):
        counts.by_step("x")
    with pytest.raises(InputError, match="no token positions of node 'head'"):
        counts.by_token("head")
