"""The neuron: snnTorch's to the bit, and what its rate settles at."""

from __future__ import annotations

import pytest
import snntorch
import torch

from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.spikingbert.neuron import IntegrateAndFire


def _neuron(**options: object) -> IntegrateAndFire:
    return IntegrateAndFire(SpikingBertConfig(**options))  # type: ignore[arg-type]


def _run(neuron: IntegrateAndFire, a: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return spikes and potentials, (steps, …)."""
    v, s = neuron.at_rest(a[0])
    spikes, potentials = [], []
    for current in a:
        v, s = neuron.step(current, v, s)
        spikes.append(s)
        potentials.append(v)
    return torch.stack(spikes), torch.stack(potentials)


@pytest.mark.parametrize("threshold", [1.0, 0.7])
@pytest.mark.parametrize("ties", ["silent", "fire"])
def test_it_is_snntorch_s_leaky_to_the_bit(threshold: float, ties: str) -> None:
    torch.manual_seed(0)
    a = torch.randn(60, 500) + 0.3  # also above the threshold and below 0
    neuron = _neuron(start=0.0, threshold=threshold, ties=ties)
    spikes, potentials = _run(neuron, a)
    theirs = neuron.as_snntorch()
    memory = theirs.reset_mem()
    for t, current in enumerate(a):
        fired, memory = theirs(current, memory)
        # Where ties fire, snnTorch's threshold and drop lie one float below ours.
        if ties == "silent":
            assert torch.equal(memory, potentials[t])
            assert torch.equal(fired, spikes[t])
    assert 0.2 < spikes.mean() < 0.8


def test_leaking_it_is_snntorch_s_that_resets_at_once() -> None:
    # Below two thresholds snnTorch's undelayed reset is v <- beta (v - theta s) + a.
    a = torch.rand(60, 500)
    spikes, _ = _run(_neuron(start=0.0, decay=0.75), a)
    theirs = snntorch.Leaky(beta=0.75, reset_mechanism="subtract", reset_delay=False)
    memory = theirs.reset_mem()
    for t, current in enumerate(a):
        fired, memory = theirs(current, memory)
        assert torch.equal(fired, spikes[t])
    assert 0.2 < spikes.mean() < 0.8


def test_constant_input_fires_the_share_of_steps_that_it_is_of_the_threshold() -> None:
    # ASR = floor(T I / theta) / T: 0.30 in 8 steps is 2.4, two spikes. From half a
    # threshold it is rounded: 0.45 is 3.6, four spikes. Dyadic, so sums are exact.
    inputs = torch.arange(0, 17) / 16
    for start, ties, rounded in (
        (0.0, "fire", torch.floor(8 * inputs)),
        (0.5, "fire", torch.floor(8 * inputs + 0.5)),
        (0.5, "silent", torch.ceil(8 * inputs - 0.5)),
    ):
        spikes, _ = _run(_neuron(start=start, ties=ties), inputs.expand(8, -1))
        assert torch.equal(spikes.sum(dim=0), rounded)


def test_negative_input_never_fires_and_input_above_the_threshold_always() -> None:
    spikes, _ = _run(_neuron(), torch.tensor([-0.5, 1.5]).expand(50, -1))
    assert torch.equal(spikes.mean(dim=0), torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize("decay", [1.0, 0.9])
def test_the_rate_is_the_mean_input_less_what_is_left(decay: float) -> None:
    # With u = v - theta s: ASR theta = mean a - (u[T] - lambda^T u[0]) / (lambda L),
    # means weighted by lambda^(T-t), L the sum of the weights; u[0] enters by start,
    # which decays before the first step: lambda^T / lambda of it is left.
    torch.manual_seed(1)
    a = torch.rand(40, 200, dtype=torch.float64) * 1.2
    neuron = _neuron(decay=decay, threshold=0.8)
    spikes, potentials = _run(neuron, a)
    weights = decay ** torch.arange(39, -1, -1, dtype=torch.float64)[:, None]
    left = potentials[-1] - 0.8 * spikes[-1] - decay**40 * 0.4
    mean = (weights * a).sum(dim=0) / weights.sum()
    rate = (weights * spikes).sum(dim=0) / weights.sum()
    torch.testing.assert_close(
        rate * 0.8, mean - left / weights.sum(), atol=1e-12, rtol=0
    )
