"""Our counts are those of NeuroBench and SpikingJelly, wherever these are right.

One module is counted by them as it runs in torch, and by us as the graph it exports to.
NeuroBench leaves out weights that are zero, SpikingJelly does not: `synops`, and
`synops + synops_zero`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import snntorch as snn
import torch
from torch import nn

NEEDED = ("neurobench", "snntorch", "spikingjelly")
if not all(map(find_spec, NEEDED)):
    pytest.skip("needs other tools: make conformance", allow_module_level=True)
sys.path.append(str(Path(__file__).parent))
counting = import_module("counting_tools")
leaky, thinned = counting.leaky, counting.thinned
SAMPLES, STEPS = 4, 5
REQUIREMENTS = Path(__file__).parents[2] / "requirements-conformance.txt"


class Currents(nn.Module):
    """Two branches of spikes, whose currents are added in front of neurons."""

    def __init__(self) -> None:
        super().__init__()
        self.fc0, self.l0 = thinned(nn.Linear(12, 16)), leaky()
        self.fc1, self.skip = thinned(nn.Linear(16, 8)), thinned(nn.Linear(12, 8))
        self.l1 = leaky()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.l1(self.fc1(self.l0(self.fc0(x))) + self.skip(x))


def normed(layer: nn.Module) -> nn.Module:
    """A BatchNorm in eval mode with statistics of its own."""
    size = layer.num_features
    layer.running_mean = torch.linspace(-0.3, 0.4, size)
    layer.running_var = torch.linspace(0.4, 1.3, size)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(0.8, 1.7, size))
        layer.bias.copy_(torch.linspace(-0.2, 0.5, size))
    return layer.eval()


def as_pool(size: int, channels: int) -> nn.Module:
    """Average pooling as what it is on a chip: synapses of weight 1 / size^2."""
    layer = nn.Conv2d(channels, channels, size, size, groups=channels, bias=False)
    nn.init.constant_(layer.weight, 1 / size**2)
    return layer


def conv(*sizes: int, **given: Any) -> nn.Module:
    return thinned(nn.Conv2d(*sizes, **given))


def zero() -> snn.Leaky:
    return leaky(reset_mechanism="zero")


def synaptic() -> snn.Synaptic:
    return snn.Synaptic(0.5, 0.75, init_hidden=True, reset_mechanism="none")


Build = Callable[[], nn.Module]
NETS: dict[str, tuple[Build, tuple[int, ...]]] = {
    "dense": (
        lambda: nn.Sequential(
            thinned(nn.Linear(20, 30)), leaky(), thinned(nn.Linear(30, 10)), leaky()
        ),
        (20,),
    ),
    "dense_without_bias": (
        lambda: nn.Sequential(thinned(nn.Linear(20, 30, bias=False)), zero()),
        (20,),
    ),
    "synaptic": (
        lambda: nn.Sequential(
            thinned(nn.Linear(20, 30)),
            synaptic(),
            thinned(nn.Linear(30, 10)),
            synaptic(),
        ),
        (20,),
    ),
    "border": (
        lambda: nn.Sequential(
            conv(2, 4, 3, padding=1), leaky(), conv(4, 3, 5, padding=2), leaky()
        ),
        (2, 6, 7),
    ),
    "stride": (
        lambda: nn.Sequential(
            conv(2, 4, 3, stride=2, padding=1),
            leaky(),
            conv(4, 3, 2, stride=(1, 2)),
            leaky(),
        ),
        (2, 9, 8),
    ),
    "groups": (
        lambda: nn.Sequential(
            conv(4, 8, 3, padding=1, groups=2),
            leaky(),
            conv(8, 8, 3, groups=8, stride=2, padding=1),
            leaky(),
        ),
        (4, 6, 6),
    ),
    "dilation": (
        lambda: nn.Sequential(conv(2, 3, 3, dilation=2, padding=(2, 1)), leaky()),
        (2, 7, 7),
    ),
    "same_of_an_even_kernel": (
        lambda: nn.Sequential(conv(2, 3, 4, padding="same"), leaky()),
        (2, 6, 6),
    ),
    "one_axis": (
        lambda: nn.Sequential(
            thinned(nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2)), leaky()
        ),
        (4, 11),
    ),
    "flattened": (
        lambda: nn.Sequential(
            conv(1, 4, 3, padding=1),
            leaky(),
            nn.Flatten(),
            thinned(nn.Linear(100, 7)),
            leaky(),
        ),
        (1, 5, 5),
    ),
    "pool": (
        lambda: nn.Sequential(
            conv(2, 4, 3, padding=1), leaky(), as_pool(2, 4), leaky(threshold=0.4)
        ),
        (2, 6, 6),
    ),
    "batch_norm_behind_a_kernel": (
        lambda: nn.Sequential(
            conv(2, 4, 3, padding=1, bias=False), normed(nn.BatchNorm2d(4)), leaky()
        ),
        (2, 6, 6),
    ),
    "batch_norm_behind_a_matrix": (
        lambda: nn.Sequential(
            thinned(nn.Linear(12, 8)), normed(nn.BatchNorm1d(8)), leaky()
        ),
        (12,),
    ),
    "currents": (Currents, (12,)),
}


def made(name: str, seed: int) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(seed)
    build, shape = NETS[name]
    return build().eval(), counting.spikes(SAMPLES, STEPS, *shape)


def neurons_of(net: nn.Module) -> tuple[type[nn.Module], ...]:
    return tuple({type(each) for each in net.modules() if hasattr(each, "mem")})


# --- every net -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NETS)
def test_events_are_those_of_neurobench(name: str, seed: int) -> None:
    net, x = made(name, seed)
    found, theirs = counting.ours(net, x), counting.neurobench(net, x)
    assert found.weights.synops == theirs.acs > 0
    assert found.dense == theirs.dense
    assert theirs.macs == found.weights.macs == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NETS)
def test_events_at_all_weights_are_those_of_spikingjelly(name: str, seed: int) -> None:
    net, x = made(name, seed)
    found = counting.ours(net, x).weights
    theirs = counting.spikingjelly(counting.Loop(net), x)
    assert found.synops + found.synops_zero == theirs.synops


def test_nets_have_zero_weights_and_neurons_that_spike() -> None:
    """Else the tests above would compare little."""
    for name in NETS:
        found = counting.ours(*made(name, 0))
        sources = [k for k in found.trace.spikes if k not in found.graph.inputs]
        assert any(found.trace.spikes[each].any() for each in sources), name
        assert found.weights.synops_zero > 0, name


# --- numbers by hand -----------------------------------------------------------------


def mlp() -> tuple[nn.Module, torch.Tensor]:
    """20-30-10, beta 0.9, 5 steps, 4 samples, rate 0.3, five weights of row 0 zero."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 30), leaky(), nn.Linear(30, 10), leaky())
    with torch.no_grad():
        net[0].weight.mul_(3)
        net[0].weight[0, :5] = 0
    return net.eval(), counting.spikes(SAMPLES, STEPS, 20)


def one_by_one(net: nn.Module, x: torch.Tensor) -> tuple[int, int]:
    """Count each spike at each weight: (at weights that are not zero, at all)."""
    at_some = at_all = 0
    counting.utils.reset(net)
    for step in range(x.shape[1]):
        sent = x[:, step]
        for layer in net:
            if isinstance(layer, nn.Linear):
                for sample in sent.tolist():
                    for row in layer.weight.tolist():
                        for spike, weight in zip(sample, row, strict=True):
                            at_all += spike == 1
                            at_some += spike == 1 and weight != 0
            sent = layer(sent)
    return at_some, at_all


def test_a_small_net_has_the_numbers_that_a_loop_finds() -> None:
    net, x = mlp()
    found, theirs = counting.ours(net, x), counting.neurobench(net, x)
    jelly = counting.spikingjelly(counting.Loop(net), x)
    # 131 input spikes x 30 and 123 spikes x 10 are 5160 = 4 x 1290 events; 36 of them
    # meet one of the five zeros, 4 x 9
    assert one_by_one(net, x) == (4 * 1281, 4 * 1290)
    assert (found.weights.synops, found.weights.synops_zero) == (4 * 1281, 4 * 9)
    assert (theirs.acs, jelly.synops) == (4 * 1281, 4 * 1290)
    # 5 steps x (20 x 30 + 30 x 10) weights
    assert found.dense == theirs.dense == 4 * 4500
    # 5 steps x (30 + 10) neurons, and 4 operations each by NeuroBench
    assert found.updates == 4 * 200
    assert theirs.dense_neuron_ops == 4 * 4 * 200


def test_weights_that_are_read_are_those_of_spikingjelly() -> None:
    net, x = mlp()
    found = counting.ours(net, x)
    jelly = counting.op_counter.estimate_simple_energy(counting.Loop(net), x).counts
    # 5160 events x 4 bytes; our zeros are counted apart
    bits = found.weights.weight_bits_read + 32 * found.weights.synops_zero
    assert bits == 8 * jelly["weight_read_bytes"] == 8 * 20640
    # a bias of each neuron and step: 4 samples x 5 steps x 40 neurons x 4 bytes
    assert found.biases.weight_bits_read == 8 * jelly["bias_read_bytes"] == 8 * 3200


def test_sums_of_currents_are_the_additions_of_spikingjelly() -> None:
    net, x = made("currents", 0)
    found = counting.ours(net, x)
    jelly = counting.spikingjelly(counting.Loop(net), x, ignore=(snn.Leaky,))
    additions = found.run.total().residual_additions
    # 4 samples x 5 steps x 8 neurons
    assert additions == jelly.acs - jelly.synops == 160


def test_real_numbers_are_the_macs_of_both() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 30), leaky()).eval()
    x = torch.rand(SAMPLES, STEPS, 20)
    x[x < 0.5] = 0.0
    found = counting.ours(net, x).weights
    theirs = counting.neurobench(net, x)
    jelly = counting.spikingjelly(counting.Loop(net), x)
    # 4 samples x 5 steps x 20 x 30
    assert found.macs == theirs.dense == jelly.macs == 12_000
    assert 0 < found.macs_zero < found.macs
    assert found.macs - found.macs_zero == theirs.macs
    assert found.synops == theirs.acs == jelly.synops == 0


@pytest.mark.parametrize("values", [[0, 1, 2, 3], [-1, 0, 1]])
def test_whole_numbers_are_what_neurobench_takes_for_effective(
    values: list[int],
) -> None:
    """It calls them MACs, and ACs if they are -1, 0 and 1."""
    torch.manual_seed(0)
    net = nn.Sequential(conv(2, 4, 3, padding=1), leaky()).eval()
    places = torch.randint(len(values), (SAMPLES, STEPS, 2, 5, 5))
    x = torch.tensor(values)[places].float()
    found, theirs = counting.ours(net, x).weights, counting.neurobench(net, x)
    assert found.graded_synops == (theirs.acs or theirs.macs) > 0
    assert 0 in (theirs.acs, theirs.macs)


# --- spikes x spikes -----------------------------------------------------------------


def products() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    q, k, v = (counting.spikes(2, 4, 8, 4) for _ in range(3))
    return q, k, v


class Matmul(nn.Module):
    def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return one @ other


def test_scores_are_coincidences_to_spikingjelly() -> None:
    q, k, _ = products()
    found = counting.count_scores(q.int().numpy()[None], k.int().numpy()[None])
    jelly = counting.spikingjelly(Matmul(), q, k.mT)
    assert found.totals()["both"] == jelly.synops > 0
    # each way of counting it is another number
    totals = found.totals()
    assert len({totals[key] for key in totals if key != "levels"}) == 4
    assert totals["dense"] == 2 * 4 * 8 * 8 * 4


def test_mixtures_are_driven_by_their_values_to_spikingjelly() -> None:
    q, k, v = products()
    scores = q @ k.mT
    assert scores.max() > 1
    found = counting.count_mixtures(
        scores.int().numpy()[None], v.int().numpy()[None]
    ).totals()
    jelly = counting.spikingjelly(Matmul(), scores, v)
    assert found["second_driven"] == jelly.synops > found["both"]


def test_the_tools_have_the_pinned_versions() -> None:
    pins = REQUIREMENTS.read_text(encoding="utf-8").split()
    assert all(f"{name}=={version(name)}" in pins for name in NEEDED)
