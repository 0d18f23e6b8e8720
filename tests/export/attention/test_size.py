"""What attention costs is known before it is built, and it is what is built."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spikewright.errors import GraphError, InputError
from spikewright.export.attention.blocks import (
    coincidence_attention,
    respiked_attention,
    spike_driven_attention,
)
from spikewright.export.attention.parts import Projection, Projections
from spikewright.export.attention.size import (
    AttentionTooLargeError,
    OrderName,
    coincidence_size,
)
from spikewright.export.lower import lower
from spikewright.export.nir.io import write_nir
from spikewright.graph import Graph, Stage
from spikewright.hops import hops
from spikewright.linear import to_sparse
from spikewright.nodes import IF, LI, LIF, Threshold

DT_S = 2.0**-10


def cell(**changed: Any) -> LIF:
    """A neuron of decay 0.5 and threshold 0.5."""
    one = {"tau_s": 2 * DT_S, "r": 1.0, "v_leak": 0.0, "v_threshold": 0.5}
    given = {**one, "v_reset": 0.0, **changed}
    return LIF(**{name: np.array(value) for name, value in given.items()})


def projections(channels: int, heads: int = 1, **options: Any) -> Projections:
    weight, bias = np.ones((channels, 3)), np.zeros(channels)
    q, k, v = (Projection(weight, bias, cell()) for _ in range(3))
    return Projections(q, k, v, heads, **options)


def coincidences(
    tokens: int, channels: int, heads: int = 1, order: OrderName | None = None
) -> Graph:
    given = projections(channels, heads)
    return coincidence_attention(given, out=cell(), tokens=tokens, order=order)


# --- units, synapses, numbers --------------------------------------------------------


def test_the_size_of_a_small_attention_worked_out_by_hand() -> None:
    size = coincidence_size(3, 2, order="contexts")
    # 2 x 2 pairs of channels, 3 tokens: 12 ANDs; a sum of 0 to 3 has 2 bits: 2 x 4
    # units, and 2 x 12 ANDs with the query
    assert size.units == 12 + 8 + 24
    # 2 into each AND, 12 + 24; 12 into either bit, and 4 from the high to the low; 1
    # from each of the last ANDs to the neurons
    assert size.synapses == 2 * (12 + 24) + 2 * 12 + 4 + 24
    # maps: 3 of 4 x 2 weights and 4 biases, a sum of 4 x 3, 2 spreads of 4 x 3, the
    # total of 2 x 4 and 2; thresholds: 12, 2 x 4, 2 x 12; a Scale for the high bit, 4,
    # and one for its ANDs, 12
    assert size.numbers == 3 * 12 + 12 + 24 + 10 + 12 + 8 + 24 + 4 + 12
    assert size.dense_bytes == 4 * size.numbers
    assert size.sparse_bytes == 12 * size.synapses + 4 * size.units


SIZES = [(3, 2, 1), (4, 4, 2), (1, 3, 1), (5, 2, 2), (2, 9, 3)]
every_size = pytest.mark.parametrize(("tokens", "channels", "heads"), SIZES)
every_order = pytest.mark.parametrize("order", ["contexts", "scores"])


@every_order
@every_size
def test_as_many_units_and_numbers_are_built(
    tokens: int, channels: int, heads: int, order: OrderName
) -> None:
    size = coincidence_size(tokens, channels, heads, order=order)
    graph = coincidences(tokens, channels, heads, order)
    units = [n for n in graph.nodes.values() if isinstance(n, Threshold)]
    assert size.order == order
    assert size.units == sum(node.threshold.size for node in units)
    others = ("map", "place", "scale", "put", "q", "k", "v", "out")
    between = [
        node for name, node in graph.nodes.items() if name.split("_")[-1] not in others
    ]
    held = [getattr(node, each.name) for node in between for each in fields(node)]
    arrays = [each for each in held if isinstance(each, np.ndarray)]
    assert {each.dtype for each in arrays} == {np.dtype(np.float32)}
    assert size.numbers == sum(each.size for each in arrays)


@every_order
@every_size
def test_as_many_synapses_are_left_once_lowered(
    tokens: int, channels: int, heads: int, order: OrderName
) -> None:
    graph = coincidences(tokens, channels, heads, order)
    timed = lower(graph, dt_s=DT_S, to=Stage.TIMED).graph
    populations = timed.populations()
    between = 0
    for hop in hops(timed):
        ends = {hop.source, hop.target}
        if any(isinstance(graph.nodes.get(end), Threshold) for end in ends):
            shape = populations[hop.source].shape
            assert hop.synapses is not None
            listed = to_sparse(hop.synapses, int(np.prod(shape)))
            between += np.count_nonzero(listed.weight)
    wanted = coincidence_size(tokens, channels, heads, order=order)
    assert between == wanted.synapses


def test_what_takes_fewer_bytes_is_chosen() -> None:
    for tokens, channels in [(2, 9), (9, 2), (16, 64), (64, 64)]:
        both = [
            coincidence_size(tokens, channels, order="contexts"),
            coincidence_size(tokens, channels, order="scores"),
        ]
        chosen = coincidence_size(tokens, channels)
        assert chosen.numbers == min(each.numbers for each in both)
    assert coincidence_size(2, 9).order == "scores"
    assert coincidence_size(9, 2).order == "contexts"


# --- how it grows --------------------------------------------------------------------


def numbers_in_file(graph: Graph, path: Path) -> int:
    """Count what a NIR file stores in its arrays."""
    write_nir(graph, path)
    counts: list[int] = []
    with h5py.File(path) as file:
        file.visititems(
            lambda name, held: counts.append(
                held.size if isinstance(held, h5py.Dataset) else 0
            )
        )
    return sum(counts)


def spike_driven(tokens: int) -> Graph:
    gate = Threshold(np.array(1.0))
    return spike_driven_attention(projections(8, 2), gate=gate, tokens=tokens)


def respiked(tokens: int) -> Graph:
    return respiked_attention(
        projections(8, 2), context=cell(), out=cell(), tokens=tokens
    )


@pytest.mark.parametrize("make", [spike_driven, respiked])
def test_a_file_grows_by_as_much_for_each_token(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "block.nir"
    small, middle, large = (numbers_in_file(make(n), path) for n in (16, 32, 64))
    assert large - middle == 2 * (middle - small) > 0


def test_coincidences_grow_by_tokens_times_their_bits() -> None:
    # from 31 to 32 tokens a sum has 6 bits instead of 5; within 32 … 63 it is linear
    sizes = {n: coincidence_size(n, 8, order="contexts").numbers for n in (32, 40, 48)}
    assert sizes[48] - sizes[40] == sizes[40] - sizes[32]
    units = [coincidence_size(n, 8, order="contexts").units for n in (31, 32)]
    assert units == [64 * (31 * 6 + 5), 64 * (32 * 7 + 6)]


# --- refusals ------------------------------------------------------------------------


def test_what_is_too_large_is_refused_with_its_size_and_the_rewrite() -> None:
    # 4 tokens, 4 channels: 64 pairs (1 + 3 bits) and 3 x 16 bits make 304 units
    size = coincidence_size(4, 4)
    message = f"304 units, .* {size.dense_bytes:,} bytes .* respiked_attention"
    with pytest.raises(AttentionTooLargeError, match=message) as caught:
        coincidence_attention(
            projections(4), out=cell(), tokens=4, max_bytes=size.dense_bytes - 1
        )
    assert caught.value.size == size
    coincidence_attention(
        projections(4), out=cell(), tokens=4, max_bytes=size.dense_bytes
    )


def test_bert_with_128_tokens_is_refused_without_being_built() -> None:
    with pytest.raises(AttentionTooLargeError, match="57,016,320 units"):
        coincidence_attention(projections(768, 12), out=cell(), tokens=128)


def test_channels_must_be_shared_evenly() -> None:
    with pytest.raises(InputError, match="10 channels for 3 heads"):
        projections(10, 3)
    with pytest.raises(InputError, match="10 channels for 3 heads"):
        coincidence_size(4, 10, 3)


def test_tokens_and_orders_must_exist() -> None:
    with pytest.raises(InputError, match="0 tokens; allowed: 1 or more"):
        coincidence_size(0, 4)
    with pytest.raises(InputError, match="order 'both'; allowed: contexts, scores"):
        coincidence_size(4, 4, order="both")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("weight", "bias", "match"),
    [
        ((4, 2), (4,), r"'k': weight \(4, 2\) .* allowed: \(4, 3\) and \(4,\)"),
        ((4, 3), (3,), r"'k': weight .* bias \(3,\)"),
    ],
)
def test_projections_must_fit_together(weight: Any, bias: Any, match: str) -> None:
    good = Projection(np.ones((4, 3)), np.zeros(4), cell())
    bad = Projection(np.ones(weight), np.zeros(bias), cell())
    with pytest.raises(GraphError, match=match):
        Projections(good, bad, good)


def test_a_neuron_has_one_value_or_one_for_each_head() -> None:
    wrong = cell(v_threshold=[1.0, 2.0, 3.0])
    with pytest.raises(GraphError, match=r"v_threshold has 3 values; .* of 2 heads"):
        coincidence_attention(projections(4, 2), out=wrong, tokens=2)


def test_what_sends_no_spikes_is_no_neuron_of_attention() -> None:
    one = np.ones(())
    leaky: Any = LI(one, one, one)
    with pytest.raises(GraphError, match="a LI; allowed: LIF, IF, CubaLIF, Threshold"):
        coincidence_attention(projections(4), out=leaky, tokens=2)


def test_other_neurons_take_the_place_of_a_lif() -> None:
    one = np.ones(())
    neuron = IF(one, one, one * 0.0)
    graph = coincidence_attention(projections(4, 2), out=neuron, tokens=3)
    made = graph.nodes["head1_out"]
    assert isinstance(made, IF) and made.r.shape == (2, 3)
