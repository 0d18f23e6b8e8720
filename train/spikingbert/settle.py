"""A run of spikes, step by step: constant input, until the rates settle.

A population whose map f is affine gets a[t] = f(s[t]), of the spikes of the step. Of
softmax, LayerNorm and GELU the mean over steps is not f of the mean. Unless
`nonlinear_reads = "spikes"`, which is as published, such a population gets

    a[t] = L[t] f(r[t]) - lambda L[t-1] f(r[t-1]),     L[t] = lambda L[t-1] + 1,

r[t] the rates of its sources so far. Then the mean of a is f(r[T]) at every T; of an
affine f this is f(s[t]) again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from spikewright.train.spikebert.layout import Layout
from spikewright.train.spikingbert.network import CURRENT, Layer, SpikingNetwork

Rows = dict[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Moment:
    """Where a run is after a step."""

    step: int
    """counted from 1"""
    spikes: Mapping[str, torch.Tensor]
    """s of each population, (tokens or samples, channels)"""
    rates: Mapping[str, torch.Tensor]
    """ASR: sum of lambda^(T-t) s[t] over sum of lambda^(T-t), T this step"""


def settle(
    network: SpikingNetwork,
    layout: Layout,
    x: torch.Tensor,
    *,
    steps: int,
    only: str | None = None,
) -> Iterator[Moment]:
    """Run `steps` steps; yield after each. What is kept does not grow with them.

    Args:
        network: in evaluation mode, see `measuring`.
        layout: where the tokens lie.
        x: constant current, (tokens, D).
        steps: T.
        only: the population to run alone, such as the encoder; None: all.
    """
    chosen = [each for each in network.layers if only in (None, each.name)]
    run = _Run(network, chosen, layout, x)
    for step in range(1, steps + 1):
        run.advance()
        yield Moment(step, dict(run.spikes), dict(run.rates))


def settled_rates(
    network: SpikingNetwork, layout: Layout, x: torch.Tensor, *, steps: int
) -> Rows:
    """Return the rates after `steps` steps, of the network in evaluation mode."""
    run = _Run(network, network.layers, layout, x)
    with measuring(network):
        for _ in range(steps):
            run.advance()
    return run.rates


@contextmanager
def measuring(module: torch.nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode for a while."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)


@dataclass(eq=False)
class _Run:
    """A run on its way."""

    network: SpikingNetwork
    layers: Sequence[Layer]
    layout: Layout
    x: torch.Tensor
    weight: float = 0.0
    """L"""
    potentials: Rows = field(default_factory=dict)
    spikes: Rows = field(default_factory=dict)
    sums: Rows = field(default_factory=dict)
    rates: Rows = field(default_factory=dict)
    totals: Rows = field(default_factory=dict)
    """L f(r) of each population whose map is not affine"""

    def __post_init__(self) -> None:
        network, x = self.network, self.x.detach()
        self.x = x
        self.reads_rates = network.config.nonlinear_reads == "rates"
        if network.has_feedback:
            self.spikes[network.streams[-1]] = network.neuron.at_rest(x)[1]

    @torch.no_grad()
    def advance(self) -> None:
        """Do a step."""
        self.weight = self.network.neuron.decay * self.weight + 1.0
        # Autocast would sum spikes and potentials in bfloat16.
        with torch.autocast(self.x.device.type, enabled=False):
            for layer in self.layers:
                self._fire(layer, self._current(layer))

    def _current(self, layer: Layer) -> torch.Tensor:
        if layer.map.is_affine or not self.reads_rates:
            sent = {CURRENT: self.x, **self.spikes}
            a: torch.Tensor = layer.map(
                self.layout, *(sent[name] for name in layer.sources)
            )
            return a
        known = (self.rates[name] for name in layer.sources)
        total: torch.Tensor = self.weight * layer.map(self.layout, *known)
        past = self.totals.get(layer.name)
        self.totals[layer.name] = total
        if past is None:
            return total
        return total - self.network.neuron.decay * past

    def _fire(self, layer: Layer, a: torch.Tensor) -> None:
        neuron, name = self.network.neuron, layer.name
        if name not in self.potentials:
            self.potentials[name], self.spikes[name] = neuron.at_rest(a)
            self.sums[name] = self.spikes[name].clone()
        v, s = neuron.step(a, self.potentials[name], self.spikes[name])
        self.potentials[name], self.spikes[name] = v, s
        self.sums[name] = neuron.decay * self.sums[name] + s
        self.rates[name] = self.sums[name] / self.weight
