"""The gradient at equilibrium: unrolled backpropagation's, and differences'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from spikewright.train.spikingbert.anderson import NoEquilibriumError, solve
from spikewright.train.spikingbert.equilibrium import equilibrium, spectral_radius

CHIP = {"attention": "sdsa", "norm": "none", "activation": "clamp", "readout": "mean"}
LABELS = torch.tensor([0, 1, 2, 1])
PASSES = 60
"""of unrolled backpropagation: 0.7 to their power is 5e-10"""
Batch = dict[str, torch.Tensor]


def _fed_back(make: Any, **options: Any) -> Any:
    fed = {"feedback": "learned", "feedback_limit": 10.0, "solver_evaluations": 100}
    model = make(**options, **fed)
    with torch.no_grad():
        weight = model.spikingbert.network.encode.feedback.weight
        weight.mul_(0.1 / torch.linalg.matrix_norm(weight, 2))
    return model


def _loss(model: Any, batch: Batch, rates: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return a loss of the logits and of the rates of every population."""
    layout = model.spikingbert.lay_out(**batch)
    logits = model.read(rates, layout)
    squares = [rate.square().mean() for rate in rates.values()]
    return (
        torch.nn.functional.cross_entropy(logits, LABELS) + torch.stack(squares).sum()
    )


def _start(model: Any, batch: Batch) -> tuple[Any, Any, torch.Tensor]:
    encoder = model.spikingbert
    layout = encoder.lay_out(**batch)
    return encoder.network, layout, encoder.current(batch["input_ids"], layout)


def _unrolled(model: Any, batch: Batch, passes: int) -> dict[str, torch.Tensor]:
    network, layout, x = _start(model, batch)
    last = torch.zeros_like(x)
    for _ in range(passes):
        rates: dict[str, torch.Tensor] = network.rates(layout, x, last)
        last = rates[network.streams[-1]]
    return rates


def _gradient(loss: torch.Tensor, model: Any) -> torch.Tensor:
    found = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    return torch.cat([each.flatten() for each in found if each is not None])


@pytest.mark.parametrize("options", [{}, CHIP], ids=str)
def test_it_is_the_gradient_of_unrolled_backpropagation(
    make: Any, batch: Batch, options: dict[str, Any]
) -> None:
    model = _fed_back(make, **options)
    network, layout, x = _start(model, batch)
    found = _gradient(_loss(model, batch, equilibrium(network, layout, x)), model)
    wanted = _gradient(_loss(model, batch, _unrolled(model, batch, PASSES)), model)
    assert (found - wanted).norm() / wanted.norm() < 1e-6  # asked for: 1e-3
    # Through one pass alone, as if J were 0, it is another gradient.
    last = _unrolled(model, batch, PASSES)[network.streams[-1]].detach()
    _, _, x = _start(model, batch)
    cut = _gradient(_loss(model, batch, network.rates(layout, x, last)), model)
    assert (cut - wanted).norm() / wanted.norm() > 0.02


def test_it_is_the_slope_of_the_loss(make: Any, batch: Batch) -> None:
    model = _fed_back(make, num_hidden_layers=1)
    weight = model.spikingbert.network.encode.feedback.weight

    def loss() -> torch.Tensor:
        return _loss(model, batch, equilibrium(*_start(model, batch)))

    (slope,) = torch.autograd.grad(loss(), weight)
    torch.manual_seed(1)
    direction = torch.randn_like(weight)
    with torch.no_grad():
        ends = []
        for way in (1e-6, -1e-6):
            weight += way * direction
            ends.append(float(loss()))
            weight -= way * direction
    measured = (ends[0] - ends[1]) / 2e-6
    assert float((slope * direction).sum()) == pytest.approx(measured, rel=1e-4)


def test_without_feedback_it_is_backpropagation(make: Any, batch: Batch) -> None:
    model = make()
    network, layout, x = _start(model, batch)
    found = _gradient(_loss(model, batch, equilibrium(network, layout, x)), model)
    _, _, x = _start(model, batch)
    wanted = _gradient(_loss(model, batch, network.rates(layout, x)), model)
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("feedback", ["none", "learned"])
def test_trained_on_spikes_values_are_theirs_and_gradients_the_equilibrium_s(
    make: Any, batch: Batch, feedback: str
) -> None:
    options = {"training_rates": "spikes", "steps": 96, "num_hidden_layers": 1}
    is_fed = feedback == "learned"
    model = _fed_back(make, **options) if is_fed else make(**options)
    with torch.no_grad():
        spiking = model(**batch, rates="spikes").logits
    model.train()  # no dropout, no channel norms: nothing else changes
    output = model(**batch, labels=LABELS)
    assert torch.equal(output.logits, spiking)
    found = _gradient(output.loss, model)
    near = _gradient(model(**batch, labels=LABELS, rates="equilibrium").loss, model)
    # Derivatives are taken at rates of 96 steps, so near those at the limit, not equal.
    assert torch.nn.functional.cosine_similarity(found, near, dim=0) > 0.9
    assert not torch.equal(found, near)


# --- memory --------------------------------------------------------------------------


def _kept(work: Callable[[], torch.Tensor]) -> int:
    """Return how many numbers a forward pass keeps for its backward pass."""
    sizes: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        work()
    return sum(sizes)


def _all_equal(values: Sequence[int]) -> bool:
    return min(values) == max(values) > 0


@pytest.mark.parametrize("feedback", ["none", "learned"])
def test_what_is_kept_does_not_depend_on_the_steps(
    make: Any, batch: Batch, feedback: str
) -> None:
    model = make(feedback=feedback, training_rates="spikes", num_hidden_layers=1)
    model.train()
    kept = []
    for steps in (2, 8, 32):
        model.config.steps = steps
        kept.append(_kept(lambda: model(**batch, labels=LABELS).loss))
    assert _all_equal(kept)


def test_nor_on_what_the_solver_needs(make: Any, batch: Batch) -> None:
    model, kept = _fed_back(make, num_hidden_layers=1), []
    for tolerance in (1e-2, 1e-5, 1e-10):
        model.config.solver_tolerance = tolerance
        kept.append(_kept(lambda: equilibrium(*_start(model, batch))["encoder"]))
    assert _all_equal(kept)
    # Unrolled, each pass keeps as much again.
    passes = [_kept(lambda n=n: _unrolled(model, batch, n)["encoder"]) for n in (4, 8)]
    assert passes[1] > 1.8 * passes[0]


# --- the solver ----------------------------------------------------------------------


def test_it_solves_what_plain_passes_solve_slowly() -> None:
    # y = 0.99 A y + 1, A orthogonal: plain passes gain 1 % each.
    torch.manual_seed(0)
    turn = 0.99 * torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))[0]
    ones = torch.ones(6, dtype=torch.float64)
    found = solve(lambda y: turn @ y + ones, ones, tolerance=1e-9, most=40, what="turn")
    wanted = torch.linalg.solve(torch.eye(6, dtype=torch.float64) - turn, ones)
    torch.testing.assert_close(found.value, wanted, atol=1e-7, rtol=0)
    assert found.residual <= 1e-9
    assert found.evaluations <= 40


def test_refuses_a_map_without_a_fixed_point() -> None:
    with pytest.raises(NoEquilibriumError, match=r"shift: the residual is 1 after 9 "):
        solve(lambda y: y + 1, torch.zeros(3), tolerance=1e-6, most=9, what="shift")


def test_refuses_when_it_may_not_evaluate_often_enough(make: Any, batch: Batch) -> None:
    model = _fed_back(make)
    model.config.solver_evaluations = 3
    with pytest.raises(NoEquilibriumError, match="allow more solver_evaluations"):
        model(**batch, rates="equilibrium")


def test_the_spectral_radius_is_the_largest_eigenvalue_s(
    make: Any, batch: Batch
) -> None:
    model = _fed_back(make, **CHIP, num_hidden_layers=1, hidden_size=6)
    network, layout, x = _start(model, batch)
    rates = {k: v.detach() for k, v in equilibrium(network, layout, x).items()}
    last = rates[network.streams[-1]]

    def passed(y: torch.Tensor) -> torch.Tensor:
        again: torch.Tensor = network.rates(layout, x, y)[network.streams[-1]]
        return again

    jacobian = torch.autograd.functional.jacobian(passed, last)
    matrix = jacobian.reshape(last.numel(), last.numel())
    largest = float(torch.linalg.eigvals(matrix).abs().max())
    assert 0.01 < largest < 1
    found = spectral_radius(network, layout, x, rates)
    # A pair of complex eigenvalues makes the lengths of a power iteration swing.
    assert found == pytest.approx(largest, rel=0.1)
