"""The averaged weights: what they are, and that they are what is kept."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn

from spikewright.train.training.average import Average


def _model(value: float) -> nn.Module:
    model = nn.BatchNorm1d(1)  # weight, bias, running statistics; an integer count
    with torch.no_grad():
        for each in (model.weight, model.bias, model.running_mean):
            assert each is not None
            each.fill_(value)
    return model


def _state(step: int) -> SimpleNamespace:
    return SimpleNamespace(global_step=step)


def test_the_average_by_hand() -> None:
    model = _model(0.0)
    average = Average(model, decay=0.75)
    average.on_train_begin(None, _state(0), None)
    for value in (4.0, 8.0):
        with torch.no_grad():
            model.weight.fill_(value)
        average.on_step_end(None, None, None)
    # 0.75 * 0 + 0.25 * 4 = 1;  0.75 * 1 + 0.25 * 8 = 2.75
    assert average.shadow["weight"].item() == 2.75
    assert "num_batches_tracked" not in average.shadow


def test_running_statistics_are_averaged_too() -> None:
    model = _model(0.0)
    average = Average(model, decay=0.5)
    model.running_mean.fill_(3.0)
    average.on_step_end(None, None, None)
    assert average.shadow["running_mean"].item() == 1.5


def test_the_model_is_its_average_only_for_a_while() -> None:
    model = _model(1.0)
    average = Average(model, decay=0.5)
    with torch.no_grad():
        model.weight.fill_(5.0)
    with average.in_place():
        assert model.weight.item() == 1.0
    assert model.weight.item() == 5.0
    assert average.shadow["weight"].item() == 1.0


def test_it_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-7").mkdir()
    args = SimpleNamespace(output_dir=str(tmp_path))
    Average(_model(3.0), decay=0.5).on_save(args, _state(7), None)
    resumed = Average(_model(9.0), decay=0.5)
    resumed.on_train_begin(args, _state(7), None)
    assert resumed.shadow["bias"].item() == 3.0
