"""What students as graphs are compared with: four sentences, and torch's spikes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pytest
import torch

from spikewright.export.deployment.texts import logits_of
from spikewright.trace import SpikeTrace
from spikewright.train.neurons.norm import FoldableNorm

Model = TypeVar("Model", bound=torch.nn.Module)
TorchRun = tuple[npt.NDArray[np.float64], Mapping[str, npt.NDArray[np.uint8]]]


@pytest.fixture
def lengths() -> npt.NDArray[np.int64]:
    """Tokens of each sentence."""
    return np.array([3, 9, 6, 1])


@pytest.fixture
def texts(lengths: npt.NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask of the sentences."""
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(5, 60, (4, 9), generator=generator)
    mask = torch.arange(9) < torch.tensor(lengths)[:, None]
    return ids * mask, mask.long()


def _seasoned(model: Model) -> Model:
    for norm in model.modules():
        if isinstance(norm, FoldableNorm):
            norm.momentum = 1.0
    model.train()(torch.randint(0, 60, (16, 12)))
    return model.double().eval()


@pytest.fixture
def seasoned() -> Callable[[Model], Model]:
    """Returns a student in float64 whose norms have seen something."""
    return _seasoned


@pytest.fixture
def assert_as_in_torch(
    lengths: npt.NDArray[np.int64],
) -> Callable[[SpikeTrace, TorchRun], None]:
    """Compares every spike, in padding too, and the logits."""

    def check(trace: SpikeTrace, torch_run: TorchRun) -> None:
        logits, wanted = torch_run
        for name, spikes in wanted.items():
            assert int((trace.spikes[name] != spikes).sum()) == 0, name
            assert spikes.any(), name
        # Sums of float64 in another order, of numbers near 1.
        found = logits_of(trace.output, lengths)
        np.testing.assert_allclose(found, logits, atol=1e-12, rtol=0)

    return check
