"""Compiled loops compute what eager torch computes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from spikewright.errors import BackendMissingError
from spikewright.train.neurons import compiled
from spikewright.train.neurons.compiled import (
    compile_neurons,
    has_compiler,
    moments,
    norm_leaky,
)
from spikewright.train.neurons.leaky import spike
from spikewright.train.student import ChipStudent

MakeStudent = Callable[..., ChipStudent]
needs_compiler = pytest.mark.skipif(
    not has_compiler(), reason="no C++ compiler: install g++"
)


def _eager(
    z: torch.Tensor,
    gain: torch.Tensor,
    shift: torch.Tensor,
    skip: torch.Tensor | None,
    more: torch.Tensor | None,
) -> torch.Tensor:
    current = z * gain + shift
    if skip is not None and more is not None:
        current = current + skip * more
    return spike(current, beta=0.5, threshold=1.0)


def _compiled(
    z: torch.Tensor,
    gain: torch.Tensor,
    shift: torch.Tensor,
    skip: torch.Tensor | None,
    more: torch.Tensor | None,
) -> torch.Tensor:
    return norm_leaky(
        z, gain, shift, skip=skip, more=more, beta=0.5, threshold=1.0, alpha=2.0
    )


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("skips", [False, True])
def test_spikes_are_those_of_the_steps_and_gradients_agree(skips: bool) -> None:
    torch.manual_seed(0)
    # Multiples of 1/8: potentials meet the threshold, and no sum is rounded, but in
    # the gradients.
    z = torch.randint(-12, 16, (4, 37, 33)) / 8
    gain, shift = torch.randint(-4, 9, (33,)) / 4, torch.randint(-2, 5, (33,)) / 8
    skip = torch.randint(0, 5, (33,)) / 4 if skips else None
    more = (torch.rand(4, 37, 33) < 0.3).float() if skips else None
    weights = torch.randn(z.shape)
    found = []
    for run in (_eager, _compiled):
        given = (z, gain, shift, skip, more)
        leaves = [None if x is None else x.clone().requires_grad_() for x in given]
        spikes = run(*leaves)  # type: ignore[arg-type]
        (spikes * weights).sum().backward()
        found.append((spikes.detach(), [x.grad for x in leaves if x is not None]))
    (eager, eager_grads), (ours, our_grads) = found
    assert 0 < eager.sum() < eager.numel()
    assert torch.equal(ours, eager)
    for mine, theirs in zip(our_grads, eager_grads, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


@needs_compiler
@pytest.mark.slow
def test_moments_and_their_gradient_are_those_of_torch() -> None:
    torch.manual_seed(0)
    x = (torch.randn(150, 33) * 3 + 1).requires_grad_()
    mean, variance = moments(x)
    (mean.sum() + (variance * torch.arange(33)).sum()).backward()
    y = x.detach().clone().requires_grad_()
    its_variance, its_mean = torch.var_mean(y, dim=0, correction=0)
    (its_mean.sum() + (its_variance * torch.arange(33)).sum()).backward()
    torch.testing.assert_close(mean, its_mean)
    torch.testing.assert_close(variance, its_variance)
    torch.testing.assert_close(x.grad, y.grad)


@needs_compiler
@pytest.mark.slow
def test_a_compiled_student_trains_as_the_other(make_student: MakeStudent) -> None:
    ids = torch.randint(0, 50, (6, 12), generator=torch.Generator().manual_seed(3))
    answers = []
    for is_compiled in (False, True):
        student = make_student(dropout=0.0, block_window=2).train()
        if is_compiled:
            compile_neurons(student)
        logits, populations = student.run(ids, torch.ones_like(ids).bool())
        logits.square().sum().backward()
        answers.append((logits, populations, student))
    (logits, populations, eager), (ours, fast, student) = answers
    assert all(map(torch.equal, populations, fast))
    torch.testing.assert_close(ours, logits)
    for (name, p), q in zip(
        eager.named_parameters(), student.parameters(), strict=True
    ):
        torch.testing.assert_close(q.grad, p.grad, rtol=1e-3, atol=1e-4, msg=name)


def test_refuses_without_a_compiler(
    make_student: MakeStudent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled.shutil, "which", lambda name: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackendMissingError, match=r"install one .* or set compile"):
        compile_neurons(make_student())
