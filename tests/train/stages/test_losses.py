"""The losses of both stages, by hand and against the published form."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from spikewright.errors import ConfigError
from spikewright.train.settings.spikebert import DistillTable
from spikewright.train.stages.losses import (
    feature_loss,
    label_loss,
    layer_map,
    logit_loss,
)
from spikewright.train.texts.data import NO_LABEL


def _alone(count: torch.Tensor) -> torch.Tensor:
    return count


def test_the_layer_map_of_the_paper() -> None:
    table = DistillTable()
    assert layer_map(table, blocks=12, layers=12) == {i: i for i in range(1, 13)}
    # 1 + (l - 1) 12 / 6: odd layers, never the last.
    odd = {1: 1, 2: 3, 3: 5, 4: 7, 5: 9, 6: 11}
    assert layer_map(table, blocks=6, layers=12) == odd
    # 1 + (l - 1) / 2, rounded down.
    doubled = {1: 1, 2: 1, 3: 2, 4: 2}
    assert layer_map(table, blocks=4, layers=2) == doubled


def test_a_layer_map_of_ones_own_and_skipped_pairs() -> None:
    table = DistillTable(layers=(2, 4, 6), skip_layers=1)
    assert layer_map(table, blocks=3, layers=6) == {2: 4, 3: 6}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"layers": (1, 7)}, r"layers: \[7\] are not layers .* which has 0 to 6"),
        ({"skip_layers": 2}, "skip_layers: 2 of 2 blocks; set feature_weight = 0"),
    ],
)
def test_layer_maps_that_cannot_be(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        layer_map(DistillTable(**table), blocks=2, layers=6)


def test_features_are_a_mean_over_real_tokens_summed_over_pairs() -> None:
    # Two pairs of three tokens, two wide; differences 1 and 2 everywhere: 1 + 4.
    ones = torch.ones(3, 2)
    pairs = ([ones, ones], [ones * 2, ones * 3])
    found = feature_loss(*pairs, samples=7, kind="tokens", share=_alone)
    assert found.item() == 5.0


def test_the_published_form_divides_the_mean_by_the_batch_once_more() -> None:
    ones = torch.ones(6, 2)
    found = feature_loss([ones], [ones * 3], samples=2, kind="published", share=_alone)
    assert found.item() == functional.mse_loss(ones, ones * 3).item() / 2 == 2.0


def test_logits_are_compared_by_the_divergence_from_the_teacher() -> None:
    student, teacher = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    p = (teacher / 2).softmax(-1)
    q = (student / 2).softmax(-1)
    by_hand = 4 * (p * (p / q).log()).sum(-1).mean()
    torch.testing.assert_close(logit_loss(student, teacher, 2.0, _alone), by_hand)
    assert logit_loss(teacher, teacher, 1.0, _alone).item() == pytest.approx(
        0, abs=1e-6
    )


def test_rows_without_a_label_take_no_part() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([1, NO_LABEL, 2, NO_LABEL])
    expected = functional.cross_entropy(logits[[0, 2]], labels[[0, 2]])
    torch.testing.assert_close(label_loss(logits, labels, _alone), expected)
    assert label_loss(logits, torch.full((4,), NO_LABEL), _alone).item() == 0.0


def test_two_processes_of_unlike_lengths_make_one_mean() -> None:
    # 3 and 5 tokens: each divides its sum by 8 / 2, so their mean is sum / 8.
    features = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
    whole = feature_loss(
        [features], [features * 0], samples=2, kind="tokens", share=_alone
    )
    parts = [
        feature_loss(
            [part], [part * 0], samples=1, kind="tokens", share=lambda n: n * 0 + 4
        )
        for part in (features[:3], features[3:])
    ]
    torch.testing.assert_close(torch.stack(parts).mean(), whole)
