"""run_leaky is snnTorch's Leaky: the same bits, forward and backward."""

from __future__ import annotations

import pytest
import snntorch
import torch

from spikewright.train.neurons.leaky import leaky, run_leaky


def _stepped(neuron: snntorch.Leaky, current: torch.Tensor) -> torch.Tensor:
    """Step snnTorch by hand, as its tutorials do."""
    v, spikes = neuron.reset_mem(), []
    for a in current:
        s, v = neuron(a, v)
        spikes.append(s)
    return torch.stack(spikes)


def _both(beta: float, current: torch.Tensor) -> list[tuple[torch.Tensor, ...]]:
    """Return (spikes, gradient of the current), ours and snnTorch's."""
    weights = torch.randn(current.shape, generator=torch.Generator().manual_seed(1))
    results = []
    for run in (run_leaky, _stepped):
        leaf = current.clone().requires_grad_()
        spikes = run(leaky(beta), leaf)
        (spikes * weights).sum().backward()
        assert leaf.grad is not None
        results.append((spikes.detach(), leaf.grad))
    return results


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("seed", range(3))
def test_spikes_and_gradients_are_snntorchs_to_the_bit(seed: int, beta: float) -> None:
    # 33 columns: whole vectors of a CPU and a rest, which round apart if fused.
    generator = torch.Generator().manual_seed(seed)
    current = torch.randn((40, 5, 33), generator=generator) * 0.7 + 0.2
    (ours, our_grad), (theirs, their_grad) = _both(beta, current)
    assert 0 < ours.sum() < ours.numel()
    assert torch.equal(ours, theirs)
    assert torch.equal(our_grad, their_grad)


@pytest.mark.parametrize("seed", range(3))
def test_ties_at_the_threshold_do_not_spike(seed: int) -> None:
    # Multiples of 1/4 with decay 1/2 meet the threshold exactly, again and again.
    generator = torch.Generator().manual_seed(seed)
    current = torch.randint(-2, 6, (30, 400), generator=generator) / 4
    (ours, our_grad), (theirs, their_grad) = _both(0.5, current)
    assert (current[0] == 1).any()
    assert ours[0][current[0] == 1].sum() == 0
    assert torch.equal(ours, theirs)
    assert torch.equal(our_grad, their_grad)


def test_a_long_run_does_not_drift() -> None:
    generator = torch.Generator().manual_seed(0)
    current = torch.rand((3000, 20), generator=generator) * 0.3
    (ours, our_grad), (theirs, their_grad) = _both(0.9, current)
    assert torch.equal(ours, theirs)
    assert torch.equal(our_grad, their_grad)


def test_equation_by_hand() -> None:
    # v = 0.75, 0.375 + 0.75 = 1.125 (spike, back to 0), 0 + 1 = 1 (a tie: no spike),
    # 0.5 + 0.625 = 1.125 (spike), 0 - 2 = -2, -1 + 2 = 1 (no spike).
    current = torch.tensor([0.75, 0.75, 1.0, 0.625, -2.0, 2.0])[:, None]
    spikes = run_leaky(leaky(0.5), current)
    assert spikes.flatten().tolist() == [0, 1, 0, 1, 0, 0]


def test_doubles_stay_doubles() -> None:
    # 1 + 2**-40 is above the threshold in float64 and is the threshold in float32.
    current = torch.tensor([[1 + 2.0**-40]], dtype=torch.float64)
    spikes = run_leaky(leaky(0.5), current)
    assert spikes.dtype == torch.float64
    assert spikes.item() == 1


def test_bfloat16_currents_are_summed_in_float32() -> None:
    current = torch.full((9, 1), 0.51, dtype=torch.bfloat16)
    spikes = run_leaky(leaky(0.5), current)
    wide = run_leaky(leaky(0.5), current.float())
    assert spikes.dtype == torch.bfloat16
    assert torch.equal(spikes.float(), wide)
