"""Rates at equilibrium, and their gradient by the implicit function theorem.

With the rates z = (a_0 … a_last) of all populations and sigma(v) = min(max(v, 0), 1),

    a_0 = sigma((x + a_last F) / theta),   a_i = sigma(f_i(rates before) / theta)

is z = g(z). Without feedback F it is solved by going through once, and J = dg/dz has no
cycle: the theorem's gradient is that of backpropagation. With it, all rates follow from
y = a_last, which solves y = G(y), and with J = dG/dy and a loss l

    dl/dphi = (dl/dphi at fixed y) + w^T dG/dphi,     (I - J)^T w = dl/dy

w is found as the fixed point of w = J^T w + dl/dy, one vector-Jacobian product an
evaluation. What is kept for it are the activations of one evaluation of G, however many
evaluations or steps of spikes it took to get there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.spikebert.layout import Layout
from spikewright.train.spikingbert.anderson import solve
from spikewright.train.spikingbert.network import SpikingNetwork

Rates = dict[str, torch.Tensor]


def equilibrium(
    network: SpikingNetwork,
    layout: Layout,
    x: torch.Tensor,
    *,
    instead: Mapping[str, torch.Tensor] | None = None,
) -> Rates:
    """Return the rates at equilibrium, by population; they have gradients.

    Args:
        network: the populations.
        layout: where the tokens lie.
        x: constant current, (tokens, D).
        instead: rates of a run of spikes, near the equilibrium: the values returned,
            and where derivatives are taken; None: the equilibrium is solved for.

    Raises:
        NoEquilibriumError: there is none that the solver finds.
    """
    if not network.has_feedback:
        return network.rates(layout, x, instead=instead)
    # Rates in bfloat16 differ by more than what is to be solved for.
    with torch.autocast(x.device.type, enabled=False):
        last = _solve_last(network, layout, x) if instead is None else None
        return _with_gradient(network, layout, x, last=last, instead=instead)


def _solve_last(
    network: SpikingNetwork, layout: Layout, x: torch.Tensor
) -> torch.Tensor:
    name, config = network.streams[-1], network.config
    with _quiet_norms(network):
        return solve(
            lambda y: network.rates(layout, x, y)[name],
            torch.zeros_like(x),
            tolerance=config.solver_tolerance,
            most=config.solver_evaluations,
            what="equilibrium",
        ).value


def _with_gradient(
    network: SpikingNetwork,
    layout: Layout,
    x: torch.Tensor,
    *,
    last: torch.Tensor | None,
    instead: Mapping[str, torch.Tensor] | None,
) -> Rates:
    name = network.streams[-1]
    if instead is not None:
        last = instead[name].to(x.dtype)
    assert last is not None  # noqa: S101 - one of the two
    if not torch.is_grad_enabled():
        return network.rates(layout, x, last, instead=instead)
    leaf = last.detach().requires_grad_()
    with _quiet_norms(network):
        image = network.rates(layout, x, leaf, instead=instead)[name]
    # A view: the hook must not meet the products that it asks of `image` itself.
    y = image.view_as(image)
    most = network.config.solver_evaluations
    tolerance = network.config.solver_tolerance

    def implicit(loss: torch.Tensor) -> torch.Tensor:
        def step(w: torch.Tensor) -> torch.Tensor:
            (turned,) = torch.autograd.grad(image, leaf, w, retain_graph=True)
            return turned + loss

        largest = float(loss.abs().max())
        if not largest:
            return loss
        what, least = "gradient at equilibrium", tolerance * largest
        return solve(step, loss, tolerance=least, most=most, what=what).value

    y.register_hook(implicit)  # type: ignore[no-untyped-call]
    return network.rates(layout, x, y, instead=instead)


PRODUCTS = 40
"""vector-Jacobian products of a power iteration, of which the last half counts"""


def spectral_radius(
    network: SpikingNetwork, layout: Layout, x: torch.Tensor, rates: Rates
) -> float:
    """Return the spectral radius of J = dG/dy at `rates`, by power iteration.

    Below 1, rates near the equilibrium come nearer with every pass; a solver finds
    equilibria where they do not. 0 without feedback.
    """
    if not network.has_feedback:
        return 0.0
    name = network.streams[-1]
    leaf = rates[name].detach().to(x.dtype).requires_grad_()
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(leaf.shape, generator=generator).to(leaf)
    lengths = []
    with torch.enable_grad(), torch.autocast(x.device.type, enabled=False):
        with _quiet_norms(network):
            image = network.rates(layout, x.detach(), leaf)[name]
        for _ in range(PRODUCTS):
            (w,) = torch.autograd.grad(image, leaf, w, retain_graph=True)
            lengths.append(float(w.norm()))
            if not lengths[-1]:
                return 0.0
            w = w / lengths[-1]
    late = lengths[PRODUCTS // 2 :]
    return math.exp(sum(map(math.log, late)) / len(late))


@contextmanager
def _quiet_norms(network: SpikingNetwork) -> Iterator[None]:
    """Let norms leave their running statistics as they are."""
    norms = [each for each in network.modules() if isinstance(each, FoldableNorm)]
    before = [each.momentum for each in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
