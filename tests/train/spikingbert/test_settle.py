"""Spikes settle where the equilibrium is."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from spikewright.errors import InputError
from spikewright.train.spikingbert.convergence import convergence
from spikewright.train.spikingbert.model import SpikingBertForSequenceClassification
from spikewright.train.spikingbert.settle import settle

CHIP = {"attention": "sdsa", "norm": "channel", "activation": "clamp"}
FORMS: list[dict[str, Any]] = [
    {},
    {**CHIP, "threshold": 0.8},
    {"feedback": "learned", "feedback_limit": 1.0},
    {**CHIP, "feedback": "learned", "feedback_limit": 1.0},
]
Batch = dict[str, torch.Tensor]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_settled_rates_are_those_of_the_solver(
    make: Any, batch: Batch, options: dict[str, Any], seed: int
) -> None:
    model = make(seed, **options)
    if "feedback" in options:
        with torch.no_grad():
            weight = model.spikingbert.network.encode.feedback.weight
            weight.mul_(0.9 / weight.norm())
    found = convergence(model, batch, steps=128)
    for name, distance in found.distance.items():
        assert distance[-1] <= 1e-2, name
        assert found.rates[name][-1] > 0, name
    assert (found.radius > 1e-3) is ("feedback" in options)


def test_of_linear_maps_no_neuron_of_any_layer_is_far(make: Any, batch: Batch) -> None:
    # One spike of 128 is 0.0078; what is left in a neuron is a few thresholds.
    found = convergence(make(**CHIP, readout="mean"), batch, steps=128)
    assert max(largest[-1] for largest in found.largest.values()) <= 5 / 128


def test_the_distance_shrinks_as_one_over_the_steps(make: Any, batch: Batch) -> None:
    found = convergence(make(), batch, steps=160)
    for name, distance in found.distance.items():
        # Ten times the steps, about a tenth of the distance.
        assert distance[159] < distance[15] / 5, name


def test_of_spikes_a_softmax_does_not_settle_at_the_equilibrium(
    make: Any, batch: Batch
) -> None:
    # As published: the mean of LayerNorm(spikes) is not LayerNorm(mean of spikes).
    published = convergence(make(nonlinear_reads="spikes"), batch, steps=128)
    ours = convergence(make(), batch, steps=128)
    last = "block1.contract"
    assert published.distance[last][-1] > 3 * ours.distance[last][-1]
    assert published.distance["encoder"] == ours.distance["encoder"]


def test_the_mean_current_is_the_map_of_the_rates_at_every_step(
    make: Any, batch: Batch
) -> None:
    # Softmax, LayerNorm, GELU and linear maps alike: no error but the neurons' own.
    encoder = make().spikingbert
    layout = encoder.lay_out(**batch)
    x = encoder.current(batch["input_ids"], layout).detach()
    layers, neuron = encoder.network.layers, encoder.network.neuron
    currents: list[torch.Tensor] = []
    step = neuron.step
    neuron.step = lambda a, v, s: (currents.append(a), step(a, v, s))[1]
    for moment in settle(encoder.network, layout, x, steps=6):
        for i, layer in enumerate(layers[1:], start=1):
            mean = sum(currents[i :: len(layers)]) / moment.step
            with torch.no_grad():
                sources = (moment.rates[each] for each in layer.sources)
                wanted = layer.map(layout, *sources)
            torch.testing.assert_close(mean, wanted, atol=1e-12, rtol=0)


def test_steps_needed_are_those_from_which_it_stays_within(
    make: Any, batch: Batch
) -> None:
    found = convergence(make(), batch, steps=64)
    needed = found.steps_needed(0.02)
    for name, distance in found.distance.items():
        step = needed[name]
        assert step is not None
        assert all(each <= 0.02 for each in distance[step - 1 :])
        assert step == 1 or distance[step - 2] > 0.02
    assert set(found.steps_needed(1e-6).values()) == {None}


def test_weights_that_are_no_numbers_are_refused(make: Any, batch: Batch) -> None:
    model = make(**CHIP)
    with torch.no_grad():
        next(iter(model.spikingbert.network.parameters())).fill_(float("nan"))
    with pytest.raises(InputError, match=r"rates of \S+ are not finite"):
        convergence(model, batch, steps=2)


def test_logits_of_each_step_come_from_one_run(make: Any, batch: Batch) -> None:
    model: SpikingBertForSequenceClassification = make()
    seen = list(model.logits_by_step(**batch, steps=12))
    for steps in (1, 5, 12):
        model.config.steps = steps
        with torch.no_grad():
            assert torch.equal(model(**batch).logits, seen[steps - 1])


def test_with_a_leak_rates_are_weighted_by_age(make: Any, batch: Batch) -> None:
    model = make(decay=0.8, **CHIP)
    encoder = model.spikingbert
    layout = encoder.lay_out(**batch)
    x = encoder.current(batch["input_ids"], layout).detach()
    moments = list(settle(encoder.network, layout, x, steps=5))
    weights = [0.8**4, 0.8**3, 0.8**2, 0.8, 1.0]
    for name, rate in moments[-1].rates.items():
        parts = [w * m.spikes[name] for w, m in zip(weights, moments, strict=True)]
        torch.testing.assert_close(rate, sum(parts) / sum(weights))
