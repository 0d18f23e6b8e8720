"""The neuron in registers, against Loihi's integers written out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from spikewright.loihi import shift_to_zero
from spikewright.train.neurons.compiled import has_compiler
from spikewright.train.neurons.leaky import spike
from spikewright.train.quantize.neuron import Registers, register_spikes

Integers = npt.NDArray[np.int64]


def _spikes(a: Integers, decay: int, vth: int) -> Integers:
    """v[t] = rsz(v[t-1] decay, 12) + (a[t] << 6);  s[t] = v[t] > (vth << 6)."""
    v, spikes = np.zeros_like(a[0]), np.zeros_like(a)
    for t, each in enumerate(a):
        v = shift_to_zero(v * decay, 12) + (each << 6)
        spikes[t] = v > vth << 6
        v = np.where(spikes[t] > 0, 0, v)
    return spikes


@pytest.mark.parametrize("decay", [0, 1, 1024, 2048, 2731, 3686, 4095, 4096])
@pytest.mark.parametrize("bits", [-3, 0, 11])
def test_spikes_are_those_of_the_registers(decay: int, bits: int) -> None:
    rng = np.random.default_rng([decay, bits + 3])
    # 12 steps of 2**13 at most stay below 2**17, so no register overflows.
    a, vth = rng.integers(-(2**13), 2**13, (12, 500)), 5000
    scale = 2.0**bits
    current = torch.from_numpy((a / scale).astype(np.float32))
    registers = Registers(decay, threshold=vth / scale, quantum=2.0**-6 / scale)
    found = register_spikes(current, registers)
    expected = _spikes(a, decay, vth)
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("decay", [2731, 4095])
@pytest.mark.parametrize("sign", [1, -1])
def test_one_quantum_decides_at_the_largest_potentials(decay: int, sign: int) -> None:
    # v decay has up to 35 bits, which float32 would round before the shift.
    first = sign * np.arange(2**17 - 9999, 2**17)
    left, vth = shift_to_zero((first << 6) * decay, 12), 2**17 - 1 if sign > 0 else 9
    second = vth - left // 64  # v ends 0 to 63 quanta above the threshold
    a = np.stack([first, second])
    expected = _spikes(a, decay, vth)
    assert 0 < (expected[1] == 0).sum() < 999  # those that end at the threshold
    registers = Registers(decay, threshold=float(vth), quantum=2.0**-6)
    found = register_spikes(torch.from_numpy(a).float(), registers)
    np.testing.assert_array_equal(found.numpy(), expected)


def test_a_potential_at_the_threshold_is_silent() -> None:
    registers = Registers(2048, threshold=1024.0, quantum=2.0**-6)
    # 1024 / 2 + 512 = 1024; 1024 / 2 + 513 = 1025.
    current = torch.tensor([[1024.0, 1024.0], [512.0, 513.0]])
    assert register_spikes(current, registers).tolist() == [[0, 0], [0, 1]]


def test_gradients_are_the_float_neurons_where_nothing_is_cut() -> None:
    # Halves of sixteenths, five times: 2**-9, and a quantum is 2**-17.
    generator = torch.Generator().manual_seed(0)
    whole = torch.randint(-16, 33, (5, 200), generator=generator)
    current = (whole / 16).requires_grad_()
    weights = torch.rand((5, 200), generator=generator)
    exact = spike(current, beta=0.5, threshold=1.0)
    (expected,) = torch.autograd.grad((exact * weights).sum(), current)
    found = register_spikes(current, Registers(2048, 1.0, 2.0**-17))
    (gradient,) = torch.autograd.grad((found * weights).sum(), current)
    assert torch.equal(found, exact)
    assert torch.allclose(gradient, expected, rtol=1e-6, atol=0)
    assert gradient.abs().sum() > 0


@pytest.mark.slow
@pytest.mark.skipif(not has_compiler(), reason="no C++ compiler: install g++")
@pytest.mark.parametrize("decay", [2048, 2731])
def test_compiled_loops_send_the_same_spikes(decay: int) -> None:
    generator = torch.Generator().manual_seed(0)
    registers = Registers(decay, threshold=1.0, quantum=2.0**-16)
    z = torch.randint(-2000, 2000, (4, 37, 33), generator=generator) / 1024
    bias, skip = torch.randint(-500, 500, (2, 33), generator=generator) / 1024
    more = (torch.rand(z.shape, generator=generator) < 0.5).float()
    found = []
    for compiled in (False, True):
        tensors = [each.clone().requires_grad_() for each in (z, bias, skip, more)]
        own, *rest = tensors
        named = dict(zip(("bias", "skip", "more"), rest, strict=True))
        spikes = register_spikes(own, registers, **named, compiled=compiled)
        gradients = torch.autograd.grad((spikes * z).sum(), tensors)
        found.append((spikes, gradients))
    (expected, left), (spikes, right) = found
    assert 0 < expected.sum() < expected.numel()
    assert torch.equal(spikes, expected)
    for a, b in zip(left, right, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
