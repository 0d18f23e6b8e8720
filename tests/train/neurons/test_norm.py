"""The foldable norm, and its promise that a silent neuron stays silent."""

from __future__ import annotations

import pytest
import torch

from spikewright.train.chip.config import ChipStudentConfig
from spikewright.train.chip.layers import SpikingLinear
from spikewright.train.neurons.leaky import leaky, run_leaky
from spikewright.train.neurons.norm import FoldableNorm


def _trained(seed: int, limit: float = 0.45) -> FoldableNorm:
    torch.manual_seed(seed)
    norm = FoldableNorm(6, limit=limit)
    with torch.no_grad():
        norm.weight.uniform_(-1, 2)
        norm.bias.copy_(torch.linspace(-9, 99, 6))
    for _ in range(5):
        norm(torch.randn(50, 6) * 3 + 1)
    return norm.eval()


def test_training_normalizes_by_the_batch_and_remembers_it() -> None:
    norm = FoldableNorm(2, limit=9.0, momentum=0.25)
    x = torch.tensor([[1.0, 10.0], [3.0, 10.0]])
    y = norm(x)
    # mean 2, variance 1 (biased): (x - 2) / sqrt(1 + 1e-5); a constant channel gives 0.
    expected = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    torch.testing.assert_close(y, expected, atol=1e-3, rtol=0)
    # A quarter of the way from 0 to the mean, from 1 to the variance.
    assert norm.mean.tolist() == [0.5, 2.5]
    assert norm.variance.tolist() == [1.0, 0.75]


@pytest.mark.parametrize("seed", range(3))
def test_folded_is_the_evaluation_to_the_bit(seed: int) -> None:
    norm, x = _trained(seed), torch.randn(70, 6)
    gain, shift = norm.folded()
    assert torch.equal(norm(x), x * gain + shift)
    assert (shift == norm.limit).any()
    assert (shift < norm.limit).any()


def test_evaluation_learns_nothing() -> None:
    norm = _trained(0)
    before = norm.mean.clone(), norm.variance.clone()
    norm(torch.randn(50, 6) * 9)
    assert torch.equal(before[0], norm.mean)
    assert torch.equal(before[1], norm.variance)


def test_a_clipped_bias_still_gets_its_gradient() -> None:
    norm = _trained(0)
    with torch.no_grad():
        norm.bias.fill_(50.0)
    norm(torch.zeros(4, 6)).sum().backward()
    assert norm.bias.grad is not None
    assert norm.bias.grad.tolist() == [4.0] * 6


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_silent_neuron_stays_silent_for_ever(beta: float, sign: int) -> None:
    torch.manual_seed(0)
    layer = SpikingLinear(8, 16, ChipStudentConfig(beta=beta), skip=True)
    with torch.no_grad():  # every way to a large shift: the bias, or -gain * mean
        layer.norm.bias.copy_(torch.linspace(-10, 100, 16))
        layer.norm.weight.mul_(sign * 20)
    for _ in range(20):
        spikes = layer((torch.rand(4, 30, 8) < 0.5).float(), torch.ones(4, 30, 16))
    assert spikes.any()
    layer.eval()
    _, shift = layer.folded()
    # The potential tends to shift / (1 - beta), which must not pass the threshold 1.
    assert shift.max() / (1 - beta) <= 0.9 + 1e-5
    assert shift.max() > 0.8 * (1 - beta)
    assert not run_leaky(leaky(beta), shift.expand(3000, 16)).any()
    assert not layer(torch.zeros(500, 1, 8), torch.zeros(500, 1, 16)).any()
