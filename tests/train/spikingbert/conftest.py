"""Small SpikingBERTs whose neurons are busy, and a padded batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.spikingbert.model import SpikingBertForSequenceClassification

Make = Callable[..., SpikingBertForSequenceClassification]
LENGTHS = (3, 9, 6, 1)


def _make(
    seed: int = 0, *, scale: float = 0.5, tolerance: float = 1e-10, **options: Any
) -> Any:
    torch.manual_seed(seed)
    small = {
        "vocab_size": 60,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "max_position_embeddings": 16,
        "steps": 8,
        "dropout": 0.0,
        "num_labels": 3,
    }
    model = SpikingBertForSequenceClassification(
        SpikingBertConfig(**{**small, **options})
    )
    with torch.no_grad():
        for name, each in model.named_parameters():
            if ".network." in name and each.ndim == 2 and "feedback" not in name:
                each.normal_(std=scale / each.shape[1] ** 0.5)
            if "feedback" in name:
                each.mul_(0.05 / each.norm())
            if ".network." in name and name.endswith("bias"):
                each.uniform_(-0.2, 0.5)
    for norm in model.modules():
        if isinstance(norm, FoldableNorm):
            norm.momentum = 1.0
            with torch.no_grad():  # a random net of unit gain grows every difference
                norm.weight.fill_(0.5)
                norm.bias.uniform_(0.1, 0.4)
    model.train()(torch.randint(0, 60, (16, 12)), rates="equilibrium")
    model.config.solver_tolerance = tolerance  # beyond float32
    return model.double().eval()


@pytest.fixture(scope="session")
def make() -> Make:
    """Return a maker of small random models in float64: seed, options by keyword."""
    return _make


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Four sentences, padded."""
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(5, 60, (4, 9), generator=generator)
    mask = (torch.arange(9) < torch.tensor(LENGTHS)[:, None]).long()
    return {"input_ids": ids * mask, "attention_mask": mask}
