"""How fast the rates of a SpikingBERT settle, and whether they settle at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from spikewright.errors import InputError
from spikewright.train.spikingbert.anderson import NoEquilibriumError
from spikewright.train.spikingbert.equilibrium import equilibrium, spectral_radius
from spikewright.train.spikingbert.model import SpikingBertForSequenceClassification
from spikewright.train.spikingbert.settle import measuring, settle


@dataclass(frozen=True)
class Convergence:
    """Rates of each population against steps, and how far they are from equilibrium."""

    rates: Mapping[str, tuple[float, ...]]
    """mean ASR of the population's neurons, after 1, 2, … steps"""
    distance: Mapping[str, tuple[float, ...]]
    """mean over neurons of |ASR - rate at equilibrium|"""
    largest: Mapping[str, tuple[float, ...]]
    """the largest of them"""
    radius: float
    """spectral radius of the feedback's Jacobian at equilibrium; 0 without feedback"""

    def steps_needed(self, tolerance: float) -> dict[str, int | None]:
        """Return after how many steps the mean distance stays within `tolerance`.

        None where it is beyond at the last step.
        """
        return {
            name: _from_when(values, tolerance)
            for name, values in self.distance.items()
        }


def _from_when(values: tuple[float, ...], tolerance: float) -> int | None:
    beyond = [step for step, v in enumerate(values, start=1) if not v <= tolerance]
    last = max(beyond, default=0)
    return None if last == len(values) else last + 1


@torch.no_grad()
def convergence(
    model: SpikingBertForSequenceClassification,
    batch: Mapping[str, torch.Tensor],
    *,
    steps: int,
) -> Convergence:
    """Run a batch for `steps` steps and compare each with the equilibrium.

    Args:
        model: is in evaluation mode meanwhile.
        batch: `input_ids`, `attention_mask` and, if there are any, `token_type_ids`.
        steps: T.

    Raises:
        InputError: no step, a sentence without a token, one that is too long, or
            weights that are not finite.
        NoEquilibriumError: there is none, or one that rates do not settle at, since
            the Jacobian of the feedback has a spectral radius of 1 or more.
    """
    if steps < 1:
        raise InputError(f"steps: {steps}; rates need 1 step or more")
    encoder = model.spikingbert
    layout = encoder.lay_out(batch["input_ids"], batch.get("attention_mask"))
    with measuring(model):
        x = encoder.current(batch["input_ids"], layout, batch.get("token_type_ids"))
        settled = equilibrium(encoder.network, layout, x)
        radius = spectral_radius(encoder.network, layout, x, settled)
        if not radius < 1:
            raise NoEquilibriumError(
                f"convergence: the Jacobian of the feedback has spectral radius "
                f"{radius:.3g} at equilibrium, must be below 1 for rates to settle "
                "there; train with smaller feedback"
            )
        rows: list[dict[str, tuple[float, float, float]]] = [
            {
                name: _far(name, rate, settled[name].to(rate.dtype))
                for name, rate in moment.rates.items()
            }
            for moment in settle(encoder.network, layout, x, steps=steps)
        ]
    rates, distance, largest = (
        {name: tuple(row[name][i] for row in rows) for name in settled}
        for i in range(3)
    )
    return Convergence(rates, distance, largest, radius)


def _far(
    name: str, rate: torch.Tensor, settled: torch.Tensor
) -> tuple[float, float, float]:
    far = (rate - settled).abs()
    found = (float(rate.mean()), float(far.mean()), float(far.max()))
    if not all(map(math.isfinite, found)):
        raise InputError(
            f"convergence: rates of {name} are not finite; weights of the student must "
            "be finite: train it again from a checkpoint that is"
        )
    return found
