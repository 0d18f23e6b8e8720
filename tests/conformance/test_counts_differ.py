"""Where NeuroBench or SpikingJelly count otherwise: one test a difference.

docs/validation.md lists them. A version of theirs that counts as we do fails here: then
the test goes to test_counts_equal.py, and its line in the document goes, too.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn
from torch.nn import functional

from spikewright.errors import GraphError
from spikewright.hardware_profiles.teachers.operations import count_teacher
from spikewright.hardware_profiles.teachers.shape import TransformerShape

NEEDED = ("neurobench", "snntorch", "spikingjelly")
if not all(map(find_spec, NEEDED)):
    pytest.skip("needs other tools: make conformance", allow_module_level=True)
sys.path.append(str(Path(__file__).parent))
counting = import_module("counting_tools")
leaky, thinned = counting.leaky, counting.thinned


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def dense(**given: bool) -> nn.Module:
    return nn.Sequential(thinned(nn.Linear(12, 8, **given)), leaky()).eval()


def jelly_of(net, x, **given):
    return counting.spikingjelly(counting.Loop(net), x, **given)


# --- which operations are accumulates -----------------------------------------------


def test_the_rest_of_a_batch_decides_what_neurobench_and_spikingjelly_count() -> None:
    """One real number makes MACs of all its step; of others only in the same batch."""
    net, x = dense(), counting.spikes(4, 5, 12)
    x[0, 0, 0] = 0.5
    whole = counting.neurobench(net, x)
    halves, singles = (counting.neurobench(net, x, batch) for batch in (2, 1))
    assert whole.macs > halves.macs > singles.macs > 0
    every = whole.acs + whole.macs
    assert every == halves.acs + halves.macs == singles.acs + singles.macs
    # SpikingJelly: 4 samples of one step x 12 x 8, or one
    assert jelly_of(net, x).macs == 4 * 96
    assert sum(jelly_of(net, x[i : i + 1]).macs for i in range(4)) == 96
    # Ours: this Input is real, in 4 samples x 5 steps.
    found = [counting.ours(net, part).weights.macs for part in (x, x[:1], x[1:])]
    assert found[0] == 20 * 96
    # Samples that hold nothing but 0 and 1 can be given as spikes.
    assert found[1:] == [5 * 96, 0]


def test_integers_are_dense_macs_to_spikingjelly() -> None:
    net, x = dense(), torch.randint(4, (4, 5, 12)).float()
    found, jelly = counting.ours(net, x).weights, jelly_of(net, x)
    assert jelly.macs == 20 * 96
    assert jelly.synops == 0
    assert 0 < found.graded_synops < jelly.macs
    assert found.graded_levels > found.graded_synops
    assert found.macs == 0


def test_integers_are_macs_to_neurobench() -> None:
    net, x = dense(), torch.randint(4, (4, 5, 12)).float()
    theirs = counting.neurobench(net, x)
    assert theirs.macs == counting.ours(net, x).weights.graded_synops
    assert theirs.acs == 0


def test_ternary_messages_are_dense_macs_to_spikingjelly() -> None:
    net, x = dense(), torch.randint(-1, 2, (4, 5, 12)).float()
    found, jelly = counting.ours(net, x).weights, jelly_of(net, x)
    assert jelly.macs == 20 * 96
    # every message has the level 1
    assert found.graded_synops == found.graded_levels > 0


def test_weights_of_0_and_1_turn_macs_into_accumulates_in_spikingjelly() -> None:
    layer = nn.Linear(12, 8, bias=False)
    with torch.no_grad():
        layer.weight.copy_((layer.weight > 0).float())
    net, x = nn.Sequential(layer, leaky()).eval(), torch.rand(4, 5, 12)
    found, jelly = counting.ours(net, x).weights, jelly_of(net, x)
    assert (found.macs, jelly.macs) == (20 * 96, 0)
    assert jelly.synops == 20 * int(layer.weight.sum())


def test_weights_of_0_and_1_lose_their_zeros_in_spikingjelly() -> None:
    layer = nn.Linear(12, 8, bias=False)
    with torch.no_grad():
        layer.weight.copy_((layer.weight > 0).float())
    net, x = nn.Sequential(layer, leaky()).eval(), counting.spikes(4, 5, 12)
    found, jelly = counting.ours(net, x).weights, jelly_of(net, x)
    assert jelly.synops == found.synops
    assert found.synops_zero > 0


# --- what an operation is -------------------------------------------------------------


def test_neither_counts_biases() -> None:
    torch.manual_seed(1)
    with_bias, x = dense(), counting.spikes(4, 5, 12)
    without = nn.Sequential(nn.Linear(12, 8, bias=False), leaky()).eval()
    without[0].weight = with_bias[0].weight
    one, other = (counting.ours(net, x) for net in (with_bias, without))
    # an event of each of 8 neurons at each of 20 steps
    assert (one.biases.synops, other.biases.synops) == (160, 0)
    acs = [counting.neurobench(net, x).acs for net in (with_bias, without)]
    assert acs == [one.weights.synops] * 2
    found = [jelly_of(net, x, ignore=(snn.Leaky,)) for net in (with_bias, without)]
    assert found[0] == found[1]


def test_spikingjelly_counts_the_arithmetic_of_neurons_as_accumulates() -> None:
    net, x = dense(), counting.spikes(4, 5, 12)
    jelly = jelly_of(net, x)
    # an addition of the input: 20 steps x 8 neurons; subtractions: as snnTorch writes
    # them, at least one
    assert jelly.acs - jelly.synops > 2 * 160
    assert jelly_of(net, x, ignore=(snn.Leaky,)).acs == jelly.synops
    # Ours stand in fields of their own.
    assert counting.ours(net, x).updates == 160


def test_spikingjelly_counts_the_padding_of_real_inputs() -> None:
    net = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), leaky()).eval()
    x = torch.rand(4, 5, 2, 6, 6)
    # 36 places x 9 taps x 2 x 4 channels x 20 steps; without the border the 6 places of
    # an axis have 2 + 3 + 3 + 3 + 3 + 2 = 16 taps
    assert jelly_of(net, x).macs == 20 * 36 * 9 * 8
    assert counting.ours(net, x).weights.macs == 20 * 16 * 16 * 8


def test_neurobench_leaves_out_macs_at_zero_weights() -> None:
    net, x = dense(), torch.rand(4, 5, 12)
    zeros = int((net[0].weight == 0).sum())
    found, theirs = counting.ours(net, x).weights, counting.neurobench(net, x)
    assert zeros > 0
    assert found.macs_zero == 0
    assert found.macs - theirs.macs == 20 * zeros


def test_batch_norm_is_work_to_spikingjelly_and_folded_here() -> None:
    norm = nn.BatchNorm2d(4)
    norm.running_mean += 0.1
    kernel = nn.Conv2d(2, 4, 3, padding=1, bias=False)
    net = nn.Sequential(kernel, norm, leaky()).eval()
    x = counting.spikes(4, 5, 2, 6, 6)
    jelly, found = jelly_of(net, x, ignore=(snn.Leaky,)), counting.ours(net, x)
    # a multiplication and an addition for each of 4 x 36 values, and an addition of
    # epsilon for each channel, at 5 steps of the batch
    assert jelly.macs == 20 * 144
    assert jelly.acs - jelly.synops == 20 * 144 + 5 * 4
    assert found.run.total().norm_elements == 0
    assert found.weights.synops == jelly.synops


class Residual(nn.Module):
    """A sum of the spikes of two populations, in front of weights."""

    def __init__(self) -> None:
        super().__init__()
        self.fc0, self.l0 = thinned(nn.Linear(12, 16)), leaky()
        self.fc1, self.l1 = thinned(nn.Linear(16, 16)), leaky()
        self.fc2, self.l2 = thinned(nn.Linear(16, 8)), leaky()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.l0(self.fc0(x))
        return self.l2(self.fc2(h + self.l1(self.fc1(h))))


def test_sums_of_spikes_are_macs_to_both_and_two_events_here() -> None:
    net, x = Residual().eval(), counting.spikes(4, 5, 12)
    found, theirs = counting.ours(net, x), counting.neurobench(net, x)
    totals = found.run.totals()
    first = totals["fc0"].synops + totals["fc1"].synops
    behind = totals["fc2"].synops + totals["fc2_2"].synops
    # Where both spike, one message of 2 is one operation to NeuroBench: a MAC, and so
    # are all others of its step.
    both = found.trace.spikes["l0"] & found.trace.spikes["l1"]
    fans = np.count_nonzero(net.fc2.weight.detach().numpy(), axis=0)
    doubles = int((both * fans).sum())
    assert doubles > 0
    assert theirs.acs + theirs.macs == first + behind - doubles
    assert theirs.macs > 0
    # SpikingJelly takes steps without a 2 for spikes, the others for dense MACs.
    jelly = jelly_of(net, x)
    assert jelly.macs > 0
    assert jelly.macs % (4 * 16 * 8) == 0
    # It adds spikes, we add currents: 20 steps x 8 neurons
    alone = jelly_of(net, x, ignore=(snn.Leaky,))
    fired = sum(int(found.trace.spikes[each].sum()) for each in ("l0", "l1"))
    assert alone.acs - alone.synops == fired
    assert found.run.total().residual_additions == 160


# --- pooling -------------------------------------------------------------------------


def test_pooling_is_no_work_to_neurobench_and_dense_to_spikingjelly() -> None:
    net = nn.Sequential(nn.AvgPool2d(2), leaky(threshold=0.4)).eval()
    x = counting.spikes(4, 5, 2, 6, 6)
    theirs, jelly = counting.neurobench(net, x), jelly_of(net, x, ignore=(snn.Leaky,))
    assert (theirs.acs, theirs.macs, theirs.dense) == (0, 0, 0)
    # 3 additions for each of 2 x 3 x 3 values, whatever spikes
    assert (jelly.synops, jelly.acs) == (0, 20 * 18 * 3)
    # Each spike meets the one weight of its window.
    assert counting.ours(net, x).weights.synops == int(x.sum())


def test_weights_behind_a_pool_meet_fractions_in_both_and_spikes_here() -> None:
    net = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(18, 5), leaky())
    x = counting.spikes(4, 5, 2, 6, 6)
    found = counting.ours(net.eval(), x).weights
    # Pool and matrix are one: each spike meets 5 weights.
    assert (found.synops, found.macs) == (5 * int(x.sum()), 0)
    assert counting.neurobench(net, x).macs > 0
    assert jelly_of(net, x).macs == 20 * 18 * 5


# --- neurons --------------------------------------------------------------------------


def test_a_potential_that_leaks_is_an_update_to_neurobench() -> None:
    net, x = dense(bias=False), counting.spikes(4, 5, 12, rate=0.05)
    found, theirs = counting.ours(net, x).run.total(), counting.neurobench(net, x)
    every = found.updates_active + found.updates_inactive
    assert theirs.dense_neuron_ops == 4 * every == 4 * 160
    # Active here: an event arrived, or the neuron spiked. There: the potential changed,
    # or it is the first step.
    assert 0 < 4 * found.updates_active < theirs.neuron_ops < theirs.dense_neuron_ops


def test_neuron_operations_of_neurobench_fail_without_a_word() -> None:
    """Without a reset there is no entry in its table, and the metric is lost."""
    net = nn.Sequential(nn.Linear(12, 8), leaky(reset_mechanism="none")).eval()
    x = counting.spikes(4, 5, 12)
    assert counting.neurobench(net, x).neuron_ops is None
    assert counting.ours(net, x).updates == 160


def test_spikingjelly_sees_no_state_in_neurons_of_snntorch() -> None:
    net, x = dense(), counting.spikes(4, 5, 12)
    report = counting.op_counter.estimate_simple_energy(counting.Loop(net), x)
    assert report.counts["neuron_state_read_bytes"] == 0
    assert report.warnings == []
    # a potential of 32 bits of 8 neurons at 20 steps
    assert counting.ours(net, x).run.total().state_bits_read == 32 * 160


# --- recurrence ----------------------------------------------------------------------


def recurrent(**given: object) -> nn.Module:
    neurons = snn.RLeaky(0.75, linear_features=8, init_hidden=True, **given)
    return nn.Sequential(thinned(nn.Linear(12, 8)), neurons).eval()


def test_spikes_of_the_last_step_reach_no_one_in_torch() -> None:
    """We count what leaves a population, even if it arrives after the end."""
    net, x = recurrent(reset_mechanism="none"), counting.spikes(4, 5, 12)
    found, theirs = counting.ours(net, x), counting.neurobench(net, x)
    name = next(k for k in found.trace.spikes if k not in found.graph.inputs)
    late = int(found.trace.spikes[name][:, -1].sum())
    assert late > 0
    # 8 weights for each, none of them zero
    assert found.weights.synops - theirs.acs == 8 * late
    both = found.weights.synops + found.weights.synops_zero
    assert both - jelly_of(net, x).synops == 8 * late


def test_both_count_recurrent_weights_twice_if_a_neuron_resets_at_once() -> None:
    """Torch computes the potential again to reset it."""
    once = recurrent(reset_mechanism="none")
    twice = recurrent(reset_mechanism="zero", reset_delay=False)
    x = counting.spikes(4, 5, 12)
    # 20 steps x (12 x 8 + 8 x 8), and 8 x 8 once more
    assert counting.neurobench(once, x).dense == 20 * 160
    assert counting.neurobench(twice, x).dense == 20 * 224
    assert counting.ours(twice, x).dense == 20 * 160


def test_neurobench_cannot_count_recurrent_layers_of_torch() -> None:
    with pytest.raises(TypeError, match="exceptions must derive from BaseException"):
        counting.single_layer_MACs(torch.rand(5, 12), nn.RNN(12, 8))


# --- attention -----------------------------------------------------------------------


class Attention(nn.Module):
    """Four heads of 4, spelled out or by torch's own function."""

    def __init__(self, *, is_spelled_out: bool) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(16, 16) for _ in range(4))
        self.is_spelled_out = is_spelled_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = (layer(x) for layer in (self.q, self.k, self.v))
        q, k, v = (each.unflatten(-1, (4, 4)).transpose(1, 2) for each in parts)
        if self.is_spelled_out:
            mixed = (q @ k.mT / 2).softmax(-1) @ v
        else:
            mixed = functional.scaled_dot_product_attention(q, k, v)
        return self.o(mixed.transpose(1, 2).flatten(-2))


class Whole(nn.Module):
    """Torch's own layer, in front of neurons."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.lif = leaky()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lif(self.attention(x, x, x, need_weights=False)[0])


PROJECTIONS, PRODUCTS = 4 * 16 * 16 * 16, 2 * 2 * 8 * 8 * 16
"""MACs of 2 sentences of 8 tokens, width 16: 16 384, and 4096 of q k and scores v"""


def test_our_teacher_counts_attention_whole() -> None:
    shape = TransformerShape("tiny", 16, 1, 4, 1, 10, 2)
    layer = count_teacher(shape, 8)["layer0"]
    # a feed-forward of width 1 takes 2 x 8 x 16 MACs
    assert 2 * (layer.macs - 256) == PROJECTIONS + PRODUCTS


def test_spikingjelly_counts_nothing_of_scaled_dot_product_attention() -> None:
    x = torch.randn(2, 8, 16)
    out, fused = (Attention(is_spelled_out=each).eval() for each in (True, False))
    assert counting.spikingjelly(out, x).macs == PROJECTIONS + PRODUCTS
    assert counting.spikingjelly(fused, x).macs == PROJECTIONS
    report = counting.op_counter.estimate_simple_energy(fused, x)
    assert (report.counts["mac"], report.warnings) == (PROJECTIONS, [])


def test_both_count_nothing_of_multi_head_attention() -> None:
    net, x = Whole().eval(), torch.randn(2, 1, 8, 16)
    theirs, jelly = counting.neurobench(net, x), jelly_of(net, x)
    assert (theirs.acs, theirs.macs, theirs.dense) == (0, 0, 0)
    assert (jelly.synops, jelly.macs) == (0, 0)
    with pytest.raises(GraphError, match="MultiheadAttention has no exact counterpart"):
        counting.ours(net, x)


def test_neurobench_sees_no_products_outside_of_layers() -> None:
    model = counting.TorchModel(Attention(is_spelled_out=True).eval())
    found = counting.effective_operations(model, torch.randn(2, 8, 16))
    assert found.macs == PROJECTIONS


def test_products_of_spikes_element_by_element_are_free_in_both() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc0, self.l0 = thinned(nn.Linear(12, 8)), leaky()
            self.fc1, self.l1 = thinned(nn.Linear(12, 8)), leaky()
            self.fc2, self.l2 = nn.Linear(8, 8), leaky()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.l2(self.fc2(self.l0(self.fc0(x)) * self.l1(self.fc1(x))))

    net, x = Gate().eval(), counting.spikes(4, 5, 12)
    found, jelly = counting.ours(net, x), jelly_of(net, x)
    sent = [found.trace.spikes[each] for each in ("l0", "l1")]
    totals = counting.count_coincidences(*(each[:, :, None] for each in sent)).totals()
    assert totals["both"] > 0
    # three matrices, the last of which meets the coincidences
    fired = 2 * int(x.sum()) + totals["both"]
    assert jelly.synops == 8 * fired
    # Here the neurons that find a coincidence receive the spikes of both.
    extra = found.weights.synops + found.weights.synops_zero - jelly.synops
    assert extra == totals["first_driven"] + totals["second_driven"]
